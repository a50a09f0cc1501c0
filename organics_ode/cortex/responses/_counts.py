"""Spike counts in a window: their variability and their correlations, for any circuit."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..._constraints import resolve
from ...circuits import ORGaNICs
from ...equilibria import steady_states
from ...linear import jacobian_matrix
from ...noise import AbstractNoise, counts_about
from ...programs import quickly_compiled
from ..populations import AbstractPopulation
from ._experiment import AbstractExperiment, with_circuit


class AbstractCounts(AbstractExperiment):
    """Spikes in a window for each input, Poisson given the rates, `scale` ⌊y⌋^p per ms."""

    inputs: eqx.AbstractVar[Float[Array, "k m"]]
    noise: eqx.AbstractVar[AbstractNoise]
    window: eqx.AbstractVar[Float[Array, ""]]
    scale: eqx.AbstractVar[Float[Array, ""]]

    def counts(
        self, circuit: ORGaNICs, attempts: int | None = None
    ) -> tuple[Float[Array, "k n"], Float[Array, "k n n"]]:
        """Their means, NaN where no stable fixed point is found, and the covariance of the
        integrated rates, NaN also where rounding may change it."""
        circuit = resolve(circuit)
        steady = steady_states(circuit, self.inputs, attempts)
        means, variances = _counted(self, circuit, steady.states)
        found = steady.found[:, None]
        return jnp.where(found, means, jnp.nan), jnp.where(found[..., None], variances, jnp.nan)

    def attempts(self, circuit: ORGaNICs) -> int:
        return steady_states(resolve(circuit), self.inputs).attempts


class Factors(AbstractCounts):
    """The Fano factors of the counts, NaN where a rate is 0."""

    population: AbstractPopulation
    units: Int[np.ndarray, " n"]
    inputs: Float[Array, "k m"]
    noise: AbstractNoise
    window: Float[Array, ""]
    scale: Float[Array, ""]

    def observe(self, circuit: ORGaNICs, attempts: int | None = None) -> Float[Array, "k n"]:
        return factors_of(*self.counts(circuit, attempts))


class Correlations(AbstractCounts):
    """The correlations of the counts of pairs of units, NaN where a rate is 0."""

    population: AbstractPopulation
    units: Int[np.ndarray, " n"]
    inputs: Float[Array, "k m"]
    noise: AbstractNoise
    window: Float[Array, ""]
    scale: Float[Array, ""]

    def observe(self, circuit: ORGaNICs, attempts: int | None = None) -> Float[Array, "k n n"]:
        return correlations_of(*self.counts(circuit, attempts))


@functools.partial(quickly_compiled, level=1)
def _counted(e: AbstractCounts, circuit: ORGaNICs, states: Any) -> tuple[Array, Array]:
    def rates(y: Array) -> Array:
        return e.scale * with_circuit(e.population, circuit).rates(y)[e.units]

    def at(state: Any, x: Array) -> tuple[Array, Array]:
        J, slopes = jacobian_matrix(circuit, state, x), jax.jacfwd(rates)(state.y)
        slopes = jnp.pad(slopes, ((0, 0), (0, len(J) - slopes.shape[1])))
        return e.window * rates(state.y), counts_about(J, state, e.noise, slopes, e.window)

    return jax.vmap(at)(states, e.inputs)


def factors_of(means: Float[Array, "k n"], variances: Float[Array, "k n n"]) -> Array:
    """F = 1 + Var(∫r dt)/E(∫r dt)."""
    variance, is_there = jnp.diagonal(variances, axis1=1, axis2=2), means > 0
    return jnp.where(is_there, 1 + variance / jnp.where(is_there, means, 1), jnp.nan)


def correlations_of(means: Float[Array, "k n"], variances: Float[Array, "k n n"]) -> Array:
    """ρ_ij = Cov(∫r_i dt, ∫r_j dt)/√(Var N_i Var N_j),   Var N = E N + Var(∫r dt),   ρ_ii = 1."""
    is_there = means > 0
    own = jnp.where(is_there, means + jnp.diagonal(variances, axis1=1, axis2=2), 1)
    size = jnp.sqrt(own)
    pairs = variances / size[:, :, None] / size[:, None, :]
    rho = jnp.where(jnp.eye(means.shape[1], dtype=bool), 1, pairs)
    return jnp.where(is_there[:, :, None] & is_there[:, None, :], rho, jnp.nan)
