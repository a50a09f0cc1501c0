"""Experiments on a population, with any circuit in place of its own."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..._checks import check_kind, is_traced
from ..._constraints import resolve
from ...circuits import ORGaNICs
from ...equilibria import steady_states
from ...programs import quickly_compiled
from ..populations import AbstractPopulation, Attention
from ..stimuli import AbstractStimulus, Plaid


class AbstractExperiment(eqx.Module):
    """Some inputs, and what is recorded from some units."""

    population: eqx.AbstractVar[AbstractPopulation]
    units: eqx.AbstractVar[Int[np.ndarray, " n"]]

    @abstractmethod
    def observe(self, circuit: ORGaNICs, attempts: int | None = None) -> Float[Array, "..."]:
        """The response of a circuit: pure, and differentiable with respect to the circuit.

        `attempts` is how many routes to a fixed point are tried; this must be given because it
        cannot be found out for a traced circuit.
        """

    @abstractmethod
    def attempts(self, circuit: ORGaNICs) -> int:
        """How many routes to a fixed point an untraced circuit needs."""


class Steady(AbstractExperiment):
    """Steady rates, a row for each input; NaN where no stable fixed point is found."""

    population: AbstractPopulation
    units: Int[np.ndarray, " n"]
    inputs: Float[Array, "k m"]

    def observe(self, circuit: ORGaNICs, attempts: int | None = None) -> Float[Array, "k n"]:
        return steady_rates(self, circuit, attempts)[0]

    def attempts(self, circuit: ORGaNICs) -> int:
        return steady_rates(self, circuit)[1]


def steady_rates(
    experiment: Any, circuit: ORGaNICs, attempts: int | None = None
) -> tuple[Float[Array, "k n"], int]:
    """Steady rates for the inputs of an experiment, NaN where no stable fixed point is found; and
    how many routes were tried."""
    circuit = resolve(circuit)
    steady = steady_states(circuit, experiment.inputs, attempts)
    population = with_circuit(experiment.population, circuit)
    rates = _rates_of(population, steady.states.y, steady.found, experiment.units)
    return rates, steady.attempts


@quickly_compiled
def _rates_of(
    population: AbstractPopulation, y: Array, found: Array, units: np.ndarray
) -> Float[Array, "k n"]:
    return jnp.where(found[:, None], population.rates(y)[:, units], jnp.nan)


def with_circuit(population: AbstractPopulation, circuit: ORGaNICs) -> AbstractPopulation:
    return eqx.tree_at(lambda p: p.circuit, population, circuit)


def check_found(observed: Array, name: str, values: Any) -> Array:
    """What was observed at each of some values; an error names those at which it is NaN."""
    if is_traced(observed):
        return observed
    failed = np.flatnonzero(~np.isfinite(np.asarray(observed)).reshape(len(values), -1).all(axis=1))
    if failed.size:
        one = float(np.asarray(values)[failed[0]])
        raise RuntimeError(
            f"No stable fixed point was found at {name} {one:g}, nor at {failed.size - 1} other "
            "values: look for all of them with `oo.find_fixed_points`, or follow the circuit in "
            "time with `cortex.psth`."
        )
    return observed


def inputs_at(make: Any, values: Array) -> Float[Array, "k m"]:
    """The inputs x that `make` returns for each of some values."""
    return jax.vmap(make)(values)


def drive_at(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    mask: AbstractStimulus | None,
    attention: Attention,
) -> Any:
    """contrast ↦ x, for a stimulus and a mask on it."""
    check_kind("stimulus", stimulus, AbstractStimulus)
    if mask is not None:
        check_kind("mask", mask, AbstractStimulus)

    def make(contrast: Array) -> Array:
        one = stimulus.at(contrast)
        return population.drive(one if mask is None else Plaid(one, mask), attention)

    return make
