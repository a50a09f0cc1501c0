"""What is known about `RateNetwork`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from ..circuits import RateNetwork, RateNetworkState
from ._generic import driven, recurrent_weights, starts
from ._starts import scales


@driven.register(RateNetwork)
def _(c: RateNetwork, x: Array) -> RateNetworkState:
    return RateNetworkState(c.f(c.drive(x)))


@starts.register(RateNetwork)
def _(c: RateNetwork, x: Array, key: PRNGKeyArray, count: int) -> RateNetworkState:
    """Rates that f can give, for currents of all sizes around the input."""
    drive, keys = c.drive(x), jax.random.split(key)
    scale = scales(keys[0], count, drive.dtype)
    size = jnp.sqrt(jnp.mean(jnp.sum(c.W**2, axis=1)))
    currents = scale * size * jax.random.normal(keys[1], (count, c.size), drive.dtype)
    return RateNetworkState(c.f(drive[None, :] + currents))


@recurrent_weights.register(RateNetwork)
def _(c: RateNetwork) -> Array:
    return c.W
