"""White noise of fixed size, and in proportion to the response."""

import jax
from jaxtyping import Array, PyTree

from ..._types import Scalar, State
from ._amplitudes import Fields, read_amplitudes, spread
from ._kind import AbstractNoise
from ._source import Source


class Noise(AbstractNoise):
    """White noise in every state variable: dx = f dt + S dω, S_i² = α_i² + (β_i x_i)².

    The dω_i are independent Wiener increments of variance dt, and the equation is Itô's. α is
    noise of fixed size, β noise in proportion to the response. In the linear theory x_i is the
    value at the fixed point.

    Args:
        additive: α ≥ 0, in the unit of the state per √ms: a number for all variables, or a state
            of the circuit whose fields are numbers or (n,), such as
            `oo.ORGaNICsState(y=0.1, a=0.0)`, or a tuple or a dict of them.
        proportional: β ≥ 0, in 1/√ms, likewise.

    Raises:
        ValueError: an amplitude is negative, NaN or infinite, or has more than one axis.
    """

    additive: Array | Fields
    proportional: Array | Fields

    def __init__(self, additive: Scalar | Fields = 0.0, proportional: Scalar | Fields = 0.0):
        self.additive = read_amplitudes("additive", additive)
        self.proportional = read_amplitudes("proportional", proportional)

    def variance(self, state: State) -> State:
        """S_i² at a state: a state, in its unit squared per ms."""
        alpha = spread("additive", self.additive, state)
        beta = spread("proportional", self.proportional, state)
        return jax.tree.map(lambda a, b, x: a**2 + (b * x) ** 2, alpha, beta, state)

    def sources(self, state: PyTree) -> tuple[Source, ...]:
        """None: there is only white noise."""
        return ()
