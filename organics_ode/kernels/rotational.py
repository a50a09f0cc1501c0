"""The training kernel of a `RotationalORGaNICs`: one product per step, of 2n rows, over a batch.

Groups share their modulators, so the state has 2 (n + g) numbers, and a step takes W_r y and the
gates of b1: two products of n² numbers, where a `GatedORGaNICs` takes six. Everything that reads y,
a or x is one matrix, whose gradient and whose input's gradient take one product each.

The form W_r = I + A − Aᵀ is not exploited: the transposed matrix is made once for all steps, and A
is no smaller than W_r.
"""

from typing import Any, TypeGuard

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..cells import AbstractCell, Euler, MixedPrecision, ShuOsher
from ..circuits import RotationalORGaNICs
from ._chunked import AbstractChunked, column, is_made_of
from ._rotational_step import Rule, Units, Weights


def applies(cell: AbstractCell) -> TypeGuard[Euler | ShuOsher | MixedPrecision]:
    """Whether the kernel computes this cell: the exponent must be known when compiling."""
    return is_made_of(cell, RotationalORGaNICs)


class Kernel(AbstractChunked):
    """A `RotationalORGaNICs` under Euler steps, or under steps made of them."""

    def rule(self, c: Any, shares: tuple[float, ...], low: Any) -> Rule:
        """The Euler step."""
        return Rule(p=c.exponent, shares=shares, low=low)

    def parameters(self, c: Any, dt: Float[Array, ""]) -> tuple[Weights, Units]:
        """The matrices, and dt/τ, σ and the floor of each unit or group."""
        n, g, m = c.size, c.groups, c.input_size
        rows = [
            [c.W_r, jnp.zeros((n, g + m), c.W_r.dtype)],
            [c.W_by0, c.W_ba0, c.W_bx0],
            [c.W_by1, c.W_ba1, c.W_bx1],
        ]
        every = (dt / c.tau_y, n), (dt / c.tau_a, g), (dt / c.tau_b0, g), (dt / c.tau_b1, n)
        every += (c.sigma, g), (jnp.asarray(c.floor, dt.dtype), g)
        return Weights(jnp.block(rows), c.W, c.W_zx), Units(*(column(*value) for value in every))
