"""Tuning, selectivity, principal components, and the slow points among them."""

from typing import Any

import numpy as np

from .._axes import BLUE, GREEN, ORANGE, Axes, axes_of
from .._checks import check_kind, counted, refuse
from .._types import Numbers
from ..equilibria import AbstractPoints
from ..population import MixedSelectivity, PrincipalComponents, Tuning, principal_components
from ._many import MOST_LINES, draw_curves
from ._read import read_names, read_numbers, read_units


def plot_tuning(
    tuning: Tuning, ax: Axes | None = None, units: Numbers | None = None, **kw: Any
) -> Axes:
    """Tuning curves with standard errors, one line per unit, or a heat map for more than 12 units.

    Args:
        tuning: a `population.Tuning`.
        ax: matplotlib axes.
        units: which units to draw, by default all.
        kw: passed to `ax.errorbar`, or to `ax.pcolormesh` for a heat map.

    Returns:
        The axes.

    Raises:
        ValueError: an argument is bad.
    """
    check_kind("tuning", tuning, Tuning)
    means = read_numbers("tuning", tuning.means, "(k, n), one tuning and no batch,", 2)
    errors, degrees = np.asarray(tuning.errors), np.degrees(np.asarray(tuning.directions))
    shown = np.arange(means.shape[1])[read_units(units, means.shape[1])]
    names, is_map = [f"unit {i}" for i in shown], len(shown) > MOST_LINES
    ax = axes_of(ax)
    ax.set(xlabel="direction (°)", ylabel="unit" if is_map else "response")
    if is_map:
        draw_curves(ax, degrees, means[:, shown], names, "response", kw)
    else:
        for unit, name in zip(shown, names, strict=True):
            style: dict[str, Any] = {"fmt": "o-", "ms": 3, "label": name}
            ax.errorbar(degrees, means[:, unit], errors[:, unit], **style | kw)
    if 1 < len(shown) <= MOST_LINES and "label" not in kw:
        ax.legend(frameon=False, fontsize="small")
    ax.set_xticks(range(0, 361, 90))
    return ax


def plot_selectivity(
    shares: MixedSelectivity,
    ax: Axes | None = None,
    *,
    names: tuple[str, str] = ("first", "second"),
) -> Axes:
    """The shares of each unit's variance, stacked, with the most selective units first.

    Args:
        shares: a `population.MixedSelectivity`.
        ax: matplotlib axes.
        names: of the two variables, for the legend.

    Returns:
        The axes.

    Raises:
        ValueError: it is not one `MixedSelectivity`, is NaN for lack of trials, or the names are
            bad.
    """
    check_kind("shares", shares, MixedSelectivity)
    within = read_numbers("shares", shares.within, "(n,)", 1)
    if not np.all(np.isfinite(within)):
        refuse("shares", "be finite", "they are NaN: a cell of the two variables has no trial")
    order = np.argsort(within, kind="stable")
    parts = (shares.first, shares.second, shares.interaction)
    labels = (*read_names("names", names, 2, "variables"), "interaction")
    bottom = np.zeros(len(order))
    ax = axes_of(ax)
    for part, label, color in zip(parts, labels, (BLUE, ORANGE, GREEN), strict=True):
        values = np.asarray(part)[order]
        ax.bar(np.arange(len(order)), values, 1.0, bottom, color=color, label=label)
        bottom = bottom + values
    ax.set(xlabel="unit, by selectivity", ylabel="share of variance", ylim=(0, 1))
    ax.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    return ax


def plot_explained_variance(
    components: PrincipalComponents, ax: Axes | None = None, **kw: Any
) -> Axes:
    """The share of variance that the first components explain together.

    Args:
        components: a `population.PrincipalComponents`.
        ax: matplotlib axes.
        kw: passed to `ax.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: it is not one `PrincipalComponents`.
    """
    check_kind("components", components, PrincipalComponents)
    explained = np.cumsum(read_numbers("components", components.explained, "(k,)", 1))
    ax = axes_of(ax)
    ax.plot(np.arange(1, len(explained) + 1), explained, **{"marker": "o", "ms": 3} | kw)
    ax.set(xlabel="components", ylabel="explained variance", ylim=(0, 1.05))
    return ax


def plot_slow_points(
    points: AbstractPoints,
    components: PrincipalComponents | None = None,
    ax: Axes | None = None,
    **kw: Any,
) -> Axes:
    """Fixed and slow points in the plane of the first two components of the response.

    Stable fixed points are filled circles, the others open ones; slow points are crosses.

    Args:
        points: a `SlowPoints` or `FixedPoints`.
        components: `population.PrincipalComponents` of the response, the first entry of the state;
            by default those of the points themselves.
        ax: matplotlib axes, such as those of `plot_state_space`.
        kw: passed to `ax.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: an argument is bad, or there are fewer than two components.
    """
    check_kind("points", points, AbstractPoints)
    response = read_numbers("points", points.states[0], "(k, n)", 2)
    if components is None and min(response.shape) < 2:
        found = f"they are {counted(response.shape[0], 'point')}"
        found += f" of {counted(response.shape[1], 'unit')}: give `components`"
        refuse("points", "have two components or more", found)
    own = " of the points" if components is None else ""
    components = principal_components(response, 2) if components is None else components
    check_kind("components", components, PrincipalComponents)
    if response.shape[1] != components.mean.size:
        found = f"they are of {counted(components.mean.size, 'unit')}"
        refuse("components", f"be of the {counted(response.shape[1], 'unit')} of the points", found)
    if len(components.components) < 2:
        refuse(
            "components", "hold two components or more", f"it holds {len(components.components)}"
        )
    where = np.asarray(components.project(response))
    fixed = np.asarray(getattr(points, "is_fixed", np.full(len(points), True)))
    stable = np.asarray(points.is_stable)
    kinds = (
        ("stable", fixed & stable, {"marker": "o", "mfc": "black"}),
        ("not stable", fixed & ~stable, {"marker": "o", "mfc": "white"}),
        ("slow", ~fixed, {"marker": "x"}),
    )
    ax = axes_of(ax)
    same: dict[str, Any] = {"color": "black", "ms": 6, "ls": "", "zorder": 5}
    for name, chosen, marker in kinds:
        if chosen.any():
            style: dict[str, Any] = {**same, **marker, "label": name}
            ax.plot(where[chosen, 0], where[chosen, 1], **style | kw)
    if len(points):
        ax.legend(frameon=False, fontsize="small")
    ax.set(xlabel=f"component 1{own}", ylabel=f"component 2{own}")
    return ax
