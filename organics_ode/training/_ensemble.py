"""`ensemble`: many seeds or hyperparameters trained at once."""

import dataclasses
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, PyTree

from .._constraints import trainable
from ..optimizers import Optimizer, State, each_without_decay
from ..parallel import check_same, replicate, split, split_batches
from ..programs import shared
from ._checkpoints import STEPS_PER_CHECKPOINT, Checkpoints, Progress
from ._history import EnsembleResult, History, were_good
from ._loop import AbstractTraining, placed, run as run_training, way_of_end
from ._losses import accuracy, cross_entropy
from ._member_steps import (
    EnsembleRun,
    Member,
    best_of,
    evaluate_members,
    last_good,
    members_of,
    progress_of,
    start_members,
    step_members,
)
from ._members import (
    as_members,
    check_devices,
    read_batches,
    read_hyperparameters,
    read_optimizer,
    unstack,
)
from ._objective import (
    Loss,
    check_data,
    check_labels,
    check_scores,
    explain,
    named,
    names_of,
)
from ._recorder import Callback, check_callback
from ._stopping import EarlyStopping, Judge, check_intervals, check_judged, read_stopping
from .batches import (
    Batch,
    Batches,
    Data,
    Minibatches,
    check_repeatable,
    count_steps,
    mesh_for_members,
)

MakesOptimizer = Callable[[Any], Optimizer]


def ensemble(
    models: Sequence[PyTree],
    batches: Batches | Sequence[Callable[[int], Any]],
    *,
    optimizer: Optimizer | MakesOptimizer,
    hyperparameters: PyTree = None,
    loss: Loss = cross_entropy,
    metric: Loss | None = accuracy,
    steps: int | None = None,
    epochs: int | None = None,
    validation: Data | None = None,
    validate_every: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int | None = None,
    stop: EarlyStopping | None = None,
    keep: str = "last",
    log: str | os.PathLike | None = None,
    callback: Callback | None = None,
    progress: bool = True,
    mesh: Mesh | None = None,
) -> EnsembleResult:
    """Train many models at once, each as `fit` would train it alone (host).

    The members differ in the values of their arrays (seeds, time constants) and in the optimizer's
    hyperparameters; one compiled step, vectorised over the members, updates all of them. A member
    that diverges stops at its last good model and does not affect the others.

    Args:
        models: the members, of the same structure, such as `[make_model(key) for key in keys]`.
        batches: as in `fit`, the same for every member; or a sequence of functions, one per member.
        optimizer: an optax transformation; or a function that makes one from the hyperparameters
            of a member, such as `optax.adam` or `lambda h: optax.adamw(h["rate"], h["decay"])`.
        hyperparameters: the arguments of such a function: an array or a tree of arrays
            (members, …).
        loss, metric, steps, epochs, validation, validate_every: as in `fit`.
        checkpoint, checkpoint_every: as in `fit`, for all members together.
        stop, keep: as in `fit`, for each member by its own evaluations; a member that has stopped
            stays unchanged while the others continue.
        log, callback, progress: as in `fit`; each record has a list with the members' values, and
            the bar or line shows their median.
        mesh: devices that each take an equal part of the members, such as `device_mesh()`. By
            default, the CPU devices that `use_cores` made, as in `fit`.

    Returns:
        An `EnsembleResult(models, history, outcomes, steps)`. A warning names the members that
        ended because a label is not a class of the model, while others continued.

    Raises:
        ValueError: an argument is bad, a label that counts is not a class of the models, or the
            checkpoint belongs to another training run.
        TrainingInterrupted: Ctrl-C, or SIGTERM if there is a checkpoint.
        TrainingNotSaved: the checkpoint or the log can no longer be written. Both exceptions hold
            the `result` so far.
    """
    members = as_members(models)
    check_scores(loss, metric)
    check_devices(len(models), members, mesh)
    make_optimizer = read_optimizer(optimizer, hyperparameters)
    values = read_hyperparameters(hyperparameters, members, len(models))
    data, is_shared = read_batches(batches, len(models))
    check_repeatable(data, checkpoint, mesh)
    mesh, total = mesh_for_members(mesh, models, data), count_steps(data, steps, epochs)
    check_intervals(validate_every, checkpoint, checkpoint_every)
    check_callback(callback)
    judge = read_stopping(stop, keep, names_of(metric))
    per_epoch = getattr(data, "steps_per_epoch", None)
    check_judged(judge, validation, validate_every or per_epoch)
    like = members if hyperparameters is not None else models[0]
    descent = each_without_decay(make_optimizer, eqx.filter(like, trainable(like)), values)
    run = EnsembleRun(shared(descent, loss, metric), mesh, is_shared)
    checkpoints = Checkpoints(
        checkpoint,
        checkpoint_every or per_epoch or STEPS_PER_CHECKPOINT,
        model=members,
        batches=data,
        optimizer=optimizer,
        hyperparameters=values,
        loss=loss,
        metric=metric,
        validation=validation,
        validate_every=validate_every,
        stop=stop,
        keep="last" if judge is None else judge.kept,
    )
    now = _begun(start_members(run, members, values), checkpoints, total, keep, mesh)
    values, every_data = split(values, mesh), [data] if is_shared else list(data.members)
    for each in every_data:
        check_data(models[0], each, validation, loss, metric)
    every = total if validation is None else validate_every or per_epoch or total
    of = (data, every_data, models[0], values, validation, loss, metric, run, total, every, judge)
    training = _Together(*of)
    now = run_training(training, now, checkpoints, log, progress, callback)
    return _told(training.result(now, way_of_end(now, total)), every_data, loss, metric)


