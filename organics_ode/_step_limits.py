"""How long a step may be where the error estimate cannot tell.

Where a state rests the error of every step is 0, however long it is: an explicit step then grows
beyond its stability limit. The values stay right, and their derivatives, which do not rest, explode
with every step; an input that moves between two stages is stepped over.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from equinox.internal import nextafter
from jaxtyping import Array, Float

from ._extremes import highest, lowest
from ._inputs import AbstractInput, Constant, LinearInput, ZeroOrderHold

SAMPLES = 4096  # Even times at which an input that is a function is looked at.
_TURNS = 12  # Of the power iteration, before the first step.
_MEMORY = 0.75  # Of the rate: what the last step found counts for the rest of it.
_MIXED = 0.1  # Of a fixed direction in every turn: what had died out of the vector may come back.
_FRESH = 4.0  # The least time since an event over the step: e⁻⁴ is left of the fastest mode.
_SHARE = 0.25  # Of the range of an input: the most that it may move within a step.
_NEGLIGIBLE = 1e-3  # A range that is smaller than this, relative to the input itself, is no signal.
_DAMPED = np.deg2rad(100)  # The direction of a mode of damping ratio .17.


class Rate(NamedTuple):
    """The running estimate of the spectral radius of the Jacobian, 1/ms, and its vector."""

    radius: Float[Array, ""]
    vector: Float[Array, " d"]


class Variation(eqx.Module):
    """How far an input has moved up to each of many times, in units of its range."""

    ts: Float[Array, " samples"]
    total: Float[Array, " samples"]

    def step(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """How long it takes the input to move by the share that a step may see; no finer than the
        samples."""
        goal = jnp.interp(t, self.ts, self.total) + _SHARE
        index = jnp.searchsorted(self.total, goal)
        finest = (self.ts[-1] - self.ts[0]) / SAMPLES
        end = jnp.where(
            goal > self.total[-1], jnp.inf, self.ts[jnp.minimum(index, len(self.ts) - 1)]
        )
        return jnp.maximum(end - t, finest)

    def reversed(self) -> "Variation":
        return Variation(-self.ts[::-1], (self.total[-1] - self.total)[::-1])


class StepLimits(eqx.Module):
    """The longest next step: the least of what its three parts allow.

    1. `longest`, if it is given.
    2. c/ρ(J), ρ the spectral radius of the circuit's Jacobian where the step begins, by a power
       iteration that takes one product with J a step. c grows from 1, where the circuit has just
       been switched and its fastest mode matters, to `reach`, up to which the solver damps what
       the circuit damps.
    3. The time in which the input moves by a quarter of its range.
    """

    field: Callable[..., Any] = eqx.field(static=True)
    reach: float | None = eqx.field(static=True)
    longest: Float[Array, ""] | None
    start: Float[Array, ""]
    switches: Float[Array, " switches"] | None
    variation: Variation | None

    def wrap(self, direction: Any) -> "StepLimits":
        """The same limits for a solve in this direction of time (Backsolve goes back)."""
        if self.variation is None:
            return self
        back = self.variation.reversed()
        turned = jax.tree.map(lambda a, b: jnp.where(direction > 0, a, b), self.variation, back)
        return eqx.tree_at(lambda s: s.variation, self, turned)

    def init(self, t: Any, y: Any, args: Any) -> Rate | None:
        if self.reach is None:
            return None
        size = sum(leaf.size for leaf in jax.tree.leaves(y))
        start = _generic(size).astype(t.dtype)
        begin = Rate(jnp.zeros((), start.dtype), start)
        rates = jax.lax.scan(lambda r, _: (self._turn(r, t, y, args), None), begin, None, _TURNS)[0]
        return rates

    def turn(self, rate: Rate | None, t: Any, y: Any, args: Any) -> Rate | None:
        """The rate after one more turn of the iteration, at (t, y)."""
        return None if rate is None else self._turn(rate, t, y, args)

    def step(self, rate: Rate | None, t: Any) -> Any:
        """The longest step from t."""
        bounds = [] if self.longest is None else [self.longest]
        if self.variation is not None:
            bounds.append(self.variation.step(t))
        if rate is not None:
            bounds.append(self._damped(rate.radius, t))
        return functools.reduce(jnp.minimum, bounds, jnp.asarray(jnp.inf, t.dtype))

    def _damped(self, radius: Any, t: Any) -> Any:
        reach = 1.0 if self.reach is None else self.reach
        shortest = 1 / jnp.where(radius > 0, radius, jnp.finfo(t.dtype).tiny)
        return jnp.clip((t - self._event(t)) / _FRESH, shortest, reach * shortest)

    def _event(self, t: Any) -> Any:
        """When the solve began or the input switched last."""
        if self.switches is None:
            return self.start
        # A step that begins at a switch begins one float before it.
        index = jnp.searchsorted(self.switches, _after(t), side="right") - 1
        last = jnp.where(index < 0, -jnp.inf, self.switches[jnp.maximum(index, 0)])
        return jnp.maximum(self.start, last)

    def _turn(self, rate: Rate, t: Any, y: Any, args: Any) -> Rate:
        t, y, args = jax.tree.map(_stop, (t, y, args))
        flat, unravel = jax.flatten_util.ravel_pytree(y)
        f = lambda v: jax.flatten_util.ravel_pytree(self.field(_after(t), unravel(v), args))[0]  # noqa: E731
        # In units of each variable's own size: a and y may differ by orders of magnitude.
        size = jax.flatten_util.ravel_pytree(jax.tree.map(_size, y))[0]
        mixed = rate.vector + _MIXED * _generic(flat.size).astype(flat.dtype)
        mixed = mixed / jnp.linalg.norm(mixed)
        moved = jax.jvp(f, (flat,), (size * mixed,))[1] / size
        grown = jnp.linalg.norm(moved)
        usable = jnp.isfinite(grown) & (grown > 0)
        # A geometric mean over turns: of a pair that rotates each turn alone says little.
        mean = rate.radius**_MEMORY * grown ** (1 - _MEMORY)
        radius = jnp.where(rate.radius > 0, mean, grown)
        new = Rate(radius, moved / jnp.where(usable, grown, 1))
        return jax.tree.map(lambda a, b: jnp.where(usable, a, b), new, rate)


def step_limits(
    field: Callable[..., Any],
    solver: Any,
    inputs: AbstractInput,
    ts: Float[Array, " time"],
    longest: Any,
    *,
    is_backsolve: bool,
) -> StepLimits:
    """The limits of a solve from ts[0] to ts[-1]; those of the circuit and the input give way to
    `longest`."""
    when = (ts[0], inputs.switch_times)
    if longest is not None:
        return StepLimits(field, None, jnp.asarray(longest, ts.dtype), *when, None)
    # An implicit solver damps all that decays. So does the error estimate of Backsolve, whose
    # derivatives are part of the state.
    reach = None if is_backsolve else _reach(solver)
    return StepLimits(field, reach, None, *when, _variation(inputs, ts))


def _variation(inputs: AbstractInput, ts: Float[Array, " time"]) -> Variation | None:
    """Of an input that is a function, seen at even times and at those to be saved."""
    if isinstance(inputs, Constant | ZeroOrderHold | LinearInput):
        return None
    even = jnp.linspace(ts[0], ts[-1], SAMPLES, dtype=ts.dtype)
    times = jax.lax.stop_gradient(jnp.sort(jnp.concatenate([even, ts])))
    xs = jax.lax.stop_gradient(jax.vmap(inputs)(times)).astype(ts.dtype)
    if xs.shape[1] == 0:
        return None
    span = highest(xs, 0) - lowest(xs, 0)
    scale = jnp.maximum(span, _NEGLIGIBLE * highest(jnp.abs(xs), 0))
    moved = jnp.abs(jnp.diff(xs, axis=0)) / jnp.where(scale > 0, scale, 1)[None, :]
    # What is not finite is for the solver to find.
    largest = highest(jnp.where(jnp.isfinite(moved), moved, 0), 1)
    return Variation(times, jnp.concatenate([jnp.zeros(1, ts.dtype), jnp.cumsum(largest)]))


@functools.cache
def _reach(solver: Any) -> float:
    """|hλ| up to which an explicit Runge–Kutta step damps what decays, less a fifth; 1 where the
    coefficients of the solver are not known."""
    if isinstance(solver, diffrax.AbstractImplicitSolver):
        return float("inf")
    tableau = getattr(solver, "tableau", None)
    if not isinstance(tableau, diffrax.ButcherTableau):
        return 1.0
    b = np.asarray(tableau.b_sol)
    A = np.zeros((b.size, b.size))
    for i, row in enumerate(tableau.a_lower):
        A[i + 1, : len(row)] = row
    radii = np.arange(0.02, 10, 0.02)
    z = radii * np.exp(1j * _DAMPED)
    stages = np.linalg.solve(np.eye(b.size) - z[:, None, None] * A, np.ones((z.size, b.size, 1)))
    growth = np.abs(1 + z * (stages[..., 0] @ b))
    return max(1.0, 0.8 * float(radii[np.argmax(growth > 1)]))


def _generic(size: int) -> Float[Array, " size"]:
    vector = np.random.default_rng(0).normal(size=size)
    return jnp.asarray(vector / np.linalg.norm(vector))


def _size(leaf: Array) -> Array:
    largest = highest(jnp.abs(leaf))
    usable = jnp.isfinite(largest) & (largest > 0)
    return jnp.full(leaf.shape, jnp.where(usable, largest, 1), leaf.dtype)


def _after(t: Any) -> Any:
    return nextafter(nextafter(t))


def _stop(leaf: Any) -> Any:
    return jax.lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf
