from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
from jaxtyping import Array, Bool, Float

from .._checks import as_float_array, check_finite, refuse
from .._constraints import Frozen, resolve, table
from .._types import ParameterLike

if TYPE_CHECKING:
    # As `@` sees it: after `resolve` the numbers are arrays.
    Values = Array
else:
    Values = Float[Array, "..."] | paramax.AbstractUnwrappable

Operator = TypeVar("Operator", bound="AbstractOperator")


class AbstractOperator(eqx.Module):
    """A matrix W (n, m) with structure, defined by fewer numbers than its n·m entries.

        z = W @ x,   W.T,   abs(W),   W.shape,   W.dtype,   W.as_matrix()

    It can replace an array in the weights of `ORGaNICs` and `GatedORGaNICs`. Its numbers are its
    parameters: arrays, which are trained, or nodes (`oo.Frozen`, …). Where the circuit requires
    weights >= 0, the numbers become `NonNegative` unless they are nodes. Pure (jit, vmap, grad).

    To write your own, subclass it and define the members below.
    """

    # Its numbers are parameters of the field that it is in, with that field's constraints.
    is_part: ClassVar[bool] = True
    ndim: ClassVar[int] = 2

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """(n, m)."""

    @property
    @abstractmethod
    def T(self) -> "AbstractOperator":
        """The transposed matrix (m, n)."""

    @abstractmethod
    def mv(self, v: Float[Array, " m"]) -> Float[Array, " n"]:
        """W v."""

    @abstractmethod
    def __abs__(self) -> "AbstractOperator":
        """A matrix whose entries are at least |W_ij|, and equal to it where no entry is a sum of
        numbers of both signs."""

    @abstractmethod
    def as_matrix(self) -> Float[Array, "n m"]:
        """All entries as an array."""

    @abstractmethod
    def diagonal(self) -> Float[Array, " n"]:
        """W_ii of a square matrix."""

    @abstractmethod
    def is_identity(self) -> Bool[Array, ""]:
        """Whether it is I, as far as its numbers tell; False where they do not."""

    @property
    def dtype(self) -> jnp.dtype:
        """The floating dtype of its numbers."""
        leaves = jax.tree.leaves(eqx.filter(self, _is_floating))
        return jnp.result_type(*[leaf.dtype for leaf in leaves])

    def __matmul__(self, v: Float[Array | np.ndarray, " m *k"]) -> Float[Array, " n *k"]:
        v = jnp.asarray(v)
        if v.ndim not in (1, 2) or v.shape[0] != self.shape[1]:
            m = self.shape[1]
            refuse("v", f"have shape (m,) or (m, k) with m = {m}", f"it has shape {v.shape}")
        return self.mv(v) if v.ndim == 1 else jax.vmap(self.mv, 1, 1)(v)

    def with_numbers(self: Operator, **fields: Any) -> Operator:
        """The same kind of matrix with other numbers, which are not checked."""
        new = object.__new__(type(self))
        vars(new).update(vars(self) | fields)
        return new

    def __repr__(self) -> str:
        return table(self)


def read_numbers(name: str, value: ParameterLike, *axes: int) -> Any:
    """Numbers of an operator, finite and with an allowed number of axes; a node stays a node."""
    array = check_finite(name, as_float_array(name, resolve(value)))
    if array.ndim not in axes or 0 in array.shape:
        must = f"have {' or '.join(map(str, axes))} axes of length 1 or more"
        refuse(name, must, f"it has shape {array.shape}")
    if isinstance(value, Frozen):
        return Frozen(array)  # whose value may be lists
    return value if isinstance(value, paramax.AbstractUnwrappable) else array


def _is_floating(leaf: object) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.floating)
