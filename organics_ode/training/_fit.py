"""`fit`: training with optax."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any, NoReturn, final

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, PyTree

from .._checks import a_or_an, check_flag, refuse
from .._constraints import trainable
from ..cells import Euler, RungeKutta, ShuOsher
from ..optimizers import Optimizer, begin, is_finite, is_optimizer, without_decay
from ..parallel import check_same, replicate, split_batches
from ..programs import Shared, shared
from ._checkpoints import STEPS_PER_CHECKPOINT, Checkpoints, Progress
from ._history import FitResult, History, TrainingDiverged, were_good
from ._loop import AbstractTraining, placed, run, way_of_end
from ._losses import accuracy, cross_entropy
from ._objective import (
    Loss,
    check_data,
    check_labels,
    check_model,
    check_scores,
    evaluate,
    explain,
    names_of,
    train_step,
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
    mesh_for_batches,
    read_function,
)


def fit(
    model: PyTree,
    batches: Batches,
    *,
    optimizer: Optimizer,
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
    throw: bool = True,
    mesh: Mesh | None = None,
) -> FitResult:
    """Train a model by gradient descent through time (host).

    Each step takes the gradient of the mean loss over a batch, without clipping or scaling, applies
    the optimizer's update to the trainable leaves, and projects parameters such as `NonNegative`
    ones back into their sets. All randomness comes from the keys of `model` and `batches`: the same
    call gives the same result.

    Args:
        model: maps one sample's inputs to outputs, such as a `SequenceClassifier`.
        batches: step ↦ `Batch`, from `minibatches(split, size, key=…)` or `trials(task, size,
            key=…)`, or a function of your own, whose batches may be pairs (inputs, targets); or a
            list of batches; or an iterable of them, which cannot have a checkpoint.
        optimizer: from optax, wrappers included. Its state covers only the trainable leaves, and
            its weight decay skips parameters not stored as their values (`weight_decay_mask`).
        loss, metric: functions (outputs, targets, mask) ↦ scalar for one sample, or (outputs,
            targets) if no mask leaves out steps. The name of the metric becomes a name in the
            history, so it must not be one of those already there.
        steps, epochs: how long to train (give one of them).
        validation: a split, or a pair (inputs, targets), to evaluate every `validate_every` steps
            (by default every epoch, or at the end if there are no epochs).
        checkpoint: a file that keeps the whole state of the training run. The same call, also with
            more steps, resumes from it, with a bitwise identical result on the same machine. With
            a checkpoint, SIGINT or SIGTERM on any process ends training after the current step.
        checkpoint_every: steps between checkpoints (by default an epoch, or 100 steps if there are
            no epochs); there is always one at the end.
        stop: `EarlyStopping("accuracy", patience=4)` ends training when validation no longer
            improves; it has no effect on the steps before.
        keep: the model to return: the `"last"` one, or that of the `"best"` evaluation by the
            metric of `stop`, or by the validation loss without `stop`; the last one if no
            evaluation was finite. The same model is in the results of the exceptions.
        log: a file to which the history is appended as JSON lines, record by record.
        callback: called as callback(step, record) with every new record of the history, those of
            steps and those of evaluations (on every process); its return value is ignored.
        progress: show loss, metric and the time left, on a bar, or in one line a minute if stderr
            is not a terminal.
        throw: whether divergence raises `TrainingDiverged`; otherwise the result's `outcome` says
            so. Either way its model is the last good one (the last whose loss and gradient were
            finite on its batch), unless the best is kept.
        mesh: devices that each take an equal part of every batch, such as `device_mesh()`; with
            those of several processes, every process makes the same call and the first one writes.
            By default, the CPU devices that `use_cores` made, if they divide the batches of
            `minibatches`, `trials` or a list and there is enough to compute; else one device.

    Returns:
        A `FitResult(model, history, outcome)`; its outcome is completed, stopped (by `stop`, or
            when an iterable of batches ended), diverged or interrupted.

    Raises:
        ValueError: an argument is bad, a label that counts is not a class of the model, or the
            checkpoint belongs to another training run (the message says what differs).
        TrainingDiverged: the loss, its gradient or an update is no longer finite.
        TrainingInterrupted: Ctrl-C, or SIGTERM if there is a checkpoint.
        TrainingNotSaved: a checkpoint or the log can no longer be written. These three hold the
            `result` so far, with the last good model.
    """
    _check_arguments(model, optimizer, throw)
    check_scores(loss, metric)
    batches = read_function(batches)
    mesh = mesh_for_batches(mesh, model, batches)
    check_repeatable(batches, checkpoint, mesh)
    total = count_steps(batches, steps, epochs)
    check_intervals(validate_every, checkpoint, checkpoint_every)
    check_callback(callback)
    judge = read_stopping(stop, keep, names_of(metric))
    per_epoch = getattr(batches, "steps_per_epoch", None)
    check_judged(judge, validation, validate_every or per_epoch)
    check_same("model", model, mesh)
    rules = shared(without_decay(optimizer, eqx.filter(model, trainable(model))), loss, metric)
    evaluate_every = total if validation is None else validate_every or per_epoch or total
    training = _Single(batches, validation, loss, metric, rules, mesh, total, evaluate_every, judge)
    checkpoints = Checkpoints(
        checkpoint,
        checkpoint_every or per_epoch or STEPS_PER_CHECKPOINT,
        model=model,
        batches=batches,
        optimizer=optimizer,
        loss=loss,
        metric=metric,
        validation=validation,
        validate_every=validate_every,
        keep="last" if judge is None else judge.kept,
    )
    best = model if keep == "best" else None
    first = Progress(0, begin(optimizer, model), model, History([]), best=best)
    now = checkpoints.resume(first, total)
    check_same("checkpoint", (np.asarray(now.step), now.state), mesh)
    check_data(model, batches, validation, loss, metric)
    now = placed(now, lambda models: replicate(models, mesh))
    try:
        return _finished(training, run(training, now, checkpoints, log, progress, callback))
    except TrainingDiverged as error:
        if throw:
            raise
        return error.result


def _finished(training: "_Single", now: Progress) -> FitResult:
    ended = training.result(now, way_of_end(now, training.total))
    if ended.outcome == "diverged":  # the last update overflowed, and no step followed it
        raise _divergence(now, now.step, ended)
    return ended


@final
@dataclasses.dataclass
class _Single(AbstractTraining):
    """The training run of one model."""

    batches: Callable[[int], Batch]
    validation: Any
    loss: Loss
    metric: Loss | None
    rules: Shared
    mesh: Mesh | None
    total: int
    evaluate_every: int
    judge: Judge | None

    def __post_init__(self) -> None:
        self._parts = split_batches(self.batches, self.mesh)
        self._drawn: dict[int, Batch] = {}

    def take(self, now: Progress) -> tuple[Progress, dict[str, Array]]:
        batch = self._drawn[now.step] = self._parts(now.step)
        self._drawn.pop(now.step - 2, None)
        if now.step == 0 and not isinstance(self.batches, Minibatches):
            check_labels(now.state.model, self._whole(0), self.loss, self.metric)
        state, values = train_step(now.state, batch, self.rules, self.mesh)
        return now._replace(step=now.step + 1, state=state, previous=now.state.model), values

    def evaluate(self, now: Progress) -> dict[str, float] | None:
        if self.validation is None:
            return None
        options = {"loss": self.loss, "metric": self.metric, "mesh": self.mesh}
        return evaluate(now.state.model, self.validation, **options)

    def judged(self, now: Progress) -> Progress:
        is_best = self.judge is not None and self.judge.follow(now.history).is_new
        return now._replace(best=now.state.model) if is_best and now.best is not None else now

    def result(self, now: Progress, ended: str) -> FitResult:
        is_well = is_finite(now.state.model)
        model, outcome = (now.state.model, ended) if is_well else (now.previous, "diverged")
        return FitResult(self._kept(now, model), now.history, outcome)

    def diverged(self, before: Progress, step: int) -> NoReturn:
        model, batch = before.state.model, self._whole(before.step)
        is_odd = explain(model, batch, self.loss, self.metric, len(batch.inputs))
        kept = FitResult(self._kept(before, before.previous), before.history, "diverged")
        raise _divergence(before, step, kept, is_odd)

    def is_done(self, history: History) -> bool:
        return self.judge is not None and bool(self.judge.follow(history).has_stopped)

    def _kept(self, now: Progress, otherwise: PyTree) -> PyTree:
        """The best model so far, if it is to be kept."""
        has_best = self.judge is not None and self.judge.keeps and self.judge.has_best
        return now.best if has_best else otherwise

    def _whole(self, step: int) -> Batch:
        """The batch of one of the last two steps, tied to no device."""
        return self._drawn[step] if self.mesh is None else self.batches(step)


def _check_arguments(model: PyTree, optimizer: object, throw: object) -> None:
    check_flag("throw", throw)
    if not is_optimizer(optimizer):
        must = "be an optax transformation such as `optax.adam(1e-3)`"
        refuse("optimizer", must, f"it is {a_or_an(type(optimizer).__name__)}")
    check_model("model", model)
    if not any(jax.tree.leaves(trainable(model))):
        refuse("model", "have something to train", "all of it is frozen")


def _divergence(
    now: Progress, step: int, result: FitResult, is_odd: bool = False
) -> TrainingDiverged:
    last = next(record for record in reversed(now.history.records) if "loss" in record)
    loss, norm = last["loss"], last["gradient_norm"]
    found = f"the loss is {loss:g} and the norm of its gradient {norm:g}"
    if were_good(last):
        found += ", but its update made the model infinite or NaN"
    remedy = "Lower the learning rate"
    if is_odd:
        remedy = (
            "Some outputs of the model are finite where the loss or the metric computes NaN of "
            "them: look at these functions and at the targets"
        )
    elif _steps_explicitly(now.previous):
        remedy = (
            "An explicit step is stable only for dt well below the time constants, and below "
            "tau_y/sqrt(a) where normalization is strong: shorten dt, bound them "
            "(`oo.Bounded(tau, low=10 * dt)`), or lower the learning rate"
        )
    kept = "the model it began with" if step == 1 else "the last model where both were finite"
    kept = kept if result.model is now.previous else "the best model so far"
    return TrainingDiverged(
        f"Training diverged at step {step}: {found}. {remedy}. The exception's `result` has {kept} "
        "and the history.",
        result,
    )


def _steps_explicitly(model: PyTree) -> bool:
    is_cell = lambda node: isinstance(node, Euler | ShuOsher | RungeKutta)  # noqa: E731
    return any(map(is_cell, jax.tree.leaves(model, is_leaf=is_cell)))
