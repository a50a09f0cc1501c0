"""`ensemble`: many seeds or hyperparameters trained at once."""

import dataclasses
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, final

import equinox as eqx
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, PyTree

from .._constraints import trainable
from ..optimizers import Optimizer, each_without_decay
from ..parallel import check_same, replicate, split, split_batches
from ..programs import shared
from ._batches import Batch, Minibatches, Samples, count_steps, read_samples
from ._checkpoints import STEPS_PER_CHECKPOINT, Checkpoints, Progress, check_intervals
from ._history import EnsembleResult, History, were_good
from ._loop import AbstractTraining, run as run_training
from ._losses import accuracy, cross_entropy
from ._member_steps import (
    EnsembleRun,
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
)

MakesOptimizer = Callable[[Any], Optimizer]


def ensemble(
    models: Sequence[PyTree],
    batches: Callable[[int], Batch] | Sequence[Callable[[int], Batch]],
    *,
    optimizer: Optimizer | MakesOptimizer,
    hyperparameters: PyTree = None,
    loss: Loss = cross_entropy,
    metric: Loss | None = accuracy,
    steps: int | None = None,
    epochs: int | None = None,
    validation: Samples | None = None,
    validate_every: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int | None = None,
    log: str | os.PathLike | None = None,
    progress: bool = True,
    mesh: Mesh | None = None,
) -> EnsembleResult:
    """Train many models at once, each as `fit` would train it alone (host).

    The members differ in the values of their arrays (seeds, time constants) and in the optimizer's
    hyperparameters; one compiled step, vectorised over the members, moves all of them. A member
    that diverges stops at its last good model and leaves the others alone.

    Args:
        models: the members, of one structure, such as `[make_model(key) for key in keys]`.
        batches: step ↦ `Batch`, the same for every member; or a sequence of them, one per member.
        optimizer: an optax transformation; or a function that makes one from the hyperparameters
            of a member, such as `optax.adam` or `lambda h: optax.adamw(h["rate"], h["decay"])`.
        hyperparameters: for such a function: an array or a tree of arrays (members, …).
        loss, metric, steps, epochs, validation, validate_every: as in `fit`.
        checkpoint, checkpoint_every: as in `fit`, of all members together.
        log, progress: as in `fit`; each record has a list with the members' values, the bar or
            line shows their median.
        mesh: devices that each take an equal part of the members, such as `device_mesh()`.

    Returns:
        An `EnsembleResult(models, history, outcomes, steps)`. A warning names the members that
        ended by a label that is no class of the model, where others went on.

    Raises:
        ValueError: an argument is bad, a label that counts is no class of the models, or the
            checkpoint is of another training.
        TrainingInterrupted: Ctrl-C, or SIGTERM where there is a checkpoint.
        TrainingNotSaved: the checkpoint or the log can no longer be written. Both have the
            `result` so far.
    """
    members = as_members(models)
    check_scores(loss, metric)
    check_devices(len(models), members, mesh)
    make_optimizer = read_optimizer(optimizer, hyperparameters)
    values = read_hyperparameters(hyperparameters, members, len(models))
    data, is_shared = read_batches(batches, len(models))
    total = count_steps(data, steps, epochs)
    check_intervals(validate_every, checkpoint, checkpoint_every)
    if validation is not None:
        read_samples(validation, "validation")
    per_epoch = getattr(data, "steps_per_epoch", None)
    trained = members if hyperparameters is not None else models[0]
    params = eqx.filter(trained, trainable(trained))
    descent = each_without_decay(make_optimizer, params, values)
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
    )
    first = progress_of(0, start_members(run, members, values), History([]))
    now = checkpoints.resume(first, total)
    check_same("checkpoint", (np.asarray(now.step), now.state), mesh)
    every_data = [data] if is_shared else list(data.members)
    for each in every_data:
        check_data(models[0], each, validation, loss, metric)
    state, previous, values = split((now.state, now.previous, values), mesh)
    evaluate_every = total if validation is None else validate_every or per_epoch or total
    training = _Together(
        data, every_data, models[0], values, validation, loss, metric, run, total, evaluate_every
    )
    now = now._replace(state=state, previous=previous)
    ended = training.result(run_training(training, now, checkpoints, log, progress), "completed")
    _tell(ended, every_data, loss, metric)
    return ended


@final
@dataclasses.dataclass
class _Together(AbstractTraining):
    """The training of all members."""

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

    def __post_init__(self) -> None:
        self.mesh = self.run.mesh
        split_or_not = _shared if self.run.is_shared else split_batches
        self._parts = split_or_not(self.batches, self.mesh)

    def take(self, now: Progress) -> tuple[Progress, dict[str, Array]]:
        unknown = [each for each in self.every_data if not isinstance(each, Minibatches)]
        for each in unknown if now.step == 0 else ():
            check_labels(self.like, each(0), self.loss, self.metric)
        members = members_of(now, self.hyperparameters)
        members, scores = step_members(self.run, members, self._parts(now.step))
        return progress_of(now.step + 1, members, now.history, now.log_start), scores

    def evaluate(self, now: Progress) -> dict[str, list[float]] | None:
        if self.validation is None:
            return None
        scored, members = shared(self.loss, self.metric), members_of(now, self.hyperparameters)
        return named(evaluate_members(scored, members, self.validation, self.mesh), self.metric)

    def result(self, now: Progress, ended: str) -> EnsembleResult:
        return _finish(now, ended)

    def diverged(self, before: Progress, step: int) -> None:
        # A label that is no class ends every member: no member has diverged.
        for model, each in zip(unstack(before.state.model), self.every_data, strict=False):
            batch = each(before.step)
            explain(model, batch, self.loss, self.metric, len(batch.inputs))

    def is_done(self, history: History) -> bool:
        return _have_all_diverged(history)


def _have_all_diverged(history: History) -> bool:
    """Whether no member was good at the last step; a diverged one has NaN from then on."""
    last = next((r for r in reversed(history.records) if "loss" in r), None)
    return last is not None and not were_good(last).any()


def _finish(now: Progress, ended: str) -> EnsembleResult:
    models, is_good, taken = last_good(members_of(now, None))
    outcomes = tuple(ended if good else "diverged" for good in is_good.tolist())
    return EnsembleResult(unstack(models), now.history, outcomes, tuple(taken.tolist()))


def _tell(ended: EnsembleResult, data: list[Any], loss: Loss, metric: Loss | None) -> None:
    """Warn of members whose last batch had a label that is no class, or a mask of nothing: the
    others have gone on."""
    for i, (model, outcome) in enumerate(zip(ended.models, ended.outcomes, strict=True)):
        if outcome == "diverged" and ended.steps[i] > 0:
            batch = data[min(i, len(data) - 1)](ended.steps[i] - 1)
            try:
                explain(model, batch, loss, metric, len(batch.inputs))
            except ValueError as error:
                warnings.warn(f"Member {i} ended at step {ended.steps[i]}: {error}", stacklevel=3)


def _shared(batches: Callable[[int], Batch], mesh: Mesh | None) -> Callable[[int], Batch]:
    return lambda step: replicate(batches(step), mesh)
