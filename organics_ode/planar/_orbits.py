"""Orbits of any circuit from many starts, in steps as long as their error allows."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._checks import on_device
from .._nonlinearities import highest
from ..circuits import AbstractCircuit
from ..linear import Equations
from ..programs import in_full_precision
from ._plane import resized

_ARRIVED = 1e-3  # of a stable point's distance to its neighbours: within it a state has arrived
_RTOL, _ATOL = 1e-4, 1e-6  # of a step, the latter relative to the scale
_SAFETY, _SHORTER, _LONGER, _BAD = 0.9, 0.2, 5.0, 1e6
_FIRST = 1e-3  # of the time in which the fastest variable moves by its scale
_NEAR = 0.05  # of an orbit's extent: how near to its start it counts as returned
# Beyond this distance or this speed an orbit counts as gone.
_FAR = {64: (1e30, 1e45), 32: (1e19, 1e28)}


class Steps(NamedTuple):
    """The states of orbits, their velocities, the next steps, and how many steps were taken."""

    v: Array
    velocity: Array
    h: Array
    taken: Array


class Flow(eqx.Module):
    """A circuit at an input, forward in time (+1) or backward (−1), in units of a scale."""

    circuit: AbstractCircuit
    x: Float[Array, " m"]
    scale: Float[Array, " d"]
    sign: Float[Array, ""]

    def velocity(self, v: Float[Array, " d"]) -> Float[Array, " d"]:
        e = Equations(self.circuit, self.x, self.circuit.initial_state())
        return self.sign * e.velocity(v)

    def begin(self, v: Float[Array, " d"]) -> Steps:
        velocity = self.velocity(v)
        speed = highest(jnp.abs(velocity) / self.scale)
        h = _FIRST / jnp.where((speed > 0) & jnp.isfinite(speed), speed, 1)
        return Steps(v, velocity, h, jnp.asarray(0))

    def step(self, s: Steps, tightness: float = 1.0) -> Steps:
        """A step by the Bogacki–Shampine pair of order 3(2), or only a shorter next step."""
        v, k1, h, taken = s
        k2 = self.velocity(v + h / 2 * k1)
        k3 = self.velocity(v + 3 * h / 4 * k2)
        new = v + h / 9 * (2 * k1 + 3 * k2 + 4 * k3)
        k4 = self.velocity(new)
        error = jnp.abs(h / 72 * (-5 * k1 + 6 * k2 + 8 * k3 - 9 * k4))
        size = jnp.maximum(jnp.abs(v), jnp.abs(new))
        ratio = highest(error / (tightness * (_ATOL * self.scale + _RTOL * size)))
        ratio = jnp.where(jnp.isfinite(ratio), ratio, _BAD)
        good = ratio <= 1
        factor = _SAFETY * jnp.maximum(ratio, 1e-9) ** (-1 / 3)
        h = h * jnp.clip(factor, _SHORTER, _LONGER)
        v, k1 = (jnp.where(good, a, b) for a, b in ((new, v), (k4, k1)))
        return Steps(v, k1, h, taken + good.astype(taken.dtype))


def flow_of(circuit: AbstractCircuit, x: Array, scale: np.ndarray, sign: int = 1) -> Flow:
    dtype = np.dtype(x.dtype)
    return Flow(circuit, x, on_device(scale, dtype), on_device(sign, dtype))


def scale_of(*rows: np.ndarray) -> np.ndarray:
    """The typical size of each variable among states."""
    both = np.concatenate(rows)
    width, size = np.ptp(both, axis=0), np.max(np.abs(both), axis=0)
    return np.where(width > 0, width, np.where(size > 0, size, 1.0))


def arrivals(
    circuit: AbstractCircuit,
    x: Array,
    starts: Float[np.ndarray, "k d"],
    points: np.ndarray,
    stable: np.ndarray,
    max_steps: int,
) -> Int[np.ndarray, " k"]:
    """The index of the point that each start reaches; −1 if it is gone, −2 if neither."""
    known = starts[np.all(np.isfinite(starts), axis=1)]
    scale = scale_of(known, points) if len(known) or len(points) else np.ones(starts.shape[1])
    flow = flow_of(circuit, x, scale)
    return settled(flow, starts, points, stable, max_steps)[0]


def settled(
    flow: Flow, starts: np.ndarray, points: np.ndarray, stable: np.ndarray, max_steps: int
) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, "k d"]]:
    """The codes of `arrivals`, and where the orbits ended."""
    scale, dtype = np.asarray(flow.scale), flow.x.dtype
    gaps = [_clearance(points / scale, i) for i in stable.tolist()]
    # Compiled for few sizes; placeholders for missing targets are infinitely far away.
    count = 4 if len(stable) <= 4 else len(stable)
    targets, radii = np.full((count, len(scale)), np.inf, dtype), np.zeros(count, dtype)
    targets[: len(stable)], radii[: len(stable)] = points[stable], _ARRIVED * np.array(gaps)
    given = resized(starts.astype(dtype))
    ends, v = _march(flow, given, targets, radii, np.array(max_steps))
    # Indexed by the result; the last two entries are −2 and −1.
    table = np.concatenate([stable, np.full(count - len(stable), -2), [-2, -1]]).astype(int)
    return table[np.asarray(ends)][: len(starts)], np.asarray(v, float)[: len(starts)]


def _clearance(points: np.ndarray, i: int) -> float:
    """The distance of a point to its nearest neighbour, at most the scale."""
    others = np.delete(points, i, axis=0)
    return float(np.min(np.linalg.norm(others - points[i], axis=1), initial=1.0))


@eqx.filter_jit
@in_full_precision
def _march(
    flow: Flow,
    starts: Array | np.ndarray,
    targets: Array | np.ndarray,
    radii: Array | np.ndarray,
    max_steps: Array | np.ndarray,
) -> tuple[Array, Array]:
    far, fast = _FAR[jnp.finfo(starts.dtype).bits]

    def code(s: Steps) -> Array:
        v = s.v
        away = jnp.linalg.norm((targets - v[None, :]) / flow.scale[None, :], axis=1)
        is_near = away < radii
        reached = jnp.where(jnp.any(is_near), jnp.argmax(is_near), -2)
        # Before the velocity overflows, which would end the steps.
        is_far = (highest(jnp.abs(v)) > far) | (highest(jnp.abs(s.velocity)) > fast)
        return jnp.where(is_far, -1, reached)

    def one(carry: tuple) -> tuple:
        s, end = carry
        moved = flow.step(s)
        s = jax.tree.map(lambda a, b: jnp.where(end == -2, a, b), moved, s)
        return s, jnp.where(end == -2, code(s), end)

    def body(carry: tuple) -> tuple:
        return jax.vmap(one)(carry[0]), carry[1] + 1

    def goes_on(carry: tuple) -> Array:
        return jnp.any(carry[0][1] == -2) & (carry[1] < max_steps)

    first = jax.vmap(flow.begin)(jnp.asarray(starts))
    begin = first, jax.vmap(code)(first)
    (s, ends), _ = jax.lax.while_loop(goes_on, body, (begin, 0))
    return ends, s.v


def extents(flow: Flow, starts: np.ndarray, steps: int) -> Float[np.ndarray, "k 2 d"]:
    """The smallest and the largest values of each orbit during its next steps."""
    given = resized(starts.astype(np.dtype(flow.x.dtype)))
    found = [np.asarray(each, float)[: len(starts)] for each in _extents(flow, given, steps)]
    return np.stack(found, axis=1)


@eqx.filter_jit
@in_full_precision
def _extents(flow: Flow, starts: Array | np.ndarray, steps: int) -> tuple[Array, Array]:
    def one(v: Array) -> tuple[Array, Array]:
        def body(_: int | Array, carry: tuple) -> tuple:
            s, low, high = carry
            s = flow.step(s)
            return s, jnp.minimum(low, s.v), jnp.maximum(high, s.v)

        return jax.lax.fori_loop(0, steps, body, (flow.begin(v), v, v))[1:]

    return jax.vmap(one)(jnp.asarray(starts))


class Return(NamedTuple):
    """When an orbit returned to its start, its shortest step, how far it went and how near it came
    back, in units of the scale."""

    period: Array
    shortest: Array
    extent: Array
    miss: Array


@eqx.filter_jit
@in_full_precision
def first_return(flow: Flow, start: Array, max_steps: Array | np.ndarray) -> Return:
    """The first return, near the start, to the line through the start that crosses the orbit."""
    section = flow.velocity(start) / flow.scale
    section = section / jnp.linalg.norm(section)

    def side(v: Array) -> Array:
        return section @ ((v - start) / flow.scale)

    def body(carry: tuple) -> tuple:
        s, found, t, is_back, i = carry
        new = flow.step(s, 1e-2)
        is_new = new.taken > s.taken
        h = jnp.where(is_new, s.h, 0)
        away = jnp.linalg.norm((new.v - start) / flow.scale)
        extent = jnp.maximum(found.extent, away)
        a, b = side(s.v), side(new.v)
        share = jnp.where(a < b, -a / jnp.where(a < b, b - a, 1), 0)
        miss = jnp.linalg.norm((s.v + share * (new.v - s.v) - start) / flow.scale)
        is_back = is_new & (a < 0) & (b >= 0) & (miss < _NEAR * extent)
        period = t + share * h
        shortest = jnp.where(is_new & (i > 0), jnp.minimum(found.shortest, s.h), found.shortest)
        return new, Return(period, shortest, extent, miss), t + h, is_back, i + 1

    def goes_on(carry: tuple) -> Array:
        return ~carry[3] & (carry[4] < max_steps)

    nothing = jnp.zeros((), start.dtype)
    begin = Return(nothing, nothing + jnp.inf, nothing, nothing + jnp.inf)
    end = jax.lax.while_loop(
        goes_on, body, (flow.begin(start), begin, nothing, jnp.asarray(False), 0)
    )
    found: Any = end[1]
    return found._replace(period=jnp.where(end[3], found.period, jnp.nan))


def closed(
    flow: Flow, start: Array, period: float, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The states (steps + 1, d) over a period by Runge-Kutta steps, and the derivatives of the last
    one with respect to the first one (d, d) and to the period (d,)."""
    orbit, (M, rate) = _orbit(flow, start, jnp.asarray(period, start.dtype), steps)
    return np.asarray(orbit, float), np.asarray(M, float), np.asarray(rate, float)


@eqx.filter_jit
@in_full_precision
def _orbit(flow: Flow, start: Array, period: Array, steps: int) -> tuple:
    def last(v: Array, period: Array) -> tuple[Array, Array]:
        h = period / steps

        def one(v: Array, _: None) -> tuple[Array, Array]:
            k1 = flow.velocity(v)
            k2 = flow.velocity(v + h / 2 * k1)
            k3 = flow.velocity(v + h / 2 * k2)
            k4 = flow.velocity(v + h * k3)
            return v + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), v

        end, states = jax.lax.scan(one, v, length=steps)
        return end, jnp.concatenate([states, end[None]])

    derivatives, orbit = jax.jacfwd(last, argnums=(0, 1), has_aux=True)(start, period)
    return orbit, derivatives
