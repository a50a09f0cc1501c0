from abc import abstractmethod
from typing import Any, ClassVar, Generic

import equinox as eqx
from jaxtyping import Array, Float

from .._checks import in_jax, refuse_kind
from .._constraints import table
from .._types import State
from ._parameters import Kind
from ._time import Time


class AbstractCircuit(eqx.Module, Generic[State]):
    """A dynamical system ẋ = f(t, x, input) whose state is a NamedTuple of arrays.

    To write your own, subclass it and define the three members below; `simulate`, `Euler` and the
    analysis functions then work on it. The first entry of the state is the response: what a
    readout sees.
    """

    # The kinds of its parameters, in a circuit that reads them with `read_parameters`.
    kinds: ClassVar[dict[str, Kind]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if callable(vars(cls).get("vector_field")):
            cls.vector_field = in_jax("circuit", cls.vector_field)

    @property
    @abstractmethod
    def input_size(self) -> int:
        """m, the number of inputs."""

    @abstractmethod
    def vector_field(self, t: Time, state: State, x: Float[Array, " m"]) -> State:
        """The time derivative of the state (1/ms) for the input x (m,) at time t (ms)."""

    @abstractmethod
    def initial_state(self) -> State:
        """The state a simulation starts from when none is given."""

    def __repr__(self) -> str:
        return table(self)


def check_circuit(circuit: object, name: str = "circuit") -> None:
    """Refuse anything that is not a circuit."""
    if not isinstance(circuit, AbstractCircuit):
        refuse_kind(name, "be a circuit", circuit)
