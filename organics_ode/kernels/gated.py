"""The training kernel: a `GatedORGaNICs` under Euler steps, over a batch, with its own gradient.

Counted in products of n² numbers per sample and step, a gradient through time takes six forward,
six for the cotangents of y and a, and six for those of the weights. These take four fifths of the
time. Autodiff of a scan would add overhead: a sum over the batch for every parameter in every step,
and all inner values of a step would go through memory. `_chunked.py` cuts the sequence into chunks.

States are (n, batch). The products are then of two matrices as they lie in memory, or of one with
the transpose of another. XLA computes both at the full speed of a core (lhsᵀ rhs is a tenth
slower), and the gates are two blocks of rows of a single product.
"""

from typing import Any, TypeGuard

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..cells import AbstractCell, Euler, MixedPrecision, ShuOsher
from ..circuits import GatedORGaNICs
from ._chunked import AbstractChunked, column, is_made_of
from ._gated_step import Rule, Units, Weights


def applies(cell: AbstractCell) -> TypeGuard[Euler | ShuOsher | MixedPrecision]:
    """Whether the kernel computes this cell: the exponent must be known when compiling."""
    return is_made_of(cell, GatedORGaNICs)


class Kernel(AbstractChunked):
    """A `GatedORGaNICs` under Euler steps, or under steps made of them."""

    def rule(self, c: Any, shares: tuple[float, ...], low: Any) -> Rule:
        """The Euler step."""
        return Rule(p=c.exponent, shares=shares, low=low, rectification=c.rectification)

    def parameters(self, c: Any, dt: Float[Array, ""]) -> tuple[Weights, Units]:
        """The matrices, and dt/τ and σ of each unit."""
        weights = Weights(
            W_r=c.W_r,
            W=c.W,
            W_by=jnp.concatenate([c.W_by0, c.W_by1]),
            W_ba=jnp.concatenate([c.W_ba0, c.W_ba1]),
            W_bx=jnp.concatenate([c.W_bx0, c.W_bx1]),
            W_zx=c.W_zx,
        )
        every = (dt / c.tau_y, dt / c.tau_a, dt / c.tau_b0, dt / c.tau_b1, c.sigma)
        return weights, Units(*(column(value, c.size) for value in every))
