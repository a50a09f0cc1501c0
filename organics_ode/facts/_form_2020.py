"""What is known about `ORGaNICs2020`."""

import jax.numpy as jnp
from jaxtyping import Array

from .._nonlinearities import power, root
from ..circuits import ORGaNICs2020, ORGaNICs2020State
from ._generic import closed_form, driven, is_positive, relaxation_times
from ._normalization import like


@closed_form.register(ORGaNICs2020)
def _(c: ORGaNICs2020, x: Array) -> ORGaNICs2020State:
    """The fixed point for W_yy = I, which no theorem proves stable. Where there is none, u ≥ 1, the
    a given here is finite but not a fixed point."""
    z, gain = c.W_zx @ x, c.b / (1 + c.b)
    pool = power(c.sigma, 2) + c.W_u @ power(z, 2)
    u = power(gain, 2) * pool
    rate = root(u, 2)
    exists = rate < 1
    a = jnp.where(exists, rate / jnp.where(exists, 1 - rate, 1), 1 + rate)
    return ORGaNICs2020State(z / root(pool, 2), u, a)


@driven.register(ORGaNICs2020)
def _(c: ORGaNICs2020, x: Array) -> ORGaNICs2020State:
    rest = c.initial_state()
    return rest._replace(y=c.b / (1 + c.b) * (c.W_zx @ x))


@relaxation_times.register(ORGaNICs2020)
def _(c: ORGaNICs2020, state: ORGaNICs2020State, x: Array) -> ORGaNICs2020State:
    return like(state, c.tau_y, c.tau_u, c.tau_a)


@is_positive.register(ORGaNICs2020)
def _(c: ORGaNICs2020, state: ORGaNICs2020State) -> ORGaNICs2020State:
    """u stays positive; with α > 0 a may become negative."""
    of = lambda leaf, value: jnp.full(leaf.shape, value)  # noqa: E731
    return ORGaNICs2020State(of(state.y, False), of(state.u, True), of(state.a, False))
