"""Trials: eigenvalues over time, trajectories in a plane, behaviour."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._axes import BLUE, Axes, axes_of
from .._checks import a_or_an, check_positive_integer, counted, refuse
from .._types import Numbers
from ._read import HasEigenvalues, HasErrors, read_names, read_numbers, read_periods

_DOTTED = {"color": "0.6", "lw": 0.8, "ls": ":", "zorder": 0}


def plot_leading_eigenvalues(
    ts: Numbers,
    spectra: HasEigenvalues,
    ax: Axes | None = None,
    *,
    count: int = 5,
    periods: Mapping[str, Any] | None = None,
    **kw: Any,
) -> Axes:
    """The real parts of the leading eigenvalues over a trial, the largest in black.

    Args:
        ts: (time,), ms.
        spectra: a `Spectrum` over time, from `jax.vmap(oo.spectrum, (None, 0, 0))`.
        ax: matplotlib axes.
        count: how many eigenvalues to draw, those of largest real part first.
        periods: name → (start, stop) steps, as in `trial.info["periods"]`, to mark.
        kw: passed to `ax.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: the spectra are not over these times, or another argument is bad.
    """
    ts = read_numbers("ts", ts, "(time,)", 1)
    if not hasattr(spectra, "eigenvalues"):
        refuse("spectra", "be a Spectrum over time", f"it is {a_or_an(type(spectra).__name__)}")
    if not np.isfinite(ts).all():
        refuse("ts", "be finite", "it holds NaN or infinite values")
    count = check_positive_integer("count", count)
    real, marks = np.real(np.asarray(spectra.eigenvalues)), read_periods(periods, len(ts))
    if real.ndim != 2 or len(real) != len(ts):
        refuse("spectra", f"have eigenvalues ({len(ts)}, d)", f"their shape is {real.shape}")
    leading = np.sort(real, axis=1)[:, ::-1][:, :count]
    ax = axes_of(ax)
    others = ax.plot(ts, leading[:, 1:], **{"color": BLUE, "lw": 0.8, "alpha": 0.6} | kw)
    ax.plot(ts, leading[:, 0], **{"color": "black", "lw": 1.5, "label": "largest"} | kw)
    for i, line in enumerate(others):
        line.set_label("_" if i else f"next {counted(len(others), 'eigenvalue')}")
    ax.legend(frameon=False, fontsize="small")
    ax.axhline(0, color="0.3", lw=1, ls="--", zorder=0)
    ax.set(xlabel="time (ms)", ylabel="Re λ (1/ms)")
    _mark_periods(ax, ts, marks)
    return ax


def plot_state_space(
    projections: Numbers,
    ax: Axes | None = None,
    *,
    periods: Mapping[str, Any] | None = None,
    labels: Numbers | None = None,
    **kw: Any,
) -> Axes:
    """Trajectories in the plane of the first two components, from a dot to an arrowhead.

    Args:
        projections: (time, k) or (trajectories, time, k), k ≥ 2, such as those of
            `PrincipalComponents.project`.
        ax: matplotlib axes.
        periods: name → (start, stop) steps, the same in all trajectories; every start is marked.
        labels: (trajectories,), names for a legend.
        kw: passed to `ax.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: the projections have fewer than two components or a wrong number of axes, or
            periods or labels do not fit them.
    """
    axes = "(time, k) or (trajectories, time, k) with k ≥ 2"
    paths = read_numbers("projections", projections, axes, 2, 3)
    if paths.shape[-1] < 2 or not paths.shape[-2]:
        refuse("projections", f"have shape {axes}", f"it has shape {paths.shape}")
    paths = paths[None] if paths.ndim == 2 else paths
    paths = np.where(np.isfinite(paths), paths, np.nan)
    starts = [(name, start) for name, (start, _) in read_periods(periods, paths.shape[1]).items()]
    if labels is not None:
        labels = read_names("labels", labels, len(paths), "trajectories")
    ax = axes_of(ax)
    for i, path in enumerate(paths):
        style: dict[str, Any] = {"lw": 1.2} | ({} if labels is None else {"label": labels[i]})
        (line,) = ax.plot(path[:, 0], path[:, 1], **style | kw)
        color = line.get_color()
        ax.plot(*path[0, :2], marker="o", ms=4, color=color, ls="")
        _draw_head(ax, path[:, :2], color)
    for marker, (name, start) in zip("sD^vPX*", starts[1:], strict=False):
        there = paths[:, start]
        style = {"mfc": "white", "mec": "0.3", "ms": 4, "ls": "", "zorder": 3}
        ax.plot(there[:, 0], there[:, 1], marker=marker, label=f"{name} begins", **style)
    if labels is not None or periods:
        ax.legend(frameon=False, fontsize="small")
    ax.set(xlabel="component 1", ylabel="component 2")
    return ax


def plot_psychometric(curve: HasErrors, ax: Axes | None = None, **kw: Any) -> Axes:
    """How often an alternative is chosen at each strength, with standard errors.

    Args:
        curve: a `tasks.Psychometric`, or anything with `strengths`, `rates` and `errors`.
        ax: matplotlib axes.
        kw: passed to `ax.errorbar`.

    Returns:
        The axes.

    Raises:
        ValueError: it is something else.
    """
    ax = _draw_behaviour(curve, "rates", "share of choices", ax, kw)
    ax.set_ylim(-0.05, 1.05)
    return ax


def plot_chronometric(curve: HasErrors, ax: Axes | None = None, **kw: Any) -> Axes:
    """The mean reaction time at each strength, with standard errors.

    Args:
        curve: a `tasks.Chronometric`, or anything with `strengths`, `times` and `errors`.
        ax: matplotlib axes.
        kw: passed to `ax.errorbar`.

    Returns:
        The axes.

    Raises:
        ValueError: it is something else.
    """
    return _draw_behaviour(curve, "times", "reaction time (ms)", ax, kw)


def _draw_behaviour(
    curve: HasErrors, name: str, label: str, ax: Axes | None, kw: dict[str, Any]
) -> Axes:
    """What was measured at each strength, with standard errors."""
    names = ("strengths", name, "errors")
    if not all(hasattr(curve, each) for each in names):
        found = f"it is {a_or_an(type(curve).__name__)}"
        refuse("curve", f"have {', '.join(names)}", found)
    strengths, values, errors = (
        read_numbers(f"curve.{each}", getattr(curve, each), "(strengths,)", 1) for each in names
    )
    if not len(strengths) == len(values) == len(errors):
        found = f"they are {len(strengths)}, {len(values)} and {len(errors)}"
        refuse("curve", f"have as many {', '.join(names)}", found)
    ax = axes_of(ax)
    ax.errorbar(strengths, values, errors, **{"fmt": "o-", "ms": 4} | kw)
    ax.set(xlabel="strength of the stimulus", ylabel=label)
    return ax


def _draw_head(ax: Axes, path: np.ndarray, color: object) -> None:
    """An arrowhead at the end, along the last stretch of a path; none if it never moves."""
    path = path[np.all(np.isfinite(path), axis=1)]
    if not len(path):
        return
    away = np.linalg.norm(path - path[-1], axis=1)
    (before,) = np.nonzero(away > 0.03 * max(away.max(), 1e-300))
    if len(before):
        arrow = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", tuple(path[-1]), tuple(path[before[-1]]), arrowprops=arrow)


def _mark_periods(ax: Axes, ts: np.ndarray, periods: Mapping[str, Any]) -> None:
    """A dotted line where each period begins, and its name above."""
    for name, (start, stop) in periods.items():
        first, last = float(ts[start]), float(ts[stop])
        ax.axvline(first, **_DOTTED)
        style: dict[str, Any] = {
            "ha": "center",
            "va": "bottom",
            "fontsize": "small",
            "color": "0.3",
        }
        ax.text((first + last) / 2, 1.01, name, transform=ax.get_xaxis_transform(), **style)
