"""Noise spectra."""

from typing import Any

import numpy as np

from .._checks import refuse
from .._types import Numbers
from ._axes import Axes, axes_of
from ._read import read_numbers, read_units


def plot_power_spectrum(
    frequencies: Numbers,
    power: Numbers,
    ax: Axes | None = None,
    units: Numbers | None = None,
    **kw: Any,
) -> Axes:
    """Power over frequency, both on log scales, a line per variable.

    Args:
        frequencies: (f,), Hz; those ≤ 0 are not shown.
        power: (f, d) as from `power_spectrum`, or (f,).
        ax: matplotlib axes.
        units: which of the d variables, all unless given.
        kw: passed to `ax.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: the shapes do not fit, or the power is complex as that of `cross_spectrum`.
    """
    frequencies = read_numbers("frequencies", frequencies, "(f,)", 1)
    power = read_numbers("power", power, "(f, d) or (f,)", 1, 2)
    if len(power) != len(frequencies):
        must = f"have one row for each frequency, {len(frequencies)}"
        refuse("power", must, f"it has shape {power.shape}")
    columns = power.reshape(len(frequencies), -1)
    chosen, shown = columns[:, read_units(units, columns.shape[1])], frequencies > 0
    if not np.any(chosen[shown] > 0):
        refuse("power", "be positive at a positive frequency", "it is so nowhere")
    ax = axes_of(ax)
    style: dict[str, Any] = {"lw": 1.5}
    ax.plot(frequencies[shown], chosen[shown], **style | kw)
    ax.set(xscale="log", yscale="log", xlabel="frequency (Hz)", ylabel="power (1/Hz)")
    return ax
