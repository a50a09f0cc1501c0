from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._checks import check_positive_integer, refuse
from .._constraints import project, resolve, trainable
from .._history import CannotWrite, History, TrainingInterrupted, TrainingNotSaved
from .._members import as_members, unstack
from .._objective import Loss, State
from .._recorder import Recorder
from .._resume import Checkpoints, Progress
from .._signals import Interruption
from ..cells import Euler, StateSkip
from ..circuits import RateNetwork
from ..losses import squared_error
from ..models import SequenceToSequence
from ._run import Skips, loss_and_gradient, outputs
from ._schedule import SkipSchedule, Stage
from ._trials import Source, has_jitter

_TOGETHER = 100  # trials of an evaluation at a time


class SkipResult(NamedTuple):
    """What became of a training with skips.

    Attributes:
        models: the trained base networks.
        history: a record for each round (`step`, its number from 1; `stage`, `length`, `beta`; per
            model `loss` and `gradient_norm`, means over the round), and for each evaluation
            (`step`; per model `validation_performance`).
        rounds: per model the first evaluated round at which it reached the criterion, or NaN.
        performance: per model at the last evaluation.
        outcome: `criterion` where the trimmed mean of the models reached it, else `completed` or
            `interrupted`.
    """

    models: tuple[PyTree, ...]
    history: History
    rounds: Float[np.ndarray, " models"]
    performance: Float[np.ndarray, " models"]
    outcome: str


def fit_with_skips(
    models: Sequence[SequenceToSequence],
    task: Any,
    schedule: SkipSchedule | None = None,
    *,
    optimizer: optax.GradientTransformation,
    key: PRNGKeyArray,
    rounds: int = 4000,
    steps_per_round: int = 10,
    batch_size: int = 20,
    trials: int = 200,
    evaluate_every: int = 1,
    criterion: float = 0.99,
    burn_in: float = 1000.0,
    loss: Loss = squared_error,
    activity: float = 1e-5,
    weights: float = 1e-5,
    checkpoint: Any = None,
    checkpoint_every: int = 10,
    log: Any = None,
    progress: bool = True,
) -> SkipResult:
    """Train many models on a task by skips through time that are annealed away (host).

    A round is some iterations of gradient descent with the skips of its stage, on trials that all
    models have in common, and then an evaluation of the base networks, without skips and without
    jitter. After the stages the base networks are trained plainly. It ends when the mean over the
    models of their performance, `task.score`, trimmed by a tenth at either end, reaches the
    criterion. The loss is

        Σ_t w_t loss(o_t, target_t) + activity · mean|r| + weights · mean|W|

    averaged over the trials, where w are the task's `loss_weights` (of the ring tasks: the mean
    over the time before the response plus that over the response) or its mask. Blocks of skips
    begin anew at every period. Before a trial its first inputs are held for the burn-in, whose
    states have no gradient. Rate networks get their own noise, the same for all models. One
    compiled round moves all models; everything random comes from `key` and the round's number.

    Args:
        models: `SequenceToSequence` models of one structure, such as a `RateNetwork` in an `Euler`
            cell with a `Readout`; any other cell, `GatedORGaNICs` or an `LSTM`, takes skips too.
        task: has `sample(key)` and `score(outputs, trial)`, maybe `loss_weights(trial)`; its `dt`
            must be that of an `Euler` cell.
        schedule: a `SkipSchedule`; without it the base networks are trained plainly.
        optimizer: an optax transformation for one model; in the reference Adam, 0.1/n.
        key: a PRNG key.
        rounds: at most.
        steps_per_round, batch_size: iterations of a round, and trials of an iteration.
        trials: of an evaluation.
        evaluate_every: rounds between evaluations.
        criterion: the performance to reach.
        burn_in: ms.
        loss: of one step's outputs, target and None as the mask.
        activity, weights: penalties.
        checkpoint, checkpoint_every, log, progress: as in `fit`, with rounds for its steps.

    Returns:
        A `SkipResult(models, history, rounds, performance, outcome)`. A model whose loss or
        gradient is not finite keeps its parameters in that iteration, and the record shows NaN.

    Raises:
        ValueError: an argument is bad, or the checkpoint is of another training.
        TrainingInterrupted: Ctrl-C, or SIGTERM where there is a checkpoint.
        TrainingNotSaved: the checkpoint or the log can no longer be written. Both have the
            `result` so far.

    Reference:
        Soo, Goudar, Wang, "Training biologically plausible recurrent neural networks on cognitive
        tasks with long-term dependencies", NeurIPS 36 (2023).
    """
    members = _read_models(models)
    _check_counts(locals())
    if schedule is not None and not isinstance(schedule, SkipSchedule):
        refuse("schedule", "be a `SkipSchedule` or None", f"it is {type(schedule).__name__}")
    source = _source(models[0], task, burn_in, key, batch_size)
    run = _Run(optimizer, loss, activity, weights, steps_per_round, trials)
    optimizer_state = eqx.filter_vmap(lambda m: optimizer.init(eqx.filter(m, trainable(m))))
    state = State(members, optimizer_state(members))
    checkpoints = Checkpoints(
        checkpoint,
        checkpoint_every,
        model=members,
        batches=source,
        schedule=schedule,
        optimizer=optimizer,
        loss=loss,
        numbers=(steps_per_round, trials, evaluate_every, criterion, activity, weights),
    )
    now = checkpoints.resume(Progress(0, state, members, History([])), rounds)
    scheme = StateSkip() if schedule is None else schedule.scheme
    with (
        Recorder(None, source, rounds, log, progress, now, unit="round") as recorder,
        Interruption(enabled=checkpoint is not None) as interruption,
    ):

        def ended(outcome: str) -> SkipResult:
            return _result(now, recorder.history, criterion, outcome)

        try:
            now = now._replace(log_start=recorder.log_start)
            checkpoints.begin(now, rounds)
            if _has_reached(recorder.history, criterion):
                return ended("criterion")
            for step in range(now.step + 1, rounds + 1):
                stage = Stage(0, 1, 1.0) if schedule is None else schedule.at(step - 1)
                number = jnp.asarray(step, jnp.uint32)
                new, values = _round(run, source, now.state, _skips(scheme, stage), number)
                now = now._replace(step=step, state=new)
                recorder.step(step, values | stage._asdict())
                if step % evaluate_every == 0 or step == rounds:
                    scores = np.asarray(_scores(run, source, new.model, number)).tolist()
                    recorder.validation(step, {"performance": scores})
                is_done = _has_reached(recorder.history, criterion)
                if is_done or interruption.requested or checkpoints.is_due(step, rounds):
                    checkpoints.write(now)
                if is_done:
                    return ended("criterion")
                if interruption.requested:
                    raise KeyboardInterrupt
        except KeyboardInterrupt as stop:
            raise TrainingInterrupted(ended("interrupted"), checkpoints.remedy()) from stop
        except CannotWrite as error:
            what = f"The training stopped after round {now.step}, for it could not write {error}."
            there = "The exception's `result` has the models and the history up to then."
            text = f"{what} {there}{checkpoints.remedy()}"
            raise TrainingNotSaved(text, ended("interrupted")) from error
        return ended("completed")


