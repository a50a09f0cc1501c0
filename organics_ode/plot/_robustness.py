"""Phase diagrams."""

from typing import Any

import numpy as np

from .. import robustness
from .._checks import check_kind
from ._axes import BLUE, GREEN, ORANGE, RED, axes_of

_CLASSES = (BLUE, ORANGE, GREEN, RED)


def plot_phase_diagram(diagram: robustness.PhaseDiagram, ax: Any = None) -> Any:
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
    ax.pcolormesh(diagram.deltas, diagram.norms, pale, shading="nearest")
    ax.set(xscale="log", yscale="log", xlabel="Δ", ylabel="‖z‖")
    handles = [Patch(color=c, label=n) for c, n in zip(_CLASSES, robustness.CLASSES, strict=True)]
    ax.legend(handles=handles, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return ax
