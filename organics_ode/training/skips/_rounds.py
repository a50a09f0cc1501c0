"""The compiled parts of training with skips: a round of many models, and their evaluation."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Integer, PRNGKeyArray, PyTree

from ..._constraints import resolve
from ...cells import AbstractSkip, StateSkip
from ...facts import recurrent_weights
from ...models import SequenceToSequence
from ...optimizers import Optimizer, State, begin, choose, is_finite, is_good, update
from ...parallel import each_on_its_device
from ...programs import Shared, compiled, unawaited
from .._losses import Loss
from ._closed_loop import answers, seen
from ._run import loss_and_gradient
from ._runners import Skips
from ._schedule import Stage
from ._trials import Source, TrialBatch, has_jitter

_TOGETHER = 100  # trials evaluated at a time


class Run(NamedTuple):
    """What is constant during training; the rules are optimizer, loss and restarts, or None."""

    rules: Shared
    activity: Float[Array, ""]
    weights: Float[Array, ""]
    iterations: int
    trials: int
    mesh: Mesh | None


@compiled
def start(rules: Shared, members: PyTree) -> State:
    optimizer, _, _ = rules.whole()
    return eqx.filter_vmap(lambda model: begin(optimizer, model))(members)


@unawaited
def train_round(
    run: Run, source: Source, state: State, skips: Skips, number: Integer[Array, ""]
) -> tuple[State, dict[str, Array]]:
    """The iterations of a round, with the means of their losses and gradient norms."""
    optimizer, loss, restarts = run.rules.whole()

    def iterations(
        state: State, common: tuple[Source, Skips, Array]
    ) -> tuple[State, dict[str, Array]]:
        source, skips, keys = common
        params, rest = eqx.partition(state, eqx.is_array)

        def iteration(params: PyTree, key: PRNGKeyArray) -> tuple[PyTree, dict[str, Array]]:
            trials, batch = source.draw(key, source.batch_size, restarts)

            def of_model(state: State) -> tuple[State, dict[str, Array]]:
                shown = seen(source.task, state.model, trials, batch, skips)
                return _step(run, optimizer, loss, state, shown, skips)

            state, values = eqx.filter_vmap(of_model)(eqx.combine(params, rest))
            return eqx.filter(state, eqx.is_array), values

        params, values = jax.lax.scan(iteration, params, keys)
        means = jax.tree.map(lambda v: jnp.mean(v, axis=0), values)
        return eqx.combine(params, rest), means

    keys = jax.random.split(_key(source, number, 0), run.iterations)
    on_devices = each_on_its_device(iterations, run.mesh, is_shared=True)
    return on_devices(state, (source, skips, keys))


def _step(
    run: Run,
    optimizer: Optimizer,
    loss: Loss,
    state: State,
    batch: TrialBatch,
    skips: Skips,
) -> tuple[State, dict[str, Array]]:
    """One update of one model, which stays unchanged if the gradient or update is not finite."""

    def slope(params: PyTree, rest: PyTree) -> tuple[PyTree, dict[str, Array]]:
        model = eqx.combine(params, rest)
        value, gradient = loss_and_gradient(model, batch, skips, loss, run.activity)
        weight = eqx.filter_value_and_grad(lambda p: _mean_weight(eqx.combine(p, rest)))
        penalty, of_penalty = weight(params)
        gradient = jax.tree.map(lambda g, s: g + run.weights * s, gradient, of_penalty)
        return gradient, {"loss": value + run.weights * penalty}

    new, values = update(optimizer, state, slope)
    return choose(is_good(values) & is_finite(new.model), new, state), values


def _mean_weight(model: SequenceToSequence) -> Array:
    """The mean size of the recurrent weights; 0 for cells whose circuit has none."""
    circuit = resolve(getattr(model.cell, "circuit", None))
    W = None if circuit is None else recurrent_weights(circuit)
    if W is None:
        return jnp.zeros((), jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))[0].dtype)
    return jnp.mean(jnp.abs(W))


@compiled
def evaluate_round(
    run: Run, source: Source, models: PyTree, number: Integer[Array, ""]
) -> Float[Array, " models"]:
    """The mean score of each base network, on separate trials without jitter."""
    jitter = {"jitter": False} if has_jitter(source.task) else {}
    size = min(run.trials, _TOGETHER)
    count = -(-run.trials // size)

    def scores(
        models: PyTree, shared: tuple[Source, Array]
    ) -> tuple[None, Float[Array, " models"]]:
        source, keys = shared

        def of_trials(key: PRNGKeyArray) -> Array:
            trials, batch = source.draw(key, size, None, **jitter)

            def of_model(model: SequenceToSequence) -> Array:
                skips = skips_of(StateSkip(), Stage(0, 1, 1.0))
                given = answers(source.task, model, trials, batch, skips)
                return jax.vmap(source.task.score)(given.astype(trials.inputs.dtype), trials)

            return eqx.filter_vmap(of_model)(models)

        every = jnp.moveaxis(jax.lax.map(of_trials, keys), 0, 1)
        return None, jnp.mean(every.reshape(len(every), -1)[:, : run.trials], axis=1)

    keys = jax.random.split(_key(source, number, 1), count)
    return each_on_its_device(scores, run.mesh, is_shared=True)(models, (source, keys))[1]


def _key(source: Source, number: Integer[Array, ""], purpose: int) -> PRNGKeyArray:
    return jax.random.fold_in(jax.random.fold_in(source.key, number), purpose)


def skips_of(scheme: AbstractSkip, stage: Stage) -> Skips:
    """The skips of a stage, as arrays, so that other numbers do not recompile anything."""
    return Skips(scheme, jnp.asarray(stage.length, jnp.int32), jnp.asarray(stage.beta))
