"""Noise spectra."""

from typing import Any

import numpy as np

from ._axes import axes_of


def plot_power_spectrum(
    frequencies: Any, power: Any, ax: Any = None, units: Any = None, **kw: Any
) -> Any:
    """Power over frequency, both on log scales, a line per variable.

    Args:
        frequencies: (f,), Hz; those ≤ 0 are not shown.
        power: (f, d) as from `power_spectrum`, or (f,).
        ax: matplotlib axes.
        units: which of the d variables, all unless given.
        kw: passed to `ax.plot`.

    Returns:
        The axes.
    """
    frequencies, power = np.asarray(frequencies), np.asarray(power)
    columns = power.reshape(len(frequencies), -1)
    chosen = columns if units is None else columns[:, np.asarray(units)]
    shown = frequencies > 0
    ax = axes_of(ax)
    ax.plot(frequencies[shown], chosen[shown], **{"lw": 1.5} | kw)
    ax.set(xscale="log", yscale="log", xlabel="frequency (Hz)", ylabel="power (1/Hz)")
    return ax
