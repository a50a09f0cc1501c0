"""What is known about `FeedbackNetwork`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from ..circuits import NO_TIME, FeedbackNetwork, FeedbackNetworkState
from ._generic import (
    blocks,
    closed_form,
    largest_terms,
    recurrent_weights,
    relaxation_times,
    starts,
    substitute,
)
from ._normalization import nested, slope
from ._starts import scales


@blocks.register(FeedbackNetwork)
def _(c: FeedbackNetwork, state: FeedbackNetworkState, x: Array) -> FeedbackNetworkState:
    """−1 + (g χ + m nᵀ/N) diag(φ')."""
    coupling = _coupling(c)
    eye = jnp.eye(c.size, dtype=coupling.dtype)
    return nested(FeedbackNetworkState, ((coupling * slope(c.phi, state.x)[None, :] - eye,),))


@closed_form.register(FeedbackNetwork)
def _(c: FeedbackNetwork, x: Array) -> FeedbackNetworkState:
    return FeedbackNetworkState(c.I + c.W_x @ x)  # Without feedback: this is only a start.


@relaxation_times.register(FeedbackNetwork)
def _(c: FeedbackNetwork, state: FeedbackNetworkState, x: Array) -> FeedbackNetworkState:
    return FeedbackNetworkState(jnp.ones_like(state.x))


@largest_terms.register(FeedbackNetwork)
def _(c: FeedbackNetwork, state: FeedbackNetworkState, x: Array) -> FeedbackNetworkState:
    z = jnp.atleast_1d(c.readout(state))
    recurrent = c.g * jnp.abs(c.chi @ c.phi(state.x))
    feedback = jnp.abs(c.m.reshape(c.size, -1)) @ jnp.abs(z)
    terms = jnp.abs(state.x) + recurrent + feedback + jnp.abs(c.I + c.W_x @ x)
    # Where all terms of a unit vanish, the rounding of its sum over the others does not.
    return FeedbackNetworkState(jnp.maximum(terms, jnp.mean(terms)))


@substitute.register(FeedbackNetwork)
def _(c: FeedbackNetwork, state: FeedbackNetworkState, x: Array) -> FeedbackNetworkState:
    return FeedbackNetworkState(state.x + c.vector_field(NO_TIME, state, x).x)


@starts.register(FeedbackNetwork)
def _(c: FeedbackNetwork, x: Array, key: PRNGKeyArray, count: int) -> FeedbackNetworkState:
    """States into which the feedback m z puts the network, z of all sizes and signs, plus noise."""
    keys = jax.random.split(key, 3)
    m, n = (v.reshape(c.size, -1) for v in (c.m, c.n))
    scale = scales(keys[0], count, m.dtype)
    size = jnp.sqrt(jnp.mean(n**2, axis=0))[None, :]
    z = scale * size * jax.random.normal(keys[1], (count, n.shape[1]), m.dtype)
    noise = scale * jax.random.normal(keys[2], (count, c.size), m.dtype)
    return FeedbackNetworkState(closed_form(c, x).x[None, :] + z @ m.T + 0.1 * noise)


@recurrent_weights.register(FeedbackNetwork)
def _coupling(c: FeedbackNetwork) -> Array:
    """g χ + m nᵀ/N."""
    m, n = (v.reshape(c.size, -1) for v in (c.m, c.n))
    return c.g * c.chi + m @ n.T / c.size
