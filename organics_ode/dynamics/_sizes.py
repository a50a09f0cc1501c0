"""How large each variable of a circuit is: the units in which an error of it is small.

An error of 10⁻⁷ is nothing to a response of 1, and all to a modulator that rests at
(σ b0)^p = 10⁻⁹, on whose root everything else depends.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._nonlinearities import highest, power, root
from ..circuits import AbstractCircuit, GatedORGaNICs, GatedORGaNICsState, ORGaNICs, ORGaNICsState
from ..facts import Fact, gains
from ._inputs import AbstractInput, Constant, LinearInput, ZeroOrderHold

_SAMPLES = 256  # Even times at which an input that is a function is looked at.


def sizes(circuit: AbstractCircuit, state0: Any, inputs: AbstractInput, ts: Array) -> Any:
    """A state: the size of each variable under this input, at most 1."""
    x = jax.lax.stop_gradient(_loudest(inputs, ts)).astype(ts.dtype)
    circuit, state0 = jax.lax.stop_gradient((circuit, state0))
    found = _under(circuit, ts[0], state0, x)
    return jax.tree.map(lambda s, v: jax.lax.stop_gradient(_size(s, v)), found, state0)


@Fact
def _under(circuit: AbstractCircuit, t: Any, state0: Any, x: Float[Array, " m"]) -> Any:
    """How large each variable is under the input x; 0, infinite or NaN where nothing tells. Unless
    known: the largest |f|τ of a field where everything is 0, with its mean decay 1/τ."""
    driven = circuit.vector_field(t, jax.tree.map(jnp.zeros_like, state0), x)
    decays = _mean_decays(lambda v: circuit.vector_field(t, v, x), state0)
    return jax.tree.map(
        lambda f, decay: jnp.full(f.shape, highest(jnp.abs(f)) / decay, f.dtype), driven, decays
    )


@_under.register(ORGaNICs)
def _(circuit: Any, t: Any, state0: Any, x: Array) -> ORGaNICsState:
    return ORGaNICsState(*_normalized(circuit, circuit.b0, circuit.b1, x))


@_under.register(GatedORGaNICs)
def _(circuit: Any, t: Any, state0: Any, x: Array) -> GatedORGaNICsState:
    silent = jnp.zeros_like(state0.y)
    b0, b1 = gains(circuit, silent, silent, x)
    return GatedORGaNICsState(*_normalized(circuit, b0, b1, x), b0, b1)


def _normalized(c: Any, b0: Any, b1: Any, x: Array) -> tuple[Array, Array]:
    """The drive of y, or its normalized response where that is smaller; a at rest."""
    p = c.exponent
    drive = b1 * (jnp.abs(c.W_zx) @ jnp.abs(x))
    drive = drive + jnp.abs(c.W_r) @ drive
    rest = jnp.zeros_like(drive) + power(c.sigma * b0, p)
    return drive / jnp.maximum(1, root(rest + c.W @ power(drive, p), p)), rest


def _mean_decays(field: Any, state: Any) -> Any:
    """|vᵀ J v|/n of every field, 1/ms, v a vector of signs: about the mean of J's diagonal."""
    leaves, structure = jax.tree.flatten(state)
    rng = np.random.default_rng(0)
    signs = [jnp.asarray(rng.choice([-1, 1], leaf.shape), leaf.dtype) for leaf in leaves]
    silent = [jnp.zeros_like(leaf) for leaf in leaves]

    def decay(i: int) -> Array:
        tangent = structure.unflatten([*silent[:i], signs[i], *silent[i + 1 :]])
        moved = jax.jvp(field, (state,), (tangent,))[1]
        return jnp.abs(jnp.mean(signs[i] * jax.tree.leaves(moved)[i]))

    return structure.unflatten([decay(i) for i in range(len(leaves))])


def _size(size: Array, start: Array) -> Array:
    size, largest = _known(size), highest(jnp.abs(start))
    common = highest(size)
    otherwise = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1)
    size = jnp.where(size > 0, size, jnp.where(common > 0, common, otherwise))
    return jnp.minimum(size, 1)


def _known(size: Array) -> Array:
    return jnp.where(jnp.isfinite(size), size, 0)


def _loudest(inputs: AbstractInput, ts: Array) -> Float[Array, " m"]:
    """Of every input its value of largest magnitude."""
    if isinstance(inputs, Constant):
        return inputs.value
    held = isinstance(inputs, ZeroOrderHold | LinearInput)
    xs = inputs.values if held else jax.vmap(inputs)(jnp.linspace(ts[0], ts[-1], _SAMPLES))
    index = jnp.argmax(jnp.abs(xs), axis=0)
    return jnp.take_along_axis(xs, index[None, :], axis=0)[0]
