"""Parameters as nodes of the parameter tree: how each may be trained, and its value.

There are three kinds. Reparametrised nodes (`Positive`, `Bounded`, `IdentityPlusSkew`,
`SkewSymmetric`) store unconstrained numbers, so any optimizer step keeps the constraint. Projected
nodes (`NonNegative`, `Connectivity`, `SpectralBound`, `SymmetricPart`) store the value itself, and
`project` puts it back into its set after an update; this allows zeros, which a logarithm forbids.
`Frozen` is left alone. `resolve` replaces every node by its value.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int8, PyTree

from .._checks import (
    as_float_array,
    as_known_array,
    check_between,
    check_finite,
    check_nonnegative,
    check_positive,
    check_positive_number,
    is_traced,
    on_device,
    read_number,
    refuse,
)
from .._types import Numbers
from ._worth import node_in_words


class AbstractNode(paramax.AbstractUnwrappable):
    """A parameter that knows how it may be trained."""

    @abstractmethod
    def unwrap(self) -> PyTree:
        """The value the equations use."""

    def __repr__(self) -> str:
        return node_in_words(self)


class AbstractHolder(AbstractNode):
    """A parameter that is a single array, which may be replaced by another one."""

    @abstractmethod
    def holding(self, name: str, value: Array) -> "AbstractHolder":
        """The same node with another value, checked as the argument `name`."""


class AbstractProjected(AbstractHolder):
    """A parameter stored as its value and put back into its set after each update."""

    value: eqx.AbstractVar[Array]

    @abstractmethod
    def checked(self, name: str, value: Array) -> Array:
        """The value; refused as the argument `name` if it is outside the set."""

    @abstractmethod
    def project(self) -> "AbstractProjected":
        """The nearest legal parameter."""

    def holding(self, name: str, value: Array) -> "AbstractHolder":
        """The same node with another value, checked as the argument `name`."""
        return eqx.tree_at(lambda p: p.value, self, self.checked(name, value))


class Frozen(AbstractNode):
    """A value that is not trained: an array or a tree of arrays."""

    value: PyTree

    def unwrap(self) -> PyTree:
        return jax.tree.map(_stop_gradient, self.value)


class Positive(AbstractHolder):
    """A positive parameter, v = exp(θ); θ is trained.

    Args:
        value: array or number, > 0.

    Raises:
        ValueError: a value is not positive and finite.
    """

    theta: Float[Array, "..."]

    def __init__(self, value: Numbers):
        array = check_finite("value", as_float_array("value", value))
        self.theta = jnp.log(check_positive("value", array))

    def unwrap(self) -> Float[Array, "..."]:
        return jnp.exp(self.theta)

    def holding(self, name: str, value: Array) -> "Positive":
        """The same node with another value, checked as the argument `name`."""
        return eqx.tree_at(lambda p: p.theta, self, jnp.log(check_positive(name, value)))


class Bounded(AbstractHolder):
    """A parameter inside an open interval.

    v = low + (high − low)·sigmoid(θ), or v = low + exp(θ) where `high` is infinite; θ is trained.
    For a time constant with Euler step dt, `Bounded(tau, low=10 * dt)` keeps dt/τ < 0.1.

    Args:
        value: array or number with low < value < high, in the unit of the bounds.
        low, high: numbers; `high` may be infinite.

    Raises:
        ValueError: a value or a bound is bad.
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
        self.low, self.high = float(low), float(high)
        self.theta = self.coordinate("value", array)

    def unwrap(self) -> Float[Array, "..."]:
        if np.isinf(self.high):
            return self.low + jnp.exp(self.theta)
        return self.low + (self.high - self.low) * jax.nn.sigmoid(self.theta)

    def coordinate(self, name: str, value: Array) -> Float[Array, "..."]:
        """θ for a value, checked as the argument `name`."""
        value = check_between(name, value, self.low, self.high)
        below = value - self.low
        return jnp.log(below if np.isinf(self.high) else below / (self.high - value))

    def holding(self, name: str, value: Array) -> "Bounded":
        """The same node with another value, checked as the argument `name`."""
        return eqx.tree_at(lambda p: p.theta, self, self.coordinate(name, value))


