"""How a block of steps of many trials is computed: by the kernel, or step by step."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..._constraints import resolve
from ...cells import AbstractCell, TemporalSkip, hold, response
from ...circuits import Noisy
from ...kernels import AbstractKernel, Carry, Marks, Skips, kernel_of
from ...models import SequenceToSequence
from ._trials import TrialBatch

Runs = Bool[Array, "time batch"] | None


class AbstractRunner(eqx.Module):
    """How a block of steps of many trials is computed."""

    @abstractmethod
    def rest(self, batch: TrialBatch) -> Any:
        """The states at the start of the trials, after the burn-in."""

    @abstractmethod
    def over_time(self, batch: TrialBatch, runs: Runs) -> Any:
        """What each step needs from the trials, time first.

        The state of a trial stays unchanged from its first step that does not run; None if all do.
        """

    @abstractmethod
    def block(self, state: PyTree, over_time: PyTree) -> tuple[Any, Float[Array, "n time batch"]]:
        """The states after some steps, and the response after each of them."""


def runner(model: SequenceToSequence, skips: Skips, *, is_noisy: bool) -> AbstractRunner:
    state0 = resolve(model.state0)
    kernel = kernel_of(model.cell)
    if kernel is not None:
        return KernelRunner(kernel, skips, state0)
    return scan_runner(model, skips, is_noisy=is_noisy)


def scan_runner(model: SequenceToSequence, skips: Skips, *, is_noisy: bool) -> "ScanRunner":
    """The runner step by step, whether or not the kernel applies to the model's cell."""
    cell = _with_noise(model.cell) if is_noisy else model.cell
    return ScanRunner(cell, skips, resolve(model.state0))


def _with_noise(cell: Any) -> AbstractCell:
    """A rate network that takes its noise as further inputs."""
    return eqx.tree_at(lambda c: c.circuit, cell, Noisy(cell.circuit))


class KernelRunner(AbstractRunner):
    """Runs a cell by its training kernel."""

    kernel: AbstractKernel
    skips: Skips
    state0: PyTree

    def rest(self, batch: TrialBatch) -> Carry:
        cell = resolve(self.kernel.cell)
        state = cell.initial_state() if self.state0 is None else self.state0
        return self.kernel.rest(state, batch.inputs_before, batch.noise_before, batch.burn_in)

    def over_time(self, batch: TrialBatch, runs: Runs) -> Any:
        marks = _marks(batch.starts, self.skips.length)
        return batch.inputs, batch.noise, marks._replace(runs=runs)

    def block(self, state: Carry, over_time: Any) -> tuple[Carry, Float[Array, "n time batch"]]:
        inputs, noise, marks = over_time
        return self.kernel.block(state, inputs, noise, marks, self.skips)


class ScanRunner(AbstractRunner):
    """Runs any cell step by step."""

    cell: AbstractCell
    skips: Skips
    state0: Any

    def rest(self, batch: TrialBatch) -> Any:
        cell = resolve(self.cell)
        state = cell.initial_state() if self.state0 is None else self.state0
        size = batch.weights.shape[1]
        states = jax.tree.map(lambda s: jnp.broadcast_to(s, (size, *s.shape)), state)

        def step(states: PyTree, eta: Array | None) -> tuple[Any, None]:
            return jax.vmap(cell.step)(states, _joined(batch.inputs_before, eta)), None

        states = jax.lax.scan(step, states, batch.noise_before, length=batch.burn_in)[0]
        return jax.vmap(self.wrapped().at_rest)(states)

    def over_time(self, batch: TrialBatch, runs: Runs) -> Any:
        return batch.inputs, batch.noise, batch.starts, runs

    def block(self, state: PyTree, over_time: PyTree) -> tuple[Any, Float[Array, "n time batch"]]:
        cell = self.wrapped()

        def of_trial(
            state: PyTree, x: Array, eta: Array | None, restart: Array, runs: Array | None
        ) -> Any:
            return hold(runs, advance(cell, state, x, eta, restart), state)

        def step(states: PyTree, now: PyTree) -> tuple[Any, Array]:
            states = jax.vmap(of_trial)(states, *now)
            return states, response(states)

        state, responses = jax.lax.scan(step, state, over_time)
        return state, jnp.moveaxis(responses, -1, 0)

    def wrapped(self) -> TemporalSkip:
        """The cell with its skips."""
        return TemporalSkip(resolve(self.cell), *self.skips)


def advance(cell: TemporalSkip, state: PyTree, x: Array, eta: Array | None, restart: Array) -> Any:
    """The state of one trial after a step; at a restart a block of skips begins anew."""
    state = state._replace(since=jnp.where(restart, 0, state.since))
    return cell.step(state, _joined(x, eta))


def _joined(inputs: Array, noise: Array | None) -> Array:
    return inputs if noise is None else jnp.concatenate([inputs, noise], axis=-1)


def _marks(starts: Bool[Array, "time batch"], length: Int[Array, ""]) -> Marks:
    """Which steps begin and which complete blocks of θ steps; blocks begin anew at every start."""
    t = jnp.arange(len(starts), dtype=jnp.int32)[:, None]
    begun = jax.lax.cummax(jnp.where(starts, t, 0), axis=0)
    k = (t - begun) % length
    return Marks(k == 0, k == length - 1)