class _Run(NamedTuple):
    """What stays the same while training."""

    optimizer: optax.GradientTransformation
    loss: Loss
    activity: float
    weights: float
    iterations: int
    trials: int


@eqx.filter_jit
def _round(
    run: _Run, source: Source, state: State, skips: Skips, number: Any
) -> tuple[State, dict[str, Array]]:
    """The iterations of a round, and the means of their losses and gradients' norms."""
    params, rest = eqx.partition(state, eqx.is_array)

    def iteration(params: PyTree, key: PRNGKeyArray) -> tuple[PyTree, dict[str, Array]]:
        state: State = eqx.combine(params, rest)
        _, batch = source.draw(key, source.batch_size)
        step = eqx.filter_vmap(lambda s: _step(run, s, batch, skips))
        state, values = step(state)
        return eqx.filter(state, eqx.is_array), values

    keys = jax.random.split(_key(source, number, 0), run.iterations)
    params, values = jax.lax.scan(iteration, params, keys)
    return eqx.combine(params, rest), jax.tree.map(lambda v: jnp.mean(v, axis=0), values)


def _step(run: _Run, state: State, batch: Any, skips: Skips) -> tuple[State, dict[str, Array]]:
    """One update of one model, which keeps its parameters where the gradient is not finite."""
    params, rest = eqx.partition(state.model, trainable(state.model))
    value, gradient = loss_and_gradient(state.model, batch, skips, run.loss, run.activity)
    penalty, slope = eqx.filter_value_and_grad(lambda p: _mean_weight(eqx.combine(p, rest)))(params)
    value = value + run.weights * penalty
    gradient = jax.tree.map(lambda g, s: g + run.weights * s, gradient, slope)
    norm = optax.global_norm(gradient)
    with jax.numpy_dtype_promotion("standard"):
        updates, optimizer_state = run.optimizer.update(gradient, state.optimizer, params)
    model = project(eqx.combine(eqx.apply_updates(params, updates), rest))
    is_finite = jnp.isfinite(value) & jnp.isfinite(norm)
    new = jax.tree.map(
        lambda a, b: jnp.where(is_finite, a, b) if eqx.is_array(a) else a,
        State(model, optimizer_state),
        state,
    )
    return new, {"loss": value, "gradient_norm": norm}