class NonNegative(AbstractProjected):
    """A parameter ≥ 0 that may be 0; negative entries are set to 0 after each update.

    Args:
        value: array or number, ≥ 0.

    Raises:
        ValueError: a value is negative or not finite.
    """

    value: Float[Array, "..."]

    def __init__(self, value: Numbers):
        array = check_finite("value", as_float_array("value", value))
        self.value = self.checked("value", array)

    def unwrap(self) -> Float[Array, "..."]:
        return self.value

    def checked(self, name: str, value: Array) -> Array:
        """The value; refused as the argument `name` if it is outside the set."""
        return check_nonnegative(name, value)

    def project(self) -> "NonNegative":
        return eqx.tree_at(lambda p: p.value, self, jnp.maximum(self.value, 0))


class Connectivity(AbstractProjected):
    """A weight matrix with absent connections and, for Dale's law, signs of its presynaptic units.

    W_ij = 0 where mask_ij is False, and W_ij·signs_j ≥ 0. Absent connections get no gradient, and
    weights of the wrong sign are set to 0 after each update.

    Args:
        value: (n, m), a matrix that satisfies this; W_ij is the weight from unit j to unit i.
        mask: (n, m) of bool, which connections exist; all unless given.
        signs: (m,), +1 where unit j excites, -1 where it inhibits, 0 where it may do both; 0 unless
            given.

    Raises:
        ValueError: a wrong shape, or a value that does not fit the mask or the signs.
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
        with jax.ensure_compile_time_eval():  # known inside jit
            self.mask, self.signs = on_device(mask), on_device(signs, np.int8)
        self.value = self.checked("value", array)

    def unwrap(self) -> Float[Array, "n m"]:
        return jnp.where(self.mask, self.value, 0)

    def checked(self, name: str, value: Array) -> Array:
        """The value; refused as the argument `name` if it is outside the set."""
        if not is_traced(value):
            # In numpy, which compiles nothing.
            mask, signs, known = map(np.asarray, (self.mask, self.signs, value))
            if np.any(_is_illegal(mask, signs, known) & (known != 0)):
                refuse(name, "be 0 where `mask` is False and have the `signs`", "it does not")
        return value

    def project(self) -> "Connectivity":
        new = jnp.where(_is_illegal(self.mask, self.signs, self.value), 0, self.value)
        return eqx.tree_at(lambda p: p.value, self, new)


def _is_illegal(mask: Any, signs: Any, value: Any) -> Any:
    """Where weights are outside the mask or have the wrong sign; in numpy for numpy's arrays."""
    # NaN is not a wrong sign: it stays, so that training detects it.
    return ~mask | (signs[None, :].astype(value.dtype) * value < 0)


class SpectralBound(AbstractProjected):
    """A matrix whose singular values stay ≤ `bound`; larger ones are clipped after each update.

    Args:
        value: (n, m), within the bound.
        bound: a positive number.

    Raises:
        ValueError: the bound is not positive, or the value is no matrix or exceeds the bound.
    """

    value: Float[Array, "n m"]
    bound: float = eqx.field(static=True)

    def __init__(self, value: Numbers, bound: float = 1.0):
        bound = float(check_positive_number("bound", bound))
        array = check_finite("value", as_float_array("value", value))
        if array.ndim != 2:
            refuse("value", "be a matrix", f"it has shape {array.shape}")
        self.bound = bound
        self.value = self.checked("value", array)

    def unwrap(self) -> Float[Array, "n m"]:
        return self.value

    def checked(self, name: str, value: Array) -> Array:
        """The value; refused as the argument `name` if it is outside the set."""
        if not is_traced(value):
            largest = float(np.linalg.norm(np.asarray(value, np.float64), 2))
            if largest > self.bound * (1 + 1e-5):
                refuse(name, f"have singular values <= {self.bound}", f"the largest is {largest}")
        return value

    def project(self) -> "SpectralBound":
        u, s, vt = jnp.linalg.svd(self.value, full_matrices=False)
        cut = (u * jnp.minimum(s, self.bound)[None, :]) @ vt
        # Within the bound the value is kept to the bit, so that no rounding accumulates.
        new = jnp.where(s[0] > self.bound, cut, self.value)
        return eqx.tree_at(lambda p: p.value, self, new)


def cast(name: str, node: PyTree, dtype: DTypeLike) -> PyTree:
    """A node with its numbers cast to one dtype; functions, and the mask and signs of a
    `Connectivity`, stay as they are."""

    def one(x: PyTree) -> PyTree:
        if isinstance(x, Connectivity):
            return eqx.tree_at(lambda c: c.value, x, one(x.value))
        return x if callable(x) else as_float_array(name, x, dtype)

    return jax.tree.map(one, node, is_leaf=lambda x: isinstance(x, Connectivity))


def _stop_gradient(x: PyTree) -> PyTree:
    return jax.lax.stop_gradient(x) if eqx.is_array(x) else x
