"""White noise whose variance is in proportion to the rate."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..._types import Scalar, State
from ._amplitudes import Fields, read_amplitudes, spread
from ._kind import AbstractNoise
from ._source import Source


class PoissonNoise(AbstractNoise):
    """White noise in proportion to the square root of a rate: dx = f dt + S dω, S_i² = κ_i² |x_i|.

    It is Poisson-like: its variance, not its standard deviation, is proportional to the rate. The
    dω_i are independent Wiener increments of variance dt, and the equation is Itô's. A unit with
    τ ẋ = −x + s that is driven by Poisson spikes s of rate x has κ = 1/τ.

    Args:
        scale: κ ≥ 0, in the square root of the unit of the state, per √ms: a number for all
            variables, or a state of the circuit whose fields are numbers or (n,), or a tuple or a
            dict of them.

    Raises:
        ValueError: a scale is negative, NaN or infinite, or has more than one axis.
    """

    scale: Array | Fields

    def __init__(self, scale: Scalar | Fields):
        self.scale = read_amplitudes("scale", scale)

    def variance(self, state: State) -> State:
        """S_i² at a state: a state, in its unit squared per ms."""
        kappa = spread("scale", self.scale, state)
        return jax.tree.map(lambda k, x: k**2 * jnp.abs(x), kappa, state)

    def sources(self, state: PyTree) -> tuple[Source, ...]:
        """None: there is only white noise."""
        return ()
