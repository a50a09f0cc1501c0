"""What every plot needs: axes to draw into, and colours that everyone can tell apart."""

from typing import Any

# Okabe and Ito's palette.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY = "#CC79A7", "#56B4E9"


def axes_of(ax: Any) -> Any:
    """The given axes, or those of a new figure."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        message = "Plots need matplotlib: pip install 'organics_ode[examples]'."
        raise ImportError(message) from error
    return pyplot.subplots()[1]
