import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._checks import refuse
from .._types import ParameterLike
from ._operator import AbstractOperator, Values, read_numbers


class Kronecker(AbstractOperator):
    """Weights that are a product over the axes of a grid of units.

        W = W_1 ⊗ … ⊗ W_k,   W_ij = Π_a (W_a)_(i_a, j_a)

    with i and j the places of the units on the grid, the last axis the fastest. Applied axis by
    axis, a product takes n (n_1 + … + n_k) operations.

    Args:
        factors: matrices (n_a, m_a), or operators of that shape. `oo.Diagonal(np.ones(n_a))` leaves
            an axis unchanged.

    Raises:
        ValueError: no factor, a wrong shape, NaN or infinite values.
    """

    factors: tuple[Values | AbstractOperator, ...]

    def __init__(self, *factors: ParameterLike | AbstractOperator):
        if not factors:
            refuse("factors", "be one matrix or more", "there is none")
        self.factors = tuple(map(_read, factors))

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = zip(*(W.shape for W in self.factors), strict=True)
        return math.prod(rows), math.prod(columns)

    @property
    def T(self) -> "Kronecker":
        return self.with_numbers(factors=tuple(W.T for W in self.factors))

    def mv(self, v: Float[Array, " m"]) -> Float[Array, " n"]:
        u = v.reshape([W.shape[1] for W in self.factors])
        for axis, W in enumerate(self.factors):
            rest = jnp.moveaxis(u, axis, 0)
            along = W @ rest.reshape(rest.shape[0], -1)
            u = jnp.moveaxis(along.reshape(-1, *rest.shape[1:]), 0, axis)
        return u.reshape(-1)

    def __abs__(self) -> "Kronecker":
        return self.with_numbers(factors=tuple(map(abs, self.factors)))

    def as_matrix(self) -> Float[Array, "n m"]:
        return functools.reduce(jnp.kron, map(_matrix, self.factors))

    def diagonal(self) -> Float[Array, " n"]:
        return functools.reduce(jnp.kron, [W.diagonal() for W in self.factors])

    def is_identity(self) -> Bool[Array, ""]:
        known = [
            W.is_identity()
            if isinstance(W, AbstractOperator)
            else jnp.array_equal(W, jnp.eye(*W.shape, dtype=W.dtype))
            for W in self.factors
        ]
        return jnp.stack(known).all()


def _read(factor: Any) -> Any:
    return factor if isinstance(factor, AbstractOperator) else read_numbers("factors", factor, 2)


def _matrix(W: jax.Array | AbstractOperator) -> jax.Array:
    return W.as_matrix() if isinstance(W, AbstractOperator) else W
