"""Responses over time: PSTHs, latencies and onset transients."""

from typing import Any

import numpy as np
from jaxtyping import Array, Float

from ..._cards import carded
from ..._checks import as_times, read_number, refuse
from ..._constraints import resolve
from ..._types import Numbers
from .._read import read_contrasts, read_units
from ..populations import AbstractPopulation, Attention, check_population
from ..stimuli import AbstractStimulus, ContrastSteps
from ._courses import Course, Latencies, Transients
from ._experiment import (
    AbstractExperiment,
    check_found,
    drive_at,
    inputs_at,
    steady_rates,
)
from ._response import AbstractCurves, Axis


@carded
class PSTH(AbstractCurves):
    """Firing rates over time, as a peristimulus time histogram would estimate them.

    - `ts`: (time,), ms. `rates`: (time, n), of the recorded `units`.
    """

    ts: Float[Array, " time"]
    rates: Float[Array, "time n"]
    experiment: AbstractExperiment

    @property
    def observed(self) -> Float[Array, "time n"]:
        return self.rates

    @property
    def axis(self) -> Axis:
        return Axis("t", np.asarray(self.ts), "ms", "time (ms)")

    @property
    def quantity(self) -> tuple[str, str]:
        return "rate", ""


@carded
class Latency(AbstractCurves):
    """Latencies against contrast.

    - `contrasts`: (k,). `latencies`: (k, n), ms after the onset; NaN where a rate is 0 or does not
      come that far within the times.
    """

    contrasts: Float[Array, " k"]
    latencies: Float[Array, "k n"]
    experiment: AbstractExperiment

    @property
    def observed(self) -> Float[Array, "k n"]:
        return self.latencies

    @property
    def axis(self) -> Axis:
        return Axis("contrast", np.asarray(self.contrasts), "", "contrast")

    @property
    def quantity(self) -> tuple[str, str]:
        return "latency", "ms"


@carded
class TransientIndex(AbstractCurves):
    """Onset transients against contrast.

    - `contrasts`: (k,). `indices`: (k, n), 1 − (steady rate)/(highest rate), from 0 to 1.
    """

    contrasts: Float[Array, " k"]
    indices: Float[Array, "k n"]
    experiment: AbstractExperiment

    @property
    def observed(self) -> Float[Array, "k n"]:
        return self.indices

    @property
    def axis(self) -> Axis:
        return Axis("contrast", np.asarray(self.contrasts), "", "contrast")

    @property
    def quantity(self) -> tuple[str, str]:
        return "transient index", ""


def psth(
    population: AbstractPopulation,
    stimulus: AbstractStimulus | ContrastSteps,
    ts: Numbers,
    *,
    attention: Attention = None,
    units: Numbers | None = None,
) -> PSTH:
    """Firing rates of the noiseless circuit over time.

    Args:
        population: a `Ring`, a `Sheet`, …
        stimulus: shown from ts[0] on, or `ContrastSteps` for one whose contrast steps over time.
        ts: (time,), ms; at the first, the circuit is at rest in the blank.
        attention, units: as for `contrast_response`.

    Returns:
        A `PSTH`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: the state diverged.
    """
    check_population(population)
    x = population.input(stimulus, attention)
    parts = (read_units(population.size, units), x, _read_times(population, ts))
    experiment = Course(population, *parts, blank=_blank(population, attention))
    rates = experiment.observe(population.circuit)
    return PSTH(ts=experiment.ts, rates=_check_finite(rates), experiment=experiment)


def latency(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    contrasts: Numbers,
    *,
    ts: Numbers | None = None,
    share: float = 0.5,
    mask: AbstractStimulus | None = None,
    attention: Attention = None,
    units: Numbers | None = None,
) -> Latency:
    """The time from the onset of a stimulus to half of the steady response, against contrast.

    Before the onset the circuit is at rest in the blank; half means half of the way from there to
    the steady response. A circuit with W_r = I first follows its input with a time constant of
    τ_y/√a, so low contrasts are slow.

    Args:
        population, stimulus, contrasts, mask, attention, units: as for `contrast_response`.
        ts: (time,), ms, at which rates are computed, with linear interpolation between them; by
            default 1001 times over 500 ms.
        share: the share of the way to the steady response, above 0 and below 1.

    Returns:
        A `Latency`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: no stable fixed point was found, or the state diverged.

    Reference:
        Albrecht, "Visual cortex neurons in monkey and cat: effect of contrast on the spatial and
        temporal phase transfer functions", Visual Neuroscience 12 (1995).
    """
    share = read_number("share", share)
    if not 0 < share < 1:
        refuse("share", "be above 0 and below 1", f"it is {share:g}")
    levels, *parts = _read_onset(population, stimulus, contrasts, ts, mask, attention, units)
    blank = _blank(population, attention)
    experiment = Latencies(*parts, share=share, blank=blank)
    _check_rest(experiment, levels)
    delays = experiment.observe(population.circuit)
    return Latency(contrasts=levels, latencies=delays, experiment=experiment)


def transient_index(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    contrasts: Numbers,
    *,
    ts: Numbers | None = None,
    mask: AbstractStimulus | None = None,
    attention: Attention = None,
    units: Numbers | None = None,
) -> TransientIndex:
    """How far the response to a stimulus onset overshoots the steady response.

        1 − R_steady / max_t R(t)

    Args:
        population, stimulus, contrasts, mask, attention, units: as for `contrast_response`.
        ts: as for `latency`.

    Returns:
        A `TransientIndex`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: no stable fixed point was found, or the state diverged.
    """
    levels, *parts = _read_onset(population, stimulus, contrasts, ts, mask, attention, units)
    experiment = Transients(*parts, blank=_blank(population, attention))
    _check_rest(experiment, levels)
    indices = experiment.observe(population.circuit)
    return TransientIndex(contrasts=levels, indices=indices, experiment=experiment)


def _read_onset(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    contrasts: Numbers,
    ts: Numbers | None,
    mask: AbstractStimulus | None,
    attention: Attention,
    units: Numbers | None,
) -> tuple[Any, ...]:
    check_population(population)
    contrasts = read_contrasts("contrasts", contrasts)

    make = drive_at(population, stimulus, mask, attention)
    ts = np.linspace(0.0, 500.0, 1001) if ts is None else ts
    times = _read_times(population, ts)
    units = read_units(population.size, units)
    return contrasts, population, units, inputs_at(make, contrasts), times


def _read_times(population: AbstractPopulation, ts: Numbers) -> Array:
    times = as_times("ts", ts, resolve(population.circuit).W_zx.dtype)
    if times.ndim != 1 or times.size < 2:
        refuse("ts", "hold at least the start and the end", f"its shape is {times.shape}")
    return times


def _blank(population: AbstractPopulation, attention: Attention) -> Array | None:
    return None if population.is_silent else population.blank(attention)


def _check_rest(experiment: Any, contrasts: Array) -> None:
    check_found(steady_rates(experiment, experiment.population.circuit)[0], "contrast", contrasts)


def _check_finite(rates: Array) -> Array:
    if not np.all(np.isfinite(np.asarray(rates))):
        raise RuntimeError("The state diverged: `oo.simulate` with the same input says when.")
    return rates
