"""Parameters as nodes of the parameter tree: how each may be trained, and what it is worth.

Three kinds. Reparametrised nodes (`Positive`, `Bounded`) store an unconstrained number, so any
optimizer step keeps the constraint. Projected nodes (`NonNegative`, `Connectivity`,
`SpectralBound`) store the value itself and are put back by `project` after an update: zeros stay
legal, which a logarithm forbids. `Frozen` is left alone. `resolve` replaces every node by its
value.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
from jaxtyping import Array, Bool, Float, Int8, PyTree

from ._checks import (
    as_float_array,
    as_known_array,
    check_finite,
    check_nonnegative,
    check_positive,
    check_positive_number,
    is_traced,
    read_number,
    refuse,
)
from ._types import Numbers


class AbstractNode(paramax.AbstractUnwrappable):
    """A parameter that knows how it may be trained."""

    @abstractmethod
    def unwrap(self) -> PyTree:
        """The value the equations use."""


class AbstractProjected(AbstractNode):
    """A parameter stored as its value and put back into its set after each update."""

    @abstractmethod
    def project(self) -> "AbstractProjected":
        """The nearest legal parameter."""


class Frozen(AbstractNode):
    """A value that is not trained: an array or a tree of them."""

    value: PyTree

    def unwrap(self) -> PyTree:
        return jax.tree.map(_stop_gradient, self.value)


class Positive(AbstractNode):
    """A positive parameter, v = exp(θ); θ is trained.

    Args:
        value: array or number, > 0.
    """

    theta: Float[Array, "..."]

    def __init__(self, value: Numbers):
        array = check_finite("value", as_float_array("value", value))
        self.theta = jnp.log(check_positive("value", array))

    def unwrap(self) -> Float[Array, "..."]:
        return jnp.exp(self.theta)


class Bounded(AbstractNode):
    """A parameter inside an open interval.

    v = low + (high − low)·sigmoid(θ), or v = low + exp(θ) where `high` is infinite; θ is trained.
    For a time constant with Euler step dt, `Bounded(tau, low=10 * dt)` holds dt/τ < 0.1.

    Args:
        value: array or number with low < value < high, in the unit of the bounds.
        low, high: numbers; `high` may be infinite.
    """

    theta: Float[Array, "..."]
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def __init__(self, value: Numbers, low: float, high: float = float("inf")):
        low, high = read_number("low", low), read_number("high", high, is_finite=False)
        if not low < high:
            refuse("low", "be below `high`", f"they are {low} and {high}")
        array = check_finite("value", as_float_array("value", value))
        for name, bound in (("low", low), ("high", high)):
            as_float_array(name, bound, array.dtype)
        if not is_traced(array) and not np.all((low < array) & (array < high)):
            refuse("value", f"lie between {low} and {high}", _range(array))
        self.low, self.high = float(low), float(high)
        below = array - low
        self.theta = jnp.log(below if np.isinf(high) else below / (high - array))

    def unwrap(self) -> Float[Array, "..."]:
        if np.isinf(self.high):
            return self.low + jnp.exp(self.theta)
        return self.low + (self.high - self.low) * jax.nn.sigmoid(self.theta)


class NonNegative(AbstractProjected):
    """A parameter ≥ 0 whose zeros are legal; negative entries are set to 0 after each update.

    Args:
        value: array or number, ≥ 0.
    """

    value: Float[Array, "..."]

    def __init__(self, value: Numbers):
        array = check_finite("value", as_float_array("value", value))
        self.value = check_nonnegative("value", array)

    def unwrap(self) -> Float[Array, "..."]:
        return self.value

    def project(self) -> "NonNegative":
        return eqx.tree_at(lambda p: p.value, self, jnp.maximum(self.value, 0))


class Connectivity(AbstractProjected):
    """A weight matrix with absent connections and, by Dale's law, signs of its presynaptic units.

    W_ij = 0 where mask_ij is False, and W_ij·signs_j ≥ 0. Absent connections get no gradient, and
    weights of the wrong sign are set to 0 after each update.

    Args:
        value: (n, m), a legal matrix: from unit j to unit i.
        mask: (n, m) of bool, which connections there are; all unless given.
        signs: (m,), +1 where unit j excites, -1 where it inhibits, 0 where it may do both; 0 unless
            given.
    """

    value: Float[Array, "n m"]
    mask: Bool[Array, "n m"]
    signs: Int8[Array, " m"]

    def __init__(
        self, value: Numbers, *, mask: Numbers | None = None, signs: Numbers | None = None
    ):
        array = check_finite("value", as_float_array("value", value))
        if array.ndim != 2:
            refuse("value", "be a matrix", f"it has shape {array.shape}")
        mask = np.ones(array.shape, bool) if mask is None else as_known_array("mask", mask)
        signs = np.zeros(array.shape[1], np.int8) if signs is None else signs
        signs = as_known_array("signs", signs)
        if mask.shape != array.shape or mask.dtype != bool:
            found = f"it has shape {mask.shape} and dtype {mask.dtype}"
            refuse("mask", f"be a boolean array of shape {array.shape}", found)
        if (
            np.iscomplexobj(signs)
            or signs.shape != array.shape[1:]
            or not np.isin(signs, (-1, 0, 1)).all()
        ):
            must = f"hold -1, 0 or 1 for each of the {array.shape[1]} presynaptic units"
            refuse("signs", must, f"it has shape {signs.shape} and values {np.unique(signs)}")
        self.mask, self.signs = jnp.asarray(mask), jnp.asarray(signs, jnp.int8)
        self.value = array
        if not is_traced(array) and bool(jnp.any(self.project().value != array)):
            refuse("value", "be 0 where `mask` is False and have the `signs`", "it does not")

    def unwrap(self) -> Float[Array, "n m"]:
        return jnp.where(self.mask, self.value, 0)

    def project(self) -> "Connectivity":
        signs = self.signs[None, :].astype(self.value.dtype)
        # NaN is no wrong sign: it stays, for the training to see.
        is_illegal = ~self.mask | (signs * self.value < 0)
        return eqx.tree_at(lambda p: p.value, self, jnp.where(is_illegal, 0, self.value))


class SpectralBound(AbstractProjected):
    """A matrix whose largest singular value stays ≤ `bound`; larger ones are cut after each update.

    Args:
        value: (n, m), inside the bound.
        bound: positive number.
    """

    value: Float[Array, "n m"]
    bound: float = eqx.field(static=True)

    def __init__(self, value: Numbers, bound: float = 1.0):
        bound = float(check_positive_number("bound", bound))
        array = check_finite("value", as_float_array("value", value))
        if array.ndim != 2:
            refuse("value", "be a matrix", f"it has shape {array.shape}")
        if not is_traced(array):
            largest = float(np.linalg.norm(np.asarray(array, np.float64), 2))
            if largest > bound * (1 + 1e-5):
                refuse("value", f"have singular values <= {bound}", f"the largest is {largest}")
        self.value, self.bound = array, bound

    def unwrap(self) -> Float[Array, "n m"]:
        return self.value

    def project(self) -> "SpectralBound":
        u, s, vt = jnp.linalg.svd(self.value, full_matrices=False)
        cut = (u * jnp.minimum(s, self.bound)[None, :]) @ vt
        # Inside the bound the value is kept to the bit: no rounding drifts in with the steps.
        new = jnp.where(s[0] > self.bound, cut, self.value)
        return eqx.tree_at(lambda p: p.value, self, new)


def resolve(tree: PyTree) -> PyTree:
    """The same tree (circuit, cell, model) with every node replaced by its value.

    Every public function accepts either form. Gradients with respect to a resolved circuit are
    with respect to the values themselves (∂/∂τ, not ∂/∂θ).
    """
    return paramax.unwrap(tree)


def project(tree: PyTree) -> PyTree:
    """The tree with every projected node put back into its set: call it after each update.

    `oo.fit` does so; a training loop of your own must.
    """
    return jax.tree.map(
        lambda x: x.project() if isinstance(x, AbstractProjected) else x,
        tree,
        is_leaf=lambda x: isinstance(x, AbstractProjected),
    )


def trainable(tree: PyTree) -> PyTree:
    """True for each leaf that may be trained, False for frozen, integer and other leaves.

    The result is a filter for `eqx.partition(tree, oo.trainable(tree))`; an optimizer that sees
    only the first half cannot decay a frozen value.
    """
    return _arrays_but_in(lambda x: isinstance(x, Frozen), tree)


def weight_decay_mask(tree: PyTree) -> PyTree:
    """True for each trained leaf that weight decay may shrink, False for the others.

    An optimizer takes the function itself: `optax.adamw(1e-3, mask=oo.weight_decay_mask)`. True are
    weights and biases that are stored as their value: plain arrays, and the projected nodes
    (`NonNegative`, `Connectivity`, `SpectralBound`), in whose sets 0 lies or whose bound shrinking
    keeps. False are the numbers that stand for another one (`Positive`, `Bounded`, nodes of
    paramax): θ = 0 is no small time constant but one of 1 in the user's unit, so that the result of
    decay would depend on the unit.
    """
    stands_for_another = lambda x: (  # noqa: E731
        isinstance(x, paramax.AbstractUnwrappable) and not isinstance(x, AbstractProjected)
    )
    return _arrays_but_in(stands_for_another, tree)


def _arrays_but_in(left_out: Callable[[Any], bool], tree: PyTree) -> PyTree:
    """True for each floating array, but none inside of what is left out."""
    return jax.tree.map(
        lambda x: jax.tree.map(lambda _: False, x) if left_out(x) else eqx.is_inexact_array(x),
        tree,
        is_leaf=left_out,
    )


def _stop_gradient(x: PyTree) -> PyTree:
    return jax.lax.stop_gradient(x) if eqx.is_array(x) else x


def _range(array: Array) -> str:
    return f"its values reach from {float(array.min())} to {float(array.max())}"
