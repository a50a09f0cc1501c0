"""Experiments over time: rates, latencies and transients of any circuit."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..._constraints import resolve
from ..._nonlinearities import highest
from ...circuits import ORGaNICs
from ...dynamics import ZeroOrderHold, simulate
from ...equilibria import steady_states
from ..populations import AbstractPopulation
from ._experiment import AbstractExperiment, steady_rates, with_circuit


class Course(AbstractExperiment):
    """Rates over time, starting from rest in the blank."""

    population: AbstractPopulation
    units: Int[np.ndarray, " n"]
    inputs: ZeroOrderHold | Float[Array, " m"]
    ts: Float[Array, " time"]
    blank: Float[Array, " m"] | None = None

    def observe(self, circuit: ORGaNICs, attempts: int | None = None) -> Float[Array, "time n"]:
        start = _start(circuit, self.blank, attempts)
        return _rates(self.population, circuit, self.inputs, self.ts, start)[:, self.units]

    def attempts(self, circuit: ORGaNICs) -> int:
        return _blank_attempts(circuit, self.blank)


class Latencies(AbstractExperiment):
    """When rates have come a share of the way to the steady ones after an onset, for each input."""

    population: AbstractPopulation
    units: Int[np.ndarray, " n"]
    inputs: Float[Array, "k m"]
    ts: Float[Array, " time"]
    share: float
    blank: Float[Array, " m"] | None = None

    def observe(self, circuit: ORGaNICs, attempts: int | None = None) -> Float[Array, "k n"]:
        rates, rest = _onsets(self, circuit, attempts)
        # A share that rounds to 0 in this precision is replaced by the smallest positive number.
        least = jnp.finfo(rest.dtype).tiny
        rise = rest - rates[:, 0]
        goal = jnp.where(rise > 0, jnp.maximum(rates[:, 0] + self.share * rise, least), 0)
        return jax.vmap(jax.vmap(_crossing, (None, 1, 0)), (None, 0, 0))(self.ts, rates, goal)

    def attempts(self, circuit: ORGaNICs) -> int:
        return max(steady_rates(self, circuit)[1], _blank_attempts(circuit, self.blank))


class Transients(AbstractExperiment):
    """1 − (steady rate)/(highest rate after an onset), a row for each input."""

    population: AbstractPopulation
    units: Int[np.ndarray, " n"]
    inputs: Float[Array, "k m"]
    ts: Float[Array, " time"]
    blank: Float[Array, " m"] | None = None

    def observe(self, circuit: ORGaNICs, attempts: int | None = None) -> Float[Array, "k n"]:
        rates, rest = _onsets(self, circuit, attempts)
        # A rate that approaches its steady value from below has no transient.
        peak = jnp.maximum(highest(rates, 1), rest)
        return 1 - rest / jnp.where(peak > 0, peak, 1)

    def attempts(self, circuit: ORGaNICs) -> int:
        return max(steady_rates(self, circuit)[1], _blank_attempts(circuit, self.blank))


def _start(circuit: ORGaNICs, blank: Array | None, attempts: int | None) -> Any:
    """The state at rest in the blank, NaN if there is none; for None, the initial state of the
    circuit."""
    if blank is None:
        return None
    steady = steady_states(resolve(circuit), blank[None], attempts)
    return jax.tree.map(lambda v: jnp.where(steady.found[0], v[0], jnp.nan), steady.states)


def _blank_attempts(circuit: ORGaNICs, blank: Array | None) -> int:
    return 0 if blank is None else steady_states(resolve(circuit), blank[None]).attempts


def _rates(
    population: AbstractPopulation, circuit: ORGaNICs, inputs: Any, ts: Array, start: Any
) -> Array:
    circuit = resolve(circuit)
    trajectory = simulate(circuit, inputs, ts, state0=start, throw=False)
    rates = with_circuit(population, circuit).rates(trajectory.states.y)
    return jnp.where(trajectory.succeeded, rates, jnp.nan)


def _onsets(experiment: Any, circuit: ORGaNICs, attempts: int | None) -> tuple[Array, Array]:
    """Rates (k, time, n) after the onset, and steady rates (k, n)."""
    e, start = experiment, _start(circuit, experiment.blank, attempts)
    rates = jax.vmap(lambda x: _rates(e.population, circuit, x, e.ts, start)[:, e.units])(e.inputs)
    return rates, steady_rates(e, circuit, attempts)[0]


def _crossing(ts: Array, rates: Array, goal: Array) -> Array:
    """The first time at which the rates reach the goal, by linear interpolation in time."""
    above = rates >= goal
    i = jnp.maximum(jnp.argmax(above), 1)
    t0, t1, r0, r1 = ts[i - 1], ts[i], rates[i - 1], rates[i]
    part = (goal - r0) / jnp.where(r1 == r0, 1, r1 - r0)
    found = t0 + jnp.clip(part, 0, 1) * (t1 - t0)
    return jnp.where(jnp.any(above) & (goal > 0), found - ts[0], jnp.nan)
