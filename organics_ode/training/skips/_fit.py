import dataclasses
import os
from collections.abc import Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ..._constraints import trainable
from ..._types import KeyLike
from ...cells import StateSkip
from ...models import SequenceToSequence
from ...optimizers import Optimizer, State, without_decay
from ...parallel import check_same, split
from ...programs import shared
from .._checkpoints import Checkpoints, Progress
from .._history import History, SkipResult
from .._loop import AbstractTraining, run as run_training, way_of_end
from .._losses import Loss
from .._members import unstack
from .._recorder import Callback
from .._stopping import EarlyStopping, Judge, read_stopping
from ..batches import Task
from ._arguments import (
    check_rules,
    check_trials,
    read_counts,
    read_loss,
    read_mesh,
    read_models,
    read_restarts,
    read_sizes,
    read_source,
)
from ._rounds import Run, evaluate_round, skips_of, start, train_round
from ._schedule import SkipSchedule, Stage
from ._trials import Source


def fit_with_skips(
    models: Sequence[SequenceToSequence],
    task: Task,
    schedule: SkipSchedule | None = None,
    *,
    optimizer: Optimizer,
    key: KeyLike,
    rounds: int = 4000,
    steps_per_round: int = 10,
    batch_size: int = 20,
    trials: int = 200,
    evaluate_every: int = 1,
    criterion: float = 0.99,
    burn_in: float = 1000.0,
    loss: Loss | None = None,
    activity: float = 1e-5,
    weights: float = 1e-5,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int = 10,
    stop: EarlyStopping | None = None,
    keep: str = "last",
    log: str | os.PathLike | None = None,
    callback: Callback | None = None,
    progress: bool = True,
    mesh: Mesh | None = None,
) -> SkipResult:
    """Train many models on a task with skips through time that are annealed away (host).

    A round consists of some iterations of gradient descent with the skips of its stage, on trials
    shared by all models, followed by an evaluation of the base networks, without skips and without
    jitter. After the stages the base networks are trained without skips. Training ends when the
    performance of the models, `task.score`, averaged without the lowest and highest tenth, reaches
    the criterion. The loss is

        Σ_t w_t loss(o_t, target_t) + activity · mean|r| + weights · mean|W|

    averaged over the trials, where w are the task's `loss_weights` (for the ring tasks: the mean
    over the time before the response plus that over the response) or its mask. A trial ends at the
    last step whose weight is not 0; later steps have no effect. Blocks of skips begin anew at every
    period, or where the schedule says. Before a trial, its first inputs, or the task's
    `burn_in_inputs(trial)`, are held for the burn-in, whose states have no gradient. Rate networks
    get their own noise, the same for all models. One compiled round updates all models; all
    randomness comes from `key` and the number of the round.

    A task with a method `play(step, state, trial)` → (outputs, inputs), such as
    `tasks.RuleReversal`, runs each model in closed loop, with the inputs that follow from its own
    answers, in training (with skips) and in evaluation (without). For the gradient these inputs are
    constants.

    Args:
        models: `SequenceToSequence` models of the same structure, such as a `RateNetwork` in an
            `Euler` cell with a `Readout`; any other cell, `GatedORGaNICs` or an `LSTM`, takes skips
            too.
        task: a `Task`, of the package `tasks` or your own; its `dt` must be that of an `Euler`
            cell.
        schedule: a `SkipSchedule`; without it the base networks are trained without skips.
        optimizer: an optax transformation for one model; in the reference Adam, 0.1/n.
        key: a PRNG key.
        rounds: the maximum number of rounds.
        steps_per_round, batch_size: iterations per round, and trials per iteration.
        trials: per evaluation.
        evaluate_every: rounds between evaluations.
        criterion: the performance to reach.
        burn_in: ms.
        loss: a function of the outputs of one step, the target, and None for the mask; by default
            `cross_entropy` if the targets are classes, else `squared_error`.
        activity, weights: penalties.
        stop, keep: as in `fit`, for all models together, by their trimmed mean `performance`.
        checkpoint, checkpoint_every, log, callback, progress: as in `fit`, with rounds in place of
            steps.
        mesh: devices that each take an equal part of the models, such as `device_mesh()`. By
            default, the CPU devices that `use_cores` made, as in `fit`.

    Returns:
        A `SkipResult(models, history, rounds, performance, outcome)`. A model whose loss, gradient
        or update is not finite keeps its parameters in that iteration; the record shows NaN losses.

    Raises:
        ValueError: an argument is bad, a target that counts is not a class of the models, or the
            checkpoint belongs to another training run.
        TrainingInterrupted: Ctrl-C, or SIGTERM if there is a checkpoint.
        TrainingNotSaved: the checkpoint or the log can no longer be written. Both exceptions hold
            the `result` so far.

    Reference:
        Soo, Goudar, Wang, "Training biologically plausible recurrent neural networks on cognitive
        tasks with long-term dependencies", NeurIPS 36 (2023).
    """
    check_rules(schedule, optimizer, loss, callback)
    counts = read_counts(
        steps_per_round=steps_per_round, trials=trials, evaluate_every=evaluate_every
    )
    steps_per_round, trials, evaluate_every = counts.values()
    sizes = read_sizes(criterion=criterion, activity=activity, weights=weights)
    criterion, activity, weights = sizes.values()
    rounds, batch_size, checkpoint_every = read_counts(
        rounds=rounds, batch_size=batch_size, checkpoint_every=checkpoint_every
    ).values()
    judge = read_stopping(stop, keep, ["performance"], summary=trimmed_mean)
    members = read_models(models, mesh)
    source = read_source(models, task, burn_in, key, batch_size)
    mesh, loss = read_mesh(mesh, models, task, batch_size), read_loss(loss, task)
    params = eqx.filter(models[0], trainable(models[0]))
    rules = shared(without_decay(optimizer, params), loss, read_restarts(schedule, task))
    run = Run(rules, jnp.asarray(activity), jnp.asarray(weights), steps_per_round, trials, mesh)
    checkpoints = Checkpoints(
        checkpoint,
        checkpoint_every,
        model=members,
        batches=source,
        schedule=schedule,
        optimizer=optimizer,
        loss=loss,
        **counts,
        **sizes,
        keep="last" if judge is None else judge.kept,
    )
    now = _begun(start(rules, members), checkpoints, rounds, keep, mesh)
    check_trials(models, source, loss, now.step)
    training = _Rounds(source, schedule, run, rounds, evaluate_every, criterion, judge)
    now = run_training(training, now, checkpoints, log, progress, callback)
    return training.result(now, way_of_end(now, rounds))


