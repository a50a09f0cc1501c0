"""How long a step may be where the error estimate is no guide.

Where a state is at rest the error of every step is 0, however long the step is, so an explicit step
grows beyond its stability limit. The values stay right, but their derivatives, which are not at
rest, grow with every step; and a change of the input between two stages may be stepped over.
"""

import functools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from .._nonlinearities import highest, lowest
from ..programs import nextafter
from ._inputs import AbstractInput, Constant, LinearInput, ZeroOrderHold
from ._tangent_limits import AbstractTangentLimit, tangent_limit

SAMPLES = 4096  # Evenly spaced times at which an input that is a function is sampled.
_SHARE = 0.25  # Of the range of an input: the most by which it may change within a step.
_NEGLIGIBLE = 1e-3  # A smaller range, relative to the input itself, is not a signal.


class Variation(eqx.Module):
    """How far an input has moved up to each of many times, in units of its range."""

    ts: Float[Array, " samples"]
    total: Float[Array, " samples"]

    def step(self, t: Float[Array, ""]) -> Array:
        """The time in which the input changes by the share that a step may see, no finer than the
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
    """The longest next step: the smallest of three limits.

    1. `longest`, if it is given.
    2. The limit set by the circuit's Jacobian and the solver, for derivatives to come out right.
    3. The time in which the input changes by a quarter of its range.
    """

    longest: Float[Array, ""] | None
    tangent: AbstractTangentLimit | None
    variation: Variation | None
    start: Float[Array, ""]
    switches: Float[Array, " switches"] | None

    def wrap(self, direction: int | Int[Array | np.ndarray, ""]) -> "StepLimits":
        """The same limits for a solve in this direction of time (Backsolve goes back)."""
        if self.variation is None:
            return self
        back = self.variation.reversed()
        turned = jax.tree.map(lambda a, b: jnp.where(direction > 0, a, b), self.variation, back)
        return eqx.tree_at(lambda s: s.variation, self, turned)

    def init(self, t: Array, y: PyTree, args: PyTree) -> PyTree:
        """What is known of the Jacobian at the start."""
        return None if self.tangent is None else self.tangent.init(t, y, args)

    def turn(self, rate: PyTree, t: Array, y: PyTree, args: PyTree) -> PyTree:
        """What is known of it at (t, y)."""
        return None if self.tangent is None else self.tangent.turn(rate, t, y, args, self._since(t))

    def step(self, rate: PyTree, t: Array) -> Array:
        """The longest step from t."""
        bounds = [] if self.longest is None else [self.longest]
        if self.variation is not None:
            bounds.append(self.variation.step(t))
        if self.tangent is not None:
            bounds.append(self.tangent.step(rate, self._since(t)))
        return functools.reduce(jnp.minimum, bounds, jnp.asarray(jnp.inf, t.dtype))

    def _since(self, t: Array) -> Array:
        """The time since the start of the solve or the last switch of the input."""
        if self.switches is None:
            return t - self.start
        # A step that begins at a switch begins one float before it.
        index = jnp.searchsorted(self.switches, nextafter(nextafter(t)), side="right") - 1
        last = jnp.where(index < 0, -jnp.inf, self.switches[jnp.maximum(index, 0)])
        return jnp.maximum(t - jnp.maximum(self.start, last), 0)


def step_limits(
    solver: diffrax.AbstractSolver,
    inputs: AbstractInput,
    ts: Float[Array, " time"],
    longest: Array | None,
    *,
    is_backsolve: bool,
) -> StepLimits:
    """The limits of a solve from ts[0] to ts[-1]; `longest`, if given, replaces those of the
    circuit and the input."""
    when = (ts[0], inputs.switch_times)
    if longest is not None:
        return StepLimits(jnp.asarray(longest, ts.dtype), None, None, *when)
    # With Backsolve the error estimate sees the derivatives, which are part of the state.
    tangent = None if is_backsolve else tangent_limit(solver)
    return StepLimits(None, tangent, _variation(inputs, ts), *when)


def _variation(inputs: AbstractInput, ts: Float[Array, " time"]) -> Variation | None:
    """The variation of an input that is a function, sampled at even times and at the save times."""
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
    # The solver reports what is not finite.
    largest = highest(jnp.where(jnp.isfinite(moved), moved, 0), 1)
    return Variation(times, jnp.concatenate([jnp.zeros(1, ts.dtype), jnp.cumsum(largest)]))
