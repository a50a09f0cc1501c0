from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import sparse
from jaxtyping import Array, Bool, Float, Int

from .._checks import as_known_array, check_positive_integer, refuse, shown
from .._constraints import resolve
from .._types import Numbers, ParameterLike
from ._operator import AbstractOperator, Values, read_numbers


class Sparse(AbstractOperator):
    """Weights only a few of which are not 0.

        W[rows_k, columns_k] = values_k,   0 elsewhere

    Args:
        values: (k,).
        rows, columns: (k,) integers, each pair once: from unit `columns` to unit `rows`.
        shape: (n, m).

    Raises:
        ValueError: a wrong shape, NaN or infinite values, or a pair that is given twice or lies
            outside the matrix.
    """

    values: Values
    rows: Int[Array, " k"]
    columns: Int[Array, " k"]
    full_shape: tuple[int, int] = eqx.field(static=True)

    def __init__(
        self, values: ParameterLike, rows: Numbers, columns: Numbers, shape: Sequence[int]
    ):
        self.values = read_numbers("values", values, 1)
        self.full_shape = _read_shape(shape)
        count = resolve(self.values).shape
        pairs = (
            _read_places("rows", rows, self.full_shape[0], count),
            _read_places("columns", columns, self.full_shape[1], count),
        )
        _check_once(*pairs, self.full_shape)
        with jax.ensure_compile_time_eval():  # known inside jit
            self.rows, self.columns = (jnp.asarray(places, jnp.int32) for places in pairs)

    @classmethod
    def of(cls, matrix: Any) -> "Sparse":
        """Make one from the nonzero entries of an array, or from the stored entries of a JAX `BCOO`
        or a sparse matrix of scipy (host)."""
        if isinstance(matrix, sparse.BCOO):
            indices = np.asarray(matrix.indices)
            return cls(matrix.data, indices[:, 0], indices[:, 1], matrix.shape)
        if hasattr(matrix, "tocoo"):
            stored = matrix.tocoo()
            return cls(stored.data, stored.row, stored.col, stored.shape)
        array = as_known_array("matrix", matrix)
        if array.ndim != 2:
            refuse("matrix", "have shape (n, m)", f"it has shape {array.shape}")
        rows, columns = np.nonzero(array)
        return cls(array[rows, columns], rows, columns, array.shape)

    @property
    def shape(self) -> tuple[int, int]:
        return self.full_shape

    @property
    def T(self) -> "Sparse":
        shape = self.full_shape[::-1]
        return self.with_numbers(rows=self.columns, columns=self.rows, full_shape=shape)

    def mv(self, v: Float[Array, " m"]) -> Float[Array, " n"]:
        return jax.ops.segment_sum(self.values * v[self.columns], self.rows, self.shape[0])

    def __abs__(self) -> "Sparse":
        return self.with_numbers(values=jnp.abs(self.values))

    def as_matrix(self) -> Float[Array, "n m"]:
        return jnp.zeros(self.shape, self.dtype).at[self.rows, self.columns].add(self.values)

    def diagonal(self) -> Float[Array, " n"]:
        own = jnp.where(self.rows == self.columns, self.values, 0)
        return jax.ops.segment_sum(own, self.rows, self.shape[0])

    def is_identity(self) -> Bool[Array, ""]:
        n, m = self.shape
        is_own = self.rows == self.columns
        are_right = jnp.all(self.values == is_own.astype(self.values.dtype))
        return are_right & (jnp.sum(is_own) == n) & (n == m)


def _read_shape(shape: Any) -> tuple[int, int]:
    if not isinstance(shape, Sequence) or isinstance(shape, str) or len(shape) != 2:
        refuse("shape", "be (n, m)", f"it is {shown(shape)}")
    n, m = (check_positive_integer("shape", size) for size in shape)
    return n, m


def _read_places(name: str, places: Any, size: int, count: tuple[int, ...]) -> np.ndarray:
    array = as_known_array(name, places)
    if array.shape != count or array.dtype.kind not in "iu":
        found = f"it has shape {array.shape} and dtype {array.dtype}"
        refuse(name, f"be integers of shape {count}, one for each of `values`", found)
    if array.size and not (array.min() >= 0 and array.max() < size):
        refuse(name, f"lie between 0 and {size - 1}", f"it reaches {array.min()} to {array.max()}")
    return array


def _check_once(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> None:
    places, counts = np.unique(rows.astype(np.int64) * shape[1] + columns, return_counts=True)
    if places.size < rows.size:
        i, j = divmod(int(places[np.argmax(counts > 1)]), shape[1])
        refuse("rows", "give each pair with `columns` once", f"({i}, {j}) is there again")
