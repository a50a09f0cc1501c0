"""How similar two sets of trajectories are."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_float_array, refuse
from .._types import Numbers
from ._share import length, rounding


def cosine_similarity(first: Numbers, second: Numbers) -> Float[Array, "*batch"]:
    """The cosine of the angle between two trajectories at every time, u · v / (|u| |v|).

    The angle is measured at the origin: subtract a common mean first, or compare projections onto
    principal components, which already have one subtracted. Pure (jit, vmap, grad).

    Args:
        first: (…, n), such as (trials, time, n).
        second: (…, n), the same shape.

    Returns:
        (…), between −1 and 1; NaN where a state is at the origin.

    Raises:
        ValueError: the shapes differ.
    """
    return _cosine(*_read(first, second))


@jax.jit
def _cosine(u: Array, v: Array) -> Array:
    cosine = jnp.sum(_direction(u) * _direction(v), axis=-1)
    return jnp.clip(cosine, -1, 1)


def _direction(u: Array) -> Array:
    """u/|u|, NaN at the origin."""
    size = length(u)[..., None]
    return jnp.where(size > 0, u / jnp.where(size > 0, size, 1), jnp.nan)


def relative_distance(first: Numbers, second: Numbers) -> Float[Array, "*batch"]:
    """The distance between two trajectories at every time, in units of the spread of the first,

        |u − v| / √⟨|u − ⟨u⟩|²⟩

    with the mean ⟨·⟩ over all axes but the last. Pure (jit, vmap, grad).

    Args:
        first: (…, n), such as (trials, time, n).
        second: (…, n), the same shape.

    Returns:
        (…), 0 where they meet; infinite where they differ but the first never varies.

    Raises:
        ValueError: the shapes differ.
    """
    return _distance(*_read(first, second))


@jax.jit
def _distance(u: Array, v: Array) -> Array:
    axes = tuple(range(u.ndim - 1))
    deviations = u - jnp.mean(u, axis=axes, keepdims=True)
    spread = jnp.sqrt(jnp.mean(length(deviations) ** 2))
    varies = spread > rounding(jnp.mean(length(u) ** 2))
    away = length(u - v)
    still = jnp.where(away > 0, jnp.inf, 0)
    return jnp.where(varies, away / jnp.where(varies, spread, 1), still)


def _read(first: Numbers, second: Numbers) -> tuple[Array, Array]:
    u = as_float_array("first", first)
    v = as_float_array("second", second, u.dtype)
    if u.ndim < 1 or u.shape != v.shape:
        refuse("second", f"have the shape {u.shape} of `first`", f"it has shape {v.shape}")
    return u, v
