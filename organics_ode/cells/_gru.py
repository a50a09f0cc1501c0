from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_positive_integer, read_key, refuse
from .._constraints import resolve
from ._cell import AbstractCell


class GRUState(NamedTuple):
    """The response h, (n,)."""

    h: Float[Array, "*batch n"]


class GRU(AbstractCell[GRUState]):
    """A gated recurrent unit, equinox's own, as a cell: what a circuit is compared with.

        (i_r, i_z, i_n) = W_ih x + b,   (h_r, h_z, h_n) = W_hh h
        r = sigmoid(i_r + h_r),   z = sigmoid(i_z + h_z),   ν = tanh(i_n + r⊙(h_n + b_n))
        h ← (1 − z)⊙ν + z⊙h

    A recurrence per step and not a differential equation: it has no `dt`, and `oo.lyapunov` gives
    its exponents per step.

    Args:
        cell: an `eqx.nn.GRUCell`, with or without bias.

    Raises:
        ValueError: `cell` is something else.

    Reference:
        Cho et al., "Learning phrase representations using RNN encoder–decoder for statistical
        machine translation", EMNLP (2014), arXiv:1406.1078.
    """

    cell: eqx.nn.GRUCell

    def __init__(self, cell: eqx.nn.GRUCell):
        if not isinstance(cell, eqx.nn.GRUCell):
            refuse("cell", "be an `eqx.nn.GRUCell`", f"it is {type(cell).__name__}")
        self.cell = cell

    @classmethod
    def random(cls, input_size: int, size: int, *, key: PRNGKeyArray) -> "GRU":
        """A random one, initialised as equinox does: all U(±1/√n).

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
        """
        key = read_key("key", key)
        input_size = check_positive_integer("input_size", input_size)
        size = check_positive_integer("size", size)
        return cls(eqx.nn.GRUCell(input_size, size, key=key))

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return self.cell.input_size

    @property
    def size(self) -> int:
        """n, the number of units."""
        return self.cell.hidden_size

    def step(self, state: GRUState, x: Float[Array, " m"]) -> GRUState:
        """The state after one step with the input x (m,)."""
        return GRUState(resolve(self.cell)(x, state.h))

    def initial_state(self) -> GRUState:
        """h = 0."""
        return GRUState(jnp.zeros(self.size, resolve(self.cell.weight_hh).dtype))
