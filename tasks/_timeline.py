"""Periods of a trial: named durations in ms, some of them jittered, as steps."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray

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
    steps, start = {}, 0
    for period in timeline:
        stop = start + steps_in(period.duration, dt)
        steps[period.name] = (start, stop)
        start = stop
    return steps


def draw_steps(
    timeline: Sequence[Period], dt: float, key: PRNGKeyArray, jitter: bool
) -> tuple[Steps, int]:
    """The (start, stop) steps of every period of one trial, and the length to pad it to.

    A jittered period lasts a whole number of steps, each number from (duration - jitter)/dt to
    (duration + jitter)/dt equally likely and independent of the others. The length is that of
    the longest possible trial, so that it does not depend on the key.
    """
    starts = [period.duration - period.jitter * jitter for period in timeline]
    stops = [period.duration + period.jitter * jitter for period in timeline]
    low, high = ([steps_in(duration, dt) for duration in ends] for ends in (starts, stops))
    counts = jax.random.randint(
        key, (len(timeline),), jnp.asarray(low), jnp.asarray(high) + 1, dtype=jnp.int32
    )
    ends = jnp.cumsum(counts, dtype=jnp.int32)
    pairs = jnp.stack([ends - counts, ends], axis=-1)
    return {period.name: pair for period, pair in zip(timeline, pairs, strict=True)}, sum(high)


def within(length: int, steps: Int32[Array, "2"]) -> Bool[Array, " length"]:
    """Which of `length` steps lie in a period."""
    t = jnp.arange(length, dtype=jnp.int32)
    return (t >= steps[0]) & (t < steps[1])


def counted_steps(
    length: int, response: Int32[Array, "2"], grace: int
) -> tuple[Float[Array, " length"], Float[Array, " length"]]:
    """Which steps count before the response and in it, both after a time of grace; 0 or 1."""
    zero = jnp.zeros((), jnp.int32)
    before = within(length, jnp.stack([zero + grace, response[0]]))
    during = within(length, response + jnp.asarray([grace, 0], jnp.int32))
    return jnp.where(before, 1.0, 0.0), jnp.where(during, 1.0, 0.0)
