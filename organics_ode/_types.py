"""Types shared by the annotations of many rooms."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import paramax
from jax.typing import ArrayLike
from jaxtyping import Array, Integer, PRNGKeyArray, Real

# The state of a circuit or a cell: a tuple of arrays, of the same kind in and out.
State = TypeVar("State", bound=tuple)


@runtime_checkable
class HasArray(Protocol):
    """An array of another library, such as a PyTorch tensor or a pandas column."""

    def __array__(self) -> np.ndarray: ...


@runtime_checkable
class HasMatrix(Protocol):
    """An operator: a matrix that may be defined by fewer numbers than its entries."""

    def as_matrix(self) -> Array: ...

    def __matmul__(self, v: Array, /) -> Array: ...


# What a user may pass as an array: one of any library, a number, or lists of numbers.
Numbers = ArrayLike | Sequence[Any] | HasArray
# One real number, which may be traced. Static checkers do not know shapes.
if TYPE_CHECKING:
    Scalar = float | Array | np.ndarray
else:
    Scalar = Real[ArrayLike, ""]
# What a user may pass as a parameter: numbers, a node that says how it is trained, or an operator.
ParameterLike = Numbers | paramax.AbstractUnwrappable | HasMatrix
# What a user may pass as a state: a state, or a tuple, a list or a dict of its fields.
StateLike = Numbers | Mapping[str, Any]
# What a user may pass as a PRNG key: one, or the integer that seeds it. Static checkers do not know
# shapes.
if TYPE_CHECKING:
    KeyLike = PRNGKeyArray | int | np.integer
else:
    KeyLike = PRNGKeyArray | int | np.integer | Integer[ArrayLike, ""]
# (low, high)
Limits = Sequence[float] | Array | np.ndarray