def _begun(
    state: State, checkpoints: Checkpoints, rounds: int, keep: str, mesh: Mesh | None
) -> Progress:
    """Where training begins, on the devices of the mesh: from this state, or where its checkpoint
    ends."""
    first = Progress(0, state, None, History([]), best=state.model if keep == "best" else None)
    now = checkpoints.resume(first, rounds, "rounds")
    check_same("checkpoint", (np.asarray(now.step), now.state), mesh)
    state, best = split((now.state, now.best), mesh)
    return now._replace(state=state, best=best)


@final
@dataclasses.dataclass
class _Rounds(AbstractTraining):
    """The training of models with skips, round by round."""

    batches: Source
    schedule: SkipSchedule | None
    run: Run
    total: int
    evaluate_every: int
    criterion: float
    judge: Judge | None
    metric = None
    unit = "round"
    goes_on_without = True

    def __post_init__(self) -> None:
        self.mesh = self.run.mesh

    def take(self, now: Progress) -> tuple[Progress, dict[str, Any]]:
        schedule = self.schedule
        scheme = StateSkip() if schedule is None else schedule.scheme
        stage = Stage(0, 1, 1.0) if schedule is None else schedule.at(now.step)
        number, skips = jnp.asarray(now.step + 1, jnp.uint32), skips_of(scheme, stage)
        state, values = train_round(self.run, self.batches, now.state, skips, number)
        return now._replace(step=now.step + 1, state=state), values | stage._asdict()

    def evaluate(self, now: Progress) -> dict[str, Any]:
        number = jnp.asarray(now.step, jnp.uint32)
        scores = evaluate_round(self.run, self.batches, now.state.model, number)
        return {"performance": np.asarray(scores).tolist()}

    def judged(self, now: Progress) -> Progress:
        is_best = self.judge is not None and self.judge.follow(now.history).is_new
        return now._replace(best=now.state.model) if is_best and now.best is not None else now

    def result(self, now: Progress, ended: str) -> SkipResult:
        last = _result(now, self.criterion, ended)
        if self.judge is None or not self.judge.keeps or self.judge.best is None:
            return last
        performance = np.asarray(self.judge.best["validation_performance"], float)
        return last._replace(models=unstack(now.best), performance=performance)

    def diverged(self, before: Progress, step: int) -> None:
        """Each model continues on its own, with the parameters that it had."""

    def is_done(self, history: History) -> bool:
        has_stopped = self.judge is not None and self.judge.follow(history).has_stopped
        return bool(has_stopped) or _has_reached(history, self.criterion)


def _has_reached(history: History, criterion: float) -> bool:
    """Whether the 10-90 % trimmed mean of the last evaluation reaches the criterion."""
    last = history.records[-1] if history.records else {}
    if "validation_performance" not in last:
        return False
    return trimmed_mean(last["validation_performance"]) >= criterion


def trimmed_mean(values: Sequence[float] | np.ndarray) -> float:
    """The mean without the lowest and the highest tenth; NaN or an infinite value, from a model
    that diverged, counts as 0."""
    values = np.asarray(values, float)
    ordered = np.sort(np.where(np.isfinite(values), values, 0))
    cut = len(ordered) // 10
    return float(ordered[cut : len(ordered) - cut].mean())


def _result(now: Progress, criterion: float, otherwise: str) -> SkipResult:
    count = len(jax.tree.leaves(eqx.filter(now.state.model, eqx.is_array))[0])
    reached, performance = np.full(count, np.nan), np.full(count, np.nan)
    for record in now.history.records:
        if "validation_performance" in record:
            performance = np.asarray(record["validation_performance"], float)
            is_new = np.isnan(reached) & (performance >= criterion) & np.isfinite(performance)
            reached[is_new] = record["step"]
    outcome = "criterion" if _has_reached(now.history, criterion) else otherwise
    return SkipResult(unstack(now.state.model), now.history, reached, performance, outcome)
