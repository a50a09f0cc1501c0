from abc import abstractmethod
from typing import Any, Generic

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree

from .._checks import in_jax
from .._constraints import table
from .._types import State


class AbstractCell(eqx.Module, Generic[State]):
    """A recurrence state ← step(state, x) in discrete time.

    The state is a tuple of arrays, the first of which is the response: what a readout sees. The
    state of a `Stack` holds the states of its cells.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in vars(cls):
            cls.step = in_jax("cell", cls.step)

    @property
    @abstractmethod
    def input_size(self) -> int:
        """m, the number of inputs."""

    @abstractmethod
    def step(self, state: State, x: Float[Array, " m"]) -> State:
        """The state after one step with the input x (m,)."""

    @abstractmethod
    def initial_state(self) -> State:
        """The state a sequence starts from when none is given."""

    def __repr__(self) -> str:
        return table(self)


def response(state: PyTree) -> Any:
    """What a readout sees of a state, or of states over time: the first of its arrays."""
    return jax.tree.leaves(state)[0]
