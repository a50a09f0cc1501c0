"""Eigenvalues in the complex plane, also over many inputs; Lyapunov exponents; energy over time."""

import math
from typing import Any

import jax
import numpy as np

from .._axes import BLUE, GREEN, ORANGE, Axes, axes_of
from .._checks import check_flag, check_kind, refuse
from .._types import Numbers
from ..stability import Energy
from ._read import (
    Abscissae,
    HasStates,
    Spectra,
    leave_out,
    read_abscissae,
    read_eigenvalues,
    read_numbers,
    read_path,
)

_HZ = 1000 / (2 * math.pi)  # of an angular frequency in 1/ms
_BOUNDARY = {"color": "0.3", "lw": 1, "ls": "--", "zorder": 0}


def plot_spectrum(spectra: Spectra, ax: Axes | None = None, **kw: Any) -> Axes:
    """Eigenvalues in the complex plane, with the boundary of stability.

    Args:
        spectra: a `Spectrum`, `FixedPoints` or `SlowPoints`, anything else with `eigenvalues`, such
            as an `Oscillator`, an array of eigenvalues in 1/ms, or a list of these, each in its own
            colour.
        ax: matplotlib axes. Their right side shows the frequency |Im λ|/2π in Hz.
        kw: passed to `ax.plot`.

    Returns:
        The axes; their x label says how many eigenvalues are not shown because they are not finite.

    Raises:
        ValueError: it is something else, or has no finite eigenvalue.
    """
    is_list = isinstance(spectra, list | tuple) and not hasattr(spectra, "_fields")
    each_of: Any = spectra if is_list else [spectra]
    listed = [read_eigenvalues("spectra", each) for each in each_of]
    note = leave_out("spectra", np.concatenate([np.zeros(0), *listed]))[1]
    ax = axes_of(ax)
    for values in listed:
        shown = values[np.isfinite(values)]
        ax.plot(np.real(shown), np.imag(shown), **{"marker": "o", "ls": "", "ms": 4} | kw)
    _draw_plane(ax, note)
    return ax


def plot_eigenvalues(spectra: Spectra, ax: Axes | None = None, **kw: Any) -> Axes:
    """Where the eigenvalues of many spectra lie in the complex plane, as a density.

    Args:
        spectra: a `Spectrum`, such as one from `jax.vmap` over many inputs, `FixedPoints` or
            `SlowPoints`, or an array of eigenvalues of any shape, 1/ms.
        ax: matplotlib axes.
        kw: passed to `ax.hexbin`.

    Returns:
        The axes; their x label says how many eigenvalues are not shown because they are not finite.

    Raises:
        ValueError: it is something else, or has no finite eigenvalue.
    """
    values, note = leave_out("spectra", read_eigenvalues("spectra", spectra))
    ax = axes_of(ax)
    style = {"gridsize": 60, "bins": "log", "mincnt": 1, "cmap": "viridis", "linewidths": 0.1}
    ax.hexbin(np.real(values), np.imag(values), **style | kw)
    _draw_plane(ax, note)
    return ax


def plot_abscissae(abscissae: Abscissae, ax: Axes | None = None, **kw: Any) -> Axes:
    """A histogram of spectral abscissae, with the stability boundary at 0.

    Args:
        abscissae: 1/ms, of any shape, or a result that has them: a `Spectrum` or `FixedPoint`, also
            from `jax.vmap`, `FixedPoints` or `SlowPoints`.
        ax: matplotlib axes.
        kw: passed to `ax.hist`.

    Returns:
        The axes; their x label says how many abscissae are not counted because they are not finite.

    Raises:
        ValueError: it is something else, or has no finite abscissa.
    """
    values, note = leave_out("abscissae", read_abscissae("abscissae", abscissae))
    ax = axes_of(ax)
    style = {"bins": 30, "range": _span(values), "histtype": "stepfilled", "alpha": 0.7}
    ax.hist(values, **style | kw)
    ax.axvline(0, **_BOUNDARY)
    ax.set(xlabel=f"spectral abscissa (1/ms){note}", ylabel="count")
    return ax


