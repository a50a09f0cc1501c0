"""The plane of two variables: phase portraits."""

from typing import Any

import numpy as np
from jaxtyping import PyTree

from .. import planar
from .._axes import BLUE, RED, Axes, axes_of
from .._checks import check_flag, check_positive_integer
from .._types import Limits, Numbers
from ..circuits import AbstractCircuit

Window = tuple[Limits, Limits]
_BASINS = ("#dbe8f6", "#fbe6d2", "#dff0dc", "#f3dfee", "#fdf6cf", "#d9f0f0")
_NEITHER, _DIVERGED = "#f3f3f3", "#d9d9d9"
# Nodes are circles, foci squares; stable ones are filled.
_MARKERS = {"node": "o", "focus": "s", "saddle": "D", "marginal": "X"}
_CYCLE = "#7b3294"
_STEPS = 1500  # of an orbit, at most
_COARSE = 16  # points of a grid in each direction


def plot_phase_portrait(
    circuit: AbstractCircuit,
    x: Numbers,
    ax: Axes | None = None,
    *,
    variables: tuple[str, str] | None = None,
    others: tuple | None = None,
    y_range: Limits | None = None,
    a_range: Limits | None = None,
    points: int = 160,
    cycles: bool | None = None,
    legend: bool = True,
) -> Axes:
    """The plane of two variables of a circuit: flow, nullclines, fixed points, basins, cycles.

    Nodes are circles, foci squares, saddles diamonds; stable fixed points are filled, unstable ones
    open. The dashed curve is the stable manifold of a saddle, a border between basins, which are
    shaded if there is more than one attractor. A limit cycle is a closed curve, dotted if it is
    unstable. Except for an `ORGaNICs` of one unit (see `planar`), only what a search finds in the
    window is drawn.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        ax: matplotlib axes.
        variables: the names of two variables, such as ("E", "I") or ("y[0]", "a[0]"); may be
            omitted for a circuit that has only two.
        others: for a larger circuit, a state at which its other variables are held. By default they
            are at their steady values given the two; then fixed points and basins are those of the
            whole circuit, and no borders are drawn.
        y_range, a_range: the window, (low, high) of the first and of the second variable. By
            default it encloses the fixed points; for one unit it is (-1.2, 1.2) and (0, 1).
        points: of the grid of basins, in each direction.
        cycles: whether to look for limit cycles; by default only if some start does not settle, or
            if there are several attractors without a saddle between them.
        legend: whether to explain the symbols.

    Returns:
        The axes.

    Raises:
        ValueError: an argument is bad.
    """
    pair: dict[str, Any] = {"variables": variables, "others": others}
    points = check_positive_integer("points", points)
    if cycles is not None:
        check_flag("cycles", cycles)
    check_flag("legend", legend)
    # All of it before a figure is made, because an argument may be wrong.
    window = planar.window(circuit, x, y_range=y_range, a_range=a_range, **pair)
    limits = {"y_range": window[0], "a_range": window[1]}
    found = planar.fixed_points(circuit, x, **limits, **pair)
    axes, reached = _reached(circuit, x, window, points, found, pair)
    if cycles is None:
        cycles = bool(np.any(reached == -2))
        cycles |= np.unique(reached).size > 1 and "saddle" not in found.kinds
    closed = planar.limit_cycles(circuit, x, **limits, **pair) if cycles else ()
    nullclines = planar.nullcline_curves(circuit, x, **limits, **pair)
    borders = _borders(circuit, x, found, window, pair)
    ax = axes_of(ax)
    _shade_basins(ax, axes, reached, found)
    _draw_flow(ax, circuit, x, window, pair)
    _draw_nullclines(ax, nullclines, found.names)
    for i, (u, v) in enumerate(np.swapaxes(borders, 1, 2)):
        ax.plot(u, v, "--", color="0.15", lw=1.2, label="_" if i else "separatrix")
    _draw_cycles(ax, closed)
    _mark_points(ax, found, window)
    ax.set(xlim=window[0], ylim=window[1], xlabel=found.names[0], ylabel=found.names[1])
    if legend:
        ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
    return ax


