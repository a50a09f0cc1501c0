"""The training kernel of rate networks: a block of steps of many trials with its own gradient.

A step is one product, W r, and elementwise work. The gradient of the elementwise part is JAX's
own. Those of the products are gathered: ∂W is one large product over all steps and trials of the
block instead of a small product per step. Blocks are short and recomputed for the gradient
(`jax.checkpoint` around them), so that what they keep stays in the processor's cache. Units come
first in every array, so that with `jax.vmap` over networks no product needs a reordered copy.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeGuard

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from .._constraints import Frozen, resolve
from ..cells import AbstractCell, Euler
from ..circuits import RateNetwork, RateNetworkState, obeys
from ._kernel import AbstractKernel, Carry, Marks, Skips, at_rest, mixed, wide

_STEPS = 20  # of a block of a long sequence


def applies(cell: AbstractCell) -> TypeGuard[Euler]:
    """Whether the kernel computes this cell."""
    return obeys(cell, Euler) and obeys(getattr(cell, "circuit", None), RateNetwork)


class Kernel(AbstractKernel):
    """A rate network under Euler steps."""

    def run(
        self,
        state0: RateNetworkState,
        xs: Float[Array, "batch time m"],
        runs: Bool[Array, "batch time"] | None,
        *,
        last_only: bool,
    ) -> Float[Array, "batch *time n"]:
        """The responses after every step, or after the last one; see `AbstractKernel`."""

        def block(carry: Carry, now: PyTree) -> tuple[Carry, Array | None]:
            inputs, runs = now
            carry, rates = self._advance(carry, inputs, None, Marks(runs=runs), None)
            return carry, None if last_only else rates

        carry, parts = Carry(wide(state0, len(xs)).r), []
        over_time = jax.tree.map(lambda v: jnp.swapaxes(v, 0, 1), (xs, runs))
        count, rest = divmod(xs.shape[1], _STEPS)
        if count:
            cut = lambda v: v[: count * _STEPS].reshape(count, _STEPS, *v.shape[1:])  # noqa: E731
            # For long sequences only the first rates of each block are kept for the gradient.
            again = jax.checkpoint(block, prevent_cse=False)
            carry, rates = jax.lax.scan(again, carry, jax.tree.map(cut, over_time))
            if not last_only:
                parts.append(jnp.moveaxis(rates, 0, 1).reshape(len(carry.s), -1, len(xs)))
        if rest:
            carry, rates = block(carry, jax.tree.map(lambda v: v[count * _STEPS :], over_time))
            parts.append(rates)
        return carry.s.T if last_only else jnp.concatenate(parts, axis=1).T

    def rest(
        self,
        state0: RateNetworkState,
        inputs: Float[Array, "batch m"],
        noise: Float[Array, "before batch n"] | None,
        steps: int,
    ) -> Carry:
        """The rates after some steps with the inputs held, at the start of a block of skips."""
        network: RateNetwork = resolve(self.cell.circuit)
        drive, rate = self._drive(inputs[None], None)[:, 0], self._rate()

        def step(r: Array, eta: Array | None) -> tuple[Array, None]:
            noise = 0.0 if eta is None else network.noise.reshape(-1, 1) * eta.T
            return r + rate * (-r + network.f(network.W @ r + drive + noise)), None

        return at_rest(jax.lax.scan(step, wide(state0, len(inputs)).r, noise, length=steps)[0])

    def block(
        self,
        carry: Carry,
        inputs: Float[Array, "time batch m"],
        noise: Float[Array, "time batch n"] | None,
        marks: Marks,
        skips: Skips,
    ) -> tuple[Carry, Float[Array, "n time batch"]]:
        """The carry after a few steps with skips, and the rates after each of them."""
        return self._advance(carry, inputs, noise, marks, skips)

    def _advance(
        self, carry: Carry, inputs: Array, noise: Array | None, marks: Marks, skips: Skips | None
    ) -> tuple[Carry, Float[Array, "n time batch"]]:
        # Parameters known not to be trained cost no gradient.
        network: PyTree = self.cell.circuit
        move = _Move(network.f, isinstance(network.tau, Frozen))
        drive, W = self._drive(inputs, noise), resolve(network.W)
        found: PyTree = _block(_Given(move, W, self._rate(), carry, drive, marks, skips))
        return found

    def _rate(self) -> Float[Array, "n 1"]:
        """dt/τ as a column."""
        network: RateNetwork = resolve(self.cell.circuit)
        rate = jnp.asarray(self.cell.dt, network.tau.dtype) / network.tau
        return jnp.broadcast_to(rate, (network.size,))[:, None]

    def _drive(
        self, inputs: Float[Array, "time batch m"], noise: Float[Array, "time batch n"] | None
    ) -> Float[Array, "n time batch"]:
        """b + W_in x + σ η, units first."""
        network: RateNetwork = resolve(self.cell.circuit)
        start, stop = network.input_units
        sides = ((start, network.size - stop), (0, 0), (0, 0))
        columns = inputs.reshape(-1, inputs.shape[-1]).T
        driven = (network.W_in @ columns).reshape(stop - start, *inputs.shape[:2])
        drive = jnp.pad(driven, sides) + network.b[:, None, None]
        if noise is None:
            return drive
        return drive + network.noise.reshape(-1, 1, 1) * jnp.moveaxis(noise, -1, 0)


class _Move(eqx.Module):
    """The elementwise part of a step."""

    f: Callable[[Array], Array] = eqx.field(static=True)
    knows_rate: bool = eqx.field(static=True)

    def __call__(
        self, skips: Skips | None, carry: Carry, current: Array, rate: Array, marks: Marks
    ) -> Carry:
        base = carry.s + rate * (-carry.s + self.f(current))
        return mixed(skips, carry, base, marks)


class _Given(NamedTuple):
    """The arguments of a block of steps."""

    move: _Move
    W: Float[Array, "n n"]
    rate: Float[Array, "n 1"]
    carry: Carry
    drive: Float[Array, "n time batch"]
    marks: Marks
    skips: Skips | None


@jax.custom_vjp
def _block(given: _Given) -> tuple[Carry, Array]:
    move, W, rate, carry, drive, marks, skips = given

    def step(now: PyTree, at: PyTree) -> tuple[PyTree, None]:
        (carry, rates), (t, marks) = now, at
        carry = move(skips, carry, W @ carry.s + _column(drive, t), rate, marks)
        return (carry, _put(rates, carry.s, t)), None

    start = carry, jnp.zeros_like(drive)
    return jax.lax.scan(step, start, (_steps(drive), marks))[0]


def _forward(given: _Given) -> tuple[tuple[Carry, Array], PyTree]:
    move, W, rate, carry, drive, marks, skips = given
    # Broadcast to every sample: summing over the batch in every step is slow.
    rates_of_samples = () if move.knows_rate else (jnp.broadcast_to(rate, carry.s.shape),)

    def step(now: PyTree, at: PyTree) -> tuple[PyTree, PyTree]:
        (carry, before, rates), (t, marks) = now, at

        def local(carry: Carry, current: Array, *of_samples: Array) -> Carry:
            return move(skips, carry, current, of_samples[0] if of_samples else rate, marks)

        new, pull = jax.vjp(local, carry, W @ carry.s + _column(drive, t), *rates_of_samples)
        return (new, _put(before, carry.s, t), _put(rates, new.s, t)), pull

    start = carry, jnp.zeros_like(drive), jnp.zeros_like(drive)
    (last, before, rates), pulls = jax.lax.scan(step, start, (_steps(drive), marks))
    return (last, rates), (W, before, pulls, rates_of_samples)


def _backward(kept: PyTree, slopes: tuple[Carry, Array]) -> tuple[_Given]:
    W, before, pulls, rates_of_samples = kept
    of_last, of_rates = slopes
    W_T = W.T  # once for all steps: XLA has no fast product with a transposed matrix

    def step(now: PyTree, at: PyTree) -> tuple[PyTree, None]:
        (slope, of_drive, total), (t, pull) = now, at
        slope, of_current, *of_rate = pull(slope._replace(s=slope.s + _column(of_rates, t)))
        slope = slope._replace(s=slope.s + W_T @ of_current)
        total = jax.tree.map(jnp.add, total, tuple(of_rate))
        return (slope, _put(of_drive, of_current, t), total), None

    start = of_last, jnp.zeros_like(before), jax.tree.map(jnp.zeros_like, rates_of_samples)
    (slope, of_drive, total), _ = jax.lax.scan(step, start, (_steps(before), pulls), reverse=True)
    n = len(W)
    of_W = of_drive.reshape(n, -1) @ before.reshape(n, -1).T
    of_rate = jnp.sum(total[0], axis=1, keepdims=True) if total else None
    return (_Given(None, of_W, of_rate, slope, of_drive, None, None),)  # pyright: ignore


_block.defvjp(_forward, _backward)


# Time is the second axis of every array, and a step reads and writes its column in place: a scan
# over the first axis would copy them all into that order and back.
def _steps(x: Float[Array, "n time batch"]) -> Array:
    return jnp.arange(x.shape[1], dtype=jnp.int32)


def _column(x: Float[Array, "n time batch"], t: Array) -> Float[Array, "n batch"]:
    return jax.lax.dynamic_index_in_dim(x, t, axis=1, keepdims=False)


def _put(
    x: Float[Array, "n time batch"], column: Float[Array, "n batch"], t: Array
) -> Float[Array, "n time batch"]:
    return jax.lax.dynamic_update_index_in_dim(x, column, t, axis=1)