def _mean_weight(model: SequenceToSequence) -> Array:
    """The mean size of the recurrent weights; 0 for cells that are no circuit."""
    circuit = resolve(getattr(model.cell, "circuit", None))
    W = getattr(circuit, "W_r", getattr(circuit, "W", None))
    return jnp.zeros(()) if W is None else jnp.mean(jnp.abs(W))


@eqx.filter_jit
def _scores(run: _Run, source: Source, models: PyTree, number: Any) -> Float[Array, " models"]:
    """The mean score of each base network, on trials of their own and without jitter."""
    jitter = {"jitter": False} if has_jitter(source.task) else {}
    size = min(run.trials, _TOGETHER)
    count = -(-run.trials // size)

    def scores(key: PRNGKeyArray) -> Array:
        trials, batch = source.draw(key, size, **jitter)

        def of_model(model: SequenceToSequence) -> Array:
            skips = _skips(StateSkip(), Stage(0, 1, 1.0))
            return jax.vmap(source.task.score)(outputs(model, batch, skips), trials)

        return eqx.filter_vmap(of_model)(models)

    every = jax.lax.map(scores, jax.random.split(_key(source, number, 1), count))
    return jnp.mean(jnp.moveaxis(every, 0, 1).reshape(every.shape[1], -1)[:, : run.trials], axis=1)


def _key(source: Source, number: Any, purpose: int) -> PRNGKeyArray:
    return jax.random.fold_in(jax.random.fold_in(source.key, number), purpose)


def _skips(scheme: Any, stage: Stage) -> Skips:
    return Skips(scheme, jnp.asarray(stage.length, jnp.int32), jnp.asarray(stage.beta))


def _has_reached(history: History, criterion: float) -> bool:
    """Whether the 10-90 % trimmed mean of the last evaluation reaches the criterion."""
    last = history.records[-1] if history.records else {}
    if "validation_performance" not in last:
        return False
    return trimmed_mean(last["validation_performance"]) >= criterion


def trimmed_mean(values: Any) -> float:
    """The mean without the lowest and the highest tenth."""
    ordered = np.sort(np.asarray(values, float))
    cut = len(ordered) // 10
    return float(ordered[cut : len(ordered) - cut].mean())


def _result(now: Progress, history: History, criterion: float, outcome: str) -> SkipResult:
    count = len(jax.tree.leaves(eqx.filter(now.state.model, eqx.is_array))[0])
    reached, performance = np.full(count, np.nan), np.full(count, np.nan)
    for record in history.records:
        if "validation_performance" in record:
            performance = np.asarray(record["validation_performance"], float)
            is_new = np.isnan(reached) & (performance >= criterion)
            reached[is_new] = record["step"]
    return SkipResult(unstack(now.state.model), history, reached, performance, outcome)


def _read_models(models: Any) -> PyTree:
    members = as_members(models)
    if not isinstance(models[0], SequenceToSequence):
        must = "be `SequenceToSequence` models, which answer at every step"
        refuse("models", must, f"they are {type(models[0]).__name__}")
    return members


def _check_counts(given: dict[str, Any]) -> None:
    counts = ("rounds", "steps_per_round", "batch_size", "trials", "evaluate_every")
    for name in (*counts, "checkpoint_every"):
        check_positive_integer(name, given[name])
    for name in ("criterion", "burn_in", "activity", "weights"):
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < np.inf:
            refuse(name, "be a number, at least 0", f"it is {value!r}")


def _source(model: Any, task: Any, burn_in: float, key: PRNGKeyArray, batch_size: int) -> Source:
    for name in ("sample", "score"):
        if not hasattr(task, name):
            refuse("task", "have methods `sample` and `score`", f"it has no `{name}`")
    if task.input_size != model.cell.input_size:
        must = f"have as many channels as the models have inputs, {model.cell.input_size}"
        refuse("task", must, f"it has {task.input_size}")
    dt, cell = float(task.dt), model.cell
    if hasattr(cell, "dt") and not np.isclose(float(cell.dt), dt):
        refuse("task", f"have the time step of the cell, {cell.dt} ms", f"its own is {dt} ms")
    noise = None
    if isinstance(cell, Euler) and isinstance(cell.circuit, RateNetwork):
        network: Any = resolve(cell.circuit)
        if np.any(np.asarray(network.noise) > 0):
            noise = (network.size, float(network.tau_noise))
    return Source(task, noise, dt, round(burn_in / dt), key, batch_size)
