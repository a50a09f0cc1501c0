"""One step of a `RotationalORGaNICs` over a batch, units first, and its gradient."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._nonlinearities import power, root
from ..circuits import RotationalORGaNICsState
from ._rule import AbstractRule, Both


class Weights(NamedTuple):
    """The matrices; those that multiply y, a and x together are joined in one of 2n + g rows.

    joined = [W_r, 0, 0; W_by0, W_ba0, W_bx0; W_by1, W_ba1, W_bx1]
    """

    joined: Array
    W: Array
    W_zx: Array


class Units(NamedTuple):
    """dt/τ of each unit, (n, 1), or of each group, (g, 1), and σ and the floor of each group."""

    k_y: Array
    k_a: Array
    k_b0: Array
    k_b1: Array
    sigma: Array
    floor: Array


class Drives(NamedTuple):
    """What a step computes by products: W_r y (n, batch), the pools (g, batch), and the gates of b0
    (g, batch) and b1 (n, batch).

    These are kept for the gradient, in the precision of the products.
    """

    recurrent: Array
    pool: Array
    gate0: Array
    gate1: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule(AbstractRule):
    """An Euler step and its gradient."""

    def pooled(self, state: RotationalORGaNICsState) -> Array:
        """What W multiplies."""
        y, a = state.y, jax.nn.relu(state.a)
        return _per_unit(a, len(y)) * power(y, self.p)

    def drives(self, w: Weights, state: RotationalORGaNICsState, x: Array) -> Drives:
        read = jnp.concatenate([state.y, state.a, x])
        recurrent, u0, u1 = jnp.split(self.times(w.joined, read), _parts(state))
        pool, sigmoid = self.times(w.W, self.pooled(state)), jax.nn.sigmoid
        return self.rounded(Drives(recurrent, pool, sigmoid(u0), sigmoid(u1)))

    def advance(
        self, u: Units, state: RotationalORGaNICsState, d: Drives, z: Array
    ) -> RotationalORGaNICsState:
        y, a, b0, b1 = state
        dy = -y + b1 * z + _per_unit(1 - root(a, self.p), len(y)) * d.recurrent
        da = -a + power(u.sigma * b0, self.p) + d.pool
        db0 = -b0 + u.floor + (1 - u.floor) * d.gate0
        db1 = -b1 + d.gate1
        return RotationalORGaNICsState(
            y + u.k_y * dy, a + u.k_a * da, b0 + u.k_b0 * db0, b1 + u.k_b1 * db1
        )

    def back_products(
        self,
        w: Both,
        slopes: tuple[RotationalORGaNICsState, Drives, Array],
        state: RotationalORGaNICsState,
        d: Drives,
        x: Array,
    ) -> tuple[RotationalORGaNICsState, Weights, Array]:
        """The cotangents of the state, of the matrices and of x."""
        (gs, gd, gz), times, transposed = slopes, self.times, w.transposed
        of_gates = gd.gate0 * d.gate0 * (1 - d.gate0), gd.gate1 * d.gate1 * (1 - d.gate1)
        g = jnp.concatenate([gd.recurrent, *of_gates])
        q, pull = jax.vjp(self.pooled, state)
        (through,) = pull(times(transposed.W, gd.pool))
        y, a, gx = jnp.split(times(transposed.joined, g), _parts(state))
        read = jnp.concatenate([state.y, state.a, x])
        gw = Weights(times(g, read.T), times(gd.pool, q.T), times(gz, x.T))
        gs = gs._replace(y=gs.y + through.y + y, a=gs.a + through.a + a)
        return gs, gw, gx + times(transposed.W_zx, gz)


def _per_unit(values: Float[Array, "g batch"], n: int) -> Float[Array, "n batch"]:
    """The values of the groups, repeated for each of the n units."""
    g, size = values.shape
    return jnp.broadcast_to(values[:, None], (g, n // g, size)).reshape(n, size)


def _parts(state: RotationalORGaNICsState) -> tuple[int, int]:
    """Where the n rows of y and the g rows of a end."""
    return len(state.y), len(state.y) + len(state.a)
