"""One step of a `GatedORGaNICs` over a batch, units first, and its gradient."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._nonlinearities import Rectification, power, root
from ..circuits import GatedORGaNICsState
from ._rule import AbstractRule, Both


class Weights(NamedTuple):
    """The matrices; those of both gates are stacked, (2n, n) and (2n, m)."""

    W_r: Array
    W: Array
    W_by: Array
    W_ba: Array
    W_bx: Array
    W_zx: Array


class Units(NamedTuple):
    """dt/τ and σ of each unit, (n, 1)."""

    k_y: Array
    k_a: Array
    k_b0: Array
    k_b1: Array
    sigma: Array


class Drives(NamedTuple):
    """What a step computes by products, each (n, batch): W_r y, W q, and the gates.

    These are kept for the gradient, in the precision of the products.
    """

    recurrent: Array
    pool: Array
    gate0: Array
    gate1: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule(AbstractRule):
    """An Euler step and its gradient."""

    rectification: Rectification

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

    def back_products(
        self,
        w: Both,
        slopes: tuple[GatedORGaNICsState, Drives, Array],
        state: GatedORGaNICsState,
        d: Drives,
        x: Array,
    ) -> tuple[GatedORGaNICsState, Weights, Array]:
        """The cotangents of the state, of the matrices and of x."""
        (gs, gd, gz), times, transposed = slopes, self.times, w.transposed
        of_gates = gd.gate0 * d.gate0 * (1 - d.gate0), gd.gate1 * d.gate1 * (1 - d.gate1)
        g_gates = jnp.concatenate(of_gates)
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
        return gs._replace(y=y, a=a), gw, gx
