"""How alike two sets of trajectories are."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_float_array, refuse


def cosine_similarity(first: Any, second: Any) -> Float[Array, "*batch"]:
    """The cosine of the angle between two trajectories at every time, u · v / (|u| |v|).

    The angle is at the origin: subtract a common mean first, or compare projections on principal
    components, which have one subtracted. Pure (jit, vmap, grad).

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
    return jnp.sum(u * v, axis=-1) / jnp.sqrt(jnp.sum(u**2, axis=-1) * jnp.sum(v**2, axis=-1))


def relative_distance(first: Any, second: Any) -> Float[Array, "*batch"]:
    """The distance of two trajectories at every time, in units of the spread of the first,

        |u − v| / √⟨|u − ⟨u⟩|²⟩

    with the mean ⟨·⟩ over all axes but the last. Pure (jit, vmap, grad).

    Args:
        first: (…, n), such as (trials, time, n).
        second: (…, n), the same shape.

    Returns:
        (…), 0 where they meet.

    Raises:
        ValueError: the shapes differ.
    """
    return _distance(*_read(first, second))


@jax.jit
def _distance(u: Array, v: Array) -> Array:
    axes = tuple(range(u.ndim - 1))
    deviations = u - jnp.mean(u, axis=axes, keepdims=True)
    spread = jnp.sqrt(jnp.mean(jnp.sum(deviations**2, axis=-1)))
    return jnp.sqrt(jnp.sum((u - v) ** 2, axis=-1)) / spread


def _read(first: Any, second: Any) -> tuple[Array, Array]:
    u = as_float_array("first", first)
    v = as_float_array("second", second, u.dtype)
    if u.ndim < 1 or u.shape != v.shape:
        refuse("second", f"have the shape {u.shape} of `first`", f"it has shape {v.shape}")
    return u, v
