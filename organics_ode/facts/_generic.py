"""What analyses need to know about a circuit beyond its equations, with answers for any circuit.

Every equation of a circuit is a decay balanced by other terms: ẋ_i = (−x_i + …)/τ_i. Unless better
answers are registered for a class, they are derived from the Jacobian.
"""

from collections.abc import Callable

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from .._nonlinearities import highest, largest_each
from .._types import State
from ..circuits import NO_TIME, AbstractCircuit, Time
from ._fact import Fact
from ._starts import around


@Fact
def blocks(circuit: AbstractCircuit, state: PyTree, x: Float[Array, " m"]) -> PyTree:
    """The Jacobian at a state, 1/ms, as a state of states: `blocks.y.a` is ∂ẏ/∂a.

    Default: forward autodiff.
    """
    return jax.jacfwd(lambda s: circuit.vector_field(NO_TIME, s, x))(state)


@Fact
def closed_form(circuit: AbstractCircuit, x: Float[Array, " m"]) -> PyTree:
    """A state near the fixed point for the input x (m,): the fixed point itself where `is_exact`.

    Default: the initial state.
    """
    return circuit.initial_state()


@Fact
def is_exact(circuit: AbstractCircuit) -> Bool[Array, ""]:
    """Whether `closed_form` is the fixed point, as a boolean array, since it depends on the
    circuit's values, which may be traced. Default: False."""
    return jnp.asarray(False)


@Fact
def relaxation_times(circuit: AbstractCircuit, state: PyTree, x: Float[Array, " m"]) -> PyTree:
    """τ of every equation, ms, as a state. Default: 1/|J_ii| at the given state."""
    J, flat, unravel = _linearised(circuit, state, x)
    decay = jnp.abs(jnp.diagonal(J))
    slowest = highest(decay) / flat.size
    return unravel(1 / jnp.maximum(decay, jnp.where(slowest > 0, slowest, 1)))


@Fact
def response_decays(
    circuit: AbstractCircuit, state: PyTree, x: Float[Array, " m"]
) -> Float[Array, " n"]:
    """How fast each unit's response decays by itself, −∂ẏ_i/∂y_i, 1/ms. Default: one over its
    relaxation time."""
    return 1 / jax.tree.leaves(relaxation_times(circuit, state, x))[0].ravel()


@Fact
def largest_terms(circuit: AbstractCircuit, state: PyTree, x: Float[Array, " m"]) -> PyTree:
    """The size of the largest terms of every equation, 1/ms, as a state; residuals are relative to
    it. Default: max_j |J_ij x_j|."""
    # Including terms of other variables: where they cancel, the variable itself may rest at 0.
    J, flat, unravel = _linearised(circuit, state, x)
    return unravel(highest(jnp.abs(J) * jnp.abs(flat)[None, :], axis=1))


@Fact
def rounding(circuit: AbstractCircuit, state: PyTree, x: Float[Array, " m"]) -> PyTree:
    """The share of its largest term that every equation may lose by rounding within its terms,
    where that is more than a few ε, as a state. Default: 0."""
    return jax.tree.map(jnp.zeros_like, state)


@Fact
def is_positive(circuit: AbstractCircuit, state: PyTree) -> PyTree:
    """Which variables stay positive on every trajectory on which they start so, as a state of
    booleans. Default: none."""
    return jax.tree.map(lambda leaf: jnp.full(leaf.shape, False), state)


@Fact
def substitute(circuit: AbstractCircuit, state: PyTree, x: Float[Array, " m"]) -> PyTree:
    """The state after one round of solving each equation for its own variable. Default: the state
    unchanged, which means that the circuit has no such form."""
    return state


@Fact
def sizes(
    circuit: AbstractCircuit, state: PyTree, x: Float[Array, " m"], t: Time = NO_TIME
) -> PyTree:
    """How large each variable becomes under the input x (m,), as a state; 0, infinite or NaN where
    that is unknown.

    Default: the largest |f| τ in each field where everything is 0, with τ from its mean decay.
    """
    field = lambda v: circuit.vector_field(t, v, x)  # noqa: E731
    driven, decays = field(jax.tree.map(jnp.zeros_like, state)), _mean_decays(field, state)
    return jax.tree.map(
        lambda f, decay: jnp.full(f.shape, highest(jnp.abs(f)) / decay, f.dtype), driven, decays
    )


