"""Averages over pairs of Gaussian variables."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._checks import refuse
from ..programs import jitted
from ._averages import Function

_REACH = 8.5  # standard deviations
_STEP = 0.35  # of x: the error of the trapezoid rule is exp(−π²/step), 6e-13, for tanh
_MOST = 4096  # nodes of each variable


def pair_nodes(top: float) -> int:
    """How many nodes each variable needs to keep the step at variances up to `top`."""
    n = 64 * math.ceil(2 * _REACH * max(top**0.5, 1.0) / _STEP / 64)
    if n > _MOST:
        refuse("geometry", "keep the variance of x below 7000", f"it reaches {top:.3g}")
    return n


@jitted(static_argnums=(0, 4))
def pair_averages(
    pairs: tuple[tuple[Function, Function], ...], d1: Array, d2: Array, C: Array, n: int
) -> Array:
    """⟨F(x*) H(x)⟩, (k, pairs), where x* and x have variances d1 and d2 and covariance C, (k,).

        x* = √d1 u,   x = C/√d1 u + √(d2 − C²/d1) v,   u, v independent and of unit variance

    Uses n² equally spaced nodes, whose spacing resolves the bends of F and H wherever they lie.
    """
    u = jnp.linspace(-_REACH, _REACH, n)
    weights = jnp.exp(-u * u / 2) * (u[1] - u[0]) / jnp.sqrt(2 * jnp.pi)

    def at(row: tuple[Array, Array, Array]) -> Array:
        d1, d2, C = row
        s1 = jnp.sqrt(d1)
        safe = jnp.where(s1 > 0, s1, 1.0)
        rest = jnp.sqrt(jnp.maximum(d2 - (C / safe) ** 2, 0))
        x = (C / safe * u)[:, None] + (rest * u)[None, :]
        inner = [(weights * F(s1 * u)) @ (H(x) @ weights) for F, H in pairs]
        return jnp.stack(inner)

    return jax.lax.map(at, (d1, d2, C))
