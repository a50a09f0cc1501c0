"""Fixed points against a parameter."""

import jax
import numpy as np
from jaxtyping import Float

from .. import planar
from .._axes import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, Axes, axes_of
from .._checks import check_choice, refuse_kind
from ..equilibria import Branches, HopfCycles

_EVENTS = {"saddle-node": RED, "pitchfork": BLUE, "Hopf": GREEN, "infinity": PURPLE}
_EVENTS |= {"transcritical": SKY, "branch point": ORANGE}
_CYCLE = "#7b3294"


def plot_bifurcation(
    bifurcation: planar.Bifurcation | Branches, name: str | None = None, ax: Axes | None = None
) -> Axes:
    """The fixed points against a parameter: stable ones solid, others dashed, events marked.

    Limit cycles near Hopf points are drawn by the lowest and highest values on them, if the
    continuation was asked to compute them.

    Args:
        bifurcation: a `planar.Bifurcation`, or the `Branches` of `continuation`.
        name: one of its variables, such as "y[0]"; by default the first.
        ax: matplotlib axes.

    Returns:
        The axes.

    Raises:
        ValueError: an argument is bad.
    """
    if not isinstance(bifurcation, planar.Bifurcation | Branches):
        refuse_kind("bifurcation", "be a Bifurcation or Branches", bifurcation)
    name = bifurcation.names[0] if name is None else name
    check_choice("name", name, bifurcation.names)
    i = bifurcation.names.index(name)
    ax = axes_of(ax)
    lines, points = _drawn(bifurcation, i)
    for is_stable in (True, False):
        _draw_branches(ax, [line for line, stable in lines if stable == is_stable], is_stable)
    ax.autoscale()
    labels = {event.kind: event.kind for event in bifurcation.events}
    for event, height in zip(bifurcation.events, points, strict=True):
        color, label = _EVENTS[event.kind], labels.pop(event.kind, None)
        ax.axvline(event.value, lw=1.2, ls=":", color=color, label=label)
        if height is not None:
            ax.plot(event.value, height, "o", color=color, ms=5, zorder=4)
    if isinstance(bifurcation, Branches):
        _draw_cycles(ax, bifurcation.cycles, i)
        ax.set(xlabel=bifurcation.parameter, ylabel=name)
    else:
        ax.set(xlabel=bifurcation.name, ylabel=name)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
    return ax


def _drawn(
    bifurcation: planar.Bifurcation | Branches, i: int
) -> tuple[list[tuple[Float[np.ndarray, "k 2"], bool]], list[float | None]]:
    """The branches as lines, whether each is stable, and the heights of the events."""
    if isinstance(bifurcation, planar.Bifurcation):
        lines = [
            (np.stack([b.values, b.pairs[:, i]], axis=1), b.unstable == 0)
            for b in bifurcation.branches
        ]
        return lines, [None if e.pair is None else e.pair[i] for e in bifurcation.events]
    lines = [
        (np.stack([b.values, _column(b.states, len(b.values), i)], axis=1), b.unstable == 0)
        for b in bifurcation.branches
    ]
    return lines, [float(_column(e.state, 1, i)[0]) for e in bifurcation.events]


def _column(states: tuple, count: int, i: int) -> Float[np.ndarray, " k"]:
    """One entry of states with a leading axis."""
    rows = [np.asarray(leaf).reshape(count, -1) for leaf in jax.tree.leaves(states)]
    return np.concatenate(rows, axis=1)[:, i]


def _draw_branches(ax: Axes, lines: list[np.ndarray], is_stable: bool) -> None:
    from matplotlib.collections import LineCollection

    color, dashes = ("black", "-") if is_stable else ("0.5", (0, (4, 2)))
    branches = LineCollection(lines, colors=color, linestyles=[dashes], lw=1.8)
    branches.set_label("stable" if is_stable else "unstable")
    ax.add_collection(branches)


def _draw_cycles(ax: Axes, cycles: tuple[HopfCycles, ...], i: int) -> None:
    label = "limit cycle"
    for each in cycles:
        for states in (each.low, each.high):
            heights = _column(states, len(each.values), i)
            ax.plot(each.values, heights, ".-", color=_CYCLE, lw=1, ms=5, label=label)
            label = "_"
