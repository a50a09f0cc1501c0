from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._checks import a_or_an, refuse
from .._constraints import resolve
from .._types import State
from ..circuits import AbstractCircuit, Time
from ._cell import AbstractCell
from .steps import AbstractStep

LOW = jnp.bfloat16


class MixedPrecision(AbstractCell[State]):
    """A step of a circuit with its products in bfloat16, its parameters and its state in float32.

        s ← s + dt·f(s, x):   f in bfloat16, the sum in float32

    bfloat16 has 8 significant bits, so in it s + dt·f equals s wherever a step moves s by less than
    1/256 of itself, and updates that small leave a parameter unchanged. Circuits made of bfloat16
    arrays therefore neither move nor learn. This wrapper keeps all sums over time and over updates
    in float32, and rounds only what is multiplied. It is meant for training on hardware that
    multiplies bfloat16 faster; afterwards `cell.cell` is the same step in float32, and
    `cell.circuit` the circuit for analyses. Results are accurate to about 1 %, not to float32's
    1e-7.

    The training kernels of `GatedORGaNICs` and `RotationalORGaNICs` support it, and keep
    activations in bfloat16, which halves the memory; there only products are rounded. Other
    circuits use the scan, in which all of f is computed in bfloat16. Nothing else has to change:
    put it where the step was, `SequenceClassifier(MixedPrecision(Euler(circuit, dt)), readout)`; in
    a `Stack` wrap each step.

    Args:
        cell: an `Euler`, `ShuOsher` or other step of a circuit in float32.

    Raises:
        ValueError: `cell` is not a step of a circuit, or not in float32.
    """

    cell: AbstractStep[State]

    def __init__(self, cell: AbstractStep[State]):
        if not isinstance(cell, AbstractStep):
            must = "be a step of a circuit, such as `oo.Euler(circuit, dt)`"
            refuse("cell", must, f"it is {a_or_an(type(cell).__name__)}")
        state = eqx.filter_eval_shape(lambda c: resolve(c).initial_state(), cell)
        dtype = jax.tree.leaves(state)[0].dtype
        if dtype != jnp.float32:
            refuse("cell", "hold its parameters in float32", f"they are in {dtype}")
        self.cell = cell

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return self.cell.input_size

    @property
    def circuit(self) -> AbstractCircuit[State]:
        """The circuit, in float32."""
        return self.cell.circuit

    @property
    def dt(self) -> Any:
        """The step in ms."""
        return self.cell.dt

    def step(self, state: State, x: Float[Array, " m"]) -> State:
        """The state one step later, for the input x (m,)."""
        low = eqx.tree_at(lambda c: c.circuit, self.cell, _InLow(self.circuit))
        return low.step(state, x)

    def initial_state(self) -> State:
        """The circuit's own initial state."""
        return self.cell.initial_state()


class _InLow(AbstractCircuit):
    """A circuit whose vector field is computed in bfloat16, and given in the state's dtype."""

    circuit: AbstractCircuit

    @property
    def input_size(self) -> int:
        return self.circuit.input_size

    def vector_field(self, t: Time, state: PyTree, x: Float[Array, " m"]) -> PyTree:
        circuit, low, x = _cast((resolve(self.circuit), state, x), LOW)
        return _cast(circuit.vector_field(t, low, x), jax.tree.leaves(state)[0].dtype)

    def initial_state(self) -> PyTree:
        return self.circuit.initial_state()


def _cast(tree: PyTree, dtype: Any) -> Any:
    """Its floating arrays in another dtype."""
    floats, rest = eqx.partition(tree, eqx.is_inexact_array)
    return eqx.combine(jax.tree.map(lambda x: x.astype(dtype), floats), rest)
