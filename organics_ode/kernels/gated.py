"""The training kernel: a `GatedORGaNICs` under Euler steps, over a batch, with its own gradient.

Counted in products of n² numbers per sample and step, a gradient through time takes six forward,
six for the cotangents of y and a, and six for those of the weights. They are four fifths of the
time. What autodiff of a scan adds is overhead: a sum over the batch for every parameter in every
step, and all inner values of a step go through memory. Here the results of the products are kept,
and the states at the starts of chunks; from these a chunk's other states are computed again. Where
that is too much memory, the starts alone are kept and a chunk's products are taken again, too.

States are (n, batch). The products are then those of two matrices as they lie in memory, or of one
with the transpose of another. XLA takes both at the full speed of a core (lhsᵀ rhs is a tenth
slower), and the gates are two blocks of rows of one product.
"""

import functools
from typing import Any, NamedTuple, TypeGuard

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._constraints import resolve
from .._nonlinearities import Rectification, power, root
from ..cells import AbstractCell, Euler, ShuOsher, hold
from ..circuits import GatedORGaNICs, GatedORGaNICsState, obeys
from ..programs import device_memory

_CHUNK = 16  # steps
_KEPT = 1 / 8  # of a device's memory: the most that the products' results of its batch may take


class _Weights(NamedTuple):
    """The matrices; those of both gates one above the other, (2n, n) and (2n, m)."""

    W_r: Array
    W: Array
    W_by: Array
    W_ba: Array
    W_bx: Array
    W_zx: Array


class _Both(NamedTuple):
    """The matrices, and a copy of the transposed ones in memory."""

    plain: _Weights
    transposed: _Weights


class _Units(NamedTuple):
    """dt/τ and σ of each unit, (n, 1)."""

    k_y: Array
    k_a: Array
    k_b0: Array
    k_b1: Array
    sigma: Array


class _Drives(NamedTuple):
    """What a step computes by products, each (n, batch): W_r y, W q, and the gates."""

    recurrent: Array
    pool: Array
    gate0: Array
    gate1: Array


def applies(cell: AbstractCell) -> TypeGuard[Euler | ShuOsher]:
    """Whether the kernel computes this cell: the exponent must be known when compiling."""
    circuit: Any = getattr(cell, "circuit", None) if obeys(cell, Euler, ShuOsher) else None
    return obeys(circuit, GatedORGaNICs) and isinstance(circuit.exponent, float)


def run(
    cell: Euler | ShuOsher,
    state0: GatedORGaNICsState,
    xs: Float[Array, "batch time m"],
    last_only: bool,
    runs: Bool[Array, "batch time"] | None = None,
) -> tuple[GatedORGaNICsState, Float[Array, "batch time n"] | None]:
    """The last states, and the responses y after every step unless `last_only`.

    `cell` has plain arrays, and the leaves of `state0` have a batch axis. Where a sequence no
    longer runs, its state is held.
    """
    circuit = resolve(cell.circuit)
    shares = cell.shares if isinstance(cell, ShuOsher) else (1.0,)
    rule = _Rule(circuit.rectification, circuit.exponent, shares)
    weights, units = _weights(circuit), _units(circuit, cell.dt)
    state0 = jax.tree.map(jnp.transpose, state0)
    runs = None if runs is None else runs.T[:, None]
    found: Any = _kernel(rule, last_only, weights, units, state0, jnp.moveaxis(xs, 0, 2), runs)
    last, ys = found
    return jax.tree.map(jnp.transpose, last), None if last_only else jnp.moveaxis(ys, 2, 0)


def _weights(c: Any) -> _Weights:
    return _Weights(
        W_r=c.W_r,
        W=c.W,
        W_by=jnp.concatenate([c.W_by0, c.W_by1]),
        W_ba=jnp.concatenate([c.W_ba0, c.W_ba1]),
        W_bx=jnp.concatenate([c.W_bx0, c.W_bx1]),
        W_zx=c.W_zx,
    )


def _units(c: Any, dt: Any) -> _Units:
    dt = jnp.asarray(dt, c.W_r.dtype)
    every = (dt / c.tau_y, dt / c.tau_a, dt / c.tau_b0, dt / c.tau_b1, c.sigma)
    return _Units(*(jnp.broadcast_to(value, (c.size,))[:, None] for value in every))


