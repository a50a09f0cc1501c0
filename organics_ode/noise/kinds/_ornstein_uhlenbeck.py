"""Coloured noise: an Ornstein-Uhlenbeck process in every variable."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..._checks import check_positive
from ..._types import Scalar, State
from ._amplitudes import Fields, flat, read_amplitudes
from ._kind import AbstractNoise
from ._source import Source


class OrnsteinUhlenbeckNoise(AbstractNoise):
    """Coloured noise in every state variable, each an Ornstein-Uhlenbeck process of its own.

        ẋ = f + η,   τ dη = −η dt + σ√(2τ) dω

    η_i has the stationary standard deviation σ_i and the autocovariance σ_i² e^(−|t|/τ_i). As
    τ → 0 with σ²τ held constant it becomes the white noise `Noise(additive=σ√(2τ))`. If a model
    adds its noise to the drive, τ_x ẋ = −x + … + ξ, use σ = (standard deviation of ξ)/τ_x.

    Args:
        sigma: σ ≥ 0, in the unit of the state per ms: a number for all variables, or a state of the
            circuit whose fields are numbers or (n,), or a tuple or a dict of them.
        tau: τ > 0, the correlation time, ms, likewise.

    Raises:
        ValueError: σ is negative, τ is not positive, or one of them is not finite or has more than
            one axis.

    Reference:
        Uhlenbeck, Ornstein, "On the theory of the Brownian motion", Physical Review 36 (1930).
    """

    sigma: Array | Fields
    tau: Array | Fields

    def __init__(self, sigma: Scalar | Fields, tau: Scalar | Fields):
        self.sigma = read_amplitudes("sigma", sigma)
        self.tau = read_amplitudes("tau", tau, check_positive)

    def variance(self, state: State) -> State:
        """0: no white noise enters the state itself."""
        return jax.tree.map(jnp.zeros_like, state)

    def sources(self, state: PyTree) -> tuple[Source, ...]:
        """η/σ, with the loadings σ."""
        return (Source(flat("sigma", self.sigma, state), flat("tau", self.tau, state)),)
