import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...circuits import NO_TIME
from .._cell import State
from ._step import AbstractStep


class Euler(AbstractStep[State]):
    """A circuit as a cell: one explicit Euler step, s ← s + dt·f(s, x), with x held over the step.

    All updates use the old state. The step is stable where |1 + dt·λ| < 1 for the eigenvalues λ of
    the circuit's Jacobian. Take dt below a tenth of the shortest time constant; where a strong
    input makes the modulators a large, also well below 2τ_y/√a, the bound for W_r = I and p = 2.

    Args:
        circuit: an `AbstractCircuit`.
        dt: step in ms, > 0. A number is compiled in.

    Raises:
        ValueError: an argument is bad.
    """

    def step(self, state: State, x: Float[Array, " m"]) -> State:
        """The state one step later, for the input x (m,)."""
        velocity = self.circuit.vector_field(NO_TIME, state, x)
        return jax.tree.map(lambda s, v: s + jnp.asarray(self.dt, s.dtype) * v, state, velocity)
