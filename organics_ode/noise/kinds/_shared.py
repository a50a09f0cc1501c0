"""Noise that variables share."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..._checks import as_float_array, check_finite, check_positive, refuse
from ..._types import Numbers, State
from ._amplitudes import Fields, read_loadings, stacked
from ._kind import AbstractNoise
from ._source import Source


class SharedNoise(AbstractNoise):
    """k processes, white or coloured, that all variables share through a dense matrix L.

        dx = f dt + L dω,   D = L Lᵀ;   with `tau` ẋ = f + L η,   τ dη = −η dt + √(2τ) dω

    The k Wiener processes ω are independent, and so are the k Ornstein-Uhlenbeck processes η, which
    have variance 1. As τ → 0 the coloured noise of L/√(2τ) becomes the white noise of L.

    Args:
        factor: L, (d, k), or (d,) for k = 1, in the order of the state's fields; or a state of the
            circuit whose fields are (n, k), (n,) for k = 1, or a number for all, or a tuple or a
            dict of them. It is in the unit of the state per √ms, or, for coloured noise, per ms.
        tau: τ > 0, the correlation time, ms, a number or (k,); None for white noise.

    Raises:
        ValueError: the factor has NaN or infinite values or a wrong shape, or τ is not positive and
            finite.
    """

    factor: Array | Fields
    tau: Array | None

    def __init__(self, factor: Numbers | Fields, tau: Numbers | None = None):
        self.factor = read_loadings("factor", factor)
        self.tau = None if tau is None else _read_tau(tau)

    def variance(self, state: State) -> State:
        """0: no variable has white noise of its own."""
        return jax.tree.map(jnp.zeros_like, state)

    def sources(self, state: PyTree) -> tuple[Source, ...]:
        """The k processes, with the loadings L."""
        L = stacked("factor", self.factor, state)
        k = L.shape[1]
        if self.tau is None:
            return (Source(L),)
        if self.tau.shape not in ((), (k,)):
            refuse("tau", f"be a number or have shape (k,) = ({k},)", f"it has {self.tau.shape}")
        return (Source(L, jnp.broadcast_to(self.tau, (k,)).astype(L.dtype)),)


def _read_tau(tau: Numbers) -> Array:
    array = as_float_array("tau", tau)
    if array.ndim > 1:
        refuse("tau", "be a number or have shape (k,)", f"it has shape {array.shape}")
    return check_positive("tau", check_finite("tau", array))
