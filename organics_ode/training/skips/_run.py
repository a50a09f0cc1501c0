"""Models with skips along many trials: their losses and their outputs."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from ..._constraints import resolve, trainable
from ...cells import blank, running, selected
from ...models import SequenceToSequence
from .._losses import Loss, apply_loss
from ._runners import Skips, runner
from ._trials import TrialBatch

# Steps between kept states: the rates of 20 networks of 50 units in 20 trials fit into the cache.
_STEPS = 20


def loss_and_gradient(
    model: SequenceToSequence, batch: TrialBatch, skips: Skips, loss: Loss, activity: ArrayLike
) -> tuple[Array, PyTree]:
    """The mean over trials of Σ_t w_t loss_t, plus `activity` times the mean |response| up to the
    last step of each trial that counts, and its gradient.

    Blocks of steps run forward and only their first states are kept; then they run backward, and
    each is recomputed together with its part of the loss.
    """
    params, fixed = eqx.partition(model, trainable(model))
    steps, trials = batch.weights.shape
    runs = running(batch.weights.T).T
    batch = batch._replace(inputs=blank(runs, batch.inputs))  # an agent may diverge there
    share = runs.astype(batch.weights.dtype)
    share = share / (trials * jnp.maximum(jnp.sum(share, axis=0, keepdims=True), 1))

    def of_trials(o: Float[Array, "k batch"], y: PyTree) -> Float[Array, " batch"]:
        return jax.vmap(lambda o, y: apply_loss("loss", loss, o, y, None), in_axes=(-1, 0))(o, y)

    def block(params: PyTree, state: PyTree, now: PyTree) -> tuple[Any, Array]:
        over_time, targets, weights, share = now
        model = eqx.combine(params, fixed)
        state, responses = runner(model, skips, is_noisy=batch.noise is not None).block(
            state, over_time
        )
        counts = selected(weights)
        outputs = jnp.where(counts[None], _read_out(resolve(model.readout), responses), 0)
        targets = jax.tree.map(lambda y: blank(counts, y), targets)
        losses = jax.vmap(of_trials, in_axes=(1, 0))(outputs, targets)
        penalty = jnp.sum(share * jnp.mean(jnp.abs(responses), axis=0))
        return state, jnp.sum(weights * losses) / trials + activity * penalty

    def back(later: PyTree, now: PyTree) -> tuple[Any, Array]:
        (state, counts), rest = now
        of_end, gradient = later

        def here(params: PyTree, state: PyTree) -> tuple[Any, Array]:
            end, value = block(params, eqx.combine(state, counts), rest)
            return eqx.filter(end, eqx.is_inexact_array), value

        (_, value), pull = jax.vjp(here, params, state)
        of_params, of_state = pull((of_end, jnp.ones_like(value)))
        return (of_state, jax.tree.map(jnp.add, gradient, of_params)), value

    run = runner(model, skips, is_noisy=batch.noise is not None)
    cut = _cut((run.over_time(batch, runs), batch.targets, batch.weights, share), steps)
    first = run.rest(batch)
    last, states = jax.lax.scan(lambda s, now: (run.block(s, now[0])[0], s), first, cut)
    zeros = jax.tree.map(jnp.zeros_like, (eqx.filter(last, eqx.is_inexact_array), params))
    # Step counters in a state have no gradient.
    parts = eqx.partition(states, eqx.is_inexact_array)
    (_, gradient), values = jax.lax.scan(back, zeros, (parts, cut), reverse=True)
    return jnp.sum(values), gradient


def outputs(
    model: SequenceToSequence, batch: TrialBatch, skips: Skips
) -> Float[Array, "batch time k"]:
    """The outputs after each step."""
    readout = resolve(model.readout)
    run = runner(model, skips, is_noisy=batch.noise is not None)

    def block(state: PyTree, over_time: PyTree) -> tuple[Any, Array]:
        state, responses = run.block(state, over_time)
        return state, _read_out(readout, responses)

    over_time = _cut(run.over_time(batch, None), len(batch.weights))
    blocks = jax.lax.scan(block, run.rest(batch), over_time)[1]
    by_trial = jnp.transpose(blocks, (3, 0, 2, 1))
    return by_trial.reshape(len(by_trial), -1, by_trial.shape[-1])[:, : len(batch.weights)]


def _read_out(
    readout: Callable[[Array], Array], responses: Float[Array, "n time batch"]
) -> Float[Array, "k time batch"]:
    """The readout of every response."""
    n, time, batch = responses.shape
    columns = jax.vmap(readout, in_axes=-1, out_axes=-1)(responses.reshape(n, time * batch))
    return columns.reshape(-1, time, batch)


def _cut(tree: PyTree, steps: int) -> Any:
    """Arrays over time, cut into blocks of equal length and padded with zeros."""
    missing = -steps % _STEPS

    def cut(x: Array) -> Array:
        x = jnp.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1))
        return x.reshape(-1, _STEPS, *x.shape[1:])

    return jax.tree.map(cut, tree)
