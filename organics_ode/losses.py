"""Losses and metrics of one sample; `fit` and `evaluate` average them over batches."""

from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from ._checks import refuse


def cross_entropy(outputs: Float[Array, "*time k"], targets: Any, mask: Any = None) -> Array:
    """−log softmax(outputs)[target], averaged over the time steps the mask selects.

    Args:
        outputs: (k,) or (time, k), scores.
        targets: () or (time,), integer classes.
        mask: (time,), weights ≥ 0, or None for equal ones.

    Returns:
        A scalar, in nats.

    Raises:
        ValueError: the shapes do not fit.
    """
    _check_targets(outputs.shape[:-1], targets)
    return _average(optax.softmax_cross_entropy_with_integer_labels(outputs, targets), mask)


def squared_error(outputs: Float[Array, "*time k"], targets: Any, mask: Any = None) -> Array:
    """(output − target)², averaged over the channels and the time steps the mask selects.

    Args:
        outputs, targets: (k,) or (time, k).
        mask: (time,), weights ≥ 0, or None for equal ones.

    Returns:
        A scalar.

    Raises:
        ValueError: the shapes do not fit.
    """
    _check_targets(outputs.shape, targets)
    return _average(jnp.mean((outputs - targets) ** 2, axis=-1), mask)


def accuracy(outputs: Float[Array, "*time k"], targets: Any, mask: Any = None) -> Array:
    """The share of time steps, among those the mask selects, whose highest score is the target's.

    Args:
        outputs: (k,) or (time, k), scores.
        targets: () or (time,), integer classes.
        mask: (time,), weights ≥ 0, or None for equal ones.

    Returns:
        A scalar in [0, 1].

    Raises:
        ValueError: the shapes do not fit.
    """
    _check_targets(outputs.shape[:-1], targets)
    highest = jnp.argmax(outputs, axis=-1)
    # NaN is no class: argmax would take it for the largest.
    right = (highest == jnp.asarray(targets).astype(highest.dtype)) & ~jnp.isnan(outputs).any(-1)
    return _average(right.astype(outputs.dtype), mask)


def _check_targets(shape: tuple[int, ...], targets: Any) -> None:
    if jnp.shape(targets) != shape:
        refuse("targets", f"have shape {shape} to fit the outputs", f"it has {jnp.shape(targets)}")


def _average(values: Array, mask: Any) -> Array:
    # A mask weighs time steps; without a time axis there is nothing to weigh.
    if mask is None or values.ndim == 0:
        return jnp.mean(values)
    if jnp.shape(mask) != values.shape:
        refuse("mask", f"have shape (time,) = {values.shape}", f"it has {jnp.shape(mask)}")
    mask = jnp.asarray(mask).astype(values.dtype)
    total = jnp.sum(mask)
    return jnp.sum(mask * values) / jnp.where(total > 0, total, 1)  # nothing selected costs 0