class _Rule(NamedTuple):
    """An Euler step and its gradient: all that is known when compiling."""

    rectification: Rectification
    p: float
    shares: tuple[float, ...]

    def left(self, state: GatedORGaNICsState) -> tuple[Array, Array]:
        """What W_r and W multiply."""
        y, a = state.y, jax.nn.relu(state.a)
        v = jax.nn.relu(y) if self.rectification is Rectification.BEFORE else y
        return v, a * self.rectification.pooled(y, self.p)

    def drives(self, w: _Weights, state: GatedORGaNICsState, x: Array) -> _Drives:
        v, q = self.left(state)
        gates = jax.nn.sigmoid(w.W_bx @ x + w.W_by @ state.y + w.W_ba @ state.a)
        return _Drives(w.W_r @ v, w.W @ q, *jnp.split(gates, 2))

    def advance(
        self, u: _Units, state: GatedORGaNICsState, d: _Drives, z: Array
    ) -> GatedORGaNICsState:
        y, a, b0, b1 = state
        is_after = self.rectification is Rectification.AFTER
        recurrent = jax.nn.relu(d.recurrent) if is_after else d.recurrent
        dy = -y + b1 * self.rectification.input(z) + (1 - root(a, self.p)) * recurrent
        da = -a + power(u.sigma * b0, self.p) + d.pool
        return GatedORGaNICsState(
            y + u.k_y * dy,
            a + u.k_a * da,
            b0 + u.k_b0 * (d.gate0 - b0),
            b1 + u.k_b1 * (d.gate1 - b1),
        )

    def steps(
        self, w: _Weights, u: _Units, state: Any, x: Array, runs: Any, kept: Any = None
    ) -> tuple[Any, Any]:
        """The state after a cell's step; before each Euler step in it that state and its drives."""
        start, states, every = state, [], []
        for k, share in enumerate(self.shares):
            states.append(state)
            every.append(self.drives(w, state, x) if kept is None else kept[k])
            state = self.advance(u, state, every[k], w.W_zx @ x)
            if share < 1:
                mix = lambda s, t, c=share: (1 - c) * s + c * t  # noqa: E731
                state = jax.tree.map(mix, start, state)
        return hold(runs, state, start), (states, every)

    def back_euler(self, w: _Both, u: _Units, g: Any, state: Any, d: _Drives, x: Array) -> Any:
        """The cotangents of the state before one Euler step, of all parameters, and of x."""
        z, transposed = w.plain.W_zx @ x, w.transposed
        # To a shape of their own for every sample: a sum over the batch is slow in every step.
        u = jax.tree.map(lambda v: jnp.broadcast_to(v, z.shape), u)
        gu, gs, gd, gz = jax.vjp(self.advance, u, state, d, z)[1](g)
        slopes = gd.gate0 * d.gate0 * (1 - d.gate0), gd.gate1 * d.gate1 * (1 - d.gate1)
        g_gates = jnp.concatenate(slopes)
        (v, q), pull = jax.vjp(self.left, state)
        (through,) = pull((transposed.W_r @ gd.recurrent, transposed.W @ gd.pool))
        y = gs.y + through.y + transposed.W_by @ g_gates
        a = gs.a + through.a + transposed.W_ba @ g_gates
        gw = _Weights(
            W_r=gd.recurrent @ v.T,
            W=gd.pool @ q.T,
            W_by=g_gates @ state.y.T,
            W_ba=g_gates @ state.a.T,
            W_bx=g_gates @ x.T,
            W_zx=gz @ x.T,
        )
        gx = transposed.W_zx @ gz + transposed.W_bx @ g_gates
        return gs._replace(y=y, a=a), (gw, gu), gx

    def back(self, w: _Both, u: _Units, carry: Any, kept: Any) -> tuple[Any, Array]:
        """The cotangents of the state before a step, the sums for the parameters, those of x."""
        (g, total), ((states, every), x, gy, runs) = carry, kept
        g = g if gy is None else g._replace(y=g.y + gy)
        none, gx = jax.tree.map(jnp.zeros_like, g), jnp.zeros_like(x)
        # What was held is passed by the step, and what runs goes through it.
        direct, g = (none, g) if runs is None else (hold(runs, none, g), hold(runs, g, none))
        for share, state, d in reversed(list(zip(self.shares, states, every, strict=True))):
            if share < 1:
                direct = jax.tree.map(lambda s, t, c=share: s + (1 - c) * t, direct, g)
                g = jax.tree.map(lambda t, c=share: c * t, g)
            g, *new = self.back_euler(w, u, g, state, d, x)
            total, gx = jax.tree.map(jnp.add, (total, gx), tuple(new))
        return (jax.tree.map(jnp.add, g, direct), total), gx


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _kernel(
    rule: _Rule,
    last_only: bool,
    w: _Weights,
    u: _Units,
    state0: GatedORGaNICsState,
    xs: Array,
    runs: Array | None,
) -> Any:
    return _forward(rule, last_only, w, u, state0, xs, runs)[0]


