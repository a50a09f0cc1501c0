"""The words that the annotations of many rooms share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import paramax
from jax.typing import ArrayLike
from jaxtyping import Array, Real

# What a circuit or a cell calls its state: a tuple of arrays, the same kind in and out.
State = TypeVar("State", bound=tuple)
# What a user gives for an array: one of JAX or numpy, a number, or lists of numbers.
Numbers = ArrayLike | Sequence[Any]
# One real number, which may be traced. Static checkers do not know shapes.
if TYPE_CHECKING:
    Scalar = float | Array | np.ndarray
else:
    Scalar = Real[ArrayLike, ""]
# What a user gives for a parameter: numbers, or a node that says how they are trained.
ParameterLike = Numbers | paramax.AbstractUnwrappable
# (low, high)
Limits = Sequence[float] | Array | np.ndarray
