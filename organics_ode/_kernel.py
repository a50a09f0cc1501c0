"""The training kernel: a `GatedORGaNICs` under Euler steps, over a batch, with its own gradient.

Counted in products of n² numbers per sample and step, a gradient through time takes six forward,
six for the cotangents of y and a, and six for those of the weights. What autodiff of a scan adds is
overhead: a sum over the batch for every parameter in every step, and an update of every weight's
gradient. Here the backward scan carries the cotangents of the state alone; chunk by chunk its inner
values are stacked, and become the gradients of all parameters by a few large products.

Only the states at the starts of chunks are kept; within a chunk the products are computed again.
Keeping their results instead was measured no faster, and takes far more memory.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._constraints import resolve
from ._nonlinearities import Rectification, power, root
from .cells import AbstractCell, Euler
from .circuits import GatedORGaNICs, GatedORGaNICsState

# Steps per chunk: 11 arrays (chunk, batch, n) should fit into a core's share of the cache.
_CHUNK = 16


class _Weights(NamedTuple):
    """The matrices, transposed; those of both gates side by side, (n, 2n) and (m, 2n)."""

    W_r: Array
    W: Array
    W_by: Array
    W_ba: Array
    W_bx: Array
    W_zx: Array


class _Units(NamedTuple):
    """dt/τ and σ of each unit, (n,)."""

    k_y: Array
    k_a: Array
    k_b0: Array
    k_b1: Array
    sigma: Array


class _Drives(NamedTuple):
    """What a step computes by products: W_r y, W q and z, (n,), and both gates, (2n,)."""

    recurrent: Array
    pool: Array
    gates: Array
    z: Array


def applies(cell: AbstractCell) -> bool:
    """Whether the kernel computes this cell: the exponent must be known when compiling."""
    circuit = cell.circuit if isinstance(cell, Euler) else None
    return isinstance(circuit, GatedORGaNICs) and isinstance(circuit.exponent, float)


def run(
    cell: Euler,
    state0: GatedORGaNICsState,
    xs: Float[Array, "batch time m"],
    last_only: bool,
) -> tuple[GatedORGaNICsState, Float[Array, "batch time n"] | None]:
    """The last states, and the responses y after every step unless `last_only`.

    `cell` has plain arrays, and the leaves of `state0` have a batch axis.
    """
    circuit = resolve(cell.circuit)
    kernel = _make_kernel(circuit.rectification, circuit.exponent, last_only)
    weights, units = _weights(circuit), _units(circuit, cell.dt)
    last, ys = kernel(weights, units, state0, jnp.swapaxes(xs, 0, 1))
    return last, None if last_only else jnp.swapaxes(ys, 0, 1)


def _weights(circuit: GatedORGaNICs) -> _Weights:
    c = circuit
    gates = [jnp.concatenate(pair).T for pair in ((c.W_by0, c.W_by1), (c.W_ba0, c.W_ba1))]
    return _Weights(c.W_r.T, c.W.T, *gates, jnp.concatenate([c.W_bx0, c.W_bx1]).T, c.W_zx.T)


def _units(circuit: GatedORGaNICs, dt: Any) -> _Units:
    taus = (circuit.tau_y, circuit.tau_a, circuit.tau_b0, circuit.tau_b1)
    dt = jnp.asarray(dt, circuit.W_r.dtype)
    every = [*(dt / tau for tau in taus), circuit.sigma]
    return _Units(*(jnp.broadcast_to(value, (circuit.size,)) for value in every))


def _make_kernel(rectification: Rectification, p: float, last_only: bool) -> Any:
    before, after = Rectification.BEFORE, Rectification.AFTER

    def left(state: GatedORGaNICsState) -> tuple[Array, Array]:
        """What W_r and W multiply."""
        y, pooled = state.y, rectification.pooled(state.y, p)
        return jax.nn.relu(y) if rectification is before else y, jax.nn.relu(state.a) * pooled

    def drives(w: _Weights, state: GatedORGaNICsState, x: Array) -> _Drives:
        v, q = lefts(state)
        gates = jax.nn.sigmoid(x @ w.W_bx + state.y @ w.W_by + state.a @ w.W_ba)
        return _Drives(v @ w.W_r, q @ w.W, gates, x @ w.W_zx)

    def advance(u: _Units, state: GatedORGaNICsState, d: _Drives) -> GatedORGaNICsState:
        y, a, b0, b1 = state
        gate0, gate1 = jnp.split(d.gates, 2)
        recurrent = jax.nn.relu(d.recurrent) if rectification is after else d.recurrent
        dy = -y + b1 * rectification.input(d.z) + (1 - root(a, p)) * recurrent
        da = -a + power(u.sigma * b0, p) + d.pool
        return GatedORGaNICsState(
            y + u.k_y * dy,
            a + u.k_a * da,
            b0 + u.k_b0 * (gate0 - b0),
            b1 + u.k_b1 * (gate1 - b1),
        )

    lefts, over_batch = jax.vmap(left), jax.vmap(advance, in_axes=(None, 0, 0))

    def back(w: _Weights, u: _Units, g: GatedORGaNICsState, kept: Any) -> tuple[Any, Any]:
        """The cotangents of the state before a step, and of what its products give."""
        state, d, x, gy = kept
        g = g if gy is None else g._replace(y=g.y + gy)
        d = _Drives(*d, x @ w.W_zx)
        _, pull = jax.vjp(lambda s, d: over_batch(u, s, d), state, d)
        gs, gd = pull(g)
        gd = gd._replace(gates=gd.gates * d.gates * (1 - d.gates))
        _, pull = jax.vjp(lefts, state)
        (through,) = pull((gd.recurrent @ w.W_r.T, gd.pool @ w.W.T))
        y = gs.y + through.y + gd.gates @ w.W_by.T
        a = gs.a + through.a + gd.gates @ w.W_ba.T
        return gs._replace(y=y, a=a), (g, gd)

    def gradients(w: _Weights, u: _Units, states: Any, d: Any, xs: Array, gs: Any, gd: Any) -> Any:
        """Of the weights and units, and of the inputs, from all steps of a chunk at once."""
        flat = lambda tree: jax.tree.map(lambda v: v.reshape(-1, v.shape[-1]), tree)  # noqa: E731
        states, d, x, gs, gd = map(flat, (states, d, xs, gs, gd))
        v, q = lefts(states)
        pairs = _Weights(
            (v, gd.recurrent),
            (q, gd.pool),
            (states.y, gd.gates),
            (states.a, gd.gates),
            (x, gd.gates),
            (x, gd.z),
        )
        _, pull = jax.vjp(lambda u: over_batch(u, states, _Drives(*d, x @ w.W_zx)), u)
        gx = gd.z @ w.W_zx.T + gd.gates @ w.W_bx.T
        return (_Weights(*(a.T @ b for a, b in pairs)), *pull(gs)), gx.reshape(xs.shape)

    @jax.custom_vjp
    def kernel(w: _Weights, u: _Units, state0: GatedORGaNICsState, xs: Array) -> Any:
        return forward(w, u, state0, xs)[0]

    def forward(w: _Weights, u: _Units, state0: GatedORGaNICsState, xs: Array) -> Any:
        def step(state: GatedORGaNICsState, x: Array) -> tuple[Any, Any]:
            state = over_batch(u, state, drives(w, state, x))
            return state, None if last_only else state.y

        def chunk(state: GatedORGaNICsState, x: Array) -> tuple[Any, Any]:
            last, ys = jax.lax.scan(step, state, x)
            return last, (state, ys)

        last, kept = _over_chunks(chunk, state0, xs)
        starts, ys = [part[0] for part in kept], [part[1] for part in kept]
        return (last, None if last_only else _joined(ys)), (w, u, starts, xs)

    def backward(kept: Any, cotangents: Any) -> Any:
        w, u, starts, xs = kept
        g, gys = cotangents

        def again(state: GatedORGaNICsState, x: Array) -> tuple[Any, Any]:
            d = drives(w, state, x)
            return over_batch(u, state, d), (state, d[:-1])

        def chunk(carry: Any, parts: Any) -> tuple[Any, Any]:
            (g, total), (start, x, gy) = carry, parts
            _, (states, d) = jax.lax.scan(again, start, x)
            step = lambda g, kept: back(w, u, g, kept)  # noqa: E731
            g, (gs, gd) = jax.lax.scan(step, g, (states, d, x, gy), reverse=True)
            new, gx = gradients(w, u, states, d, x, gs, gd)
            return (g, jax.tree.map(jnp.add, total, new)), gx

        carry, gxs = (g, jax.tree.map(jnp.zeros_like, (w, u))), []
        blocks = list(zip(starts, _blocks(xs), _blocks(gys, len(starts)), strict=True))
        for start, x, gy in reversed(blocks):
            carry, gx = jax.lax.scan(chunk, carry, (start, x, gy), reverse=True)
            gxs.insert(0, gx)
        g, total = carry
        return *total, g, _joined(gxs)

    kernel.defvjp(forward, backward)
    return kernel


def _blocks(values: Any, count: int = 0) -> list[Any]:
    """A sequence (time, …) as whole chunks (·, chunk, …) and, where any are left, the rest."""
    if values is None:
        return [None] * count
    whole = len(values) // _CHUNK * _CHUNK
    parts = [values[:whole].reshape(-1, _CHUNK, *values.shape[1:]), values[None, whole:]]
    return [part for part in parts if part.size]


def _joined(blocks: list[Array]) -> Array:
    return jnp.concatenate([block.reshape(-1, *block.shape[2:]) for block in blocks])


def _over_chunks(chunk: Any, state: Any, xs: Array) -> tuple[Any, list[Any]]:
    kept = []
    for block in _blocks(xs):
        state, part = jax.lax.scan(chunk, state, block)
        kept.append(part)
    return state, kept