def _forward(
    rule: _Rule,
    last_only: bool,
    w: _Weights,
    u: _Units,
    state0: GatedORGaNICsState,
    xs: Array,
    runs: Array | None,
) -> Any:
    size = 4 * len(rule.shares) * len(xs) * state0.y.size * state0.y.dtype.itemsize
    is_kept = size <= _KEPT * device_memory()
    count = -(-len(xs) // _CHUNK)
    starts = jax.tree.map(lambda s: jnp.zeros((count + 1, *s.shape), s.dtype), state0)

    def step(carry: Any, at: Any) -> tuple[Any, Any]:
        (state, starts), (t, x, runs) = carry, at
        # Each place is written in every step of the chunk before, and so last with the start.
        place = (t + _CHUNK - 1) // _CHUNK
        starts = jax.tree.map(
            lambda all, s: jax.lax.dynamic_update_index_in_dim(all, s, place, 0), starts, state
        )
        state, (_, every) = rule.steps(w, u, state, x, runs)
        return (state, starts), (None if last_only else state.y, every if is_kept else None)

    times = jnp.arange(len(xs))
    (last, starts), (ys, every) = jax.lax.scan(step, (state0, starts), (times, xs, runs))
    return (last, ys), (w, u, starts, every, xs, runs)


def _backward(rule: _Rule, last_only: bool, kept: Any, cotangents: Any) -> Any:
    (w, u, starts, every, xs, runs), (g, gys) = kept, cotangents
    both = _Both(w, jax.tree.map(jnp.transpose, w))

    def at(t: Array, values: Any) -> Any:
        # Taken where they are used: slices of a scan over chunks would be copies.
        return jax.tree.map(lambda v: jax.lax.dynamic_index_in_dim(v, t, keepdims=False), values)

    def again(state: GatedORGaNICsState, t: Array) -> tuple[Any, Any]:
        state, (states, computed) = rule.steps(w, u, state, *at(t, (xs, runs, every)))
        return state, (states, computed if every is None else None)

    def back(carry: Any, kept: Any) -> tuple[Any, Array]:
        t, (states, computed) = kept
        x, drives, gy, running = at(t, (xs, every, gys, runs))
        return rule.back(both, u, carry, ((states, computed or drives), x, gy, running))

    def chunk(carry: Any, number: Array, length: int = _CHUNK) -> tuple[Any, Any]:
        times = number * _CHUNK + jnp.arange(length)
        _, inner = jax.lax.scan(again, at(number, starts), times)
        return jax.lax.scan(back, carry, (times, inner), reverse=True)

    of_samples = jax.tree.map(lambda v: jnp.broadcast_to(v, g.y.shape), u)
    carry = (g, jax.tree.map(jnp.zeros_like, (w, of_samples)))
    whole, rest = divmod(len(xs), _CHUNK)
    gxs = []
    if rest:
        carry, gx = chunk(carry, jnp.asarray(whole), rest)
        gxs.append(gx)
    if whole:
        carry, gx = jax.lax.scan(chunk, carry, jnp.arange(whole), reverse=True)
        gxs.insert(0, gx.reshape(-1, *gx.shape[2:]))
    g, (gw, gu) = carry
    gu = jax.tree.map(lambda v: jnp.sum(v, axis=1, keepdims=True), gu)
    return gw, gu, g, jnp.concatenate(gxs), None


_kernel.defvjp(_forward, _backward)
