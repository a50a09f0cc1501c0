"""The plane of one unit: phase portraits and bifurcations."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import planar
from .._checks import check_choice, check_kind, check_positive_integer
from .._types import Limits, Numbers
from ..circuits import AbstractCircuit, ORGaNICsState
from ._axes import BLUE, GREEN, PURPLE, RED, Axes, axes_of

Point = tuple[int, int]  # (number of the value, number of the fixed point there)
_BASINS = ("#dbe8f6", "#fbe6d2", "#dff0dc")
_MARKERS = {"stable": ("o", "black"), "saddle": ("D", "white"), "unstable": ("o", "white")}
_EVENTS = {"saddle-node": RED, "pitchfork": BLUE, "Hopf": GREEN, "infinity": PURPLE}


def plot_phase_portrait(
    circuit: AbstractCircuit,
    x: Numbers,
    ax: Axes | None = None,
    *,
    y_range: Limits = (-1.2, 1.2),
    a_range: Limits = (0.0, 1.0),
    points: int = 160,
) -> Axes:
    """The plane (y, a) of a circuit of one unit: flow, nullclines, fixed points, basins.

    Stable fixed points are filled, unstable ones open, saddles diamonds; the dashed curve is the
    stable manifold of the saddle, the border of the basins (shaded) where there are two.

    Args:
        circuit: an `ORGaNICs` with n = 1 and no rectification.
        x: (m,), the input.
        ax: matplotlib axes.
        y_range, a_range: what to show, (low, high) each.
        points: of the grid of basins, in each direction.

    Returns:
        The axes.

    Raises:
        ValueError: an argument is bad.
    """
    found = planar.fixed_points(circuit, x)  # Before a figure is made: an argument may be wrong.
    nullclines = planar.nullcline_curves(circuit, x, y_range, a_range)
    points = check_positive_integer("points", points)
    borders = _borders(circuit, x, found, y_range, a_range)
    ax = axes_of(ax)
    _shade_basins(ax, circuit, x, y_range, a_range, points)
    _draw_flow(ax, circuit, x, y_range, a_range)
    _draw_nullclines(ax, nullclines)
    ax.plot(np.asarray(borders.y).T, np.asarray(borders.a).T, "--", color="0.15", lw=1.2)
    _mark_points(ax, found, y_range, a_range)
    ax.set(xlim=y_range, ylim=a_range, xlabel="y", ylabel="a")
    return ax


def plot_bifurcation(
    bifurcation: planar.Bifurcation, name: str = "y", ax: Axes | None = None
) -> Axes:
    """The fixed points over a parameter: stable ones solid, the others dashed, events marked.

    Args:
        bifurcation: a `planar.Bifurcation`.
        name: "y" or "a".
        ax: matplotlib axes.

    Returns:
        The axes.

    Raises:
        ValueError: an argument is bad.
    """
    check_kind("bifurcation", bifurcation, planar.Bifurcation)
    check_choice("name", name, ("y", "a"))
    field = np.asarray(getattr(bifurcation.states, name))
    ax = axes_of(ax)
    for is_stable in (True, False):
        _draw_branches(ax, bifurcation, field, is_stable)
    ax.autoscale()
    labels = {event.kind: event.kind for event in bifurcation.events}
    for event in bifurcation.events:
        style = {"color": _EVENTS[event.kind], "label": labels.pop(event.kind, None)}
        ax.axvline((event.low + event.high) / 2, lw=1.2, ls=":", **style)
    ax.set(xlabel=bifurcation.name, ylabel=name)
    ax.legend(frameon=False)
    return ax


def _shade_basins(
    ax: Axes, circuit: AbstractCircuit, x: Numbers, y_range: Limits, a_range: Limits, points: int
) -> None:
    axes = _spread(y_range, points), _spread(a_range, points)
    reached = planar.basins(circuit, x, *np.meshgrid(*axes))
    from matplotlib.colors import BoundaryNorm, ListedColormap

    colors = ListedColormap(["#f3f3f3", "#d9d9d9", *_BASINS])  # neither, diverged, the points
    norm = BoundaryNorm(np.arange(-2.5, 3), colors.N)
    ax.pcolormesh(*axes, reached, cmap=colors, norm=norm, shading="nearest", rasterized=True)


def _spread(limits: Limits, points: int) -> np.ndarray:
    low, high = limits
    return np.linspace(low, high, points)


def _draw_flow(
    ax: Axes, circuit: AbstractCircuit, x: Numbers, y_range: Limits, a_range: Limits
) -> None:
    axes = _spread(y_range, 40), _spread(a_range, 40)
    dy, da = map(np.asarray, planar.vector_field(circuit, x, *np.meshgrid(*axes)))
    style: dict[str, Any] = {"color": "0.62", "linewidth": 0.6, "arrowsize": 0.7, "density": 0.8}
    ax.streamplot(*axes, dy, da, **style)


def _draw_nullclines(ax: Axes, found: planar.NullclineCurves) -> None:
    pairs = ((BLUE, found.y_nullcline, "ẏ = 0"), (RED, found.a_nullcline, "ȧ = 0"))
    for color, curves, name in pairs:
        for i, curve in enumerate(curves):
            ax.plot(*curve.T, color=color, lw=1.8, label=name if i == 0 else "_")


def _borders(
    circuit: AbstractCircuit,
    x: Numbers,
    found: planar.PlanarFixedPoints,
    y_range: Limits,
    a_range: Limits,
) -> ORGaNICsState:
    """The separatrices, also of saddles outside of the window, and where they come back into it."""
    ranges = [
        _widened(limits, np.ravel(values), [kind == "saddle" for kind in found.kinds])
        for limits, values in zip((y_range, a_range), found.states, strict=True)
    ]
    return planar.separatrices(circuit, x, *ranges, points=4000)


def _widened(limits: Limits, values: np.ndarray, is_saddle: list[bool]) -> tuple[float, float]:
    """Half a width on each side, and the saddles up to two widths away."""
    low, high = limits
    saddles = values[is_saddle]
    width = high - low
    near = saddles[(saddles > low - 2 * width) & (saddles < high + 2 * width)].tolist()
    return min([low, *near]) - width / 2, max([high, *near]) + width / 2


def _mark_points(
    ax: Axes, found: planar.PlanarFixedPoints, y_range: Limits, a_range: Limits
) -> None:
    """Those in the window: they are drawn whole, across its frame."""
    for y, a, kind in zip(*map(np.ravel, found.states), found.kinds, strict=True):
        if not (y_range[0] <= y <= y_range[1] and a_range[0] <= a <= a_range[1]):
            continue
        marker, face = _MARKERS.get(kind.split()[0], ("s", "0.6"))
        style = {"mfc": face, "mec": "black", "mew": 1.3, "ms": 7, "zorder": 5, "clip_on": False}
        ax.plot(y, a, marker, **style)


def _draw_branches(
    ax: Axes, bifurcation: planar.Bifurcation, field: np.ndarray, is_stable: bool
) -> None:
    from matplotlib.collections import LineCollection

    stable, values = bifurcation.is_stable, bifurcation.values
    links = [(p, q) for p, q in _links(bifurcation) if (stable[p] and stable[q]) == is_stable]
    lines = [[(values[k], field[k, i]) for k, i in chain] for chain in _join(links)]
    color, dashes = ("black", "-") if is_stable else ("0.5", (0, (4, 2)))
    branches = LineCollection(lines, colors=color, linestyles=[dashes], lw=1.8)
    branches.set_label("stable" if is_stable else "unstable")
    ax.add_collection(branches)


def _links(bifurcation: planar.Bifurcation) -> Iterator[tuple[Point, Point]]:
    """Pairs of points at neighbouring values: the nearest ones where their number differs."""
    counts, y = bifurcation.counts, np.asarray(bifurcation.states.y)
    for k in range(len(counts) - 1):
        few, many = (k, k + 1) if counts[k] <= counts[k + 1] else (k + 1, k)
        for i in range(counts[few]):
            is_one_to_one = counts[few] == counts[many]
            j = i if is_one_to_one else int(np.nanargmin(np.abs(y[many] - y[few, i])))
            yield ((few, i), (many, j)) if few == k else ((many, j), (few, i))


def _join(links: list[tuple[Point, Point]]) -> list[list[Point]]:
    """Chains of links of which one begins where another ends: dashes run on over them."""
    chains, growing = [], {}
    for start, stop in links:
        chain = growing.pop(start, None)
        if chain is None:
            chain = [start]
            chains.append(chain)
        chain.append(stop)
        growing[stop] = chain
    return chains
