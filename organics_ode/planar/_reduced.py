"""A circuit with all but two of its variables held, or at rest given the two."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..circuits import AbstractCircuit, Time
from ..linear import Equations, ravel
from ._results import Pair


class Clamped(AbstractCircuit[Pair]):
    """Two variables of a circuit that move while all others are held."""

    circuit: AbstractCircuit
    others: Float[Array, " d"]
    at: tuple[int, int] = eqx.field(static=True)

    @property
    def input_size(self) -> int:
        return self.circuit.input_size

    def vector_field(self, t: Time, state: Pair, x: Float[Array, " m"]) -> Pair:
        flat = self.others.at[jnp.array(self.at)].set(jnp.stack(list(state)))
        like = self.circuit.initial_state()
        moved = self.circuit.vector_field(t, Equations(self.circuit, x, like).unravel(flat), x)
        return Pair(*ravel(moved)[jnp.array(self.at)])

    def initial_state(self) -> Pair:
        flat = ravel(self.circuit.initial_state())
        return Pair(flat[self.at[0]], flat[self.at[1]])


class OthersState(NamedTuple):
    """All variables but two."""

    rest: Float[Array, " k"]


class Others(AbstractCircuit[OthersState]):
    """All variables of a circuit but two, which become inputs after its own."""

    circuit: AbstractCircuit
    at: tuple[int, int] = eqx.field(static=True)

    @property
    def input_size(self) -> int:
        return self.circuit.input_size + 2

    def whole(self, rest: Float[Array, " k"], p: Float[Array, "2"]) -> Float[Array, " d"]:
        """All variables as one vector."""
        return jnp.zeros(rest.size + 2, rest.dtype).at[self._left].set(rest).at[self._two].set(p)

    @property
    def _two(self) -> Array:
        return jnp.array(self.at)

    @property
    def _left(self) -> Array:
        size = ravel(self.circuit.initial_state()).size
        return jnp.array([i for i in range(size) if i not in self.at])

    def vector_field(self, t: Time, state: OthersState, x: Float[Array, " m"]) -> OthersState:
        like, own = self.circuit.initial_state(), x[:-2]
        flat = self.whole(state.rest, x[-2:])
        moved = self.circuit.vector_field(t, Equations(self.circuit, own, like).unravel(flat), own)
        return OthersState(ravel(moved)[self._left])

    def initial_state(self) -> OthersState:
        return OthersState(ravel(self.circuit.initial_state())[self._left])
