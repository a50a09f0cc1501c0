"""The flow followed until it comes to rest: cheap to compile, and finds only attractors."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from .._nonlinearities import highest
from ..cells import Euler
from ..circuits import FeedbackNetworkState


def run_to_rest(
    c: Any, x: Float[Array, " k"], v: Float[Array, " N"], dt: float, steps: int, still: float
) -> tuple[Float[Array, " N"], Bool[Array, ""]]:
    """Euler's method from v until |ẋ| < still everywhere: the state, and whether it settled.

    The speed is relative to the state, or to what drives it, where these are below 1.
    """
    cell, drive = Euler(c, dt), highest(jnp.abs(c.I + c.W_x @ x))

    def speed_of(old: Array, new: Array) -> Array:
        size = jnp.where(drive > 0, jnp.maximum(drive, highest(jnp.abs(new))), 1)
        return highest(jnp.abs(new - old)) / dt / jnp.minimum(size, 1)

    def body(carry: tuple) -> tuple:
        v, _, i = carry
        new = cell.step(FeedbackNetworkState(v), x).x
        return new, speed_of(v, new), i + 1

    def moving(carry: tuple) -> Bool[Array, ""]:
        _, speed, i = carry
        return (speed >= still) & (i < steps)

    v, speed, _ = jax.lax.while_loop(moving, body, (v, jnp.full_like(v[0], np.inf), 0))
    return v, speed < still


def still(dtype: DTypeLike) -> float:
    """The speed below which Newton's method may take over."""
    return 1e-9 if jnp.finfo(dtype).bits == 64 else 1e-4


def rounding(dtype: DTypeLike) -> float:
    """The speed below which only rounding error of large sums moves a network."""
    return 1e-12 if jnp.finfo(dtype).bits == 64 else 2e-5
