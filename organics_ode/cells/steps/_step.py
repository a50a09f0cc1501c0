"""What every step of a circuit has in common: the circuit, the length of the step, and checks."""

from jaxtyping import Array, ArrayLike, Num

from ..._checks import check_positive_number, is_traced
from ...circuits import EXPONENT, AbstractCircuit, check_circuit
from .._cell import AbstractCell, State


class AbstractStep(AbstractCell[State]):
    """A circuit as a cell: one step of `dt` ms by a method for differential equations.

    The input is held over the step. To add a method, write a subclass with a `step`.

    Args:
        circuit: an `AbstractCircuit`.
        dt: step in ms, > 0. A number is compiled in.

    Raises:
        ValueError: an argument is bad.
    """

    circuit: AbstractCircuit[State]
    dt: float | Num[Array, ""]

    kinds = {"dt": EXPONENT}

    def __init__(self, circuit: AbstractCircuit[State], dt: ArrayLike):
        check_circuit(circuit)
        step = check_positive_number("dt", dt)
        # A float is not an array, so it is not trained; a traced dt can be differentiated.
        self.circuit, self.dt = circuit, step if is_traced(step) else float(step)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return self.circuit.input_size

    def initial_state(self) -> State:
        """The circuit's own initial state."""
        return self.circuit.initial_state()
