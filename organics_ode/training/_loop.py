"""The training loop that `fit`, `ensemble` and `fit_with_skips` share."""

import abc
import contextlib
import dataclasses
import functools
import os
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import jax
from jax.sharding import Mesh

from ..parallel import bring_home, gather, is_alone, is_writer, on_any
from ._checkpoints import Checkpoints, Progress
from ._history import (
    CannotWrite,
    EnsembleResult,
    FitResult,
    History,
    SkipResult,
    TrainingInterrupted,
    TrainingNotSaved,
)
from ._recorder import Callback, Recorder
from ._stopping import Interruption
from .batches import BatchesEnded

Value = TypeVar("Value")
Step = Future[tuple[Progress, dict[str, Any]]]  # where a step leads, and what is recorded of it


class AbstractTraining(abc.ABC):
    """What a step of a training run does, and what else there is to do.

    Attributes:
        batches: as in `fit`.
        metric: as in `fit`, or None.
        mesh: as in `fit`.
        total: steps.
        evaluate_every: steps between evaluations; there is also one at the end.
        unit: the name of a step.
    """

    batches: Any
    metric: Any
    mesh: Mesh | None
    total: int
    evaluate_every: int
    unit = "step"
    goes_on_without = False  # whether it continues if no model has a finite loss in a step

    @abc.abstractmethod
    def take(self, now: Progress) -> tuple[Progress, dict[str, Any]]:
        """Take one step; also return the values to record."""

    @abc.abstractmethod
    def evaluate(self, now: Progress) -> dict[str, Any] | None:
        """The scores of the current state; None if there are none."""

    @abc.abstractmethod
    def judged(self, now: Progress) -> Progress:
        """The state after an evaluation or a resume, with the model that is best so far."""

    @abc.abstractmethod
    def result(self, now: Progress, ended: str) -> FitResult | EnsembleResult | SkipResult:
        """The result if training ended like this, which its exceptions hold too."""

    @abc.abstractmethod
    def diverged(self, before: Progress, step: int) -> None:
        """Raise an error, given the state before a step in which no model had a finite loss and
        gradient; or return to continue."""

    @abc.abstractmethod
    def is_done(self, history: History) -> bool:
        """Whether the history shows that training is done, though steps are left."""


def run(
    training: AbstractTraining,
    now: Progress,
    checkpoints: Checkpoints,
    log: str | os.PathLike | None,
    progress: bool,
    callback: Callback | None = None,
) -> Progress:
    """Take the remaining steps; record, evaluate, write checkpoints, and stop when told to.

    A step begins before the results of the previous step are read, so that the device is always
    busy. If something is wrong with the earlier step, such as a loss that is not finite, the later
    one is dropped as if it had never begun. If the earlier one is to be evaluated or written, the
    later one waits.

    All processes take the same steps: if one is told to stop, or the one that writes cannot, they
    all stop after the current step.

    Args:
        now: where to begin, with arrays on the devices of the mesh.

    Returns:
        Where it ended, with whole arrays that are tied to no device.

    Raises:
        ValueError: the log or the checkpoint cannot be written, found out before the first step.
        TrainingInterrupted: Ctrl-C, or SIGTERM if there is a checkpoint.
        TrainingNotSaved: a checkpoint or the log can no longer be written.
    """
    mesh, is_kept = training.mesh, checkpoints.path is not None
    (is_logged,) = on_any((log is not None,), mesh)
    told, bar = (log, progress) if is_writer(mesh) else (None, False)
    of = (training.metric, training.batches, training.total)
    options = (*of, told, bar, now, training.unit, callback)
    with contextlib.ExitStack() as held, Interruption(enabled=is_kept) as interruption:

        def opened() -> Recorder:
            if is_writer(mesh):
                held.enter_context(checkpoints.held(now.step, training.total, log))
            return held.enter_context(Recorder(*options))

        recorder = _on_all(opened, mesh, _refused)
        now = training.judged(now._replace(log_start=recorder.log_start))
        course = _Course(training, now, checkpoints, recorder, interruption, is_kept, is_logged)
        try:
            course.begin()
            while course.goes_on and course.advance():
                pass
        except KeyboardInterrupt as stop:
            so_far = training.result(_at_home(course.now, mesh), "interrupted")
            raise TrainingInterrupted(so_far, checkpoints.remedy()) from stop
        except CannotWrite as error:
            so_far = training.result(_at_home(course.now, mesh), "interrupted")
            raise _not_saved(error, so_far, course) from error
    if course.goes_on:
        done = f"{course.now.step} of {training.total} {training.unit}s"
        warnings.warn(f"`batches` ended after {done}, and the training too", stacklevel=3)
    return _at_home(course.now, mesh)