@Fact
def units(circuit: AbstractCircuit, state: PyTree) -> PyTree:
    """The unit in which changes of each variable are compared with those of others, as a state.
    Default: the largest value in its field, 1 where that is 0."""
    return largest_of(state)


@Fact
def corners(
    circuit: AbstractCircuit,
    before: PyTree,
    x_before: Float[Array, " m"],
    after: PyTree,
    x_after: Float[Array, " m"],
) -> tuple[PyTree, Float[Array, ""]] | None:
    """Where a rectified drive has a corner between two states: the largest deviation of the drive
    of each variable from a straight line, 1/ms, as a state; and the share of the way at which the
    largest corner lies. Default: None, no corner is known."""
    return None


@Fact
def driven(circuit: AbstractCircuit, x: Float[Array, " m"]) -> PyTree:
    """The state that the input alone produces, a start of every search. Default: `closed_form`."""
    return closed_form(circuit, x)


@Fact
def starts(
    circuit: AbstractCircuit, x: Float[Array, " m"], key: PRNGKeyArray, count: int
) -> PyTree:
    """The states from which `find_fixed_points` searches, with fields (count, …).

    Default: states around the initial state, half of them of very different size.
    """
    rest = circuit.initial_state()
    flat, unravel = jax.flatten_util.ravel_pytree(jax.tree.map(jnp.abs, rest))
    size = jnp.where(flat > 0, flat, jnp.where(jnp.any(flat > 0), jnp.mean(flat), 1))
    return around(key, count, unravel(size), is_positive(circuit, rest), half_are_wide=True)


@Fact
def recurrent_weights(circuit: AbstractCircuit) -> Float[Array, "n n"] | None:
    """The matrix by which units drive each other. Default: None."""
    return None


@Fact
def normalization(circuit: AbstractCircuit) -> str | None:
    """Which theorems may apply: "constant" or "dynamic" gains, for a normalization circuit with the
    fields of `ORGaNICs` or `GatedORGaNICs`; or "shared" modulators, with the fields of
    `RotationalORGaNICs`. Default: None, for other equations."""
    return None


def largest_of(state: State) -> State:
    """The largest magnitude in a field in place of each of its values, 1 where it is 0."""
    fields, structure = jax.tree.flatten(state)
    largest = largest_each(*fields)
    units = jnp.where(jnp.isfinite(largest) & (largest > 0), largest, 1)
    filled = [jnp.full(f.shape, unit, f.dtype) for f, unit in zip(fields, units, strict=True)]
    return jax.tree.unflatten(structure, filled)


def _linearised(
    circuit: AbstractCircuit, state: PyTree, x: Array
) -> tuple[Array, Array, Callable[[Array], PyTree]]:
    """The Jacobian, the state as a vector, and the way back."""
    flat, unravel = jax.flatten_util.ravel_pytree(state)
    J = jax.jacfwd(
        lambda v: jax.flatten_util.ravel_pytree(circuit.vector_field(NO_TIME, unravel(v), x))[0]
    )(flat)
    return J, flat, unravel


def _mean_decays(field: Callable[[PyTree], PyTree], state: PyTree) -> PyTree:
    """|vᵀ J v|/n of every field, 1/ms, for a vector v of signs: about the mean of J's diagonal."""
    leaves, structure = jax.tree.flatten(state)
    rng = np.random.default_rng(0)
    signs = [jnp.asarray(rng.choice([-1, 1], leaf.shape), leaf.dtype) for leaf in leaves]
    silent = [jnp.zeros_like(leaf) for leaf in leaves]

    def decay(i: int) -> Array:
        tangent = structure.unflatten([*silent[:i], signs[i], *silent[i + 1 :]])
        moved = jax.jvp(field, (state,), (tangent,))[1]
        return jnp.abs(jnp.mean(signs[i] * jax.tree.leaves(moved)[i]))

    return structure.unflatten([decay(i) for i in range(len(leaves))])
