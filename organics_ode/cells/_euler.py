from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..circuits import NO_TIME, AbstractCircuit
from ._cell import AbstractCell, read_step


class Euler(AbstractCell[Any]):
    """A circuit as a cell: one explicit Euler step, s ← s + dt·f(s, x), with x held over the step.

    All updates use the old state. The step is stable where |1 + dt·λ| < 1 for the eigenvalues λ of
    the circuit's Jacobian: take dt below a tenth of the shortest time constant, and well below
    2τ_y/√a, the bound for W_r = I (p = 2), where the input makes a large.

    Args:
        circuit: an `AbstractCircuit`.
        dt: step in ms, > 0. A number is compiled in.

    Raises:
        ValueError: an argument is bad.
    """

    circuit: AbstractCircuit
    dt: Any

    def __init__(self, circuit: AbstractCircuit, dt: Any):
        self.circuit, self.dt = read_step(circuit, dt)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return self.circuit.input_size

    def step(self, state: Any, x: Float[Array, " m"]) -> Any:
        """The state one step later, for the input x (m,)."""
        velocity = self.circuit.vector_field(NO_TIME, state, x)
        return jax.tree.map(lambda s, v: s + jnp.asarray(self.dt, s.dtype) * v, state, velocity)

    def initial_state(self) -> Any:
        """The circuit's own initial state."""
        return self.circuit.initial_state()
