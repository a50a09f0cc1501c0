"""Splitting cells such that the larger circuit does what the smaller one did."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..._checks import as_float_array, as_known_array, check_finite, refuse
from ..._types import Numbers


def read_parents(
    name: str, parents: Sequence[int] | Numbers | None, size: int
) -> Int[np.ndarray, " cells"]:
    """The parent of each new cell; each of the `size` parents occurs at least once, and exactly
    once for None."""
    given = np.arange(size) if parents is None else as_known_array(name, parents)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        refuse(name, "hold the index of a parent for each new cell", f"it is {parents!r}")
    if set(given.tolist()) != set(range(size)):
        refuse(name, f"name each of the {size} parents, 0 to {size - 1}", f"it is {given.tolist()}")
    return given


def copied(
    W: Float[Array, "n m"], rows: Int[np.ndarray, " i"], columns: Int[np.ndarray, " j"]
) -> Float[Array, "i j"]:
    """Weights among copies: those of their parents, divided among copies of a presynaptic cell."""
    copies = np.bincount(columns)[columns]
    return W[rows][:, columns] / jnp.asarray(copies, W.dtype)[None, :]


def copied_factor(
    name: str, factor: Numbers, parents: Int[np.ndarray, " cells"], size: int
) -> Float[Array, "cells cells"]:
    """A noise factor among copies: each column divided by the root of the number of copies."""
    L = check_finite(name, as_float_array(name, factor))
    if L.shape != (size, size):
        refuse(name, f"have shape (n + k, n + k) = ({size}, {size})", f"it has shape {L.shape}")
    copies = np.bincount(parents)[parents]
    return L[parents][:, parents] / jnp.sqrt(jnp.asarray(copies, L.dtype))[None, :]
