import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from .._checks import in_jax, refuse, refuse_kind
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
            cls.vector_field = _of_its_state(in_jax("circuit", cls.vector_field))

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


def _of_its_state(vector_field: Callable[..., Any]) -> Callable[..., Any]:
    """The method, whose result must have the fields of the state: what works on states as vectors
    would otherwise take one variable for another."""

    @functools.wraps(vector_field)
    def checked(circuit: Any, t: Time, state: Any, x: Any) -> Any:
        moved = vector_field(circuit, t, state, x)
        given, found = ([np.shape(v) for v in jax.tree.leaves(tree)] for tree in (state, moved))
        if given != found:
            must = "return the derivative of each field of its state from `vector_field`"
            refuse("circuit", must, f"for fields of shapes {given} it returns {found}")
        return moved

    return checked


def check_circuit(circuit: object, name: str = "circuit") -> None:
    """Refuse anything that is not a circuit."""
    if not isinstance(circuit, AbstractCircuit):
        refuse_kind(name, "be a circuit", circuit)
