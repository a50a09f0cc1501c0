"""Recurrent layers of equinox as cells."""

from typing import Any, Generic, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import a_or_an, check_positive_integer, read_key, refuse, refuse_kind
from .._constraints import resolve
from .._types import KeyLike
from ._cell import AbstractCell, State

Layer = TypeVar("Layer", eqx.nn.GRUCell, eqx.nn.LSTMCell)
Adapted = TypeVar("Adapted", bound="AbstractAdapter")
# What is accepted as a cell.
CellLike = AbstractCell[State] | eqx.nn.GRUCell | eqx.nn.LSTMCell


class AbstractAdapter(AbstractCell[State], Generic[State, Layer]):
    """A recurrent layer of equinox as a cell: what a circuit is compared with.

    It is a recurrence in steps, not a differential equation: it has no `dt`, and `oo.lyapunov`
    gives its exponents per step.
    """

    cell: Layer
    kind: eqx.AbstractClassVar[type]
    state: eqx.AbstractClassVar[type]

    def __init__(self, cell: Layer):
        if not isinstance(cell, self.kind):
            refuse(
                "cell",
                f"be an `eqx.nn.{self.kind.__name__}`",
                f"it is {a_or_an(type(cell).__name__)}",
            )
        self.cell = cell

    @classmethod
    def random(cls: type[Adapted], input_size: int, size: int, *, key: KeyLike) -> Adapted:
        """A random cell, initialised as equinox does: all weights and biases are U(±1/√n).

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
        """
        key = read_key("key", key)
        input_size = check_positive_integer("input_size", input_size)
        size = check_positive_integer("size", size)
        return cls(cls.kind(input_size, size, key=key))

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return self.cell.input_size

    @property
    def size(self) -> int:
        """n, the number of units."""
        return self.cell.hidden_size

    def step(self, state: State, x: Float[Array, " m"]) -> State:
        """The state after one step with the input x (m,)."""
        # equinox takes and gives an array where there is one, and a tuple where there are more.
        hidden = state[0] if len(state) == 1 else tuple(state)
        return self.state(*jax.tree.leaves(resolve(self.cell)(x, hidden)))

    def initial_state(self) -> State:
        """All zeros."""
        zeros = jnp.zeros(self.size, resolve(self.cell.weight_hh).dtype)
        return self.state(*(zeros for _ in self.state._fields))


def read_cell(name: str, cell: Any) -> Any:
    """A cell as it is; a recurrent layer of equinox wrapped as a cell."""
    for adapter in AbstractAdapter.__subclasses__():
        if isinstance(cell, adapter.kind):
            return adapter(cell)
    if not isinstance(cell, AbstractCell):
        must = "be a cell such as `oo.Euler(circuit, dt)`, or equinox's `GRUCell` or `LSTMCell`"
        refuse_kind(name, must, cell)
    return cell
