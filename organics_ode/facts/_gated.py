"""What is known about `GatedORGaNICs`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from .._nonlinearities import power
from .._operators import is_zero
from ..circuits import GatedORGaNICs, GatedORGaNICsState, Time
from . import _normalization as algebra
from ._generic import (
    blocks,
    closed_form,
    corners,
    is_exact,
    is_positive,
    largest_terms,
    normalization,
    recurrent_weights,
    relaxation_times,
    response_decays,
    rounding,
    sizes,
    starts,
    substitute,
)

# Sweeps between the gains and the normalization they act on; one is exact for constant gains.
SWEEPS = 3


def gains(c: GatedORGaNICs, y: Array, a: Array, x: Array) -> tuple[Array, Array]:
    """(b0, b1) at rest for the given y, a and x."""
    b0 = jax.nn.sigmoid(c.W_bx0 @ x + c.W_by0 @ y + c.W_ba0 @ a)
    b1 = jax.nn.sigmoid(c.W_bx1 @ x + c.W_by1 @ y + c.W_ba1 @ a)
    return b0, b1


def has_constant_gains(circuit: GatedORGaNICs) -> Bool[Array, ""]:
    """Whether no gain depends on y or a: then the gains settle by themselves and act as constants
    on the other variables."""
    feedback = (circuit.W_by0, circuit.W_ba0, circuit.W_by1, circuit.W_ba1)
    return jnp.stack([is_zero(W) for W in feedback]).all()


@blocks.register(GatedORGaNICs)
def _(c: GatedORGaNICs, state: GatedORGaNICsState, x: Array) -> GatedORGaNICsState:
    y, a, b0, _ = state
    (yy, ya), (ay, aa) = algebra.core(c, y, a)
    zero = jnp.zeros_like(yy)
    y_b1 = c.rectification.input(c.W_zx @ x) / c.tau_y
    a_b0 = c.sigma * algebra.slope(lambda v: power(v, c.exponent), c.sigma * b0) / c.tau_a
    u0 = c.W_bx0 @ x + c.W_by0 @ y + c.W_ba0 @ a
    u1 = c.W_bx1 @ x + c.W_by1 @ y + c.W_ba1 @ a
    g0 = algebra.slope(jax.nn.sigmoid, u0) / c.tau_b0
    g1 = algebra.slope(jax.nn.sigmoid, u1) / c.tau_b1
    decay0, decay1 = (algebra.diagonal(-1 / tau, y) for tau in (c.tau_b0, c.tau_b1))
    rows = (
        (yy, ya, zero, algebra.diagonal(y_b1, y)),
        (ay, aa, algebra.diagonal(a_b0, y), zero),
        (g0[:, None] * c.W_by0, g0[:, None] * c.W_ba0, decay0, zero),
        (g1[:, None] * c.W_by1, g1[:, None] * c.W_ba1, zero, decay1),
    )
    return algebra.nested(GatedORGaNICsState, rows)


@closed_form.register(GatedORGaNICs)
def _(c: GatedORGaNICs, x: Array) -> GatedORGaNICsState:
    y, a, b0, b1 = c.initial_state()
    y, a = jnp.zeros_like(y), jnp.zeros_like(a)
    for _ in range(SWEEPS):
        b0, b1 = gains(c, y, a, x)
        y, a = algebra.normalized(c, x, b0, b1)
    return GatedORGaNICsState(y, a, *gains(c, y, a, x))


@is_exact.register(GatedORGaNICs)
def _(c: GatedORGaNICs) -> Bool[Array, ""]:
    return algebra.is_identity(c.W_r) & has_constant_gains(c)


@relaxation_times.register(GatedORGaNICs)
def _(c: GatedORGaNICs, state: GatedORGaNICsState, x: Array) -> GatedORGaNICsState:
    return algebra.like(state, c.tau_y, c.tau_a, c.tau_b0, c.tau_b1)


@largest_terms.register(GatedORGaNICs)
def _(c: GatedORGaNICs, state: GatedORGaNICsState, x: Array) -> GatedORGaNICsState:
    y, a, b0, b1 = state
    g0, g1 = gains(c, y, a, x)
    terms_b = (jnp.maximum(jnp.abs(b0), g0) / c.tau_b0, jnp.maximum(jnp.abs(b1), g1) / c.tau_b1)
    return GatedORGaNICsState(*algebra.terms(c, y, a, b0, b1, x), *terms_b)


@rounding.register(GatedORGaNICs)
def _(c: GatedORGaNICs, state: GatedORGaNICsState, x: Array) -> GatedORGaNICsState:
    """The rounding of the gates."""
    y, a, _, _ = state
    g0, g1 = gains(c, y, a, x)
    summed = [
        abs(W_x) @ jnp.abs(x) + abs(W_y) @ jnp.abs(y) + abs(W_a) @ jnp.abs(a)
        for W_x, W_y, W_a in ((c.W_bx0, c.W_by0, c.W_ba0), (c.W_bx1, c.W_by1, c.W_ba1))
    ]
    lost = [algebra.lost(g, u) for g, u in zip((g0, g1), summed, strict=True)]
    return GatedORGaNICsState(jnp.zeros_like(y), jnp.zeros_like(a), *lost)


@substitute.register(GatedORGaNICs)
def _(c: GatedORGaNICs, state: GatedORGaNICsState, x: Array) -> GatedORGaNICsState:
    y, a = algebra.substituted(c, *state, x)
    return GatedORGaNICsState(y, a, *gains(c, y, a, x))


@sizes.register(GatedORGaNICs)
def _(c: GatedORGaNICs, state: GatedORGaNICsState, x: Array, t: Time = None) -> GatedORGaNICsState:
    silent = jnp.zeros_like(state.y)
    b0, b1 = gains(c, silent, silent, x)
    return GatedORGaNICsState(*algebra.sizes(c, b0, b1, x), b0, b1)


@corners.register(GatedORGaNICs)
def _(
    c: GatedORGaNICs,
    before: GatedORGaNICsState,
    x_before: Array,
    after: GatedORGaNICsState,
    x_after: Array,
) -> tuple[GatedORGaNICsState, Array] | None:
    return algebra.bent(c, (before, x_before, before.b1), (after, x_after, after.b1))


is_positive.register(GatedORGaNICs)(algebra.all_but_the_response)
starts.register(GatedORGaNICs)(algebra.starts_around)
recurrent_weights.register(GatedORGaNICs)(algebra.weights)
response_decays.register(GatedORGaNICs)(algebra.response_decays)


@normalization.register(GatedORGaNICs)
def _(c: GatedORGaNICs) -> str:
    return "dynamic"
