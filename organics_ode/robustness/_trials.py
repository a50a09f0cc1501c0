"""Trials of a phase diagram: all circuits of one random R at once, one per column."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .._nonlinearities import Rectification, highest
from ..cells import runge_kutta
from ..programs import compiled, equal_one, in_full_precision
from ._normal import normalized
from ._study import RandomMatrix, Study, Variant

_BOUND = 1e6
_SETTLED = 1e-4  # speed · τ relative to the state
_PERSISTS = 0.8  # the speed in the last quarter of the run relative to that in the third
_KICK = 1e-2  # the relative perturbation of the start, so that it is not a fixed point
_MAX_STEPS = 50_000


class _Run(NamedTuple):
    """One running circuit per column: (y; a), its time, and statistics of its last half."""

    v: Array  # (n + 1, columns)
    t: Array  # (columns,)
    is_over: Array  # (columns,)
    elapsed: Array  # (2, columns): time in the third and the last quarter
    speed: Array  # (2, columns): ∫ |ẏ|² in both
    y_sum: Array  # (n, columns), over the last quarter
    y_square: Array  # (n, columns)


class Ending(NamedTuple):
    """How the circuits of a trial ended, and statistics of their last half."""

    R: Float[Array, "n n"]
    z: Float[Array, " n"]
    v: Float[Array, "n_plus_1 columns"]
    is_over: Bool[Array, " columns"]
    has_left: Bool[Array, " columns"]
    has_settled: Bool[Array, " columns"]
    slows: Bool[Array, " columns"]
    frequency: Float[Array, " columns"]
    amplitude: Float[Array, " columns"]
    mean: Float[Array, "n columns"] | None = None  # of y, over the last quarter


def run_trials(
    study: Study,
    key: PRNGKeyArray,
    random: RandomMatrix,
    first: int,
    devices: Sequence[jax.Device],
    variant: Variant = Variant(),
) -> list[Ending]:
    """Run as many trials as there are devices, from number `first` on."""
    axis = jax.sharding.AxisType.Auto
    mesh = jax.make_mesh((len(devices),), ("trial",), (axis,), devices=devices)
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("trial"))
    numbers = jnp.arange(first, first + len(devices))
    keys = jax.device_put(jax.vmap(lambda i: jax.random.fold_in(key, i))(numbers), sharding)
    deltas, norms = (g.ravel() for g in np.meshgrid(study.deltas, study.norms, indexing="ij"))
    grid = jnp.asarray(np.stack([deltas, norms]), jnp.zeros(()).dtype)
    beta, end = (study.b * study.sigma) ** 2, study.duration * study.tau
    scalars = (study.size, *map(jnp.asarray, (study.b, beta, study.tau, end)))
    mean = jnp.asarray(variant.mean, grid.dtype)
    made = Variant(mean, equal_one(variant.direction), variant.rectification)
    ends = jax.device_get(_simulate(keys, grid, scalars, equal_one(random), made))
    return [jax.tree.map(lambda v, i=i: v[i], ends) for i in range(len(devices))]


@compiled
@in_full_precision
def _simulate(
    keys: Array, grid: Array, scalars: tuple, random: RandomMatrix, variant: Variant = Variant()
) -> Ending:
    return jax.vmap(lambda key: _trial(key, grid, scalars, random, variant))(keys)


def _trial(
    key: PRNGKeyArray, grid: Array, scalars: tuple, random: RandomMatrix, variant: Variant
) -> Ending:
    """One R and one direction of z, in every column (Δ, ‖z‖)."""
    n, b, beta, tau, end = scalars
    deltas, norms = grid
    for_R, for_z, for_kick = jax.random.split(key, 3)
    R = random(for_R, n).astype(grid.dtype)
    z = variant.direction(for_z, n).astype(grid.dtype)
    z = z / jnp.linalg.norm(z)
    kick = _KICK * jax.random.normal(for_kick, (n,), grid.dtype) / np.sqrt(n)
    y, a = normalized(jnp, z, b * norms, beta, variant.rectification)
    y = y + kick[:, None] * (b * norms / jnp.sqrt(a))[None]
    is_after = variant.rectification is Rectification.AFTER
    drive = b * (jnp.maximum(z, 0) if is_after else z)[:, None] * norms[None]
    largest = deltas[None] * jnp.linalg.norm(R, 2) + jnp.abs(variant.mean)
    field = lambda v: _velocity(v, R, deltas, drive, beta, variant) / tau  # noqa: E731
    rate = lambda v: _rate(v, largest) / tau  # noqa: E731
    start = jnp.concatenate([y, a[None]])
    run = _integrate(field, rate, start, end, tau)
    return _ending(R, z, run, field(run.v) * tau, start)


def _ending(R: Array, z: Array, run: _Run, velocity: Array, start: Array) -> Ending:
    elapsed = run.elapsed[1]
    mean = run.y_sum / elapsed[None]
    variance = run.y_square / elapsed[None] - mean**2
    amplitude = jnp.sqrt(jnp.mean(jnp.maximum(variance, 0), axis=0))
    speed = jnp.sqrt(run.speed / run.elapsed)
    frequency = speed[1] / np.sqrt(z.size) / amplitude * 1000 / (2 * np.pi)
    slows = speed[1] < _PERSISTS * speed[0]
    has_settled = _has_settled(run.v, velocity)
    has_left = _has_left(run.v, start)
    return Ending(
        R, z, run.v, run.is_over, has_left, has_settled, slows, frequency, amplitude, mean
    )


def _velocity(
    v: Array, R: Array, deltas: Array, drive: Array, beta: Array, variant: Variant
) -> Array:
    """τ (ẏ; ȧ), with one a for all units."""
    y, a = v[:-1], jnp.maximum(v[-1:], 0)
    h = y if variant.rectification is Rectification.NONE else jnp.maximum(y, 0)
    u = y if variant.rectification is Rectification.AFTER else h
    shared = variant.mean * jnp.mean(u, axis=0, keepdims=True)
    Wy = u + deltas[None] * (R @ u) + shared
    Wy = jnp.maximum(Wy, 0) if variant.rectification is Rectification.AFTER else Wy
    dy = -y + drive + (1 - jnp.sqrt(a)) * Wy
    da = -v[-1:] + beta + a * jnp.sum(h * h, axis=0, keepdims=True)
    return jnp.concatenate([dy, da])


def _rate(v: Array, random: Array) -> Array:
    """A bound on the local rates times τ, (1, columns); `random` is Δ‖R‖ + |μ|."""
    s, square = jnp.sqrt(jnp.maximum(v[-1:], 0)), jnp.sum(v[:-1] ** 2, axis=0, keepdims=True)
    coupling = jnp.sqrt((1 + random) * square * s)
    return s + jnp.abs(1 - s) * random + jnp.abs(square - 1) + coupling


def _integrate(
    field: Callable[[Array], Array], rate: Callable[[Array], Any], v: Array, end: Array, tau: Array
) -> _Run:
    """Fourth-order Runge–Kutta steps, with their own length in every column, until all are over."""
    unit, column = jnp.zeros_like(v[:-1]), jnp.zeros_like(v[0])
    two, start = jnp.zeros((2, column.size), v.dtype), v
    run = _Run(v, column, column > 1, two, two, unit, unit)

    def step(carry: tuple[_Run, Array]) -> tuple[_Run, Array]:
        run, i = carry
        velocity = field(run.v)
        is_over = run.is_over | _has_ended(run.v, velocity * tau, start) | (run.t >= end)
        longest = jnp.minimum(end - run.t, tau)
        h = jnp.where(is_over, 0, jnp.minimum(1 / rate(run.v)[0], longest))
        v = jnp.where(h[None] > 0, runge_kutta(field, run.v, velocity, h[None]), run.v)
        run = _record(run, velocity, h, jnp.floor(4 * run.t / end))
        return run._replace(v=v, t=run.t + h, is_over=is_over), i + 1

    def goes_on(carry: tuple[_Run, Array]) -> Array:
        return jnp.any(~carry[0].is_over) & (carry[1] < _MAX_STEPS)

    return jax.lax.while_loop(goes_on, step, (run, jnp.asarray(0)))[0]


def _has_ended(v: Array, velocity: Array, start: Array) -> Array:
    return _has_settled(v, velocity) | _has_left(v, start)


def _has_left(v: Array, start: Array) -> Array:
    """Whether a circuit has left the bound; a strong input alone holds a at (b‖z‖)²."""
    largest_a = jnp.maximum(start[-1], 1)
    is_near = (highest(jnp.abs(v[:-1]), axis=0) < _BOUND) & (v[-1] < _BOUND * largest_a)
    return ~is_near


def _has_settled(v: Array, velocity: Array) -> Array:
    """Whether the speeds of y and of a, times τ, are small relative to y and to a."""
    parts = (slice(0, -1), slice(-1, None))
    return jnp.stack([_norm(velocity[i]) < _SETTLED * _norm(v[i]) for i in parts]).all(0)


def _norm(v: Array) -> Array:
    return jnp.sqrt(jnp.sum(v * v, axis=0))


def _record(run: _Run, velocity: Array, h: Array, quarter: Array) -> _Run:
    """Add the step from here, of length h, to the statistics of the last two quarters."""
    third, last = (jnp.where(quarter == i, h, 0) for i in (2, 3))
    weights = jnp.stack([third, last])
    speed = jnp.where(weights > 0, weights * jnp.sum(velocity[:-1] ** 2, axis=0)[None], 0)
    y = jnp.where(last[None] > 0, run.v[:-1], 0)
    return run._replace(
        elapsed=run.elapsed + weights,
        speed=run.speed + speed,
        y_sum=run.y_sum + last[None] * y,
        y_square=run.y_square + last[None] * y * y,
    )
