"""What a root find needs to know of a circuit's equations, registered per circuit.

Every equation of a circuit is a decay against terms that hold it up: ẋ_i = (−x_i + …)/τ_i. The
functions below say how fast it decays, how large its terms are, and (where a circuit has one) how
to substitute one equation into the other.
"""

from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array

from .._nonlinearities import Rectification, highest, power, root
from ..circuits import (
    NO_TIME,
    AbstractCircuit,
    FeedbackNetwork,
    FeedbackNetworkState,
    GatedORGaNICs,
    GatedORGaNICsState,
    ORGaNICs,
    ORGaNICsState,
)
from ._closed_form import gains
from ._fact import Fact


@Fact
def relaxation_times(circuit: AbstractCircuit, state: Any, x: Array) -> Any:
    """τ of every equation, ms; for a circuit not registered the decay at the given state."""
    J, flat, unravel = _linearised(circuit, state, x)
    decay = jnp.abs(jnp.diagonal(J))
    slowest = highest(decay) / flat.size
    return unravel(1 / jnp.maximum(decay, jnp.where(slowest > 0, slowest, 1)))


@Fact
def largest_terms(circuit: AbstractCircuit, state: Any, x: Array) -> Any:
    """The size of the largest terms of every equation, 1/ms: what its residual is relative to."""
    # With the terms of other variables: where they cancel, the variable itself may rest at 0.
    J, flat, unravel = _linearised(circuit, state, x)
    return unravel(highest(jnp.abs(J) * jnp.abs(flat)[None, :], axis=1))


@Fact
def rounding(circuit: AbstractCircuit, state: Any, x: Array) -> Any:
    """How much of its largest term every equation may lose by rounding within its terms, where that
    is more than a few ε."""
    return jax.tree.map(jnp.zeros_like, state)


@Fact
def is_positive(circuit: AbstractCircuit, state: Any) -> Any:
    """Which variables are positive on every trajectory that starts so."""
    return jax.tree.map(lambda leaf: jnp.full(leaf.shape, False), state)


@Fact
def substitute(circuit: AbstractCircuit, state: Any, x: Array) -> Any:
    """One round of solving each equation for its own variable; the state itself where a circuit
    has no such form."""
    return state


@is_positive.register(ORGaNICs)
@is_positive.register(GatedORGaNICs)
def _(circuit: Any, state: Any) -> Any:
    """All but the response."""
    return type(state)(*(jnp.full(leaf.shape, i > 0) for i, leaf in enumerate(state)))


@relaxation_times.register(ORGaNICs)
def _(circuit: Any, state: ORGaNICsState, x: Array) -> ORGaNICsState:
    return _like(state, circuit.tau_y, circuit.tau_a)


@relaxation_times.register(GatedORGaNICs)
def _(circuit: Any, state: GatedORGaNICsState, x: Array) -> GatedORGaNICsState:
    c = circuit
    return _like(state, c.tau_y, c.tau_a, c.tau_b0, c.tau_b1)


@largest_terms.register(ORGaNICs)
def _(circuit: Any, state: ORGaNICsState, x: Array) -> ORGaNICsState:
    return ORGaNICsState(*_terms(circuit, state.y, state.a, circuit.b0, circuit.b1, x))


@largest_terms.register(GatedORGaNICs)
def _(circuit: Any, state: GatedORGaNICsState, x: Array) -> GatedORGaNICsState:
    c, (y, a, b0, b1) = circuit, state
    g0, g1 = gains(c, y, a, x)
    terms_b = (jnp.maximum(jnp.abs(b0), g0) / c.tau_b0, jnp.maximum(jnp.abs(b1), g1) / c.tau_b1)
    return GatedORGaNICsState(*_terms(c, y, a, b0, b1, x), *terms_b)


@rounding.register(GatedORGaNICs)
def _(circuit: Any, state: GatedORGaNICsState, x: Array) -> GatedORGaNICsState:
    """σ(u) loses (1 − σ) times what u loses in its sum, relative to itself."""
    c, (y, a, _, _) = circuit, state
    g0, g1 = gains(c, y, a, x)
    sizes = [
        jnp.abs(W_x) @ jnp.abs(x) + jnp.abs(W_y) @ jnp.abs(y) + jnp.abs(W_a) @ jnp.abs(a)
        for W_x, W_y, W_a in ((c.W_bx0, c.W_by0, c.W_ba0), (c.W_bx1, c.W_by1, c.W_ba1))
    ]
    lost = [jnp.finfo(y.dtype).eps * (1 - g) * s for g, s in zip((g0, g1), sizes, strict=True)]
    return GatedORGaNICsState(jnp.zeros_like(y), jnp.zeros_like(a), *lost)