def plot_lyapunov(exponents: Numbers, ax: Axes | None = None, **kw: Any) -> Axes:
    """Lyapunov exponents in descending order, with the boundary at 0.

    Args:
        exponents: (k,), 1/ms, such as those of `lyapunov`, or (trajectories, k), drawn as pale
            lines with their median on top.
        ax: matplotlib axes.
        kw: passed to `ax.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: it is not such an array, or has no finite exponent.
    """
    rows = np.atleast_2d(read_numbers("exponents", exponents, "(k,) or (trajectories, k)", 1, 2))
    leave_out("exponents", rows)
    finite = np.ma.masked_invalid(rows)
    number = np.arange(1, rows.shape[1] + 1)
    ax = axes_of(ax)
    from matplotlib.ticker import MaxNLocator

    style: dict[str, Any] = {"color": BLUE, "marker": "o", "ms": 4, "lw": 1.2}
    if len(rows) > 1:
        ax.plot(number, finite.T, color=BLUE, lw=0.6, alpha=0.3)
        style |= {"label": f"median of {len(rows)} trajectories"}
    median = np.ma.filled(np.ma.median(finite, axis=0), np.nan)
    ax.plot(number, median, **style | kw)
    ax.axhline(0, **_BOUNDARY)
    ax.set(xlabel="number of the exponent", ylabel="Lyapunov exponent (1/ms)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(rows) > 1:
        ax.legend(frameon=False)
    return ax


def plot_energy(
    energy: Energy, trajectory: HasStates, ax: Axes | None = None, *, terms: bool = False, **kw: Any
) -> Axes:
    """The energy of a circuit along a trajectory, on a log scale.

    Args:
        energy: an `Energy`.
        trajectory: anything with `ts` (time,) and `states`, such as a `Trajectory` or `Paths`.
        ax: matplotlib axes.
        terms: whether to draw the reconstruction and normalization terms too, which only the closed
            forms of the energy have.
        kw: passed to `ax.plot` for the energy.

    Returns:
        The axes.

    Raises:
        ValueError: an argument is bad, or `terms` is set but the form of the energy is "lyapunov".
    """
    check_kind("energy", energy, Energy)
    if energy.kind.ndim:
        refuse("energy", "be one energy", f"it is a batch of shape {energy.kind.shape}")
    ts, states = read_path("trajectory", trajectory)
    parts = {}
    if check_flag("terms", terms):
        parts["reconstruction"] = jax.vmap(energy.reconstruction)(states).sum(axis=-1)
        parts["normalization"] = jax.vmap(energy.normalization)(states).sum(axis=-1)
    ax = axes_of(ax)
    ax.plot(ts, np.asarray(jax.vmap(energy)(states)), **{"lw": 1.8, "label": "energy"} | kw)
    for (name, values), color in zip(parts.items(), (ORANGE, GREEN), strict=False):
        ax.plot(ts, np.asarray(values), lw=1.2, color=color, label=name)
    ax.set(yscale="log", xlabel="time (ms)", ylabel="energy")
    return ax


def _span(values: np.ndarray) -> tuple[float, float]:
    """From the smallest value to the largest, widened if they differ only by rounding."""
    low, high = values.min(), values.max()
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    half = max(half, 1e-6 * abs(middle))
    return middle - half, middle + half


def _draw_plane(ax: Axes, note: str) -> None:
    ax.set(xlabel=f"Re λ (1/ms){note}", ylabel="Im λ (1/ms)")
    if ax.child_axes:  # Drawn into before, so the boundary and the frequencies are there.
        return
    ax.axvline(0, **_BOUNDARY)
    to_and_from_hertz: Any = (lambda w: w * _HZ, lambda f: f / _HZ)
    right = ax.secondary_yaxis("right", functions=to_and_from_hertz)
    right.set_ylabel("frequency (Hz)")
