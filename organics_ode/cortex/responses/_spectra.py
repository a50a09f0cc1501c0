"""Power spectra, and their peak, against contrast."""

import functools
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..._axes import Axes, axes_of
from ..._cards import Card, carded
from ..._checks import as_float_array, check_finite, counted, refuse
from ..._constraints import resolve
from ..._tables import Table
from ..._types import Limits, Numbers
from ...circuits import ORGaNICs
from ...equilibria import steady_states
from ...linear import jacobian_matrix
from ...noise import AbstractNoise, check_noise, powers_about, spectral_peak
from ...programs import quickly_compiled
from .._read import read_contrasts, read_units
from ..populations import AbstractPopulation, Attention, check_population
from ..stimuli import AbstractStimulus
from ._experiment import AbstractExperiment, check_found, drive_at, inputs_at
from ._response import AbstractResponse


class Spectra(AbstractExperiment):
    """Power spectra of noisy responses y about the steady state, for each input."""

    population: AbstractPopulation
    units: Int[np.ndarray, " n"]
    inputs: Float[Array, "k m"]
    frequencies: Float[Array, " f"]
    noise: AbstractNoise

    def observe(self, circuit: ORGaNICs, attempts: int | None = None) -> Float[Array, "k f n"]:
        circuit = resolve(circuit)
        steady = steady_states(circuit, self.inputs, attempts)
        powers = _powers(self, circuit, steady.states)
        return jnp.where(steady.found[:, None, None], powers, jnp.nan)

    def attempts(self, circuit: ORGaNICs) -> int:
        return steady_states(resolve(circuit), self.inputs).attempts


class Peaks(AbstractExperiment):
    """The frequency of the peak in the spectrum of the summed responses, for each input."""

    population: AbstractPopulation
    units: Int[np.ndarray, " n"]
    inputs: Float[Array, "k m"]
    noise: AbstractNoise
    band: tuple[float, float]

    def observe(self, circuit: ORGaNICs, attempts: int | None = None) -> Float[Array, " k"]:
        return self.peaks(circuit).frequency

    def attempts(self, circuit: ORGaNICs) -> int:
        return 0

    def peaks(self, circuit: ORGaNICs) -> Any:
        rest = circuit.initial_state()
        summed = jnp.zeros_like(rest.y).at[self.units].set(1)
        weights = type(rest)(summed, jnp.zeros_like(rest.a))
        options = {"weights": weights, "band": self.band}
        return jax.vmap(lambda x: spectral_peak(circuit, x, self.noise, **options))(self.inputs)


@functools.partial(quickly_compiled, level=1)
def _powers(e: Spectra, circuit: ORGaNICs, states: Any) -> Float[Array, "k f n"]:
    def at(state: Any, x: Array) -> Array:
        J = jacobian_matrix(circuit, state, x)
        recorded = jnp.eye(len(J), dtype=J.dtype)[e.units]
        return powers_about(J, state, e.noise, recorded, e.frequencies)

    return jax.vmap(at)(states, e.inputs)


@carded
class PowerSpectra(AbstractResponse):
    """Power spectra of noisy responses, against contrast.

    - `contrasts`: (k,). `frequencies`: (f,), Hz.
    - `powers`: (k, f, n), of y of the recorded `units`, in its unit squared per Hz, two-sided.
    """

    contrasts: Float[Array, " k"]
    frequencies: Float[Array, " f"]
    powers: Float[Array, "k f n"]
    experiment: AbstractExperiment

    @property
    def observed(self) -> Float[Array, "k f n"]:
        return self.powers

    def to_table(self) -> Table:
        """Power for each contrast, frequency and unit."""
        axes = {"contrast": self.contrasts, "frequency": self.frequencies, "unit": self.units}
        return Table(axes, {"power": self.powers}, {"frequency": "Hz", "power": "1/Hz"})

    def plot(self, ax: Axes | None = None, *, unit: int | None = None, **kw: Any) -> Axes:
        """Draw the spectra of one unit, a curve for each contrast (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            unit: which of the recorded units, from 0; by default the most responsive.
            kw: passed to `ax.loglog`.

        Returns:
            The axes.
        """
        ax, powers = axes_of(ax), np.asarray(self.powers)
        i = int(np.argmax(powers.max(axis=(0, 1)))) if unit is None else unit
        for contrast, rows in zip(np.asarray(self.contrasts), powers, strict=True):
            label = {"label": f"contrast {contrast:.3g}"}
            ax.loglog(np.asarray(self.frequencies), rows[:, i], **label | kw)
        ax.set(xlabel="frequency (Hz)", ylabel=f"power of unit {self.units[i]} (1/Hz)")
        ax.legend(frameon=False)
        return ax

    def _card(self) -> Card:
        f, powers = np.asarray(self.frequencies), np.asarray(self.powers)
        sizes = f"{counted(len(powers), 'contrast')}, {counted(len(self.units), 'unit')}"
        facts = {
            "frequency": f"{f.min():.4g} to {f.max():.4g} Hz",
            "power": f"{powers.min():.4g} to {powers.max():.4g} /Hz",
        }
        return Card(f"PowerSpectra: {sizes}", facts)


