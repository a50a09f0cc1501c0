"""The training kernel of rate networks: a block of steps of many trials with its own gradient.

A step is one product, W r, and elementwise work. The gradient of the elementwise part is jax's
own; those of the products are gathered: ∂W is one large product over all steps and trials of the
block instead of one small product a step. Blocks are short and computed again for the gradient
(`jax.checkpoint` around them), so what they keep stays in the processor's cache. Units come first
in every array, so that with `jax.vmap` over networks no product needs a copy in another order.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._constraints import Frozen, resolve
from ..cells import AbstractSkip, Euler, SkipBlock, hold, skip_step
from ..circuits import RateNetwork, obeys


class Carry(NamedTuple):
    """The rates, what the current block of skips began with, its first increment; (n, batch)."""

    r: Float[Array, "n batch"]
    anchor: Float[Array, "n batch"]
    slope: Float[Array, "n batch"]


class Marks(NamedTuple):
    """Which steps begin and which complete a block of skips, and which run before the end of their
    trial, where the rates stay from then on, None for all; (time, batch)."""

    is_first: Bool[Array, "time batch"]
    is_last: Bool[Array, "time batch"]
    runs: Bool[Array, "time batch"] | None = None


class Mixing(NamedTuple):
    """θ and β as floats."""

    length: Array
    beta: Array


def applies(cell: Any) -> bool:
    """Whether the kernel takes this cell, whose nodes must not be resolved yet."""
    if not obeys(cell, Euler) or not obeys(cell.circuit, RateNetwork):
        return False
    # The kernel has no gradient for time constants; where they are trained the scan has.
    return isinstance(cell.circuit.tau, Frozen)


def start(r: Float[Array, "n batch"]) -> Carry:
    """The carry at the start of a trial."""
    return Carry(r, r, jnp.zeros_like(r))


def rates_per_step(cell: Euler) -> Float[Array, "n 1"]:
    """dt/τ as a column."""
    network: Any = resolve(cell.circuit)
    rate = jnp.asarray(cell.dt, network.tau.dtype) / network.tau
    return jnp.broadcast_to(rate, (network.size,))[:, None]


def block(
    cell: Euler,
    scheme: AbstractSkip,
    carry: Carry,
    drive: Float[Array, "n time batch"],
    marks: Marks,
    mixing: Mixing,
) -> tuple[Carry, Float[Array, "n time batch"]]:
    """The carry after a block, and the rates after each of its steps."""
    network: Any = resolve(cell.circuit)
    move = _Move(network.f, scheme)
    return _block(move, network.W, rates_per_step(cell), carry, drive, marks, mixing)


class _Move(eqx.Module):
    """The elementwise part of a step."""

    f: Callable[[Array], Array] = eqx.field(static=True)
    scheme: AbstractSkip

    def __call__(
        self, carry: Carry, current: Array, rate: Array, marks: Marks, mixing: Mixing
    ) -> Carry:
        r, anchor, slope = carry
        is_first, is_last = marks.is_first[None], marks.is_last[None]
        base = r + rate * (-r + self.f(current))
        anchor = jnp.where(is_first, r, anchor)
        slope = jnp.where(is_first, base - r, slope)
        new = skip_step(self.scheme, r, base, SkipBlock(anchor, slope, is_last, *mixing))
        runs = None if marks.runs is None else marks.runs[None]
        return hold(runs, Carry(new, anchor, slope), carry)


@jax.custom_vjp
def _block(
    move: _Move,
    W: Array,
    rate: Array,
    carry: Carry,
    drive: Array,
    marks: Marks,
    mixing: Mixing,
) -> tuple[Carry, Array]:
    def step(now: tuple[Carry, Array], at: Any) -> tuple[Any, None]:
        (carry, rates), (t, marks) = now, at
        carry = move(carry, W @ carry.r + _column(drive, t), rate, marks, mixing)
        return (carry, _put(rates, carry.r, t)), None

    start = carry, jnp.zeros_like(drive)
    return jax.lax.scan(step, start, (_steps(drive), marks))[0]


def _forward(
    move: _Move,
    W: Array,
    rate: Array,
    carry: Carry,
    drive: Array,
    marks: Marks,
    mixing: Mixing,
) -> tuple[Any, Any]:
    def step(now: tuple[Carry, Array, Array], at: Any) -> tuple[Any, Any]:
        (carry, before, rates), (t, marks) = now, at

        def local(carry: Carry, current: Array) -> Carry:
            return move(carry, current, rate, marks, mixing)

        new, pull = jax.vjp(local, carry, W @ carry.r + _column(drive, t))
        return (new, _put(before, carry.r, t), _put(rates, new.r, t)), pull

    start = carry, jnp.zeros_like(drive), jnp.zeros_like(drive)
    (last, before, rates), pulls = jax.lax.scan(step, start, (_steps(drive), marks))
    return (last, rates), (W, before, pulls)


def _backward(kept: Any, slopes: tuple[Carry, Array]) -> tuple[Any, ...]:
    W, before, pulls = kept
    of_last, of_rates = slopes
    W_T = W.T  # once for all steps: XLA has no fast product with a transposed matrix

    def step(now: tuple[Carry, Array], at: Any) -> tuple[Any, None]:
        (slope, of_drive), (t, pull) = now, at
        slope, of_current = pull(slope._replace(r=slope.r + _column(of_rates, t)))
        slope = slope._replace(r=slope.r + W_T @ of_current)
        return (slope, _put(of_drive, of_current, t)), None

    start = of_last, jnp.zeros_like(before)
    (slope, of_drive), _ = jax.lax.scan(step, start, (_steps(before), pulls), reverse=True)
    n = len(W)
    of_W = of_drive.reshape(n, -1) @ before.reshape(n, -1).T
    return None, of_W, None, slope, of_drive, None, None


_block.defvjp(_forward, _backward)


# Time is the second axis of every array, and a step reads and writes its column in place: a scan
# over the first axis would copy them all into that order and back.
def _steps(x: Float[Array, "n time batch"]) -> Array:
    return jnp.arange(x.shape[1], dtype=jnp.int32)


def _column(x: Float[Array, "n time batch"], t: Any) -> Float[Array, "n batch"]:
    return jax.lax.dynamic_index_in_dim(x, t, axis=1, keepdims=False)


def _put(
    x: Float[Array, "n time batch"], column: Float[Array, "n batch"], t: Any
) -> Float[Array, "n time batch"]:
    return jax.lax.dynamic_update_index_in_dim(x, column, t, axis=1)
