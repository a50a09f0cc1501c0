"""States of all sizes to search from."""

import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

NARROW, WIDE = (-2.5, 1.5), (-4.0, 6.0)  # Decades around the typical size of a variable.
# A search gives its starts to this many methods in turn: each has to get some of both kinds.
METHODS = 4


def scales(key: PRNGKeyArray, count: int, dtype: jnp.dtype) -> Float[Array, "count 1"]:
    """Factors over the decades around a typical size."""
    return 10 ** jax.random.uniform(key, (count, 1), dtype, *NARROW)


def around(
    key: PRNGKeyArray, count: int, size: PyTree, is_positive: PyTree, *, half_are_wide: bool = False
) -> PyTree:
    """Random states of about this size: each variable gets its own factor and each start its own
    scale; variables that may be negative get both signs.

    Args:
        key: a PRNG key.
        count: the number of states.
        size: a state, > 0.
        is_positive: a state of booleans.
        half_are_wide: whether every other group of starts has sizes far from this one.

    Returns:
        A state whose fields are (count, …).
    """
    flat, unravel = jax.flatten_util.ravel_pytree(size)
    positive = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(is_positive)])
    is_wide = half_are_wide & (jnp.arange(count) // METHODS % 2 == 1)[:, None]
    low, high = (
        jnp.where(is_wide, *ends).astype(flat.dtype) for ends in zip(WIDE, NARROW, strict=True)
    )
    keys, shape = jax.random.split(key, 3), (count, flat.size)
    scale = 10 ** jax.random.uniform(keys[0], (count, 1), flat.dtype, low, high)
    spread = jnp.exp(0.5 * jax.random.normal(keys[1], shape, flat.dtype))
    mixed = jax.random.normal(keys[2], shape, flat.dtype)
    return jax.vmap(unravel)(scale * flat[None, :] * jnp.where(positive[None, :], spread, mixed))
