"""The Jacobian of a circuit: written out for registered circuits, by autodiff for others."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_precision, check_state, read_input_array
from .._constraints import resolve
from .._operators import with_matrices
from .._types import Numbers, State, StateLike
from ..circuits import AbstractCircuit, check_circuit
from ..facts import blocks
from ..programs import in_full_precision, quickly_compiled


def jacobian(
    circuit: AbstractCircuit[State], state: StateLike | None, x: Numbers
) -> Float[Array, "d d"]:
    """The Jacobian of a circuit's vector field with respect to its state, J_ij = ∂ẋ_i/∂x_j.

    It is written out for circuits of this library (`ORGaNICs`: J = [∂ẏ/∂y, ∂ẏ/∂a; ∂ȧ/∂y, ∂ȧ/∂a]),
    and computed by forward-mode autodiff for any other circuit. Pure (jit, vmap, grad); no batch
    axis.

    Args:
        circuit: an `AbstractCircuit`.
        state: the circuit's state at which to linearise.
        x: (m,), the input.

    Returns:
        (d, d) in 1/ms, rows and columns in the order of the state's fields.

    Raises:
        ValueError: an argument is bad.
    """
    return _jacobian(*read_point(circuit, state, x))


@in_full_precision
def jacobian_matrix(
    circuit: AbstractCircuit[State], state: State, x: Float[Array, " m"]
) -> Float[Array, "d d"]:
    """`jacobian` for arguments that are already checked and resolved."""
    sizes = [leaf.size for leaf in jax.tree.leaves(state)]
    parts = jax.tree.leaves(blocks(with_matrices(circuit), state, x))
    rows = [parts[i : i + len(sizes)] for i in range(0, len(parts), len(sizes))]
    return jnp.block([[b.reshape(-1, n) for b, n in zip(row, sizes, strict=True)] for row in rows])


_jacobian = quickly_compiled(jacobian_matrix)


@in_full_precision
def jacobian_blocks(circuit: AbstractCircuit[State], state: StateLike | None, x: Numbers) -> State:
    """The Jacobian by named blocks: `jacobian_blocks(circuit, state, x).y.a` is ∂ẏ/∂a.

    Arguments, errors and units are those of `jacobian`.

    Returns:
        A state of states: the outer field is the equation, the inner one the variable.
    """
    circuit, state, x = read_point(circuit, state, x)
    return blocks(circuit, state, x)


def read_point(
    circuit: AbstractCircuit[State],
    state: StateLike | None,
    x: Numbers,
    *,
    most: int | None = None,
) -> tuple[AbstractCircuit[State], State, Array]:
    """A resolved circuit, a state of it (its initial one for None) and an input, all checked.

    Operators become matrices, except those of more than `most` entries if that is given.
    """
    check_circuit(circuit)
    circuit = with_matrices(resolve(circuit), most=most)
    state = check_state("state", resolve(state), circuit.initial_state())
    check_precision("circuit", jax.tree.leaves(state)[0].dtype)
    x = read_input_array("x", x, circuit.input_size, jax.tree.leaves(state)[0].dtype)
    return circuit, state, x
