"""Random networks: phase diagrams, and the states at rest of networks with feedback."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import robustness
from .._axes import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, Axes, axes_of
from .._checks import check_kind, counted, refuse, shown
from .._types import Numbers
from ._read import read_numbers
from ._sweep import cell_edges

# Imported only when their results are drawn, just as they are when a user asks for them.
if TYPE_CHECKING:
    from ..feedback import Attractors, Trained
    from ..mean_field import PhaseMap, Solutions
else:
    Attractors = Trained = PhaseMap = Solutions = object

_CLASSES = (BLUE, ORANGE, GREEN, RED)
_KINDS = {"stable": BLUE, "saddle": ORANGE, "oscillating": GREEN, "chaotic": PURPLE}
# What becomes of the target; of those that hold, the last counts.
_TARGETS = {"unstable": ORANGE, "stable beside others": SKY, "the only state, stable": BLUE}
_TARGETS |= {"chaotic": PURPLE, "none can hold it": "0.85"}
_LEGEND: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}


def plot_phase_diagram(diagram: robustness.PhaseDiagram, ax: Axes | None = None) -> Axes:
    """The most frequent class over Δ and ‖z‖, paler where the trials disagree.

    Args:
        diagram: a `robustness.PhaseDiagram`.
        ax: matplotlib axes.

    Returns:
        The axes.

    Raises:
        ValueError: it is not a `PhaseDiagram`.
    """
    check_kind("diagram", diagram, robustness.PhaseDiagram)
    ax = axes_of(ax)
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    counts = diagram.counts
    share = counts.max(axis=0).T[..., None] / len(diagram.classes)
    colors = np.array([to_rgb(color) for color in _CLASSES])[counts.argmax(axis=0).T]
    pale = share * colors + (1 - share)
    ax.pcolormesh(_edges(diagram.deltas), _edges(diagram.norms), pale)
    ax.set(yscale="log", xlabel="Δ", ylabel="‖z‖")
    positive = diagram.deltas[diagram.deltas > 0]
    if len(positive) == len(diagram.deltas):
        ax.set_xscale("log")
    elif len(positive) > 0:  # Δ = 0, identical weights, gets its own decade
        ax.set_xscale("symlog", linthresh=positive[0])
    handles = [Patch(color=c, label=n) for c, n in zip(_CLASSES, robustness.CLASSES, strict=True)]
    ax.legend(handles=handles, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return ax


def plot_solutions(solutions: Solutions, ax: Axes | None = None, **kw: Any) -> Axes:
    """The states at rest of a feedback network by their readouts, and what makes them stable.

    Each has a ring at the radius of the bulk of its spectrum, and, if it has an outlier, a dot at
    its real part; a state is stable if both are below 1. Colours show the kinds.

    Args:
        solutions: a `mean_field.Solutions`.
        ax: matplotlib axes.
        kw: passed to `ax.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: it is not a `Solutions`.
    """
    from .. import mean_field

    check_kind("solutions", solutions, mean_field.Solutions)
    ax = axes_of(ax)
    z, kinds = np.asarray(solutions.z), np.asarray(solutions.kinds, str)
    style: dict[str, Any] = {"marker": "o", "ms": 7, "ls": ""} | kw
    for kind in [kind for kind in _KINDS if kind in kinds]:
        chosen, color = kinds == kind, _KINDS[kind]
        outlier = np.real(solutions.outlier[chosen])
        ax.plot(z[chosen], solutions.radius[chosen], color=color, mfc="none", **style)
        ax.plot(z[chosen], outlier, color=color, label=kind, **style)
    for face, label in (("none", "radius of the bulk"), ("0.3", "outlier, Re λ")):
        ax.plot([], [], color="0.3", mfc=face, label=label, **style)
    ax.axhline(1, color="0.3", lw=1, ls="--", zorder=0, label="stable below")
    ax.set(xlabel="readout z at rest", ylabel="eigenvalue of the connections")
    ax.legend(**_LEGEND)
    return ax


def plot_phase_map(
    phases: PhaseMap,
    ax: Axes | None = None,
    *,
    targets: Numbers | None = None,
    rows: Numbers | None = None,
    **kw: Any,
) -> Axes:
    """What becomes of the target of a feedback network, over targets and geometries.

    It is either stable and the only state at rest, stable beside others, unstable, or chaotic;
    or no readout of this geometry can hold it.

    Args:
        phases: a `mean_field.PhaseMap`.
        ax: matplotlib axes.
        targets: (columns,), the targets of the map, for the axis; by default 0, 1, ….
        rows: (rows,), the parameter that varies between geometries; by default 0, 1, ….
        kw: passed to `ax.pcolormesh`.

    Returns:
        The axes.

    Raises:
        ValueError: it is not a `PhaseMap`, or the values do not increase or are not as many as it
            has.
    """
    from .. import mean_field

    check_kind("phases", phases, mean_field.PhaseMap)
    height, width = np.shape(phases.counts)
    sides = _side("targets", targets, width), _side("rows", rows, height)
    holds = (phases.target_is_stable, phases.globally_stable, phases.target_is_chaotic)
    kinds = np.zeros((height, width), int)
    for kind, where in enumerate((*holds, np.asarray(phases.counts) == 0), start=1):
        kinds[where] = kind
    ax = axes_of(ax)
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    style: dict[str, Any] = {"cmap": ListedColormap([*_TARGETS.values()]), "rasterized": True}
    style |= {"vmin": -0.5, "vmax": len(_TARGETS) - 0.5}
    ax.pcolormesh(*map(cell_edges, sides), kinds, **style | kw)
    ax.set(xlabel="target" if targets is None else "target A", ylabel="geometry")
    seen = [pair for i, pair in enumerate(_TARGETS.items()) if np.any(kinds == i)]
    ax.legend(handles=[Patch(color=color, label=name) for name, color in seen], **_LEGEND)
    return ax


def plot_attractors(attractors: Attractors, ax: Axes | None = None, **kw: Any) -> Axes:
    """The readouts at which a feedback network came to rest, by how many starts led to each.

    A single readout is drawn over z, several in the plane of the first two, where the area of a dot
    is the share of starts. The legend counts the starts that led to none.

    Args:
        attractors: a `feedback.Attractors`.
        ax: matplotlib axes.
        kw: passed to `ax.vlines`, or to `ax.scatter`.

    Returns:
        The axes.

    Raises:
        ValueError: it is not an `Attractors`.
    """
    from .. import feedback

    check_kind("attractors", attractors, feedback.Attractors)
    z, hits = np.asarray(attractors.z), np.asarray(attractors.hits)
    starts = int(hits.sum()) + attractors.unsettled
    ax = axes_of(ax)
    label = counted(len(attractors), "attractor")
    if z.ndim == 1 or z.shape[1] == 1:
        ax.vlines(z.ravel(), 0, hits, **{"color": BLUE, "lw": 2, "label": label} | kw)
        ax.plot(z.ravel(), hits, "o", color=BLUE)
        ax.set(xlabel="readout z at rest", ylabel=f"starts, of {starts}", ylim=(0, None))
    else:
        sizes = 20 + 400 * hits / max(starts, 1)
        style: dict[str, Any] = {"s": sizes, "color": BLUE, "alpha": 0.7, "label": label}
        ax.scatter(z[:, 0], z[:, 1], **style | kw)
        ax.set(xlabel="readout z[0] at rest", ylabel="readout z[1] at rest")
    ax.plot([], [], ls="", label=f"{counted(attractors.unsettled, 'start')} came to none")
    ax.legend(**_LEGEND)
    return ax


def plot_readout_error(trained: Trained, ax: Axes | None = None, **kw: Any) -> Axes:
    """The error of a feedback network's readout over the updates of its training.

    Args:
        trained: a `feedback.Trained` from `descend` or `force`.
        ax: matplotlib axes.
        kw: passed to `ax.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: it is not a `Trained`, or was solved at once.
    """
    from .. import feedback

    check_kind("trained", trained, feedback.Trained)
    error = read_numbers("trained.history", trained.history, "(steps,)", 1)
    if not error.size:
        refuse("trained", "have been trained in steps", "it was solved at once: see its `error`")
    ax = axes_of(ax)
    style: dict[str, Any] = {"lw": 1.5}
    ax.plot(np.arange(1, error.size + 1), error, **style | kw)
    ax.set(yscale="log", xlabel="update", ylabel="error of the readout (rms)")
    return ax


def _side(name: str, values: Numbers | None, count: int) -> np.ndarray:
    """The values of an axis, or 0, 1, … if they are not given."""
    if values is None:
        return np.arange(count)
    found = read_numbers(name, values, f"({count},)", 1)
    if len(found) != count or not np.all(np.diff(found) > 0):
        refuse(name, f"be {counted(count, 'number')} that increase", f"it is {shown(found)}")
    return found


def _edges(values: np.ndarray) -> np.ndarray:
    """The edges of cells around increasing values, halfway between them on a logarithmic axis."""
    positive = values[values > 0]
    if len(positive) == 0:
        return np.array([-1.0, 1.0])
    between = np.sqrt(positive[:-1] * positive[1:])
    ratios = positive[:-1] / between if len(between) else np.full(1, np.sqrt(0.1))
    first, last = positive[:1] * ratios[0], positive[-1:] / ratios[-1]
    below = -first if len(positive) < len(values) else first[:0]
    return np.concatenate([below, first, between, last])
