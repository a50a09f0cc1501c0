"""Shares and lengths that are safe against rounding."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._nonlinearities import highest


def share(part: Array, total: Array, square: Array) -> Array:
    """part / total within [0, 1]; 0 where the total is only the rounding error of a constant.

    The total is a sum of squared deviations; `square` is the sum of squares of the same numbers.
    """
    varies = total > rounding(square) ** 2
    return jnp.where(varies, jnp.clip(part / jnp.where(varies, total, 1), 0, 1), 0)


def rounding(square: Array) -> Array:
    """The largest deviation that rounding alone causes in numbers with this sum of squares."""
    return 64 * jnp.finfo(square.dtype).eps * jnp.sqrt(jax.lax.stop_gradient(square))


def length(v: Array) -> Array:
    """|v| over the last axis, without overflow or underflow; its derivative is 0 at 0."""
    size = jax.lax.stop_gradient(highest(jnp.abs(v), -1)[..., None])
    scale = jnp.where(size > 0, size, 1)
    square = jnp.sum((v / scale) ** 2, axis=-1)
    is_long = square > 0
    return scale[..., 0] * jnp.where(is_long, jnp.sqrt(jnp.where(is_long, square, 1)), 0)