def _reached(
    circuit: AbstractCircuit,
    x: Numbers,
    window: Window,
    points: int,
    found: planar.PlanarFixedPoints,
    pair: dict[str, Any],
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """The axes of a grid, and where each of its points goes. The grid is coarse if all points go
    the same way and there is no border."""
    for count in (min(points, _COARSE), points):
        axes = _spread(window[0], count), _spread(window[1], count)
        reached = planar.basins(circuit, x, *np.meshgrid(*axes), max_steps=_STEPS, **pair)
        if count == points or (np.ptp(reached) == 0 and "saddle" not in found.kinds):
            break
    return axes, reached


def _shade_basins(
    ax: Axes,
    axes: tuple[np.ndarray, np.ndarray],
    reached: np.ndarray,
    found: planar.PlanarFixedPoints,
) -> None:
    from matplotlib.colors import BoundaryNorm, ListedColormap

    ends = max(len(found), int(reached.max()) + 1, 1)
    colors = [_NEITHER, _DIVERGED, *(_BASINS[i % len(_BASINS)] for i in range(ends))]
    norm = BoundaryNorm(np.arange(-2.5, ends), len(colors))
    colormap = ListedColormap(colors)
    ax.pcolormesh(*axes, reached, cmap=colormap, norm=norm, shading="nearest", rasterized=True)
    stable = np.flatnonzero(np.asarray(found.is_stable))
    names = {-2: "does not settle", -1: "diverges"}
    names |= {i: f"basin {k + 1}" for k, i in enumerate(stable.tolist())}
    seen = [i for i in sorted(names) if i < 0 or len(stable) > 1]
    for i in (i for i in seen if np.any(reached == i)):
        ax.fill_between([], [], color=colors[i + 2], label=names[i])


def _spread(limits: Limits, points: int) -> np.ndarray:
    low, high = limits
    return np.linspace(low, high, points)


def _draw_flow(
    ax: Axes, circuit: AbstractCircuit, x: Numbers, window: Window, pair: dict[str, Any]
) -> None:
    axes = _spread(window[0], 40), _spread(window[1], 40)
    moved = planar.vector_field(circuit, x, *np.meshgrid(*axes), **pair)
    du, dv = np.asarray(moved[0]), np.asarray(moved[1])
    style: dict[str, Any] = {"color": "0.62", "linewidth": 0.6, "arrowsize": 0.7, "density": 0.8}
    ax.streamplot(*axes, du, dv, **style)


def _draw_nullclines(ax: Axes, found: planar.NullclineCurves, names: tuple[str, str]) -> None:
    for color, curves, name in zip((BLUE, RED), found, names, strict=True):
        label = f"{name[0]}\u0307 = 0" if len(name) == 1 else f"d{name}/dt = 0"
        label = {"y": "ẏ = 0", "a": "ȧ = 0"}.get(name, label)
        for i, curve in enumerate(curves):
            ax.plot(*curve.T, color=color, lw=1.8, label=label if i == 0 else "_")


def _draw_cycles(ax: Axes, cycles: tuple[planar.LimitCycle, ...]) -> None:
    for cycle in cycles:
        kind = "stable" if cycle.is_stable else "unstable"
        label = f"{kind} cycle, {cycle.period:.4g} ms"
        line = "-" if cycle.is_stable else ":"
        ax.plot(*cycle.pairs.T, line, color=_CYCLE, lw=1.6, label=label)


def _borders(
    circuit: AbstractCircuit,
    x: Numbers,
    found: planar.PlanarFixedPoints,
    window: Window,
    pair: dict[str, Any],
) -> np.ndarray:
    """The separatrices (k, points, 2), including those of saddles outside the window and those that
    come back into it; none if other variables move too."""
    if found.eigenvalues.shape[1] > 2:
        return np.zeros((0, 1, 2))
    is_saddle = [kind == "saddle" for kind in found.kinds]
    ranges = [
        _widened(limits, values, is_saddle)
        for limits, values in zip(window, found.pairs.T, strict=True)
    ]
    curves: PyTree = planar.separatrices(circuit, x, *ranges, points=4000, **pair)
    return np.stack([np.asarray(curves[0]), np.asarray(curves[1])], axis=-1)


def _widened(limits: Limits, values: np.ndarray, is_saddle: list[bool]) -> tuple[float, float]:
    """The window with half a width on each side, and up to two widths to include saddles."""
    low, high = limits
    saddles = values[is_saddle]
    width = high - low
    near = saddles[(saddles > low - 2 * width) & (saddles < high + 2 * width)].tolist()
    return min([low, *near]) - width / 2, max([high, *near]) + width / 2


def _mark_points(ax: Axes, found: planar.PlanarFixedPoints, window: Window) -> None:
    """Draw those in the window; markers at its edge are not clipped."""
    (left, right), (bottom, top) = window
    named: set[str] = set()
    for (u, v), kind in zip(found.pairs, found.kinds, strict=True):
        if not (left <= u <= right and bottom <= v <= top):
            continue
        marker = _MARKERS.get(kind.split()[-1], "P")
        face = "black" if kind.startswith("stable") else "white"
        face = "0.6" if kind == "marginal" else face
        style = {"mfc": face, "mec": "black", "mew": 1.3, "ms": 7, "zorder": 5, "clip_on": False}
        label = "_" if kind in named else kind
        ax.plot(u, v, marker, ls="", label=label, **style)
        named.add(kind)
