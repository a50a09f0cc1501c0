"""What is known about `RotationalORGaNICs`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._nonlinearities import power, root
from ..circuits import RotationalORGaNICs, RotationalORGaNICsState, Time, per_unit
from . import _normalization as algebra
from ._gated import SWEEPS
from ._generic import (
    blocks,
    closed_form,
    is_positive,
    largest_terms,
    normalization,
    recurrent_weights,
    relaxation_times,
    rounding,
    sizes,
    starts,
    substitute,
)


@blocks.register(RotationalORGaNICs)
def _(c: RotationalORGaNICs, state: RotationalORGaNICsState, x: Array) -> RotationalORGaNICsState:
    y, a, b0, _ = state
    n, g, p = y.size, a.size, c.exponent
    tau_y, tau_b1 = (jnp.broadcast_to(tau, (n,))[:, None] for tau in (c.tau_y, c.tau_b1))
    tau_a, tau_b0 = (jnp.broadcast_to(tau, (g,))[:, None] for tau in (c.tau_a, c.tau_b0))
    of = _members(n, g, y.dtype)
    s, slope_s = root(a, p), algebra.slope(lambda v: root(v, p), a)
    pooled, slope_y = power(y, p), algebra.slope(lambda v: power(v, p), y)
    heard = per_unit(jax.nn.relu(a), n)
    g0, g1 = (algebra.slope(jax.nn.sigmoid, u)[:, None] for u in _drives(c, y, a, x))
    g0 = (1 - c.floor) * g0
    y_y = (-jnp.eye(n, dtype=y.dtype) + per_unit(1 - s, n)[:, None] * c.W_r) / tau_y
    y_a = -(c.W_r @ y * per_unit(slope_s, n))[:, None] * of / tau_y
    a_a = -jnp.eye(g, dtype=y.dtype) + jnp.where(a > 0, (c.W * pooled[None, :]) @ of, 0)
    a_b0 = jnp.diag(c.sigma * algebra.slope(lambda v: power(v, p), c.sigma * b0)) / tau_a
    none = lambda rows, columns: jnp.zeros((rows, columns), y.dtype)  # noqa: E731
    rows = (
        (y_y, y_a, none(n, g), jnp.diag(c.W_zx @ x) / tau_y),
        (c.W * (heard * slope_y)[None, :] / tau_a, a_a / tau_a, a_b0, none(g, n)),
        (g0 * c.W_by0 / tau_b0, g0 * c.W_ba0 / tau_b0, -jnp.diag(1 / tau_b0[:, 0]), none(g, n)),
        (g1 * c.W_by1 / tau_b1, g1 * c.W_ba1 / tau_b1, none(n, g), -jnp.diag(1 / tau_b1[:, 0])),
    )
    return algebra.nested(RotationalORGaNICsState, rows)


@closed_form.register(RotationalORGaNICs)
def _(c: RotationalORGaNICs, x: Array) -> RotationalORGaNICsState:
    """The closed form for W_r = I, with gains settled by a few sweeps."""
    y, a, b0, b1 = jax.tree.map(jnp.zeros_like, c.initial_state())
    for _ in range(SWEEPS):
        b0, b1 = _gains(c, y, a, x)
        drive = b1 * (c.W_zx @ x)
        a = power(c.sigma * b0, c.exponent) + c.W @ power(drive, c.exponent)
        y = drive / per_unit(root(a, c.exponent), y.size)
    return RotationalORGaNICsState(y, a, *_gains(c, y, a, x))


@relaxation_times.register(RotationalORGaNICs)
def _(c: RotationalORGaNICs, state: RotationalORGaNICsState, x: Array) -> RotationalORGaNICsState:
    return algebra.like(state, c.tau_y, c.tau_a, c.tau_b0, c.tau_b1)


@largest_terms.register(RotationalORGaNICs)
def _(c: RotationalORGaNICs, state: RotationalORGaNICsState, x: Array) -> RotationalORGaNICsState:
    y, a, b0, b1 = state
    n, p = y.size, c.exponent
    recurrent = per_unit(jnp.abs(1 - root(a, p)), n) * (jnp.abs(c.W_r) @ jnp.abs(y))
    of_y = jnp.maximum(jnp.abs(y), jnp.maximum(jnp.abs(b1 * (c.W_zx @ x)), recurrent))
    pooled = c.W @ (per_unit(jax.nn.relu(a), n) * power(y, p))
    of_a = jnp.maximum(jnp.abs(a), jnp.maximum(power(c.sigma * b0, p), pooled))
    g0, g1 = _gains(c, y, a, x)
    of_b = (jnp.maximum(jnp.abs(b0), g0) / c.tau_b0, jnp.maximum(jnp.abs(b1), g1) / c.tau_b1)
    return RotationalORGaNICsState(of_y / c.tau_y, of_a / c.tau_a, *of_b)


@rounding.register(RotationalORGaNICs)
def _(c: RotationalORGaNICs, state: RotationalORGaNICsState, x: Array) -> RotationalORGaNICsState:
    """As for `GatedORGaNICs`."""
    y, a, _, _ = state
    g0, g1 = _gains(c, y, a, x)
    summed = _drives(jax.tree.map(jnp.abs, c), jnp.abs(y), jnp.abs(a), jnp.abs(x))
    lost = [algebra.lost(g, u) for g, u in zip((g0, g1), summed, strict=True)]
    return RotationalORGaNICsState(jnp.zeros_like(y), jnp.zeros_like(a), *lost)


@substitute.register(RotationalORGaNICs)
def _(c: RotationalORGaNICs, state: RotationalORGaNICsState, x: Array) -> RotationalORGaNICsState:
    """y from its own linear equation at the given a, then a from that y."""
    y, a, b0, b1 = state
    n, p = y.size, c.exponent
    M = jnp.eye(n, dtype=y.dtype) - per_unit(1 - root(a, p), n)[:, None] * c.W_r
    y = jnp.linalg.solve(M, b1 * (c.W_zx @ x))
    a = power(c.sigma * b0, p) + c.W @ (per_unit(jax.nn.relu(a), n) * power(y, p))
    return RotationalORGaNICsState(y, a, *_gains(c, y, a, x))


@sizes.register(RotationalORGaNICs)
def _(
    c: RotationalORGaNICs, state: RotationalORGaNICsState, x: Array, t: Time = None
) -> RotationalORGaNICsState:
    """The drive of y, or its normalized response where that is smaller; and a at rest."""
    p, silent = c.exponent, jax.tree.map(jnp.zeros_like, state)
    b0, b1 = _gains(c, silent.y, silent.a, x)
    drive = b1 * (jnp.abs(c.W_zx) @ jnp.abs(x))
    drive = drive + jnp.abs(c.W_r) @ drive
    rest = power(c.sigma * b0, p)
    normalizing = per_unit(jnp.maximum(1, root(rest + c.W @ power(drive, p), p)), drive.size)
    return RotationalORGaNICsState(drive / normalizing, rest, b0, b1)


is_positive.register(RotationalORGaNICs)(algebra.all_but_the_response)
starts.register(RotationalORGaNICs)(algebra.starts_around)
recurrent_weights.register(RotationalORGaNICs)(algebra.weights)


@normalization.register(RotationalORGaNICs)
def _(c: RotationalORGaNICs) -> str:
    return "shared"


def _drives(c: RotationalORGaNICs, y: Array, a: Array, x: Array) -> tuple[Array, Array]:
    """The drives of the gates of b0 and of b1."""
    u0 = c.W_bx0 @ x + c.W_by0 @ y + c.W_ba0 @ a
    return u0, c.W_bx1 @ x + c.W_by1 @ y + c.W_ba1 @ a


def _gains(c: RotationalORGaNICs, y: Array, a: Array, x: Array) -> tuple[Array, Array]:
    """(b0, b1) at rest for the given y, a and x."""
    g0, g1 = (jax.nn.sigmoid(u) for u in _drives(c, y, a, x))
    return c.floor + (1 - c.floor) * g0, g1


def _members(n: int, g: int, dtype: jnp.dtype) -> Array:
    """The group of each unit, as (n, g) of ones and zeros."""
    return jnp.repeat(jnp.eye(g, dtype=dtype), n // g, axis=0)
