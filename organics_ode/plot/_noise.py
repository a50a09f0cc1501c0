"""Noise spectra."""

from typing import Any

import numpy as np

from .._axes import Axes, axes_of
from .._checks import refuse
from .._types import Numbers
from ._many import MOST_LINES, draw_curves
from ._read import read_numbers, read_units


def plot_power_spectrum(
    frequencies: Numbers,
    power: Numbers,
    ax: Axes | None = None,
    units: Numbers | None = None,
    **kw: Any,
) -> Axes:
    """Power over frequency on log–log axes, one line per variable, or a heat map for more than 12.

    Args:
        frequencies: (f,), Hz; those ≤ 0 are not shown.
        power: (f, d), such as that of `power_spectrum`, or (f,).
        ax: matplotlib axes.
        units: which of the d variables to draw, by default all.
        kw: passed to `ax.plot`, or to `ax.pcolormesh` for a heat map.

    Returns:
        The axes.

    Raises:
        ValueError: the shapes do not fit, or the power is complex like that of `cross_spectrum`.
    """
    frequencies = read_numbers("frequencies", frequencies, "(f,)", 1)
    power = read_numbers("power", power, "(f, d) or (f,)", 1, 2)
    if len(power) != len(frequencies):
        must = f"have one row for each frequency, {len(frequencies)}"
        refuse("power", must, f"it has shape {power.shape}")
    columns = power.reshape(len(frequencies), -1)
    index = np.arange(columns.shape[1])[read_units(units, columns.shape[1])]
    chosen, shown = columns[:, index], frequencies > 0
    if not np.any(chosen[shown] > 0):
        refuse("power", "be positive at a positive frequency", "it is so nowhere")
    ax = axes_of(ax)
    is_map = len(index) > MOST_LINES
    style: dict[str, Any] = {} if is_map else {"lw": 1.5}
    names = [f"variable {i}" for i in index]
    label = "power (1/Hz)"
    given = (ax, frequencies[shown], chosen[shown], names, label, style | kw)
    draw_curves(*given, is_log=True)
    ax.set(xscale="log", xlabel="frequency (Hz)", ylabel="variable" if is_map else label)
    ax.set_yscale("linear" if is_map else "log")
    return ax


def plot_coherence(
    frequencies: Numbers, coherence: Numbers, ax: Axes | None = None, **kw: Any
) -> Axes:
    """The coherence of every pair of variables over frequency; a heat map for more than 12 pairs.

    Args:
        frequencies: (f,), Hz.
        coherence: (f, d, d), such as that of `coherence`, or a block of it from `by_block`.
        ax: matplotlib axes.
        kw: passed to `ax.plot`, or to `ax.pcolormesh` for a heat map.

    Returns:
        The axes.

    Raises:
        ValueError: the shapes do not fit, or there is only one variable.
    """
    frequencies = read_numbers("frequencies", frequencies, "(f,)", 1)
    values = read_numbers("coherence", coherence, "(f, d, d)", 3)
    f, d = len(frequencies), values.shape[1]
    if values.shape != (f, d, d) or d < 2 or not f:
        must = f"have shape (f, d, d) with f = {f} and d of at least 2"
        refuse("coherence", must, f"it has shape {values.shape}")
    rows, columns = np.triu_indices(d, 1)
    names = [f"{i} and {j}" for i, j in zip(rows, columns, strict=True)]
    ax, is_map = axes_of(ax), len(names) > MOST_LINES
    draw_curves(ax, frequencies, values[:, rows, columns], names, "coherence", kw)
    ax.set(xlabel="frequency (Hz)", ylabel="pair" if is_map else "coherence")
    if not is_map:
        ax.set_ylim(-0.02, 1.02)
    return ax