@dataclasses.dataclass
class _Course:
    """A running training loop: its current state, and a step that may have begun already."""

    training: AbstractTraining
    now: Progress
    checkpoints: Checkpoints
    recorder: Recorder
    interruption: Interruption
    is_kept: bool
    is_logged: bool
    following: Step | None = None
    is_requested: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether there are steps left."""
        return self.now.step < self.training.total and not self.training.is_done(self.now.history)

    def begin(self) -> None:
        if self.is_kept:
            write = functools.partial(self.checkpoints.begin, total=self.training.total)
            _write(self.checkpoints, write, self.now, self.training.mesh, _refused)

    def advance(self) -> bool:
        """Take a step, and return whether there was a batch left for it."""
        training, mesh = self.training, self.training.mesh
        begun = self.following or _begun(training, self.now)
        if _is_none(begun):
            return False
        before, (after, values) = self.now, begun.result()
        is_scored = after.step == training.total or after.step % training.evaluate_every == 0
        is_saved = self.checkpoints.is_due(after.step, training.total)
        is_told = self.is_requested or (is_alone(mesh) and self.interruption.requested)
        following = None if is_scored or is_saved or is_told else _begun(training, after)
        is_scored = is_scored or _is_none(following)
        is_good = self.recorder.step(after.step, values) or training.goes_on_without
        self.now = after
        self.following = following if is_good else _dropped(following)
        if is_scored and is_good and not training.is_done(after.history):
            self.recorder.validation(after.step, training.evaluate(after))
            self.now = training.judged(after)
        self.recorder.tell()
        self._heed()
        if not is_good:
            training.diverged(_at_home(before, mesh), self.now.step)
        is_last = self.is_requested and not self.following
        if self.is_kept and (is_last or is_saved or training.is_done(self.now.history)):
            _write(self.checkpoints, self.checkpoints.write, self.now, mesh, _elsewhere)
        if is_last:
            raise KeyboardInterrupt
        return True

    def _heed(self) -> None:
        """Find out whether a process was told to stop, and stop if one cannot write."""
        flags = (self.interruption.requested, self.recorder.failed is not None)
        is_shared = self.is_kept or self.is_logged
        flags = on_any(flags, self.training.mesh) if is_shared else flags
        self.is_requested, can_not_log = flags
        if can_not_log:
            raise self.recorder.failed or _elsewhere()


def _not_saved(error: CannotWrite, so_far: Any, course: _Course) -> TrainingNotSaved:
    models = "model" if isinstance(so_far, FitResult) else "models"
    return TrainingNotSaved(
        f"Training stopped after {course.training.unit} {course.now.step}, for it could not write "
        f"{error}.{course.checkpoints.remedy()} The exception's `result` has the {models} and the "
        "history up to then.",
        so_far,
    )


def way_of_end(now: Progress, total: int) -> str:
    """How a training run ended that was not interrupted."""
    return "completed" if now.step == total else "stopped"


def _begun(training: AbstractTraining, now: Progress) -> Step:
    """A step, or the exception that it raised, which only matters once the step is needed."""
    step = Step()
    try:
        step.set_result(training.take(now))
    except BaseException as error:
        step.set_exception(error)
    return step


def _is_none(step: Step | None) -> bool:
    """Whether there was no batch left for it."""
    return step is not None and isinstance(step.exception(), BatchesEnded)


def _dropped(step: Step | None) -> None:
    """Wait for a step that is not needed, and discard it, because the device may be needed.

    Its exception is discarded too, except a Ctrl-C, which just happened to arrive during the step.
    """
    error = None if step is None else step.exception()
    if error is not None and not isinstance(error, Exception):
        raise error
    if step is not None and error is None:
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            jax.block_until_ready(step.result()[1])


def _elsewhere() -> CannotWrite:
    """The error on the other processes; the one that cannot write reports the reason."""
    return CannotWrite("its files: another process tells why")


def _refused() -> ValueError:
    """The same before the first step."""
    return ValueError(
        "Arguments `checkpoint` and `log` must name files that can be written, but another process "
        "cannot write them; it tells why."
    )


def _write(
    checkpoints: Checkpoints,
    write: Callable[[Progress], None],
    now: Progress,
    mesh: Mesh | None,
    elsewhere: Callable[[], Exception],
) -> None:
    """Write the whole state of a training run, on one process."""
    whole = _at_home(now, mesh)
    _on_all(lambda: write(whole) if is_writer(mesh) else None, mesh, elsewhere)
    checkpoints.last = now.step


def _on_all(
    do: Callable[[], Value], mesh: Mesh | None, elsewhere: Callable[[], Exception]
) -> Value:
    """Its result; if it fails on one process, the others raise `elsewhere`, so that none continues
    and waits for it."""
    try:
        value = do()
    except BaseException:
        on_any((True,), mesh)
        raise
    if any(on_any((False,), mesh)):
        raise elsewhere()
    return value


def _at_home(now: Progress, mesh: Mesh | None) -> Progress:
    """With whole arrays of only this process, tied to no device."""
    return placed(now, lambda models: bring_home(gather(models, mesh), mesh))


def placed(now: Progress, place: Callable[[Any], Any]) -> Progress:
    """The state with all models where `place` puts them."""
    state, previous, best = place((now.state, now.previous, now.best))
    return now._replace(state=state, previous=previous, best=best)
