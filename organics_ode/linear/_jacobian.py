"""The Jacobian of a circuit: written out where a circuit is registered, by autodiff otherwise."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_float_array, check_finite, check_precision, check_state, is_traced, refuse
from .._constraints import resolve
from .._nonlinearities import Rectification, power, root
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
from ..facts import Fact


def jacobian(circuit: AbstractCircuit, state: Any, x: Any) -> Float[Array, "d d"]:
    """The Jacobian of a circuit's vector field in its state, J_ij = ∂ẋ_i/∂x_j.

    Written out for the circuits of this library (`ORGaNICs`: J = [∂ẏ/∂y, ∂ẏ/∂a; ∂ȧ/∂y, ∂ȧ/∂a]), by
    forward-mode autodiff for any other circuit. Pure (jit, vmap, grad); no batch axis.

    Args:
        circuit: an `AbstractCircuit`.
        state: the circuit's state where to linearise.
        x: (m,), the input.

    Returns:
        (d, d) in 1/ms, rows and columns in the order of the state's fields.

    Raises:
        ValueError: an argument is bad.
    """
    return jacobian_matrix(*read_point(circuit, state, x))


def jacobian_matrix(circuit: AbstractCircuit, state: Any, x: Array) -> Array:
    """`jacobian` of what is already checked and resolved."""
    sizes = [leaf.size for leaf in jax.tree.leaves(state)]
    blocks = jax.tree.leaves(_blocks(circuit, state, x))
    rows = [blocks[i : i + len(sizes)] for i in range(0, len(blocks), len(sizes))]
    return jnp.block([[b.reshape(-1, n) for b, n in zip(row, sizes, strict=True)] for row in rows])


def jacobian_blocks(circuit: AbstractCircuit, state: Any, x: Any) -> Any:
    """The Jacobian by named blocks: `jacobian_blocks(circuit, state, x).y.a` is ∂ẏ/∂a.

    Args, errors and units are those of `jacobian`.

    Returns:
        A state of states: the outer field is the equation, the inner one the variable.
    """
    circuit, state, x = read_point(circuit, state, x)
    return _blocks(circuit, state, x)


def read_point(circuit: Any, state: Any, x: Any) -> tuple[AbstractCircuit, Any, Array]:
    """A resolved circuit, a state of its own (its initial one for None) and an input, checked."""
    if not isinstance(circuit, AbstractCircuit):
        refuse("circuit", "be a circuit", f"it is {type(circuit).__name__}")
    circuit = resolve(circuit)
    state = check_state("state", resolve(state), circuit.initial_state())
    check_precision("circuit", jax.tree.leaves(state)[0].dtype)
    x = as_float_array("x", x, jax.tree.leaves(state)[0].dtype)
    m = circuit.input_size
    if x.shape != (m,):
        refuse("x", f"have shape (m,) = ({m},)", f"it has shape {x.shape}")
    return circuit, state, x if is_traced(x) else check_finite("x", x)


@Fact
def _blocks(circuit: AbstractCircuit, state: Any, x: Array) -> Any:
    return jax.jacfwd(lambda s: circuit.vector_field(NO_TIME, s, x))(state)


@_blocks.register(ORGaNICs)
def _(circuit: Any, state: ORGaNICsState, x: Array) -> ORGaNICsState:
    return _nested(ORGaNICsState, _core(circuit, state.y, state.a))


@_blocks.register(GatedORGaNICs)
def _(circuit: Any, state: GatedORGaNICsState, x: Array) -> GatedORGaNICsState:
    c, (y, a, b0, _) = circuit, state
    (yy, ya), (ay, aa) = _core(c, y, a)
    zero = jnp.zeros_like(yy)
    y_b1 = c.rectification.input(c.W_zx @ x) / c.tau_y
    a_b0 = c.sigma * _slope(lambda v: power(v, c.exponent), c.sigma * b0) / c.tau_a
    u0 = c.W_bx0 @ x + c.W_by0 @ y + c.W_ba0 @ a
    u1 = c.W_bx1 @ x + c.W_by1 @ y + c.W_ba1 @ a
    g0 = _slope(jax.nn.sigmoid, u0) / c.tau_b0
    g1 = _slope(jax.nn.sigmoid, u1) / c.tau_b1
    decay0, decay1 = (_diagonal(-1 / tau, y) for tau in (c.tau_b0, c.tau_b1))
    rows = (
        (yy, ya, zero, _diagonal(y_b1, y)),
        (ay, aa, _diagonal(a_b0, y), zero),
        (g0[:, None] * c.W_by0, g0[:, None] * c.W_ba0, decay0, zero),
        (g1[:, None] * c.W_by1, g1[:, None] * c.W_ba1, zero, decay1),
    )
    return _nested(GatedORGaNICsState, rows)


@_blocks.register(FeedbackNetwork)
def _(circuit: Any, state: FeedbackNetworkState, x: Array) -> FeedbackNetworkState:
    """−1 + (g χ + m nᵀ/N) diag(φ')."""
    c = circuit
    m, n = (v.reshape(c.size, -1) for v in (c.m, c.n))
    coupling = c.g * c.chi + m @ n.T / c.size
    eye = jnp.eye(c.size, dtype=coupling.dtype)
    return _nested(FeedbackNetworkState, ((coupling * _slope(c.phi, state.x)[None, :] - eye,),))


def _nested(kind: Any, rows: tuple) -> Any:
    """A state of states from rows of blocks."""
    return kind(*(kind(*row) for row in rows))


def _core(c: Any, y: Array, a: Array) -> tuple:
    """∂(ẏ, ȧ)/∂(y, a) at fixed gains; at kinks the slope 0 that the equations' guards give."""
    p, rectification = c.exponent, c.rectification
    W_r = c.W_r
    if rectification is Rectification.BEFORE:
        W_r = jnp.where((y > 0)[None, :], W_r, 0)
    if rectification is Rectification.AFTER:
        W_r = jnp.where((W_r @ y > 0)[:, None], W_r, 0)
    eye = jnp.eye(y.size, dtype=y.dtype)
    s, s_slope = root(a, p), _slope(lambda v: root(v, p), a)
    pooled, pooled_slope = jax.jvp(lambda v: rectification.pooled(v, p), (y,), (jnp.ones_like(y),))
    tau_y, tau_a = (jnp.broadcast_to(tau, y.shape)[:, None] for tau in (c.tau_y, c.tau_a))
    yy = (-eye + (1 - s)[:, None] * W_r) / tau_y
    ya = -_diagonal(rectification.recurrent(c.W_r, y) * s_slope, y) / tau_y
    ay = c.W * (jax.nn.relu(a) * pooled_slope)[None, :] / tau_a
    aa = (-eye + c.W * jnp.where(a > 0, pooled, 0)[None, :]) / tau_a
    return (yy, ya), (ay, aa)


def _slope(function: Any, v: Array) -> Array:
    """The derivative of an elementwise function."""
    return jax.jvp(function, (v,), (jnp.ones_like(v),))[1]


def _diagonal(values: Array, like: Array) -> Array:
    return jnp.diag(jnp.broadcast_to(values, like.shape))
