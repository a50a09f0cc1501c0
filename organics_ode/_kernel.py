"""The training kernel: a `GatedORGaNICs` under Euler steps, over a batch, with its own gradient.

Counted in products of n² numbers per sample and step, a gradient through time takes six forward,
six for the cotangents of y and a, and six for those of the weights. What autodiff of a scan adds is
overhead: a sum over the batch for every parameter in every step, and an update of every weight's
gradient. Here the backward scan carries the cotangents of the state alone; chunk by chunk its inner
values are stacked, and become the gradients of all parameters by a few large products.

Only the states at the starts of chunks are kept; within a chunk the products are computed again.
Keeping their results instead was measured no faster, and takes far more memory.
"""

from typing import Any, NamedTuple, TypeGuard

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._constraints import resolve
from ._nonlinearities import Rectification, power, root
from .cells import AbstractCell, Euler, ShuOsher
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


def applies(cell: AbstractCell) -> TypeGuard[Euler | ShuOsher]:
    """Whether the kernel computes this cell: the exponent must be known when compiling."""
    circuit = cell.circuit if isinstance(cell, Euler | ShuOsher) else None
    return isinstance(circuit, GatedORGaNICs) and isinstance(circuit.exponent, float)


def run(
    cell: Euler | ShuOsher,
    state0: GatedORGaNICsState,
    xs: Float[Array, "batch time m"],
    last_only: bool,
) -> tuple[GatedORGaNICsState, Float[Array, "batch time n"] | None]:
    """The last states, and the responses y after every step unless `last_only`.

    `cell` has plain arrays, and the leaves of `state0` have a batch axis.
    """
    circuit = resolve(cell.circuit)
    shares = cell.shares if isinstance(cell, ShuOsher) else (1.0,)
    kernel = _make_kernel(circuit.rectification, circuit.exponent, shares, last_only)
    weights, units = _weights(circuit), _units(circuit, cell.dt)
    last, ys = kernel(weights, units, state0, jnp.swapaxes(xs, 0, 1))
    return last, None if last_only else jnp.swapaxes(ys, 0, 1)


def _weights(c: Any) -> _Weights:
    return _Weights(
        W_r=c.W_r.T,
        W=c.W.T,
        W_by=jnp.concatenate([c.W_by0, c.W_by1]).T,
        W_ba=jnp.concatenate([c.W_ba0, c.W_ba1]).T,
        W_bx=jnp.concatenate([c.W_bx0, c.W_bx1]).T,
        W_zx=c.W_zx.T,
    )


def _units(c: Any, dt: Any) -> _Units:
    dt = jnp.asarray(dt, c.W_r.dtype)
    every = (dt / c.tau_y, dt / c.tau_a, dt / c.tau_b0, dt / c.tau_b1, c.sigma)
    return _Units(*(jnp.broadcast_to(value, (c.size,)) for value in every))


def _make_kernel(
    rectification: Rectification, p: float, shares: tuple[float, ...], last_only: bool
) -> Any:
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

    def steps(w: _Weights, u: _Units, state: GatedORGaNICsState, x: Array) -> tuple[Any, Any]:
        """The state after a cell's step, and before each Euler step in it that state and drives."""
        start, kept = state, []
        for share in shares:
            d = drives(w, state, x)
            kept.append((state, d[:3]))
            state = over_batch(u, state, d)
            if share < 1:
                mix = lambda s, t, c=share: (1 - c) * s + c * t  # noqa: E731
                state = jax.tree.map(mix, start, state)
        return state, kept

    def pull_drives(u: _Units, state: Any, d: Any, z: Array, g: Any) -> tuple[Any, Any, _Drives]:
        """From the cotangents after a step to those of the units, the state and the drives."""
        d = _Drives(*d, z=z)
        u = jax.tree.map(lambda v: jnp.broadcast_to(v, z.shape), u)
        gu, gs, gd = jax.vjp(jax.vmap(advance), u, state, d)[1](g)
        return gu, gs, gd._replace(gates=gd.gates * d.gates * (1 - d.gates))

    def back_euler(w: _Weights, u: _Units, g: GatedORGaNICsState, kept: Any) -> Any:
        """The cotangents of the state before one Euler step."""
        state, d, x = kept
        _, gs, gd = pull_drives(u, state, d, x @ w.W_zx, g)
        (through,) = jax.vjp(lefts, state)[1]((gd.recurrent @ w.W_r.T, gd.pool @ w.W.T))
        y = gs.y + through.y + gd.gates @ w.W_by.T
        a = gs.a + through.a + gd.gates @ w.W_ba.T
        return gs._replace(y=y, a=a)

    def back(w: _Weights, u: _Units, g: GatedORGaNICsState, kept: Any) -> tuple[Any, Any]:
        """The cotangents of the state before a step; kept are those after each Euler step."""
        (inner, x, gy), after = kept, []
        g = g if gy is None else g._replace(y=g.y + gy)
        direct = jax.tree.map(jnp.zeros_like, g)
        for share, (state, d) in zip(reversed(shares), reversed(inner), strict=True):
            if share < 1:
                direct = jax.tree.map(lambda s, t, c=share: s + (1 - c) * t, direct, g)
                g = jax.tree.map(lambda t, c=share: c * t, g)
            after.insert(0, g)
            g = back_euler(w, u, g, (state, d, x))
        return jax.tree.map(jnp.add, g, direct), after

    def gradients(w: _Weights, u: _Units, kept: Any) -> tuple[tuple[_Weights, _Units], Array]:
        """Of the weights and units, and of the inputs, from all steps of a chunk at once."""
        state, d, x, g = jax.tree.map(lambda v: v.reshape(-1, v.shape[-1]), kept)
        gu, _, gd = pull_drives(u, state, d, x @ w.W_zx, g)
        # A product with ones sums over the rows: a reduction made the whole step a seventh slower.
        gu = jax.tree.map(lambda v: jnp.ones_like(v[:, 0]) @ v, gu)
        v, q = lefts(state)
        weights = _Weights(
            W_r=v.T @ gd.recurrent,
            W=q.T @ gd.pool,
            W_by=state.y.T @ gd.gates,
            W_ba=state.a.T @ gd.gates,
            W_bx=x.T @ gd.gates,
            W_zx=x.T @ gd.z,
        )
        return (weights, gu), gd.z @ w.W_zx.T + gd.gates @ w.W_bx.T

    @jax.custom_vjp
    def kernel(w: _Weights, u: _Units, state0: GatedORGaNICsState, xs: Array) -> Any:
        return forward(w, u, state0, xs)[0]

    def forward(w: _Weights, u: _Units, state0: GatedORGaNICsState, xs: Array) -> Any:
        def step(state: GatedORGaNICsState, x: Array) -> tuple[Any, Any]:
            state, _ = steps(w, u, state, x)
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
            return steps(w, u, state, x)

        def chunk(carry: Any, parts: Any) -> tuple[Any, Any]:
            (g, total), (start, x, gy) = carry, parts
            _, inner = jax.lax.scan(again, start, x)
            step = lambda g, kept: back(w, u, g, kept)  # noqa: E731
            g, gs = jax.lax.scan(step, g, (inner, x, gy), reverse=True)
            gx = jnp.zeros_like(x).reshape(-1, x.shape[-1])
            for kept, cotangents in zip(inner, gs, strict=True):
                new = gradients(w, u, (*kept, x, cotangents))
                total, gx = jax.tree.map(jnp.add, (total, gx), new)
            return (g, total), gx.reshape(x.shape)

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
