"""Functions that are correct in edge cases: rectification, roots and powers with finite derivatives
everywhere, in both modes; and extremes of values that may include NaN."""

import enum
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ._checks import refuse
from ._types import HasMatrix

Exponent = float | Float[Array, ""]


class Rectification(enum.Enum):
    """Where a circuit rectifies, ⌊x⌋ = max(x, 0).

    | name   | recurrent drive | pooled response | input drive |
    |--------|-----------------|-----------------|-------------|
    | NONE   | W_r y           | \\|y\\|^p       | z           |
    | BEFORE | W_r⌊y⌋          | ⌊y⌋^p           | z           |
    | AFTER  | ⌊W_r y⌋         | ⌊y⌋^p           | ⌊z⌋         |

    NONE is the model of the theory, and of oscillating memories (`fourier_memory`); AFTER is the
    paper's circuit trained on sequences.
    """

    NONE = "none"
    BEFORE = "before"
    AFTER = "after"

    def recurrent(
        self, W_r: Float[Array, " n n"] | HasMatrix, y: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """The recurrent drive, (n,)."""
        if self is Rectification.BEFORE:
            return W_r @ jax.nn.relu(y)
        return jax.nn.relu(W_r @ y) if self is Rectification.AFTER else W_r @ y

    def pooled(self, y: Float[Array, " n *batch"], exponent: Exponent) -> Float[Array, " n *batch"]:
        """The response that enters the normalization pool, (n, …)."""
        return power(y if self is Rectification.NONE else jax.nn.relu(y), exponent)

    def input(self, z: Float[Array, " n *batch"]) -> Float[Array, " n *batch"]:
        """The input drive, (n, …)."""
        return jax.nn.relu(z) if self is Rectification.AFTER else z


def check_rectification(rectification: Rectification) -> Rectification:
    if not isinstance(rectification, Rectification):
        must = "be an `oo.Rectification`, such as `oo.Rectification.AFTER`"
        refuse("rectification", must, f"it is {rectification!r}")
    return rectification


def root(a: Float[Array, "..."], exponent: Exponent) -> Float[Array, "..."]:
    """⌊a⌋^(1/p), with derivative 0 (not infinite, not NaN) where a ≤ 0."""
    positive = a > 0
    # The inner `where` keeps the infinite slope at 0 out of both derivative modes; the outer
    # one alone would turn it into 0·inf = NaN.
    safe = jnp.where(positive, a, 1)
    value = jnp.sqrt(safe) if _is(exponent, 2) else safe ** (1 / exponent)
    return jnp.where(positive, value, 0)


def power(y: Float[Array, "..."], exponent: Exponent) -> Float[Array, "..."]:
    """|y|^p, with derivative 0 at y = 0."""
    if _is(exponent, 2):
        return y * y
    nonzero = y != 0
    return jnp.where(nonzero, jnp.abs(jnp.where(nonzero, y, 1)) ** exponent, 0)


def unit(z: Float[Array, " n"]) -> Float[Array, " n"]:
    """z/‖z‖₂, and 0 with derivative 0 at z = 0."""
    # Scaled by its largest entry first: squares of small or large numbers under- or overflow.
    largest = jax.lax.stop_gradient(highest(jnp.abs(z)))
    is_zero = largest == 0
    scaled = z / jnp.where(is_zero, 1, largest)
    norm = root(jnp.sum(scaled * scaled), 2)
    return jnp.where(is_zero, 0, scaled / jnp.where(is_zero, 1, norm))


def _is(exponent: Exponent, number: int) -> bool:
    # A traced or array exponent takes the general path: its value is not known here.
    return isinstance(exponent, (int, float)) and exponent == number


# Compiled for a CPU, `max` and `min` along an axis skip NaN as soon as they work on several rows at
# once: the maximum of [1, NaN] is then 1, and that of [NaN, NaN] is −∞, which is below every
# tolerance. Code that decides whether something succeeded uses these functions instead.
# https://github.com/openxla/xla/issues/21461 is of this kind. Called by hand, each is one program.
# They compare integers in the order of the floats, of which NaN is the largest: with a second
# reduction that looks for NaN, a program takes twice as long to compile.
@functools.partial(jax.jit, static_argnames="axis", inline=True)
def highest(values: Float[Array, "..."], axis: int | None = None) -> Float[Array, "..."]:
    """The maximum, overall or along an axis; NaN where a value is NaN."""
    return _highest(values, axis)


@functools.partial(jax.jit, static_argnames="axis", inline=True)
def lowest(values: Float[Array, "..."], axis: int | None = None) -> Float[Array, "..."]:
    """The minimum, overall or along an axis; NaN where a value is NaN."""
    return -_highest(-values, axis)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _highest(values: Array, axis: int | None) -> Array:
    kind = jnp.dtype(f"int{8 * values.dtype.itemsize}")
    known = jnp.where(jnp.isnan(values), jnp.nan, values)  # a NaN may have either sign
    largest = jnp.max(_swapped(jax.lax.bitcast_convert_type(known, kind)), axis)
    return jax.lax.bitcast_convert_type(_swapped(largest), values.dtype)


@_highest.defjvp
def _(axis: int | None, primals: tuple, tangents: tuple) -> tuple:
    """Equal shares for equal values, as of `jnp.max`."""
    (values,), (moved,) = primals, tangents
    largest = _highest(values, axis)
    at = values == (largest if axis is None else jnp.expand_dims(largest, axis))
    share = jnp.sum(jnp.where(at, moved, 0), axis) / jnp.sum(at, axis, dtype=values.dtype)
    return largest, share


def _swapped(bits: Array) -> Array:
    """Floats as integers of the same order, and back: those of negative numbers are reversed."""
    info = jnp.iinfo(bits.dtype)
    return bits ^ ((bits >> (info.bits - 1)) & info.max)


@functools.partial(jax.jit, inline=True)
def largest_each(*values: Array) -> Float[Array, " values"]:
    """The largest magnitude in each of the arrays; NaN for one that holds a NaN.

    It takes one reduction, of which XLA makes less code than of one for each array.
    """
    flat = [value.ravel() for value in values]
    widest = max(each.size for each in flat)
    # An array that is shorter than the longest one is repeated.
    rows = [each if each.size == widest else jnp.resize(each, (widest,)) for each in flat]
    return highest(jnp.abs(jnp.stack(rows)), 1)


@functools.partial(jax.jit, inline=True)
def are_finite(*values: Array) -> Bool[Array, ""]:
    """Whether no entry of any of the arrays is NaN or infinite."""
    return jnp.concatenate([jnp.isfinite(each).ravel() for each in values]).all()
