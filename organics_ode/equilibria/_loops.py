"""Loops of steps from a start: alone, or many of them in a queue."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ..linear import Point

# Matrix entries factored together: for a large circuit only a few starts run at once.
ENTRIES = 2**25
# The least number of starts that run at once, and the divisor of their total that does: with more,
# most places would wait for the slowest start; with fewer, there would be too many turns.
_TOGETHER, _PART = 16, 32


class Loop(NamedTuple):
    """Steps from `start(point)` on while `unfinished(carry)` holds; carry[0] is the point.

    Whatever depends on the start is in the carry, not in the functions, which serve many starts.
    """

    start: Callable[[Point], tuple]
    unfinished: Callable[[tuple], Bool[Array, ""]]
    step: Callable[[tuple], tuple]


def ended(loop: Loop, point: Point, needed: Bool[Array, ""] | bool = True) -> Point:
    """Where a loop ends; the point itself where it is not needed.

    Under `jax.vmap` a `lax.cond` would compute both of its branches for every member of the batch;
    a `lax.while_loop` whose condition is false at the start costs nothing.
    """
    return jax.lax.while_loop(
        lambda carry: needed & loop.unfinished(carry), loop.step, loop.start(point)
    )[0]


def queued(loop: Loop, points: Point) -> Point:
    """Where a loop ends from each of k points, which queue for a few places: where one has ended,
    the next one begins.

    In a single batch all would step until the last one ends, which often takes ten times as many
    steps as most of them.
    """
    count, size = points.v.shape
    starts = jax.vmap(loop.start)(points)
    places = max(1, min(count, max(_TOGETHER, count // _PART), ENTRIES // size**2))

    def step(carry: tuple) -> tuple:
        return _chosen(loop.unfinished(carry), loop.step(carry), carry)

    def turn(queue: tuple) -> tuple:
        here, who, called, ends = queue
        here = jax.vmap(step)(here)
        ends = jax.tree.map(lambda all, one: all.at[who].set(one, mode="drop"), ends, here[0])
        # A place without a start left has the number `count`.
        free = ~jax.vmap(loop.unfinished)(here) & (who < count)
        following = called + jnp.cumsum(free) - 1
        who = jnp.where(free, jnp.minimum(following, count), who)
        next = jax.tree.map(lambda leaf: leaf.at[who].get(mode="clip"), starts)
        here = jax.vmap(_chosen)(free, next, here)
        return here, who, called + jnp.sum(free), ends

    first = jax.tree.map(lambda leaf: leaf[:places], starts)
    queue = (first, jnp.arange(places), jnp.asarray(places), starts[0])
    return jax.lax.while_loop(lambda queue: jnp.any(queue[1] < count), turn, queue)[-1]


def in_turns(one: Callable[..., PyTree], v: Float[Array, "k d"], *others: PyTree) -> PyTree:
    """one(v, …) for every start, as many at once as matrices (d, d) fit."""
    together = max(1, ENTRIES // v.shape[1] ** 2)
    if together >= len(v):
        return jax.vmap(one)(v, *others)
    return jax.lax.map(lambda each: one(*each), (v, *others), batch_size=together)


def _chosen(is_first: Bool[Array, ""], first: PyTree, second: PyTree) -> PyTree:
    return jax.tree.map(lambda a, b: jnp.where(is_first, a, b), first, second)
