"""A warning where noise is not small, and the linear theory of it may be wrong."""

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._checks import is_traced, warn_user
from .._types import State
from ..circuits import AbstractCircuit
from ..facts import is_positive
from ._linear import Linear

# A standard deviation above this share of the state. In sampled paths of one unit variances were up
# to 5 % above the linear ones at .1, 27 % at .2, and 2 to 10 times them at .3 for noise in a.
_SMALL = 0.2
_TELLING = 1e6  # How badly conditioned eigenvectors may be: variances go with the square of it.
_MOST = 512  # Variables, for which the variance of a spectrum is computed as well.


class LargeNoiseWarning(UserWarning):
    """The noise is not small beside the state, and the linear theory of it may be wrong.

    To be silent: `warnings.filterwarnings("ignore", category=oo.LargeNoiseWarning)`.
    """


def warn_where_large(
    circuit: AbstractCircuit[State], state: State, variance: Array | np.ndarray
) -> None:
    """Warns where a standard deviation is not small: beside its own variable where that stays
    positive, as a, or else beside the largest of its field. A field that rests at 0 has no size."""
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
    """The stationary variances of the state, by eigenvectors of J: to see how large they are,
    nothing to compile."""
    if any(map(is_traced, linear)) or d > _MOST:
        return np.zeros(d)
    A, D = np.asarray(linear.A, float), np.asarray(linear.D, float)
    values, V = np.linalg.eig(A[:d, :d])
    # Where two eigenvectors are nearly one, rounding is all that they tell.
    if not np.linalg.cond(V) < _TELLING:
        return np.zeros(d)
    U = np.linalg.inv(V)
    M = (U * D[:d]) @ U.conj().T
    if linear.L is not None:
        UL = U @ np.asarray(linear.L)[:d]
        M = M + UL @ UL.conj().T
    # Of the filters that enter the flow: the variance of each, and its covariance with every mode.
    rates, UG = -np.diag(A)[d:], U @ A[:d, d:]
    shared = UG * (D[d:] / (2 * rates)) / (rates - values[:, None])
    M = M + shared @ UG.conj().T + UG @ shared.conj().T
    M = M / -(values[:, None] + values.conj())
    return np.einsum("ij,jk,ik->i", V, M, V.conj()).real


def _sizes(field: Array, is_positive: Array | np.ndarray | bool) -> np.ndarray:
    """Of a positive variable its own, of the others the largest of the field."""
    size = np.abs(np.asarray(field)).ravel()
    return np.where(np.asarray(is_positive).ravel(), size, size.max(initial=0))


def _name(state: PyTree, i: int) -> str:
    """The i-th variable of a state: y[0]."""
    names = getattr(state, "_fields", range(len(state)))
    places = [
        f"{name}[{k}]" for name, leaf in zip(names, state, strict=True) for k in range(leaf.size)
    ]
    return places[i]
