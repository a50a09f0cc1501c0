"""Masks: which steps of a sequence count, and where it ends.

The values at the other steps (NaN, −100 or any other padding) affect neither results nor gradients.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PyTree

from .._checks import as_known_array, is_traced, refuse
from .._types import Numbers


def selected(mask: Numbers) -> Bool[Array, "*axes"]:
    """The steps that count: those whose weight is not 0."""
    return jnp.asarray(mask).astype(bool)


def running(mask: Numbers) -> Bool[Array, "*batch time"]:
    """The steps up to the last one that counts: those before it drive the circuit in any case."""
    counts = selected(mask).astype(jnp.int32)
    return jax.lax.cummax(counts, axis=counts.ndim - 1, reverse=True) > 0


def blank(keep: Bool[Array, "*axes"], values: Numbers) -> Array:
    """The values where they are kept, zeros elsewhere; `keep` has the first axes of `values`.

    Values are replaced before anything is computed from them: a product with 0 would leave NaN as
    it is, in the result or in its gradient.
    """
    values = jnp.asarray(values)
    keep = keep.reshape(keep.shape + (1,) * (values.ndim - keep.ndim))
    return jnp.where(keep, values, jnp.zeros((), values.dtype))


def hold(runs: Array | None, new: PyTree, old: PyTree) -> PyTree:
    """The new state while a sequence runs, the old one after its end; always new for None."""
    if runs is None:
        return new
    return jax.tree.map(lambda a, b: jnp.where(runs, a, b), new, old)


def read_mask(mask: Numbers, shape: tuple[int, ...], axes: str) -> Bool[Array, "*axes"]:
    """The running steps of sequences with these axes, such as (batch, time)."""
    weights = jnp.asarray(mask) if is_traced(mask) else as_known_array("mask", mask)
    if weights.shape != shape:
        refuse("mask", f"have shape ({axes}) = {shape}", f"it has shape {weights.shape}")
    if isinstance(weights, np.ndarray):
        check_mask(weights, "mask")
    return running(weights)


def check_mask(mask: np.ndarray, name: str) -> None:
    """Check that known weights are finite, not negative, and not all 0 in any sequence."""
    if mask.dtype != bool and not np.issubdtype(mask.dtype, np.number):
        refuse(name, "hold bools or numbers", f"its dtype is {mask.dtype}")
    if np.iscomplexobj(mask) or not np.isfinite(mask).all():
        refuse(name, "hold finite weights", "some are NaN, infinite or complex")
    if (mask < 0).any():
        refuse(name, "not be negative", f"its smallest value is {mask.min()}")
    empty = ~(mask > 0).any(axis=-1)
    if empty.any():
        which = (
            "the sequence has none" if empty.ndim == 0 else f"sample {np.argmax(empty)} has none"
        )
        refuse(name, "select at least one step of every sequence", which)
