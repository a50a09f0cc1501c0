"""How large each variable of a circuit is: the units in which its errors are measured.

An error of 10⁻⁷ does not matter for a response of 1, but is far too large for a modulator that
rests at (σ b0)^p = 10⁻⁹, on whose root everything else depends.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import facts
from .._nonlinearities import largest_each
from .._types import State
from ..circuits import AbstractCircuit
from ..programs import detached, in_full_precision
from ._inputs import AbstractInput, Constant, LinearInput, ZeroOrderHold

_SAMPLES = 256  # Evenly spaced times at which an input that is a function is sampled.


@in_full_precision
def sizes(
    circuit: AbstractCircuit[State], state0: State, inputs: AbstractInput, ts: Array
) -> State:
    """The size of each variable under this input, at most 1, as a state."""
    x = jax.lax.stop_gradient(_loudest(inputs, ts)).astype(ts.dtype)
    circuit, state0 = detached((circuit, state0))
    found = facts.sizes(circuit, state0, x, ts[0])
    known = jax.tree.map(lambda size: jnp.where(jnp.isfinite(size), size, 0), found)
    # The largest in each field, of its sizes and at the start.
    common, largest = (
        jax.tree.unflatten(jax.tree.structure(tree), largest_each(*jax.tree.leaves(tree)))
        for tree in (known, state0)
    )
    return jax.tree.map(jax.lax.stop_gradient, jax.tree.map(_size, known, common, largest))


def _size(size: Array, common: Array, largest: Array) -> Array:
    otherwise = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1)
    size = jnp.where(size > 0, size, jnp.where(common > 0, common, otherwise))
    return jnp.minimum(size, 1)


def _loudest(inputs: AbstractInput, ts: Array) -> Float[Array, " m"]:
    """The value of largest magnitude of every input."""
    if isinstance(inputs, Constant):
        return inputs.value
    held = isinstance(inputs, ZeroOrderHold | LinearInput)
    xs = inputs.values if held else jax.vmap(inputs)(jnp.linspace(ts[0], ts[-1], _SAMPLES))
    index = jnp.argmax(jnp.abs(xs), axis=0)
    return jnp.take_along_axis(xs, index[None, :], axis=0)[0]
