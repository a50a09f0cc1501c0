"""The largest and the smallest of values among which there may be NaN.

Compiled for a CPU, `max` and `min` along an axis pass over NaN as soon as they work on several rows
at once: the maximum of [1, NaN] is then 1, and that of [NaN, NaN] is −∞, which lies below every
tolerance. What decides whether something succeeded takes these instead.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def highest(values: Float[Array, "..."], axis: int | None = None) -> Float[Array, "..."]:
    """The maximum, all of it or along an axis; NaN where a value is NaN."""
    return jnp.where(_is_unknown(values, axis), jnp.nan, jnp.max(values, axis))


def lowest(values: Float[Array, "..."], axis: int | None = None) -> Float[Array, "..."]:
    """The minimum, all of it or along an axis; NaN where a value is NaN."""
    return jnp.where(_is_unknown(values, axis), jnp.nan, jnp.min(values, axis))


def are_finite(*values: Any) -> Bool[Array, ""]:
    """Whether no entry of any of the arrays is NaN or infinite."""
    return jnp.stack([jnp.all(jnp.isfinite(each)) for each in values]).all()


def _is_unknown(values: Array, axis: int | None) -> Array:
    return jnp.any(jnp.isnan(values), axis)
