"""Models with skips along many trials: their losses and their outputs."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from .._constraints import resolve, trainable
from .._objective import Loss
from ..cells import AbstractCell, AbstractSkip, Euler, TemporalSkip
from ..circuits import Noisy
from ..models import SequenceToSequence
from . import _kernel
from ._trials import TrialBatch

# Steps between kept states: the rates of 20 networks of 50 units in 20 trials stay in the cache.
_STEPS = 20


class Skips(NamedTuple):
    """A scheme, its θ in steps and β."""

    scheme: AbstractSkip
    length: Int[Array, ""]
    beta: Float[Array, ""]


def loss_and_gradient(
    model: SequenceToSequence, batch: TrialBatch, skips: Skips, loss: Loss, activity: float
) -> tuple[Array, PyTree]:
    """The mean over trials of Σ_t w_t loss_t, plus `activity` times the mean |response|.

    And its gradient: blocks of steps forth, of which only the first states are kept, then block by
    block back, each computed again together with its part of the loss.
    """
    params, fixed = eqx.partition(model, trainable(model))
    steps, trials = batch.weights.shape

    def of_trials(o: Float[Array, "k batch"], y: Any) -> Float[Array, " batch"]:
        return jax.vmap(lambda o, y: loss(o, y, None), in_axes=(-1, 0))(o, y)

    def block(params: PyTree, state: Any, now: Any) -> tuple[Any, Array]:
        over_time, targets, weights, is_step = now
        model = eqx.combine(params, fixed)
        state, responses = _runner(model, skips, is_noisy=batch.noise is not None).block(
            state, over_time
        )
        outputs = _read_out(resolve(model.readout), responses)
        losses = jax.vmap(of_trials, in_axes=(1, 0))(outputs, targets)
        rates = jnp.mean(jnp.abs(responses), axis=(0, 2))
        return state, jnp.sum(weights * losses) / trials + activity * jnp.sum(
            is_step * rates
        ) / steps

    def back(later: Any, now: Any) -> tuple[Any, Array]:
        (state, counts), rest = now
        of_end, gradient = later

        def here(params: PyTree, state: Any) -> tuple[Any, Array]:
            end, value = block(params, eqx.combine(state, counts), rest)
            return eqx.filter(end, eqx.is_inexact_array), value

        (_, value), pull = jax.vjp(here, params, state)
        of_params, of_state = pull((of_end, jnp.ones_like(value)))
        return (of_state, jax.tree.map(jnp.add, gradient, of_params)), value

    run = _runner(model, skips, is_noisy=batch.noise is not None)
    is_step = jnp.ones(steps, batch.weights.dtype)
    cut = _cut((run.over_time(batch), batch.targets, batch.weights, is_step), steps)
    first = run.rest(batch)
    last, states = jax.lax.scan(lambda s, now: (run.block(s, now[0])[0], s), first, cut)
    zeros = jax.tree.map(jnp.zeros_like, (eqx.filter(last, eqx.is_inexact_array), params))
    # Numbers of steps in a state have no gradient.
    parts = eqx.partition(states, eqx.is_inexact_array)
    (_, gradient), values = jax.lax.scan(back, zeros, (parts, cut), reverse=True)
    return jnp.sum(values), gradient


def outputs(
    model: SequenceToSequence, batch: TrialBatch, skips: Skips
) -> Float[Array, "batch time k"]:
    """The outputs after each step."""
    readout = resolve(model.readout)
    run = _runner(model, skips, is_noisy=batch.noise is not None)

    def block(state: Any, over_time: Any) -> tuple[Any, Array]:
        state, responses = run.block(state, over_time)
        return state, _read_out(readout, responses)

    over_time = _cut(run.over_time(batch), len(batch.weights))
    blocks = jax.lax.scan(block, run.rest(batch), over_time)[1]
    by_trial = jnp.transpose(blocks, (3, 0, 2, 1))
    return by_trial.reshape(len(by_trial), -1, by_trial.shape[-1])[:, : len(batch.weights)]


def _read_out(
    readout: Any, responses: Float[Array, "n time batch"]
) -> Float[Array, "k time batch"]:
    """A readout of every response."""
    n, time, batch = responses.shape
    columns = jax.vmap(readout, in_axes=-1, out_axes=-1)(responses.reshape(n, time * batch))
    return columns.reshape(-1, time, batch)


def _cut(tree: Any, steps: int) -> Any:
    """Arrays over time in blocks of equal length, filled up with zeros."""
    missing = -steps % _STEPS

    def cut(x: Array) -> Array:
        x = jnp.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1))
        return x.reshape(-1, _STEPS, *x.shape[1:])

    return jax.tree.map(cut, tree)


class _AbstractRunner(eqx.Module):
    """How a block of steps of many trials is computed."""

    @abstractmethod
    def rest(self, batch: TrialBatch) -> Any:
        """The states at the start of the trials, after the burn-in."""

    @abstractmethod
    def over_time(self, batch: TrialBatch) -> Any:
        """What each step needs of the trials, time first."""

    @abstractmethod
    def block(self, state: Any, over_time: Any) -> tuple[Any, Float[Array, "n time batch"]]:
        """The states after some steps, and the response after each of them."""


def _runner(model: SequenceToSequence, skips: Skips, *, is_noisy: bool) -> _AbstractRunner:
    state0 = resolve(model.state0)
    if _kernel.applies(model.cell):
        return _Kernel(model.cell, skips, state0)
    return _Scan(_with_noise(model.cell) if is_noisy else model.cell, skips, state0)


def _with_noise(cell: Any) -> AbstractCell:
    """A rate network whose inputs are followed by its noise."""
    return Euler(Noisy(cell.circuit), cell.dt)


class _Kernel(_AbstractRunner):
    """A rate network by its training kernel."""

    cell: Any
    skips: Skips
    state0: Any

    def rest(self, batch: TrialBatch) -> Any:
        network: Any = resolve(self.cell.circuit)
        (r,) = network.initial_state() if self.state0 is None else self.state0
        r = jnp.broadcast_to(r[:, None], (network.size, batch.weights.shape[1]))
        drive, rate = self._drive(batch.inputs[:1], None)[:, 0], _kernel.rates_per_step(self.cell)

        def step(r: Array, eta: Any) -> tuple[Array, None]:
            noise = 0.0 if eta is None else network.noise.reshape(-1, 1) * eta.T
            return r + rate * (-r + network.f(network.W @ r + drive + noise)), None

        before = batch.noise_before
        return _kernel.start(jax.lax.scan(step, r, before, length=batch.burn_in)[0])

    def over_time(self, batch: TrialBatch) -> Any:
        return batch.inputs, batch.noise, _marks(batch.starts, self.skips.length)

    def block(self, state: Any, over_time: Any) -> tuple[Any, Float[Array, "n time batch"]]:
        inputs, noise, marks = over_time
        scheme, length, beta = self.skips
        drive = self._drive(inputs, noise)
        mixing = _kernel.Mixing(length.astype(drive.dtype), beta.astype(drive.dtype))
        return _kernel.block(self.cell, scheme, state, drive, marks, mixing)

    def _drive(self, inputs: Array, noise: Array | None) -> Float[Array, "n time batch"]:
        """b + W_in x + σ η, units first."""
        network: Any = resolve(self.cell.circuit)
        start, stop = network.input_units
        sides = ((start, network.size - stop), (0, 0), (0, 0))
        columns = inputs.reshape(-1, inputs.shape[-1]).T
        driven = (network.W_in @ columns).reshape(stop - start, *inputs.shape[:2])
        drive = jnp.pad(driven, sides) + network.b[:, None, None]
        if noise is None:
            return drive
        return drive + network.noise.reshape(-1, 1, 1) * jnp.moveaxis(noise, -1, 0)


class _Scan(_AbstractRunner):
    """Any cell, step by step."""

    cell: AbstractCell
    skips: Skips
    state0: Any

    def rest(self, batch: TrialBatch) -> Any:
        cell = resolve(self.cell)
        state = cell.initial_state() if self.state0 is None else self.state0
        size = batch.weights.shape[1]
        states = jax.tree.map(lambda s: jnp.broadcast_to(s, (size, *s.shape)), state)

        def step(states: Any, eta: Any) -> tuple[Any, None]:
            return jax.vmap(cell.step)(states, _joined(batch.inputs[0], eta)), None

        states = jax.lax.scan(step, states, batch.noise_before, length=batch.burn_in)[0]
        return jax.vmap(self._wrapped().at_rest)(states)

    def over_time(self, batch: TrialBatch) -> Any:
        return batch.inputs, batch.noise, batch.starts

    def block(self, state: Any, over_time: Any) -> tuple[Any, Float[Array, "n time batch"]]:
        cell = self._wrapped()

        def step(states: Any, now: Any) -> tuple[Any, Array]:
            inputs, noise, starts = now
            states = states._replace(since=jnp.where(starts, 0, states.since))
            states = jax.vmap(cell.step)(states, _joined(inputs, noise))
            return states, states[0]

        state, responses = jax.lax.scan(step, state, over_time)
        return state, jnp.moveaxis(responses, -1, 0)

    def _wrapped(self) -> TemporalSkip:
        return TemporalSkip(resolve(self.cell), *self.skips)


def _joined(inputs: Array, noise: Array | None) -> Array:
    return inputs if noise is None else jnp.concatenate([inputs, noise], axis=-1)


def _marks(starts: Bool[Array, "time batch"], length: Int[Array, ""]) -> _kernel.Marks:
    """Which steps begin and which complete blocks of θ steps, which begin anew at every start."""
    t = jnp.arange(len(starts), dtype=jnp.int32)[:, None]
    begun = jax.lax.cummax(jnp.where(starts, t, 0), axis=0)
    k = (t - begun) % length
    return _kernel.Marks(k == 0, k == length - 1)
