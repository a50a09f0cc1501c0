"""Tuning to a direction."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._cards import carded
from .._checks import as_float_array, check_positive_integer, refuse
from .._tables import AbstractTabular, Table, numbered
from .._types import Numbers
from ..programs import in_full_precision
from ._conditions import condition_means


@carded
class Tuning(NamedTuple):
    """Tuning curves of n units to a direction.

    Attributes:
        directions: (k,), radians, the centres 2πj/k of the bins.
        means: (k, n), the mean response; NaN for a bin without a trial.
        errors: (k, n), its standard error; NaN for fewer than two trials.
        counts: (k,), the number of trials in each bin.
        missing: how many trials are in no bin because their direction is not finite.

    `to_dataframe()`, `to_xarray()`: a row for each direction.
    """

    directions: Float[Array, " k"]
    means: Float[Array, "k n"]
    errors: Float[Array, "k n"]
    counts: Int[Array, " k"]
    missing: Int[Array, ""] | int = 0

    def to_table(self) -> Table:
        """Means, standard errors and counts over `direction` in radians, of a batch also over its
        axes."""
        *batch, k = self.directions.shape
        axes = numbered(tuple(batch)) | {"direction": self.directions.reshape(-1, k)[0]}
        columns = {"mean": self.means, "error": self.errors, "count": self.counts}
        notes = {} if batch else {"missing": int(self.missing)}
        return Table(axes, columns, {"direction": "rad"}, notes)

    # A named tuple has no other base.
    to_dataframe = AbstractTabular.to_dataframe
    to_xarray = AbstractTabular.to_xarray

    @property
    def preferred(self) -> Float[Array, " n"]:
        """θ* = arg Σ_j m_j e^{iθ_j}, radians in [0, 2π); NaN where a bin is empty, and where the
        sum is only rounding error: a flat curve has no preferred direction."""
        x, y = self._resultant
        angle = jnp.arctan2(y, x) % (2 * math.pi)
        is_flat = self.vector_strength <= 64 * jnp.finfo(angle.dtype).eps
        # A tiny negative angle, due to rounding, becomes a whole turn up to rounding.
        return jnp.where(is_flat, jnp.nan, jnp.where(angle >= 2 * math.pi, 0, angle))

    @property
    def vector_strength(self) -> Float[Array, " n"]:
        """|Σ_j m_j e^{iθ_j}| / Σ_j |m_j|: 1 for a response in one bin, 0 for a flat curve."""
        total = jnp.sum(jnp.abs(self.means), axis=0)
        length = jnp.hypot(*self._resultant)
        return jnp.where(total == 0, 0, jnp.minimum(length / jnp.where(total == 0, 1, total), 1))

    @property
    @in_full_precision
    def _resultant(self) -> tuple[Array, Array]:
        return jnp.cos(self.directions) @ self.means, jnp.sin(self.directions) @ self.means


def tuning(responses: Numbers, directions: Numbers, bins: int = 8) -> Tuning:
    """Tuning curves: the mean response of every unit in bins of direction.

    Pure (jit, vmap, grad in the responses).

    Args:
        responses: (trials, n), such as the `period_mean` of a delay.
        directions: (trials,), radians, in any range; a trial whose direction is NaN is left out and
            counted as missing.
        bins: k, the number of bins that divide the circle; the first is centred on 0.

    Returns:
        A `Tuning`, with each unit's preferred direction and vector strength.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Mardia, Jupp, "Directional statistics", Wiley (2000), for the resultant.
    """
    bins = check_positive_integer("bins", bins)
    responses = as_float_array("responses", responses)
    directions = as_float_array("directions", directions, responses.dtype)
    if responses.ndim != 2:
        refuse("responses", "have shape (trials, n)", f"its shape is {responses.shape}")
    labels, centres = _bin(directions, bins)
    return Tuning(centres, *condition_means(responses, labels, bins), jnp.sum(labels < 0))


@functools.partial(jax.jit, static_argnums=1)
def _bin(directions: Array, bins: int) -> tuple[Array, Array]:
    width = 2 * math.pi / bins
    labels = jnp.round(directions / width).astype(jnp.int32) % bins
    labels = jnp.where(jnp.isfinite(directions), labels, -1)
    return labels, width * jnp.arange(bins, dtype=directions.dtype)
