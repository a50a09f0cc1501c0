"""Means over one period of every trial, and over the trials of every condition."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._cards import carded
from .._checks import (
    as_float_array,
    as_known_array,
    check_finite,
    check_positive_integer,
    is_traced,
    on_device,
    refuse,
)
from .._types import Numbers
from ..programs import in_full_precision


@carded
class ConditionMeans(NamedTuple):
    """Responses by condition.

    Attributes:
        means: (k, …), the mean over the trials of each condition; NaN if it has no trial.
        errors: (k, …), the standard error of each mean, s/√n; NaN for fewer than two trials.
        counts: (k,), the number of trials of each condition.
    """

    means: Float[Array, " k *rest"]
    errors: Float[Array, " k *rest"]
    counts: Int[Array, " k"]


def condition_means(responses: Numbers, labels: Numbers, conditions: int) -> ConditionMeans:
    """The mean response to every condition, with its standard error.

    Pure (jit, vmap over further axes, grad in the responses).

    Args:
        responses: (trials, …), such as (trials, n) or (trials, time, n).
        labels: (trials,), the condition of every trial, 0 … k − 1; −1 leaves a trial out, even if
            its response is NaN.
        conditions: k, their number.

    Returns:
        A `ConditionMeans`.

    Raises:
        ValueError: an argument is bad.
    """
    conditions = check_positive_integer("conditions", conditions)
    responses, labels = read_trials(responses, labels, conditions)
    return _condition_means(responses, labels, conditions)


@functools.partial(jax.jit, static_argnums=2)
def _condition_means(responses: Array, labels: Array, conditions: int) -> ConditionMeans:
    rows = responses.reshape(len(responses), -1)
    means, squares, counts = moments(rows, labels, conditions)
    n = jnp.maximum(counts, 1).astype(rows.dtype)[:, None]
    errors = jnp.sqrt(variances_of(squares, counts) / n)
    shape = (conditions, *responses.shape[1:])
    return ConditionMeans(means.reshape(shape), errors.reshape(shape), counts)


def period_mean(responses: Numbers, period: Numbers) -> Float[Array, "*batch n"]:
    """The mean response in one period of a trial.

    Pure (jit, vmap, grad in the responses). Each trial may have its own period, as with jitter.

    Args:
        responses: (…, time, n).
        period: (2,) or (…, 2), the first step and the one after the last, as in
            `trial.info["periods"]["delay"]`.

    Returns:
        (…, n); NaN for an empty period.

    Raises:
        ValueError: an argument is bad.
    """
    responses = as_float_array("responses", responses)
    steps = period if is_traced(period) else as_known_array("period", period)
    steps = jnp.asarray(steps)
    if not jnp.issubdtype(steps.dtype, jnp.integer):
        refuse("period", "hold whole numbers of steps", f"its dtype is {steps.dtype}")
    if responses.ndim < 2:
        refuse("responses", "have axes (..., time, n)", f"its shape is {responses.shape}")
    if steps.shape not in ((2,), (*responses.shape[:-2], 2)):
        must = "have shape (2,), or (..., 2) with the leading axes of `responses`"
        refuse("period", must, f"its shape is {steps.shape}")
    return _period_mean(responses, steps)


@jax.jit
@in_full_precision
def _period_mean(responses: Array, steps: Array) -> Array:
    t = jnp.arange(responses.shape[-2]).reshape((1,) * (steps.ndim - 1) + (-1,))
    inside = (t >= steps[..., :1]) & (t < steps[..., 1:])
    weights = jnp.broadcast_to(inside, responses.shape[:-1]).astype(responses.dtype)
    total = jnp.sum(weights, axis=-1)[..., None]
    summed = jnp.einsum("...t,...tn->...n", weights, responses)
    return jnp.where(total > 0, summed / jnp.where(total > 0, total, 1), jnp.nan)


def read_trials(
    responses: Numbers, labels: Numbers, conditions: int, name: str = "labels"
) -> tuple[Array, Array]:
    """Responses as floats, 0 in trials that are left out, and labels as integers, checked."""
    conditions = check_positive_integer("conditions", conditions)
    rows: Any = as_float_array("responses", responses)
    kinds: Any = labels if is_traced(labels) else as_known_array(name, labels)
    if not jnp.issubdtype(kinds.dtype, jnp.integer) and kinds.dtype != bool:
        refuse(name, "hold integers", f"its dtype is {kinds.dtype}")
    if rows.ndim < 1 or kinds.shape != rows.shape[:1]:
        shapes = f"the shapes are {kinds.shape} and {rows.shape}"
        refuse(name, "have shape (trials,), the first axis of `responses`", shapes)
    if not is_traced(kinds) and kinds.size:
        low, high = int(kinds.min()), int(kinds.max())
        if low < -1 or high >= conditions:
            must = f"be between 0 and {conditions - 1}, or -1"
            refuse(name, must, f"it holds {low} to {high}")
    # Labels known only inside jit cannot be checked: invalid ones are left out too.
    xp: Any = jnp if is_traced(kinds) or is_traced(rows) else np  # numpy compiles nothing
    kinds = xp.asarray(kinds).astype(np.int32)
    is_kept = (kinds >= 0) & (kinds < conditions)
    kinds = xp.where(is_kept, kinds, -1)
    # Trials that are left out may be NaN, and NaN times 0 is NaN.
    rows = xp.where(is_kept.reshape(-1, *[1] * (rows.ndim - 1)), xp.asarray(rows), 0)
    if xp is jnp:
        return rows, kinds
    return check_finite("responses", on_device(rows)), on_device(kinds)


@in_full_precision
def moments(rows: Float[Array, "trials n"], labels: Int[Array, " trials"], k: int) -> tuple:
    """Means (NaN without a trial), sums of squared deviations from them, and counts."""
    of = (labels[None, :] == jnp.arange(k, dtype=labels.dtype)[:, None]).astype(rows.dtype)
    n = jnp.sum(of, axis=1)[:, None]
    means = of @ rows / jnp.maximum(n, 1)
    # The deviation of each trial from the mean of its own condition; 0 if it is left out.
    deviations = rows - of.T @ means
    counts = jnp.sum(of, axis=1).astype(jnp.int32)
    return jnp.where(n > 0, means, jnp.nan), of @ deviations**2, counts


def variances_of(squares: Float[Array, "k n"], counts: Int[Array, " k"]) -> Float[Array, "k n"]:
    """Unbiased variances from sums of squared deviations; NaN for fewer than two trials."""
    n = counts.astype(squares.dtype)[:, None]
    return jnp.where(n > 1, squares / jnp.maximum(n - 1, 1), jnp.nan)
