"""What every plot needs: axes to draw into, and colours that everyone can distinguish."""

from typing import TYPE_CHECKING

from ._checks import a_or_an, refuse

# matplotlib is only imported when something is drawn.
if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = object

# Okabe and Ito's palette.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY = "#CC79A7", "#56B4E9"


def axes_of(ax: Axes | None) -> Axes:
    """The given axes, or those of a new figure."""
    try:
        from matplotlib import axes, pyplot
    except ImportError as error:
        message = "Plots need matplotlib: pip install 'organics_ode[examples]'."
        raise ImportError(message) from error
    if ax is None:
        return pyplot.subplots(layout="constrained")[1]
    if not isinstance(ax, axes.Axes):
        refuse("ax", "be matplotlib axes", f"it is {a_or_an(type(ax).__name__)}")
    return ax