@relaxation_times.register(FeedbackNetwork)
def _(circuit: Any, state: FeedbackNetworkState, x: Array) -> FeedbackNetworkState:
    return FeedbackNetworkState(jnp.ones_like(state.x))


@largest_terms.register(FeedbackNetwork)
def _(circuit: Any, state: FeedbackNetworkState, x: Array) -> FeedbackNetworkState:
    c, z = circuit, jnp.atleast_1d(circuit.readout(state))
    recurrent = c.g * jnp.abs(c.chi @ c.phi(state.x))
    feedback = jnp.abs(c.m.reshape(c.size, -1)) @ jnp.abs(z)
    terms = jnp.abs(state.x) + recurrent + feedback + jnp.abs(c.I + c.W_x @ x)
    # Where all terms of one unit vanish, the rounding of its sum over the others does not.
    return FeedbackNetworkState(jnp.maximum(terms, jnp.mean(terms)))


@substitute.register(ORGaNICs)
def _(circuit: Any, state: ORGaNICsState, x: Array) -> ORGaNICsState:
    return ORGaNICsState(*_substituted(circuit, state.y, state.a, circuit.b0, circuit.b1, x))


@substitute.register(FeedbackNetwork)
def _(circuit: Any, state: FeedbackNetworkState, x: Array) -> FeedbackNetworkState:
    return FeedbackNetworkState(state.x + circuit.vector_field(NO_TIME, state, x).x)


@substitute.register(GatedORGaNICs)
def _(circuit: Any, state: GatedORGaNICsState, x: Array) -> GatedORGaNICsState:
    y, a = _substituted(circuit, *state, x)
    return GatedORGaNICsState(y, a, *gains(circuit, y, a, x))


def _linearised(circuit: AbstractCircuit, state: Any, x: Array) -> tuple[Array, Array, Any]:
    """The Jacobian, the state as a vector, and the way back."""
    flat, unravel = jax.flatten_util.ravel_pytree(state)
    J = jax.jacfwd(
        lambda v: jax.flatten_util.ravel_pytree(circuit.vector_field(NO_TIME, unravel(v), x))[0]
    )(flat)
    return J, flat, unravel


def _terms(c: Any, y: Array, a: Array, b0: Array, b1: Array, x: Array) -> tuple[Array, Array]:
    # Σ_j |W_r,ij y_j| and not its sum: where the terms of that sum cancel, rounding does not.
    p, s = c.exponent, root(a, c.exponent)
    z, pooled = jnp.abs(c.rectification.input(c.W_zx @ x)), c.rectification.pooled(y, c.exponent)
    heard = jax.nn.relu(y) if c.rectification is Rectification.BEFORE else jnp.abs(y)
    recurrent = jnp.abs(1 - s) * (jnp.abs(c.W_r) @ heard)
    y_terms = jnp.maximum(jnp.abs(y), jnp.maximum(b1 * z, recurrent))
    a_terms = jnp.maximum(power(c.sigma * b0, p), c.W @ (jax.nn.relu(a) * pooled))
    return y_terms / c.tau_y, jnp.maximum(jnp.abs(a), a_terms) / c.tau_a


def _substituted(c: Any, y: Array, a: Array, b0: Array, b1: Array, x: Array) -> tuple:
    """y from its own linear equation at the given a, then a from that y.

    Where the recurrent drive is rectified, with the units that are active at the given y.
    """
    W_r = c.W_r
    if c.rectification is Rectification.BEFORE:
        W_r = jnp.where((y > 0)[None, :], W_r, 0)
    if c.rectification is Rectification.AFTER:
        W_r = jnp.where((W_r @ y > 0)[:, None], W_r, 0)
    eye = jnp.eye(y.size, dtype=y.dtype)
    M = eye - (1 - root(a, c.exponent))[:, None] * W_r
    y = jnp.linalg.solve(M, b1 * c.rectification.input(c.W_zx @ x))
    pooled = c.rectification.pooled(y, c.exponent)
    return y, power(c.sigma * b0, c.exponent) + c.W @ (jax.nn.relu(a) * pooled)


def _like(state: Any, *values: Any) -> Any:
    broadcast = [jnp.broadcast_to(v, s.shape) for v, s in zip(values, state, strict=True)]
    return type(state)(*broadcast)