@carded
class GammaPeak(AbstractResponse):
    """The peak in the power of the summed responses, against contrast.

    - `contrasts`: (k,). `frequencies`: (k,), Hz, of the peak, NaN where there is none. `powers`:
      (k,), at the peak, per Hz. `widths`: (k,), Hz, at half the power of the peak.
    """

    contrasts: Float[Array, " k"]
    frequencies: Float[Array, " k"]
    powers: Float[Array, " k"]
    widths: Float[Array, " k"]
    experiment: AbstractExperiment

    @property
    def observed(self) -> Float[Array, " k"]:
        return self.frequencies

    def to_table(self) -> Table:
        """The peak for each contrast."""
        columns = {"frequency": self.frequencies, "power": self.powers, "width": self.widths}
        units = {"frequency": "Hz", "power": "1/Hz", "width": "Hz"}
        return Table({"contrast": self.contrasts}, columns, units)

    def plot(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw the frequency of the peak against contrast (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            kw: passed to `ax.plot`.

        Returns:
            The axes.
        """
        ax, looks = axes_of(ax), cast(dict[str, Any], {"marker": "o"})
        ax.plot(np.asarray(self.contrasts), np.asarray(self.frequencies), **looks | kw)
        ax.set(xlabel="contrast", ylabel="peak (Hz)")
        return ax

    def _card(self) -> Card:
        columns = (self.contrasts, self.frequencies, self.powers, self.widths)
        rows = list(zip(*(np.asarray(column).tolist() for column in columns), strict=True))
        names = ("contrast", "peak (Hz)", "power (/Hz)", "width (Hz)")
        return Card(f"GammaPeak: {counted(len(rows), 'contrast')}", {}, names, rows[:7], len(rows))


def power_spectra(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    contrasts: Numbers,
    frequencies: Numbers,
    noise: AbstractNoise,
    *,
    mask: AbstractStimulus | None = None,
    attention: Attention = None,
    units: Numbers | None = None,
) -> PowerSpectra:
    """Power spectra of noisy responses about the steady state, against contrast.

    `oo.power_spectrum` of y, for all contrasts at once.

    Args:
        population, stimulus, contrasts, mask, attention, units: as for `contrast_response`.
        frequencies: (f,), Hz.
        noise: an `oo.Noise`, another kind, or a sum of kinds.

    Returns:
        A `PowerSpectra`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: no stable fixed point was found at one of the contrasts.
    """
    contrasts, parts = _read(population, stimulus, contrasts, noise, mask, attention, units)
    dtype = parts[-1].dtype
    f = check_finite("frequencies", as_float_array("frequencies", frequencies, dtype))
    if f.ndim != 1 or not f.size:
        refuse("frequencies", "have shape (f,), at least one", f"its shape is {f.shape}")
    experiment = Spectra(*parts, frequencies=f, noise=noise)
    powers = check_found(experiment.observe(population.circuit), "contrast", contrasts)
    return PowerSpectra(contrasts=contrasts, frequencies=f, powers=powers, experiment=experiment)


def gamma_peak(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    contrasts: Numbers,
    noise: AbstractNoise,
    *,
    band: Limits = (0.0, float("inf")),
    mask: AbstractStimulus | None = None,
    attention: Attention = None,
    units: Numbers | None = None,
) -> GammaPeak:
    """The peak in the power spectrum of the summed noisy responses, against contrast.

    The sum is a proxy for the local field potential. `oo.spectral_peak`, for all contrasts at once.

    Args:
        population, stimulus, contrasts, mask, attention: as for `contrast_response`.
        noise: an `oo.Noise`, another kind, or a sum of kinds.
        band: (low, high), Hz; peaks outside it do not count.
        units: indices of the units that are summed, by default all.

    Returns:
        A `GammaPeak`, NaN where there is no peak.

    Raises:
        ValueError: an argument is bad, or no stable fixed point was found.

    Reference:
        Ray, Maunsell, "Differences in gamma frequencies across visual cortex restrict their
        possible use in computation", Neuron 67 (2010).
    """
    contrasts, parts = _read(population, stimulus, contrasts, noise, mask, attention, units)
    low, high = (float(end) for end in np.asarray(band, float).reshape(-1)[:2])
    experiment = Peaks(*parts, noise=noise, band=(low, high))
    peaks = experiment.peaks(resolve(population.circuit))
    found = {"frequencies": peaks.frequency, "powers": peaks.power, "widths": peaks.width}
    return GammaPeak(contrasts=contrasts, **found, experiment=experiment)


def _read(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    contrasts: Numbers,
    noise: AbstractNoise,
    mask: AbstractStimulus | None,
    attention: Attention,
    units: Numbers | None,
) -> tuple[Array, tuple[Any, ...]]:
    check_population(population)
    check_noise(noise)
    contrasts = read_contrasts("contrasts", contrasts)

    make = drive_at(population, stimulus, mask, attention)
    units = read_units(population.size, units)
    return contrasts, (population, units, inputs_at(make, contrasts))
