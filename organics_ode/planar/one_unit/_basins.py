"""Where one unit goes from each of many starts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from ..._checks import on_device
from ..._nonlinearities import highest, power, root
from ...cells import runge_kutta
from .._results import PlanarFixedPoints
from ._equations import Scalars, velocities

_ARRIVED = 1e-3  # Of a stable point's distance to its neighbours: within it a state has arrived.
_LEFT = 1e6  # Times the largest numbers involved: beyond it a state counts as gone.
_STEP = 0.5  # Over a bound of the rates: a Runge-Kutta step well within its stability limit.
_SLOWEST = 1e-6  # Times 1/(τ_y + τ_a): the least rate, where nothing else limits a step.


def ends(
    q: Scalars, found: PlanarFixedPoints, y: Array, a: Array, max_steps: int
) -> Int[np.ndarray, " starts"]:
    """The index of the fixed point that each start reaches; −1 if it diverged, −2 if neither."""
    everything = jnp.concatenate([found.states.y, found.states.a], axis=1)
    stable = np.flatnonzero(np.asarray(found.is_stable))
    targets = everything[stable]
    radii = on_device([_ARRIVED * _clearance(everything, i) for i in stable.tolist()], q.c.dtype)
    reached = _march(q, y, a, targets, radii, max_steps)
    table = np.concatenate([stable, [-2, -2, -1]]).astype(int)  # −3 to −1 count from the end
    return table[np.asarray(reached)]


def _clearance(points: Array, i: int) -> float:
    """The distance of a point to its nearest neighbour, or to the origin."""
    others = np.delete(np.asarray(points), i, axis=0)
    others = np.concatenate([others, np.zeros((1, 2))])
    return float(np.min(np.linalg.norm(others - np.asarray(points[i]), axis=1)))


@eqx.filter_jit
def _march(
    q: Scalars, y: Array, a: Array, targets: Array, radii: Array, max_steps: int
) -> Int[Array, " starts"]:
    """The index of the target reached from each start; −3 overflow, −2 unsettled, −1 diverged."""
    bound = _LEFT * (1 + highest(jnp.abs(y)) + highest(jnp.abs(a)) + jnp.sum(jnp.abs(targets)))
    bound = jnp.where(_is_bounded(q, len(targets)), jnp.inf, bound)
    size = highest(jnp.abs(targets[:, 0])) if len(targets) else jnp.abs(q.c)
    scale = jnp.stack([size, q.beta])

    def field(v: Array) -> Array:
        return jnp.stack(velocities(q, v[0], v[1]))

    def step(carry: tuple) -> tuple:
        v, ends, i = carry
        velocity = field(v)
        h = jnp.where(ends == -2, _STEP / _rate(q, v, velocity, scale), 0)
        v = runge_kutta(field, v, velocity, h[None])
        return v, jnp.where(ends == -2, _arrivals(v, targets, radii, bound), ends), i + 1

    def goes_on(carry: tuple) -> Array:
        return jnp.any(carry[1] == -2) & (carry[2] < max_steps)

    v = jnp.stack([y, a])
    return jax.lax.while_loop(goes_on, step, (v, _arrivals(v, targets, radii, bound), 0))[1]


def _arrivals(v: Array, targets: Array, radii: Array, bound: Array) -> Int[Array, " starts"]:
    ends = jnp.full(v.shape[1], -2)
    for i in range(len(targets)):
        is_near = jnp.hypot(v[0] - targets[i, 0], v[1] - targets[i, 1]) < radii[i]
        ends = jnp.where(is_near, i, ends)
    largest = highest(jnp.abs(v), axis=0)
    outside = jnp.where(jnp.isinf(bound), -3, -1)
    return jnp.where(largest < bound, ends, outside)


def _is_bounded(q: Scalars, targets: int) -> Array:
    """Whether no orbit runs to infinity, however far it goes on the way.

    With w_r > 0 and w > 0 a large |y| raises a, and a large a damps y; with w_r = 0 or w = 0 one of
    the two equations does not depend on the other variable, and the other equation is linear.
    """
    is_held = (q.w_r > 0) & (q.w > 0)
    is_linear = ((q.w_r == 0) | (q.w == 0)) & (targets > 0)
    return is_held | is_linear


def _rate(q: Scalars, v: Array, velocity: Array, scale: Array) -> Array:
    """A bound of the local rates, 1/ms, that stays finite where a = 0.

    The rates can all be 0 while the state moves, as at y = 1, a = 0 with w = w_r = 1: then the
    bound is the speed of the state relative to its size.
    """
    y, a = v
    s, pooled = root(a, q.p), q.w * power(y, q.p)
    own = jnp.abs((1 - s) * q.w_r - 1) / q.tau_y + jnp.abs(pooled - 1) / q.tau_a
    local = own + jnp.sqrt(jnp.abs(q.w_r) * pooled * s / (q.tau_y * q.tau_a))
    moving = jnp.sum(jnp.abs(velocity) / (jnp.abs(v) + scale[:, None]), axis=0)
    # Where both are 0, at rest, no step is too long.
    slowest = _SLOWEST / (q.tau_y + q.tau_a)
    return jnp.maximum(jnp.maximum(local, jnp.where(jnp.isfinite(moving), moving, 0)), slowest)