def _begun(
    members: Member, checkpoints: Checkpoints, total: int, keep: str, mesh: Mesh | None
) -> Progress:
    """Where training begins, on the devices of the mesh: with these members, or where its
    checkpoint ends."""
    first = progress_of(Progress(0, State(None, None), None, History([])), members)
    first = first._replace(best=first.state.model if keep == "best" else None)
    now = checkpoints.resume(first, total)
    check_same("checkpoint", (np.asarray(now.step), now.state), mesh)
    return placed(now, lambda models: split(models, mesh))


@final
@dataclasses.dataclass
class _Together(AbstractTraining):
    """The training run of all members."""

    batches: Any
    every_data: list[Any]
    like: PyTree
    hyperparameters: Any
    validation: Any
    loss: Loss
    metric: Loss | None
    run: EnsembleRun
    total: int
    evaluate_every: int
    judge: Judge | None

    def __post_init__(self) -> None:
        self.mesh = self.run.mesh
        split_or_not = _shared if self.run.is_shared else split_batches
        self._parts = split_or_not(self.batches, self.mesh)

    def take(self, now: Progress) -> tuple[Progress, dict[str, Array]]:
        unknown = [each for each in self.every_data if not isinstance(each, Minibatches)]
        for each in unknown if now.step == 0 else ():
            check_labels(self.like, each(0), self.loss, self.metric)
        members, scores = step_members(self.run, self._members(now), self._parts(now.step))
        return progress_of(now._replace(step=now.step + 1), members), scores

    def evaluate(self, now: Progress) -> dict[str, list[float]] | None:
        if self.validation is None:
            return None
        scored, members = shared(self.loss, self.metric), self._members(now)
        return named(evaluate_members(scored, members, self.validation, self.mesh), self.metric)

    def judged(self, now: Progress) -> Progress:
        is_new = False if self.judge is None else self.judge.follow(now.history).is_new
        if now.best is None or not np.any(is_new):
            return now
        return now._replace(best=best_of(split(is_new, self.mesh), now.state.model, now.best))

    def result(self, now: Progress, ended: str) -> EnsembleResult:
        return _finish(now, ended, self.judge, self.total)

    def _members(self, now: Progress) -> Member:
        if self.judge is None or self.judge.rule.patience is None:
            return members_of(now, self.hyperparameters)
        count = len(now.state.optimizer[-1])
        has_stopped = np.broadcast_to(self.judge.follow(now.history).has_stopped, count)
        return members_of(now, self.hyperparameters, split(jnp.asarray(has_stopped), self.mesh))

    def diverged(self, before: Progress, step: int) -> None:
        # A label that is not a class ends every member, though none of them has diverged.
        for model, each in zip(unstack(before.state.model), self.every_data, strict=False):
            batch = each(before.step)
            explain(model, batch, self.loss, self.metric, len(batch.inputs))

    def is_done(self, history: History) -> bool:
        last = next((r for r in reversed(history.records) if "loss" in r), None)
        if last is None:
            return False
        # A member that has diverged or stopped records NaN from then on.
        is_over = ~were_good(last)
        if self.judge is not None:
            is_over = is_over | self.judge.follow(history).has_stopped
        return bool(np.all(is_over))


def _finish(now: Progress, ended: str, judge: Judge | None, total: int) -> EnsembleResult:
    models, is_good, taken = last_good(members_of(now, None))
    has_stopped = np.broadcast_to(judge is not None and judge.has_stopped, len(taken))
    has_stopped = has_stopped & (np.asarray(taken) < total)
    outcomes = np.where(is_good, np.where(has_stopped, "stopped", ended), "diverged").tolist()
    if judge is not None and judge.keeps:
        models = best_of(np.broadcast_to(judge.has_best, len(outcomes)), now.best, models)
    return EnsembleResult(unstack(models), now.history, tuple(outcomes), tuple(taken.tolist()))


def _told(
    ended: EnsembleResult, data: list[Any], loss: Loss, metric: Loss | None
) -> EnsembleResult:
    """The same, with a warning about members whose last batch had a label that is not a class, or
    an empty mask, while the others continued."""
    for i, (model, outcome) in enumerate(zip(ended.models, ended.outcomes, strict=True)):
        if outcome == "diverged" and ended.steps[i] > 0:
            batch = data[min(i, len(data) - 1)](ended.steps[i] - 1)
            try:
                explain(model, batch, loss, metric, len(batch.inputs))
            except ValueError as error:
                warnings.warn(f"Member {i} ended at step {ended.steps[i]}: {error}", stacklevel=3)
    return ended


def _shared(batches: Callable[[int], Batch], mesh: Mesh | None) -> Callable[[int], Batch]:
    return lambda step: replicate(batches(step), mesh)
