"""Phase diagrams."""

import numpy as np

from .. import robustness
from .._axes import BLUE, GREEN, ORANGE, RED, Axes, axes_of
from .._checks import check_kind

_CLASSES = (BLUE, ORANGE, GREEN, RED)


def plot_phase_diagram(diagram: robustness.PhaseDiagram, ax: Axes | None = None) -> Axes:
    """The most frequent class over Δ and ‖z‖, paler where the trials disagree.

    Args:
        diagram: a `robustness.PhaseDiagram`.
        ax: matplotlib axes.

    Returns:
        The axes.

    Raises:
        ValueError: not a `PhaseDiagram`.
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
    elif len(positive) > 0:  # Δ = 0, identical weights, gets a decade of its own
        ax.set_xscale("symlog", linthresh=positive[0])
    handles = [Patch(color=c, label=n) for c, n in zip(_CLASSES, robustness.CLASSES, strict=True)]
    ax.legend(handles=handles, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return ax


def _edges(values: np.ndarray) -> np.ndarray:
    """Of the cells around increasing values: halfway between them on a logarithmic axis."""
    positive = values[values > 0]
    if len(positive) == 0:
        return np.array([-1.0, 1.0])
    between = np.sqrt(positive[:-1] * positive[1:])
    ratios = positive[:-1] / between if len(between) else np.full(1, np.sqrt(0.1))
    first, last = positive[:1] * ratios[0], positive[-1:] / ratios[-1]
    below = -first if len(positive) < len(values) else first[:0]
    return np.concatenate([below, first, between, last])
