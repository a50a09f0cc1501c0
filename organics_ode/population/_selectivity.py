"""How much of a unit's variance a variable explains, and how far apart two conditions lie."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cards import carded
from .._checks import check_positive_integer, refuse, shown
from .._types import Numbers
from ._conditions import moments, read_trials, variances_of
from ._share import rounding, share


@carded
class MixedSelectivity(NamedTuple):
    """Shares of a unit's variance, which sum to 1 (to 0 for a unit that never varies).

    Attributes:
        first: (n,), explained by the first variable alone.
        second: (n,), explained by the second alone.
        interaction: (n,), explained by their combination: nonlinear mixed selectivity.
        within: (n,), remaining within the conditions.
    """

    first: Float[Array, " n"]
    second: Float[Array, " n"]
    interaction: Float[Array, " n"]
    within: Float[Array, " n"]


def selectivity(responses: Numbers, labels: Numbers, conditions: int) -> Float[Array, " n"]:
    """The share of every unit's variance over trials that the condition explains,

        η² = Σ_j n_j (m_j − m)² / Σ_trials (r − m)².

    With N trials, unrelated labels of k conditions give (k − 1)/(N − 1) on average, not 0. Pure
    (jit, vmap, grad in the responses).

    Args:
        responses: (trials, n).
        labels: (trials,), the condition of every trial, 0 … k − 1; −1 leaves a trial out.
        conditions: k, their number.

    Returns:
        (n,), between 0 and 1; 0 for a unit that never varies.

    Raises:
        ValueError: an argument is bad.
    """
    conditions = check_positive_integer("conditions", conditions)
    return _selectivity(*_read(responses, labels, conditions), conditions)


@functools.partial(jax.jit, static_argnums=2)
def _selectivity(rows: Array, labels: Array, conditions: int) -> Array:
    _, within, _ = moments(rows, labels, conditions)
    _, total, _ = moments(rows, jnp.minimum(labels, 0), 1)
    between = total[0] - jnp.sum(within, axis=0)
    return share(between, total[0], _squares(rows, labels))


def mixed_selectivity(
    responses: Numbers, first: Numbers, second: Numbers, conditions: tuple[int, int]
) -> MixedSelectivity:
    """The shares of every unit's variance that two variables and their combination explain.

    This is a two-way analysis of variance in which every cell has equal weight. With m_ij the mean
    of cell (i, j), row means m_i·, column means m_·j and grand mean m, the total is

        ⟨(m_i· − m)²⟩ + ⟨(m_·j − m)²⟩ + ⟨(m_ij − m_i· − m_·j + m)²⟩ + ⟨variance in cell (i, j)⟩

    So the shares do not depend on how the trials are distributed over cells; like η² they are
    biased upwards when cells have few trials. Pure (jit, vmap, grad in the responses).

    Args:
        responses: (trials, n).
        first: (trials,), the first variable, 0 … k₁ − 1; −1 leaves a trial out.
        second: (trials,), the second variable, 0 … k₂ − 1; −1 leaves a trial out.
        conditions: (k₁, k₂).

    Returns:
        A `MixedSelectivity`; NaN if a cell has no trial.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Rigotti et al., "The importance of mixed selectivity in complex cognitive tasks", Nature 497
        (2013).
    """
    if not isinstance(conditions, tuple | list) or len(conditions) != 2:
        refuse("conditions", "be a pair of whole numbers (k_1, k_2)", f"it is {shown(conditions)}")
    k1, k2 = (check_positive_integer("conditions", k) for k in conditions)
    rows, first = _read(responses, first, k1, "first")
    rows, second = _read(rows, second, k2, "second")
    return _mixed_selectivity(rows, first, second, k1, k2)


@functools.partial(jax.jit, static_argnums=(3, 4))
def _mixed_selectivity(
    rows: Array, first: Array, second: Array, k: int, l: int
) -> MixedSelectivity:
    cell = jnp.where((first < 0) | (second < 0), -1, first * l + second)
    means, squares, counts = moments(rows, cell, k * l)
    m = means.reshape(k, l, -1)
    centre = jnp.mean(m, axis=(0, 1), keepdims=True)
    row, column = jnp.mean(m, axis=1, keepdims=True), jnp.mean(m, axis=0, keepdims=True)
    parts = (row - centre, column - centre, m - row - column + centre)
    variances = [jnp.mean(part**2, axis=(0, 1)) for part in parts]
    n = counts.astype(rows.dtype)[:, None]
    variances.append(jnp.mean(squares / jnp.maximum(n, 1), axis=0))
    total = jnp.sum(jnp.stack(variances), axis=0)
    square = _squares(rows, cell) / jnp.maximum(jnp.sum(counts), 1).astype(rows.dtype)
    return MixedSelectivity(*(share(v, total, square) for v in variances))


def d_prime(responses: Numbers, labels: Numbers) -> Float[Array, " n"]:
    """The distance between two conditions, in standard deviations,

        d' = (m₁ − m₀) / √(½ (s₀² + s₁²)),

    with the unbiased variances s² over trials. Pure (jit, vmap, grad in the responses).

    Args:
        responses: (trials, n).
        labels: (trials,), 0 or 1; −1 leaves a trial out.

    Returns:
        (n,), positive where condition 1 has the larger response; infinite where the conditions
        differ but do not vary within, 0 where nothing varies at all, NaN where a condition has
        fewer than two trials.

    Raises:
        ValueError: an argument is bad.
    """
    return _d_prime(*_read(responses, labels, 2))


@jax.jit
def _d_prime(rows: Array, labels: Array) -> Array:
    means, squares, counts = moments(rows, labels, 2)
    variance, difference = jnp.mean(variances_of(squares, counts), axis=0), means[1] - means[0]
    least = rounding(_squares(rows, labels) / jnp.maximum(jnp.sum(counts), 1).astype(rows.dtype))
    varies = ~(variance <= least**2)  # NaN where a condition has too few trials
    differs = jnp.where(jnp.abs(difference) > least, jnp.sign(difference) * jnp.inf, 0)
    return jnp.where(varies, difference / jnp.sqrt(jnp.where(varies, variance, 1)), differs)


def _read(
    responses: Numbers, labels: Numbers, conditions: int, name: str = "labels"
) -> tuple[Array, Array]:
    rows, labels = read_trials(responses, labels, conditions, name)
    if rows.ndim != 2:
        refuse("responses", "have shape (trials, n)", f"its shape is {rows.shape}")
    return rows, labels


def _squares(rows: Array, labels: Array) -> Array:
    """Σ r² of every unit over the trials that are not left out."""
    return jnp.sum(jnp.where((labels >= 0)[:, None], rows, 0) ** 2, axis=0)
