"""The response to first order in W_r − I."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._cards import carded
from .._checks import check_reach, refuse
from .._nonlinearities import Rectification, power, root
from .._types import Numbers
from ..circuits import AbstractCircuit, ORGaNICs, ORGaNICsState, obeys, what_is
from ..facts import closed_form
from ..linear import read_point
from ..programs import in_full_precision


@carded
class FirstOrder(NamedTuple):
    """The fixed point to first order in W_r − I: `zeroth` for W_r = I, `first` is the change."""

    zeroth: ORGaNICsState
    first: ORGaNICsState

    @property
    def state(self) -> ORGaNICsState:
        return jax.tree.map(jnp.add, self.zeroth, self.first)


@in_full_precision
def first_order(circuit: AbstractCircuit, x: Numbers) -> FirstOrder:
    """The fixed point to first order in K = W_r − I, for any exponent.

        a₁ = W diag(p |c|^(p−1) sign(c) (1 − s₀)) K y₀,      s₀ = a₀^(1/p),  c = b1 z
        y₁ = diag(1/s₀ − 1) K y₀ − diag(y₀/(p a₀)) a₁

    around y₀ = c/s₀, a₀ = (σb0)^p + W|c|^p. The error is of order ‖K‖². Pure (jit, vmap, grad); no
    batch axis. For the exact point see `fixed_point`.

    Args:
        circuit: an `ORGaNICs` without rectification.
        x: (m,), the input.

    Returns:
        A `FirstOrder`; its `.state` is the sum of both orders.

    Raises:
        ValueError: an argument is bad.
    """
    c: Any
    c, _, x = read_point(circuit, None, x)
    if not obeys(c, ORGaNICs):
        refuse("circuit", "be an ORGaNICs", what_is(c, ORGaNICs))
    if c.rectification is not Rectification.NONE:
        refuse("circuit", "have no rectification", f"it has {c.rectification}")
    y0, a0 = closed_form(c, x)
    check_reach("x", a0, "the modulators, |b1 z|^p,")
    s0, drive = root(a0, c.exponent), c.b1 * (c.W_zx @ x)
    Ky = c.W_r @ y0 - y0
    slope = jax.jvp(lambda v: power(v, c.exponent), (drive,), (jnp.ones_like(drive),))[1]
    a1 = c.W @ (slope * (1 - s0) * Ky)
    y1 = (1 / s0 - 1) * Ky - y0 / (c.exponent * a0) * a1
    return FirstOrder(ORGaNICsState(y0, a0), ORGaNICsState(y1, a1))
