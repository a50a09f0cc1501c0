from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._checks import is_traced
from .._types import ParameterLike
from ._operator import AbstractOperator, Values, read_numbers


class Diagonal(AbstractOperator):
    """A diagonal matrix: `oo.Diagonal(np.ones(n))` is I.

        W_ij = values_i δ_ij

    Args:
        values: (n,).

    Raises:
        ValueError: a wrong shape, NaN or infinite values.
    """

    values: Values

    def __init__(self, values: ParameterLike):
        self.values = read_numbers("values", values, 1)

    @property
    def shape(self) -> tuple[int, int]:
        n = self.values.shape[0]
        return n, n

    @property
    def T(self) -> "Diagonal":
        return self

    def mv(self, v: Float[Array, " n"]) -> Float[Array, " n"]:
        return self.values * v

    def __abs__(self) -> "Diagonal":
        return self.with_numbers(values=jnp.abs(self.values))

    def as_matrix(self) -> Float[Array, "n n"]:
        return jnp.diag(self.values)

    def diagonal(self) -> Float[Array, " n"]:
        return self.values

    def is_identity(self) -> Bool[Array, ""]:
        # In numpy where it is known: this is asked outside of programs, and should compile nothing.
        xp: Any = jnp if is_traced(self.values) else np
        return jnp.asarray(xp.all(xp.asarray(self.values) == 1))
