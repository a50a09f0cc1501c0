"""`find_fixed_points`: a search from many starts."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from ._checks import check_positive_integer, is_traced, refuse
from ._closed_form import closed_form
from ._linearise import read_point
from ._points import FixedPoints, distinct, in_turns, look
from ._routes import Equations, accelerate, descend, polish, ravel, settle, substituted, tolerance
from .circuits import AbstractCircuit, FeedbackNetwork, RateNetwork

_METHODS = (accelerate, settle, substituted, descend)


def find_fixed_points(
    circuit: AbstractCircuit, x: Any, *, key: PRNGKeyArray, starts: int = 512
) -> FixedPoints:
    """The fixed points of a circuit at a constant input that a search from many starts finds.

    Each start is taken by one of four methods in turn: the accelerated iteration, the flow itself,
    substitution, and descent in |f| (Levenberg–Marquardt), all polished by Newton's method. Starts
    are spread over four decades around the rest state and the normalized state. What two starts
    reach within 1e-6 is one point. Never claimed complete: more starts may find more. For one unit
    `planar.fixed_points` is complete. Host function (no jit, vmap).

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        key: a PRNG key.
        starts: how many starts.

    Returns:
        A `FixedPoints`; empty if none was found.

    Raises:
        ValueError: an argument is bad.
    """
    check_positive_integer("starts", starts)
    circuit, _, x = read_point(circuit, None, x)
    if any(map(is_traced, jax.tree.leaves((circuit, x, key)))):
        refuse("circuit", "hold known values", "it is traced: this runs outside jit and vmap")
    v, residuals = _search(circuit, x, key, starts)
    solved = np.asarray(residuals) <= tolerance(residuals.dtype)
    v, residuals = np.asarray(v)[solved], np.asarray(residuals)[solved]
    near = 1e-6 if v.dtype == np.float64 else 1e-3
    chosen, hits = distinct(v, residuals, near)
    states, spectra = look(circuit, x, jnp.asarray(v[chosen]), jnp.asarray(residuals[chosen]))
    found = FixedPoints(states, jnp.asarray(residuals[chosen]), spectra, jnp.asarray(hits))
    return found.sort(found.abscissae)


@eqx.filter_jit
def _search(circuit: AbstractCircuit, x: Array, key: Array, starts: int) -> tuple[Array, Array]:
    e = Equations(circuit, x, circuit.initial_state())

    def one(v: Array, method: Array) -> tuple[Array, Array]:
        point = e.point(v)
        for index, route in enumerate(_METHODS):
            point = route(e, point, method == index)
        point = polish(e, point)
        return point.v, point.residual

    return in_turns(one, _starts(circuit, e, key, starts), jnp.arange(starts) % len(_METHODS))


@functools.singledispatch
def _starts(circuit: AbstractCircuit, e: Equations, key: Array, starts: int) -> Array:
    """The rest state and the normalized state, and states around them: each variable with its own
    factor, each start with its own scale; variables that may be negative with both signs."""
    rest, normal = ravel(e.like), ravel(closed_form(e.circuit, e.x))
    keys = jax.random.split(key, 4)
    shape = (starts, rest.size)
    size = jnp.maximum(jnp.abs(rest), jnp.abs(normal))[None, :]
    typical = jnp.where(size > 0, size, jnp.maximum(jnp.mean(size), 1e-2))
    scale = 10 ** jax.random.uniform(keys[0], (starts, 1), rest.dtype, -2.5, 1.5)
    spread = jnp.exp(0.5 * jax.random.normal(keys[1], shape, rest.dtype))
    mixed = jax.random.normal(keys[2], shape, rest.dtype)
    # A variable that is positive at rest stays so.
    drawn = scale * typical * jnp.where((rest > 0)[None, :], spread, mixed)
    known = jnp.repeat(jnp.stack([rest, normal]), len(_METHODS), 0)
    return jnp.concatenate([known, drawn])[:starts]


@_starts.register(FeedbackNetwork)
def _(circuit: Any, e: Equations, key: Array, starts: int) -> Array:
    """The states that the feedback m z puts the network in, z of all sizes and signs, and noise."""
    c, rest, driven = circuit, ravel(e.like), ravel(closed_form(circuit, e.x))
    keys = jax.random.split(key, 3)
    m, n = (v.reshape(c.size, -1) for v in (c.m, c.n))
    scale = 10 ** jax.random.uniform(keys[0], (starts, 1), rest.dtype, -2.5, 1.5)
    size = jnp.sqrt(jnp.mean(n**2, axis=0))[None, :]
    z = scale * size * jax.random.normal(keys[1], (starts, n.shape[1]), rest.dtype)
    noise = scale * jax.random.normal(keys[2], (starts, c.size), rest.dtype)
    known = jnp.repeat(jnp.stack([rest, driven]), len(_METHODS), 0)
    return jnp.concatenate([known, driven[None, :] + z @ m.T + 0.1 * noise])[:starts]


@_starts.register(RateNetwork)
def _(circuit: Any, e: Equations, key: Array, starts: int) -> Array:
    """Rates that f can give: those of the input alone, and of currents of all sizes around it."""
    c, rest, drive = circuit, ravel(e.like), circuit.drive(e.x)
    keys = jax.random.split(key)
    scale = 10 ** jax.random.uniform(keys[0], (starts, 1), rest.dtype, -2.5, 1.5)
    size = jnp.sqrt(jnp.mean(jnp.sum(c.W**2, axis=1)))
    currents = scale * size * jax.random.normal(keys[1], (starts, c.size), rest.dtype)
    known = jnp.repeat(jnp.stack([rest, c.f(drive)]), len(_METHODS), 0)
    return jnp.concatenate([known, c.f(drive[None, :] + currents)])[:starts]
