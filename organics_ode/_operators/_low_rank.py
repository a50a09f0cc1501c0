import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._checks import refuse
from .._constraints import resolve
from .._types import ParameterLike
from ._operator import AbstractOperator, Values, read_numbers


class LowRank(AbstractOperator):
    """Weights of rank at most k.

        W = U Vᵀ

    W >= 0 is ensured by U >= 0 and V >= 0.

    Args:
        U: (n, k).
        V: (m, k).

    Raises:
        ValueError: a wrong shape, NaN or infinite values.
    """

    U: Values
    V: Values

    def __init__(self, U: ParameterLike, V: ParameterLike):
        self.U = read_numbers("U", U, 2)
        self.V = read_numbers("V", V, 2)
        ranks = resolve(self.U).shape[1], resolve(self.V).shape[1]
        if ranks[0] != ranks[1]:
            refuse("V", f"have shape (m, k) with k = {ranks[0]} as `U`", f"its k is {ranks[1]}")

    @property
    def shape(self) -> tuple[int, int]:
        return self.U.shape[0], self.V.shape[0]

    @property
    def T(self) -> "LowRank":
        return self.with_numbers(U=self.V, V=self.U)

    def mv(self, v: Float[Array, " m"]) -> Float[Array, " n"]:
        return self.U @ (self.V.T @ v)

    def __abs__(self) -> "LowRank":
        return self.with_numbers(U=jnp.abs(self.U), V=jnp.abs(self.V))

    def as_matrix(self) -> Float[Array, "n m"]:
        return self.U @ self.V.T

    def diagonal(self) -> Float[Array, " n"]:
        return jnp.sum(self.U * self.V, axis=1)

    def is_identity(self) -> Bool[Array, ""]:
        return jnp.asarray(False)
