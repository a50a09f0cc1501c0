"""Periods of a trial: named durations in ms, some of them jittered, as steps."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, Shaped

Steps = dict[str, Int32[Array, "2"]]


class Period(NamedTuple):
    """One period of a trial: it lasts `duration` ± `jitter`, both in ms."""

    name: str
    duration: float
    jitter: float = 0.0


def steps_in(duration: float, dt: float) -> int:
    """The number of steps nearest to a duration in ms."""
    return round(duration / dt)


def nominal_steps(timeline: Sequence[Period], dt: float) -> dict[str, tuple[int, int]]:
    """The (start, stop) steps of every period without jitter."""
    stops = np.cumsum([steps_in(period.duration, dt) for period in timeline]).tolist()
    pairs = zip([0, *stops[:-1]], stops, strict=True)
    return dict(zip([period.name for period in timeline], pairs, strict=True))


def draw_steps(
    timeline: Sequence[Period], dt: float, u: Float[Array, " periods"], jitter: bool
) -> tuple[Steps, int]:
    """The (start, stop) steps of every period of one trial, and the length to pad it to.

    A jittered period lasts a whole number of steps, from (duration - jitter)/dt to
    (duration + jitter)/dt, all equally likely for u ~ U(0, 1). The length is that of the longest
    possible trial, so it does not depend on the draw.
    """
    low = np.array([steps_in(p.duration - p.jitter * jitter, dt) for p in timeline])
    high = np.array([steps_in(p.duration + p.jitter * jitter, dt) for p in timeline])
    extra = jnp.floor(u * jnp.asarray(high - low + 1, u.dtype)).astype(jnp.int32)
    stops = jnp.cumsum(jnp.asarray(low, jnp.int32) + extra, dtype=jnp.int32)
    starts = jnp.concatenate([jnp.zeros(1, jnp.int32), stops[:-1]])
    names = [period.name for period in timeline]
    return dict(zip(names, jnp.stack([starts, stops], axis=-1), strict=True)), int(high.sum())


def within(length: int, steps: Int32[Array, "2"]) -> Bool[Array, " length"]:
    """Which of `length` steps lie in a period."""
    t = jnp.arange(length, dtype=jnp.int32)
    return (t >= steps[0]) & (t < steps[1])


def spread(length: int, steps: Steps, rows: Float[Array, "periods k"]) -> Float[Array, "length k"]:
    """Values that are constant within every period, spread over time; 0 after the last one."""
    stops = jnp.stack(list(steps.values()))[:, 1]
    t = jnp.arange(length, dtype=jnp.int32)
    period = jnp.sum(t[:, None] >= stops[None], axis=-1)
    return jnp.pad(rows, ((0, 1), (0, 0)))[period]


def counted_steps(
    length: int, response: Int32[Array, "2"], grace: int
) -> tuple[Float[Array, " length"], Float[Array, " length"]]:
    """Which steps count before and in the response, each after a grace period; 0 or 1."""
    start, stop = response
    t = jnp.arange(length, dtype=jnp.int32)
    before = (t >= grace) & (t < start)
    during = (t >= start + grace) & (t < stop)
    return as_floats(before), as_floats(during)


def as_floats(x: Shaped[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The values in JAX's default float type, not weakly typed."""
    return x.astype(jnp.zeros(()).dtype)
