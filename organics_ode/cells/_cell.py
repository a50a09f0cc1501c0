from abc import abstractmethod
from typing import Any, Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Float

from .._checks import check_positive_number, is_traced, refuse
from ..circuits import AbstractCircuit

State = TypeVar("State", bound=tuple)


class AbstractCell(eqx.Module, Generic[State]):
    """A recurrence state ← step(state, x) in discrete time.

    The state is a tuple of arrays whose first entry is the response: what a readout sees.
    """

    @property
    @abstractmethod
    def input_size(self) -> int:
        """m, the number of inputs."""

    @abstractmethod
    def step(self, state: State, x: Float[Array, " m"]) -> State:
        """The state after one step with the input x (m,)."""

    @abstractmethod
    def initial_state(self) -> Any:
        """The state a sequence starts from when none is given."""


def read_step(circuit: Any, dt: Any) -> tuple[AbstractCircuit, Any]:
    """A circuit and the step it is taken by, checked."""
    if not isinstance(circuit, AbstractCircuit):
        refuse("circuit", "be a circuit", f"it is {type(circuit).__name__}")
    check_positive_number("dt", dt)
    # A float is no array and so not trained; a traced dt stays open to jax's transformations.
    return circuit, dt if is_traced(dt) else float(dt)
