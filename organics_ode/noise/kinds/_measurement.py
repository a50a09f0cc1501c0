"""Measurement noise, which does not enter the circuit."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..._checks import (
    as_float_array,
    check_positive_number,
    check_within,
    read_integer,
    read_scalar,
)
from ..._types import Scalar, State
from ._amplitudes import Fields, flat, read_amplitudes
from ._kind import AbstractNoise
from ._source import Source


class MeasurementNoise(AbstractNoise):
    """Noise in the observation of every variable, and not in the state: x + m is observed.

        S(ω) = 2τσ²/(1 + (ωτ)²),   or, low-passed twice, 4τσ²/(1 + (ωτ)²)²   (per rad/ms)

    m is white noise through one low-pass filter, or through two. m_i has the stationary standard
    deviation σ_i, and any two channels have the correlation ρ. Covariances, spectra and sampled
    paths are then those of x + m, the observed trace; a Fano factor remains that of the circuit.

    Args:
        sigma: σ ≥ 0, in the unit of the state: a number for all variables, or a state of the
            circuit whose fields are numbers or (n,), such as `oo.ORGaNICsState(y=0.03, a=0.0)`, or
            a tuple or a dict of them.
        tau: τ > 0, ms, the time constant of the low-pass filter.
        order: 1 or 2, the number of low-pass filters.
        correlation: ρ, from 0 to 1, between any two channels.

    Raises:
        ValueError: σ is negative, τ is not positive, ρ is not in [0, 1], or the order is neither 1
            nor 2.
    """

    sigma: Array | Fields
    tau: Array
    order: int = eqx.field(static=True)
    correlation: Array

    def __init__(
        self, sigma: Scalar | Fields, tau: Scalar, *, order: int = 1, correlation: Scalar = 0.0
    ):
        self.sigma = read_amplitudes("sigma", sigma)
        self.tau = as_float_array("tau", check_positive_number("tau", tau))
        self.order = read_integer("order", order, 1, "be 1 or 2", 2)
        self.correlation = _read_correlation(correlation)

    def variance(self, state: State) -> State:
        """0: nothing of it enters the state."""
        return jax.tree.map(jnp.zeros_like, state)

    def sources(self, state: PyTree) -> tuple[Source, ...]:
        """A process for every channel, and one that all share."""
        sigma = flat("sigma", self.sigma, state)
        rho, tau = self.correlation.astype(sigma.dtype), self.tau.astype(sigma.dtype)
        return (
            Source(sigma, tau, 1 - rho, self.order, is_measured=True),
            Source(sigma[:, None], tau, rho, self.order, is_measured=True),
        )


def _read_correlation(correlation: Scalar) -> Array:
    rho = as_float_array("correlation", read_scalar("correlation", correlation))
    return check_within("correlation", rho, 0, 1)
