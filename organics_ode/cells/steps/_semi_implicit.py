import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import counted, refuse
from ..._constraints import resolve
from ...circuits import NO_TIME
from .._cell import State
from ._step import AbstractStep


class SemiImplicitEuler(AbstractStep[State]):
    """A circuit of two variables as a cell: an Euler step of the second, then one of the first.

        z ← z + dt·f_z(y, z, x)        from the old y
        y ← y + dt·f_y(y, z, x)        from the new z

    The step that `CoRNN`, `UnICORNN` and `LEM` were published with. For oscillators without damping
    (`UnICORNN`) it is the symplectic Euler method: their energy stays within bounds over long
    times, where an `Euler` step makes it grow.

    Args:
        circuit: an `AbstractCircuit` whose state is two arrays, (y, z).
        dt: step in ms, > 0. A number is compiled in.

    Raises:
        ValueError: an argument is bad.
    """

    def __check_init__(self) -> None:
        state = eqx.filter_eval_shape(lambda c: resolve(c).initial_state(), self.circuit)
        arrays = len(jax.tree.leaves(state))
        if arrays != 2:
            must = "have a state of two arrays (y, z), such as a `CoRNN`"
            refuse("circuit", must, f"it has {counted(arrays, 'array')}")

    def step(self, state: State, x: Float[Array, " m"]) -> State:
        """The state one step later, for the input x (m,)."""
        (y, z), structure = jax.tree.flatten(state)

        def rates(z: Array) -> list[Array]:
            now = structure.unflatten([y, z])
            return jax.tree.leaves(self.circuit.vector_field(NO_TIME, now, x))

        dt = jnp.asarray(self.dt, y.dtype)
        z = z + dt * rates(z)[1]
        return structure.unflatten([y + dt * rates(z)[0], z])
