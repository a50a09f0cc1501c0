"""The algebra of divisive normalization at given gains, shared by both kinds of ORGaNICs."""

from collections.abc import Callable
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, PRNGKeyArray

from .._checks import is_traced
from .._nonlinearities import Rectification, highest, lowest, power, root
from .._operators import AbstractOperator
from .._types import State
from ..circuits import AbstractCircuit, GatedORGaNICs, ORGaNICs
from ._generic import closed_form, is_positive
from ._starts import METHODS, around

Normalizing = ORGaNICs | GatedORGaNICs


def normalized(c: Normalizing, x: Array, b0: Array, b1: Array) -> tuple[Array, Array]:
    """(y, a) in closed form: a = (σ b0)^p + W |b1 z|^p and y = b1 z / a^(1/p), with the circuit's
    rectification."""
    drive = b1 * c.rectification.input(c.W_zx @ x)
    # |b1 z|^p: where a unit is active, y^p a is the p-th power of its drive.
    a = power(c.sigma * b0, c.exponent) + c.W @ c.rectification.pooled(drive, c.exponent)
    y = drive / root(a, c.exponent)
    # A rectified unit driven below 0 gets no recurrent drive and rests at its input.
    is_active = drive > 0
    return y if c.rectification is Rectification.NONE else jnp.where(is_active, y, drive), a


def is_identity(W_r: Array | AbstractOperator) -> Bool[Array, ""]:
    if isinstance(W_r, AbstractOperator):
        return W_r.is_identity()
    # In numpy where W_r is known: this is asked outside of programs, and should compile nothing.
    xp: Any = jnp if is_traced(W_r) else np
    return jnp.asarray(xp.all(xp.asarray(W_r) == np.eye(W_r.shape[0], dtype=W_r.dtype)))


def terms(
    c: Normalizing, y: Array, a: Array, b0: Array, b1: Array, x: Array
) -> tuple[Array, Array]:
    """The size of the largest terms of ẏ and ȧ."""
    # Σ_j |W_r,ij y_j|, not the sum itself: where its terms cancel, their rounding does not.
    p, s = c.exponent, root(a, c.exponent)
    z, pooled = jnp.abs(c.rectification.input(c.W_zx @ x)), c.rectification.pooled(y, c.exponent)
    heard = jax.nn.relu(y) if c.rectification is Rectification.BEFORE else jnp.abs(y)
    recurrent = jnp.abs(1 - s) * (abs(c.W_r) @ heard)
    y_terms = jnp.maximum(jnp.abs(y), jnp.maximum(b1 * z, recurrent))
    a_terms = jnp.maximum(power(c.sigma * b0, p), c.W @ (jax.nn.relu(a) * pooled))
    return y_terms / c.tau_y, jnp.maximum(jnp.abs(a), a_terms) / c.tau_a


def substituted(
    c: Normalizing, y: Array, a: Array, b0: Array, b1: Array, x: Array
) -> tuple[Array, Array]:
    """y from its own linear equation at the given a, then a from that y."""
    M = jnp.eye(y.size, dtype=y.dtype) - (1 - root(a, c.exponent))[:, None] * heard_weights(c, y)
    y = jnp.linalg.solve(M, b1 * c.rectification.input(c.W_zx @ x))
    pooled = c.rectification.pooled(y, c.exponent)
    return y, power(c.sigma * b0, c.exponent) + c.W @ (jax.nn.relu(a) * pooled)


def sizes(c: Normalizing, b0: Array, b1: Array, x: Array) -> tuple[Array, Array]:
    """The drive of y, or its normalized response where that is smaller; and a at rest."""
    p = c.exponent
    drive = b1 * (abs(c.W_zx) @ jnp.abs(x))
    drive = drive + abs(c.W_r) @ drive
    rest = jnp.zeros_like(drive) + power(c.sigma * b0, p)
    return drive / jnp.maximum(1, root(rest + c.W @ power(drive, p), p)), rest


def bent(
    c: Normalizing, before: tuple[Any, Array, Array], after: tuple[Any, Array, Array]
) -> tuple[Any, Array] | None:
    """`corners` of the rectified drives, from one state, input and gains b1 to another."""
    if c.rectification is Rectification.NONE:
        return None
    (state, x, b1), (state1, x1, b1_1) = before, after
    y, y1 = state.y, state1.y
    heard = highest(jnp.abs(1 - root(jnp.stack([state.a, state1.a]), c.exponent)), axis=0)
    if c.rectification is Rectification.BEFORE:
        ends = jnp.stack([y, y1])
        drives = heard * (abs(c.W_r) @ _bend(*ends))
    else:
        z, recurrent = jnp.stack([c.W_zx @ x, c.W_zx @ x1]), jnp.stack([c.W_r @ y, c.W_r @ y1])
        gain = jnp.broadcast_to(jnp.maximum(b1, b1_1), y.shape)
        ends = jnp.stack([gain[None, :] * z, heard[None, :] * recurrent], axis=1)
        drives = jnp.sum(_bend(*ends), axis=0)
    bends, sizes = _bend(*ends), jnp.abs(ends)
    share = sizes[0] / jnp.where(bends > 0, sizes[0] + sizes[1], 1)
    share = lowest(jnp.where((bends > 0) & (bends == highest(bends)), share, 1))
    rest = jax.tree.map(jnp.zeros_like, state)
    return rest._replace(y=drives / c.tau_y), share


