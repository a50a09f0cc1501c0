"""Coloured noise as an input."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ._checks import check_positive_integer, check_positive_number, read_integer, read_key
from ._nonlinearities import root


def ornstein_uhlenbeck(
    steps: int, size: int | tuple[int, ...], *, dt: Any, tau: Any, key: PRNGKeyArray
) -> Float[Array, "steps ..."]:
    """Stationary Ornstein-Uhlenbeck noise of variance 1, exact at every step.

        τ dη = −η dt + √(2τ) dB,      η_{t+1} = ρ η_t + √(1−ρ²) ξ_t,   ρ = exp(−dt/τ)

    The first row is drawn from the stationary distribution N(0, 1). As `η` it drives a `Noisy` rate
    network; times σ and added to the values of an input, any circuit.

    Args:
        steps: the number of rows.
        size: of a row, or its shape.
        dt: ms between rows, > 0.
        tau: correlation time in ms, > 0.
        key: a PRNG key.

    Returns:
        (steps, *size).

    Raises:
        ValueError: an argument is bad.

    Reference:
        Gillespie, "Exact numerical simulation of the Ornstein-Uhlenbeck process and its integral",
        Physical Review E 54 (1996).
    """
    key = read_key("key", key)
    steps = check_positive_integer("steps", steps)
    check_positive_number("dt", dt)
    check_positive_number("tau", tau)
    must = "be a positive integer or a tuple of them"
    sizes = size if isinstance(size, tuple) else (size,)
    shape = tuple(read_integer("size", n, 1, must) for n in sizes)
    return _noise(key, jnp.asarray(dt), jnp.asarray(tau), (steps, *shape))


@functools.partial(jax.jit, static_argnums=3)
def _noise(key: PRNGKeyArray, dt: Array, tau: Array, shape: tuple[int, ...]) -> Array:
    xi = jax.random.normal(key, shape)
    rho = jnp.exp(-jnp.asarray(dt, xi.dtype) / jnp.asarray(tau, xi.dtype))
    kick = root(1 - rho**2, 2)

    def step(eta: Array, xi: Array) -> tuple[Array, Array]:
        eta = rho * eta + kick * xi
        return eta, eta

    return jnp.concatenate([xi[:1], jax.lax.scan(step, xi[0], xi[1:])[1]])
