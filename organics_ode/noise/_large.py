"""A warning where noise is not small, so that its linear theory may be wrong."""

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._checks import is_traced, warn_user
from .._types import State
from ..circuits import AbstractCircuit
from ..facts import is_positive
from ._linear import Linear

# A standard deviation above this share of the state is large. In sampled paths of one unit, with
# noise in a, variances exceeded the linear ones by up to 5 % at .1 and 27 % at .2; at .3 they were
# 2 to 10 times as large.
_SMALL = 0.2
_TELLING = 1e6  # The largest condition number of eigenvectors: variances scale with its square.
_MOST = 512  # Up to this many variables variances are computed for spectra as well.


class LargeNoiseWarning(UserWarning):
    """The noise is not small compared to the state, so that its linear theory may be wrong.

    `warnings.filterwarnings("ignore", category=oo.LargeNoiseWarning)` turns it off.
    """


def warn_where_large(
    circuit: AbstractCircuit[State], state: State, variance: Array | np.ndarray
) -> None:
    """Warn where a standard deviation is not small compared to its own variable, if that stays
    positive like a, or else to the largest in its field. A field that rests at 0 is not compared.
    """
    leaves = jax.tree.leaves((circuit, state, variance))
    if any(map(is_traced, leaves)):
        return
    deviations = np.sqrt(np.maximum(np.asarray(variance), 0))
    sizes = np.concatenate(
        [_sizes(*each) for each in zip(state, is_positive(circuit, state), strict=True)]
    )
    shares = np.where(sizes > 0, deviations / np.where(sizes > 0, sizes, 1), 0)
    i = int(np.argmax(shares))
    if shares[i] > _SMALL:
        warn_user(
            f"The noise is not small: the standard deviation of {_name(state, i)} is "
            f"{deviations[i]:.3g}, where {sizes[i]:.3g} is the size of the state. The linear "
            "theory may be wrong; compare with `oo.sample_paths`.",
            LargeNoiseWarning,
        )


def variances(linear: Linear, d: int) -> Float[np.ndarray, " d"]:
    """The stationary variances of the state by eigenvectors of J: a check of their size that
    compiles nothing."""
    if any(map(is_traced, linear)) or d > _MOST:
        return np.zeros(d)
    A, D = np.asarray(linear.A, float), np.asarray(linear.D, float)
    values, V = np.linalg.eig(A[:d, :d])
    # Where two eigenvectors nearly coincide, the result would be all rounding.
    if not np.linalg.cond(V) < _TELLING:
        return np.zeros(d)
    U = np.linalg.inv(V)
    M = (U * D[:d]) @ U.conj().T
    if linear.L is not None:
        UL = U @ np.asarray(linear.L)[:d]
        M = M + UL @ UL.conj().T
    # For filters that enter the flow: the variance of each, and its covariance with every mode.
    rates, UG = -np.diag(A)[d:], U @ A[:d, d:]
    shared = UG * (D[d:] / (2 * rates)) / (rates - values[:, None])
    M = M + shared @ UG.conj().T + UG @ shared.conj().T
    M = M / -(values[:, None] + values.conj())
    return np.einsum("ij,jk,ik->i", V, M, V.conj()).real


def _sizes(field: Array, is_positive: Array | np.ndarray | bool) -> np.ndarray:
    """The size of a positive variable is its own value, that of others the largest in the field."""
    size = np.abs(np.asarray(field)).ravel()
    return np.where(np.asarray(is_positive).ravel(), size, size.max(initial=0))


def _name(state: PyTree, i: int) -> str:
    """The name of the i-th variable of a state, such as y[0]."""
    names = getattr(state, "_fields", range(len(state)))
    places = [
        f"{name}[{k}]" for name, leaf in zip(names, state, strict=True) for k in range(leaf.size)
    ]
    return places[i]