def _bend(u: Array, v: Array) -> Array:
    """How far max(·, 0) lies below its chord from u to v, at 0."""
    size = jnp.abs(u) + jnp.abs(v)
    is_between = (u > 0) != (v > 0)
    return jnp.where(is_between, jnp.abs(u) * (jnp.abs(v) / jnp.where(size > 0, size, 1)), 0)


def core(c: Normalizing, y: Array, a: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """∂(ẏ, ȧ)/∂(y, a); at kinks the slope is 0, as the guards of the equations give it."""
    p, rectification = c.exponent, c.rectification
    eye = jnp.eye(y.size, dtype=y.dtype)
    s, s_slope = root(a, p), slope(lambda v: root(v, p), a)
    pooled, pooled_slope = jax.jvp(lambda v: rectification.pooled(v, p), (y,), (jnp.ones_like(y),))
    tau_y, tau_a = (jnp.broadcast_to(tau, y.shape)[:, None] for tau in (c.tau_y, c.tau_a))
    yy = (-eye + (1 - s)[:, None] * heard_weights(c, y)) / tau_y
    ya = -diagonal(rectification.recurrent(c.W_r, y) * s_slope, y) / tau_y
    ay = c.W * (jax.nn.relu(a) * pooled_slope)[None, :] / tau_a
    aa = (-eye + c.W * jnp.where(a > 0, pooled, 0)[None, :]) / tau_a
    return (yy, ya), (ay, aa)


def response_decays(c: Normalizing, state: Any, x: Array) -> Array:
    """(1 − (1 − s) w_ii)/τ_y; where the recurrent drive is rectified, w_ii of active units only."""
    y, a, *_ = state
    own = c.W_r.diagonal()
    if c.rectification is Rectification.BEFORE:
        own = jnp.where(y > 0, own, 0)
    elif c.rectification is Rectification.AFTER:
        own = jnp.where(c.W_r @ y > 0, own, 0)
    return (1 - (1 - root(a, c.exponent)) * own) / c.tau_y


def heard_weights(c: Normalizing, y: Array) -> Array:
    """W_r; where the recurrent drive is rectified, only that of the units active at y."""
    if c.rectification is Rectification.BEFORE:
        return jnp.where((y > 0)[None, :], c.W_r, 0)
    if c.rectification is Rectification.AFTER:
        return jnp.where((c.W_r @ y > 0)[:, None], c.W_r, 0)
    return c.W_r


def lost(gate: Array, summed: Array) -> Array:
    """The relative loss of σ(u) by rounding: (1 − σ) times what u loses in its sum."""
    return jnp.finfo(gate.dtype).eps * (1 - gate) * summed


def nested(kind: type[State], rows: tuple) -> State:
    """A state of states from rows of blocks."""
    return kind(*(kind(*row) for row in rows))


def slope(function: Callable[[Array], Array], v: Array) -> Array:
    """The derivative of an elementwise function."""
    return jax.jvp(function, (v,), (jnp.ones_like(v),))[1]


def diagonal(values: Array, like: Array) -> Array:
    return jnp.diag(jnp.broadcast_to(values, like.shape))


def like(state: State, *values: ArrayLike) -> State:
    """The values as a state of this kind, each in the shape of its variable."""
    broadcast = [jnp.broadcast_to(v, s.shape) for v, s in zip(values, state, strict=True)]
    return type(state)(*broadcast)


def all_but_the_response(c: AbstractCircuit, state: State) -> State:
    """Variables that stay positive: the modulators, and gains that are variables."""
    return type(state)(*(jnp.full(leaf.shape, i > 0) for i, leaf in enumerate(state)))


def starts_around(c: Any, x: Array, key: PRNGKeyArray, count: int) -> tuple:
    """States around the rest state and the normalized state; every other group of starts is as
    large as recurrence alone sustains, which is far from both where the input is weak."""
    rest, driven = c.initial_state(), closed_form(c, x)
    flat, unravel = jax.flatten_util.ravel_pytree(
        jax.tree.map(lambda a, b: jnp.maximum(jnp.abs(a), jnp.abs(b)), rest, driven)
    )
    size = unravel(jnp.where(flat > 0, flat, jnp.maximum(jnp.mean(flat), 1e-2)))
    y, a = size[:2]
    # At rest W y^p is 1 − (σ b0)^p/a, and s = a^(1/p) is at most 1 if a response sustains itself.
    pool = jnp.sum(c.W, axis=1)
    alone = root(1 / jnp.where(pool > 0, pool, jnp.inf), c.exponent)
    alone = jnp.repeat(alone, y.size // alone.size)  # units share the pool of their group
    large = size._replace(y=jnp.maximum(y, alone), a=jnp.maximum(a, 1))
    near, far = (around(key, count, s, is_positive(c, rest)) for s in (size, large))
    is_far = jnp.arange(count) // METHODS % 2 == 1
    return jax.tree.map(lambda a, b: jnp.where(is_far[:, None], b, a), near, far)


def weights(c: Normalizing) -> Array:
    return c.W_r
