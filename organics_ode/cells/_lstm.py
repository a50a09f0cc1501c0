from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_positive_integer, read_key, refuse
from .._constraints import resolve
from ._cell import AbstractCell


class LSTMState(NamedTuple):
    """The response h and the memory c, (n,) each."""

    h: Float[Array, "*batch n"]
    c: Float[Array, "*batch n"]


class LSTM(AbstractCell[LSTMState]):
    """A long short-term memory, equinox's own, as a cell: what a circuit is compared with.

        (i, f, g, o) = W_ih x + W_hh h + b
        c ← sigmoid(f)⊙c + sigmoid(i)⊙tanh(g)
        h ← sigmoid(o)⊙tanh(c)

    A recurrence per step and not a differential equation: it has no `dt`, and `oo.lyapunov` gives
    its exponents per step.

    Args:
        cell: an `eqx.nn.LSTMCell`, with or without bias.

    Raises:
        ValueError: `cell` is something else.

    Reference:
        Hochreiter, Schmidhuber, "Long short-term memory", Neural Computation 9 (1997).
    """

    cell: eqx.nn.LSTMCell

    def __init__(self, cell: eqx.nn.LSTMCell):
        if not isinstance(cell, eqx.nn.LSTMCell):
            refuse("cell", "be an `eqx.nn.LSTMCell`", f"it is {type(cell).__name__}")
        self.cell = cell

    @classmethod
    def random(cls, input_size: int, size: int, *, key: PRNGKeyArray) -> "LSTM":
        """A random one, initialised as equinox does: all U(±1/√n).

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
        """
        key = read_key("key", key)
        input_size = check_positive_integer("input_size", input_size)
        size = check_positive_integer("size", size)
        return cls(eqx.nn.LSTMCell(input_size, size, key=key))

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return self.cell.input_size

    @property
    def size(self) -> int:
        """n, the number of units."""
        return self.cell.hidden_size

    def step(self, state: LSTMState, x: Float[Array, " m"]) -> LSTMState:
        """The state after one step with the input x (m,)."""
        return LSTMState(*resolve(self.cell)(x, (state.h, state.c)))

    def initial_state(self) -> LSTMState:
        """h = c = 0."""
        zeros = jnp.zeros(self.size, resolve(self.cell.weight_hh).dtype)
        return LSTMState(zeros, zeros)
