"""One step of a `GatedORGaNICs` over a batch, units first, and its gradient: one place for each."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._nonlinearities import Rectification, power, root
from ..circuits import GatedORGaNICsState
from ._kernel import Carry, Marks, Skips, mixed


class Weights(NamedTuple):
    """The matrices; those of both gates one above the other, (2n, n) and (2n, m)."""

    W_r: Array
    W: Array
    W_by: Array
    W_ba: Array
    W_bx: Array
    W_zx: Array


class Both(NamedTuple):
    """The matrices, and a copy of the transposed ones in memory."""

    plain: Weights
    transposed: Weights


class Units(NamedTuple):
    """dt/τ and σ of each unit, (n, 1)."""

    k_y: Array
    k_a: Array
    k_b0: Array
    k_b1: Array
    sigma: Array


class Drives(NamedTuple):
    """What a step computes by products, each (n, batch): W_r y, W q, and the gates.

    They are what is kept for the gradient, in the precision of the products.
    """

    recurrent: Array
    pool: Array
    gate0: Array
    gate1: Array


class Given(NamedTuple):
    """What the kernel is a function of."""

    w: Weights
    u: Units
    carry: Carry
    xs: Float[Array, "time m batch"]
    marks: Marks
    skips: Skips | None


class Inner(NamedTuple):
    """Of the step of a cell: the state before each Euler step in it and the drives there; with
    skips the carry's other parts before the step, and the state that the cell alone ends in."""

    states: list[GatedORGaNICsState]
    drives: list[Drives] | None
    mixed: tuple[PyTree, PyTree, PyTree] | None


class Rule(NamedTuple):
    """An Euler step and its gradient: all that is known when compiling.

    With `low` the factors of all products, and what they give, are rounded to that dtype; sums, the
    state and the rest are not.
    """

    rectification: Rectification
    p: float
    shares: tuple[float, ...]
    low: Any = None

    def rounded(self, tree: PyTree) -> Any:
        """As it enters products."""
        return tree if self.low is None else jax.tree.map(lambda v: v.astype(self.low), tree)

    def times(self, A: Array, B: Array) -> Array:
        """A B."""
        if self.low is None:
            return A @ B
        return jnp.matmul(*self.rounded((A, B)), preferred_element_type=jnp.float32)

    def left(self, state: GatedORGaNICsState) -> tuple[Array, Array]:
        """What W_r and W multiply."""
        y, a = state.y, jax.nn.relu(state.a)
        v = jax.nn.relu(y) if self.rectification is Rectification.BEFORE else y
        return v, a * self.rectification.pooled(y, self.p)

    def drives(self, w: Weights, state: GatedORGaNICsState, x: Array) -> Drives:
        v, q = self.left(state)
        times = self.times
        gates = jax.nn.sigmoid(times(w.W_bx, x) + times(w.W_by, state.y) + times(w.W_ba, state.a))
        return self.rounded(Drives(times(w.W_r, v), times(w.W, q), *jnp.split(gates, 2)))

    def advance(
        self, u: Units, state: GatedORGaNICsState, d: Drives, z: Array
    ) -> GatedORGaNICsState:
        y, a, b0, b1 = state
        d = jax.tree.map(lambda v: v.astype(y.dtype), d)
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
        self,
        given: Given,
        carry: Carry,
        x: Array,
        marks: Marks,
        kept: list[Drives] | None = None,
    ) -> tuple[Carry, Inner]:
        """The carry after a cell's step, and what its gradient needs."""
        (w, u), start, states, every = given[:2], carry.s, [], []
        state = start
        for k, share in enumerate(self.shares):
            states.append(state)
            every.append(self.drives(w, state, x) if kept is None else kept[k])
            state = self.advance(u, state, every[k], self.times(w.W_zx, x))
            if share < 1:
                mix = lambda s, t, c=share: (1 - c) * s + c * t  # noqa: E731
                state = jax.tree.map(mix, start, state)
        skipped = None if given.skips is None else (carry.anchor, carry.slope, state)
        return mixed(given.skips, carry, state, marks), Inner(states, every, skipped)

    def back_euler(
        self,
        w: Both,
        u: Units,
        g: GatedORGaNICsState,
        state: GatedORGaNICsState,
        d: Drives,
        x: Array,
    ) -> tuple:
        """The cotangents of the state before one Euler step, of all parameters, and of x."""
        times, transposed = self.times, w.transposed
        z = times(w.plain.W_zx, x)
        d = jax.tree.map(lambda v: v.astype(z.dtype), d)
        # To a shape of their own for every sample: a sum over the batch is slow in every step.
        u = jax.tree.map(lambda v: jnp.broadcast_to(v, z.shape), u)
        gu, gs, gd, gz = jax.vjp(self.advance, u, state, d, z)[1](g)
        slopes = gd.gate0 * d.gate0 * (1 - d.gate0), gd.gate1 * d.gate1 * (1 - d.gate1)
        g_gates = jnp.concatenate(slopes)
        (v, q), pull = jax.vjp(self.left, state)
        (through,) = pull((times(transposed.W_r, gd.recurrent), times(transposed.W, gd.pool)))
        y = gs.y + through.y + times(transposed.W_by, g_gates)
        a = gs.a + through.a + times(transposed.W_ba, g_gates)
        gw = Weights(
            W_r=times(gd.recurrent, v.T),
            W=times(gd.pool, q.T),
            W_by=times(g_gates, state.y.T),
            W_ba=times(g_gates, state.a.T),
            W_bx=times(g_gates, x.T),
            W_zx=times(gz, x.T),
        )
        gx = times(transposed.W_zx, gz) + times(transposed.W_bx, g_gates)
        return gs._replace(y=y, a=a), (gw, gu), gx

    def back(
        self, both: Both, given: Given, later: PyTree, inner: Inner, now: PyTree
    ) -> tuple[PyTree, Array]:
        """The cotangents of the carry before a step, the sums for the parameters, those of x."""
        (g, total), (x, gy, marks) = later, now
        g = g if gy is None else g._replace(s=g.s._replace(y=g.s.y + gy))
        start = inner.states[0]
        anchor, slope, base = inner.mixed or (None, None, start)
        # What was held or skipped is passed by the step, and the rest goes through it.
        mix = lambda carry, base: mixed(given.skips, carry, base, marks)  # noqa: E731
        direct, g = jax.vjp(mix, Carry(start, anchor, slope), base)[1](g)
        passed, gx = direct.s, jnp.zeros_like(x)
        euler_steps = zip(self.shares, inner.states, inner.drives or [], strict=True)
        for share, state, d in reversed(list(euler_steps)):
            if share < 1:
                passed = jax.tree.map(lambda s, t, c=share: s + (1 - c) * t, passed, g)
                g = jax.tree.map(lambda t, c=share: c * t, g)
            g, *new = self.back_euler(both, given.u, g, state, d, x)
            total, gx = jax.tree.map(jnp.add, (total, gx), tuple(new))
        return (direct._replace(s=jax.tree.map(jnp.add, g, passed)), total), gx
