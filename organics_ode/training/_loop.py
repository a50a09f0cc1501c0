"""The loop of a training, which `fit`, `ensemble` and `fit_with_skips` have in common."""

import abc
import contextlib
import functools
import os
import signal
import threading
import types
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import jax
from jax.sharding import Mesh

from .._checks import refuse, shown
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
from .batches import BatchesEnded

Value = TypeVar("Value")
Step = Future[tuple[Progress, dict[str, Any]]]  # where a step leads, and what is recorded of it


class AbstractTraining(abc.ABC):
    """What is done in a step of a training, and what else there is to do.

    Attributes:
        batches: as in `fit`.
        metric: as in `fit`, or None.
        mesh: as in `fit`.
        total: steps.
        evaluate_every: steps between evaluations; there is one at the end too.
        unit: what a step is called.
    """

    batches: Any
    metric: Any
    mesh: Mesh | None
    total: int
    evaluate_every: int
    unit = "step"
    goes_on_without = False  # whether it goes on where the loss of a step is finite for none

    @abc.abstractmethod
    def take(self, now: Progress) -> tuple[Progress, dict[str, Any]]:
        """One step, and the values that are recorded of it."""

    @abc.abstractmethod
    def evaluate(self, now: Progress) -> dict[str, Any] | None:
        """Scores of where it stands; None for none."""

    @abc.abstractmethod
    def judged(self, now: Progress) -> Progress:
        """The same after an evaluation, or a resume, with the model that is the best by now."""

    @abc.abstractmethod
    def result(self, now: Progress, ended: str) -> FitResult | EnsembleResult | SkipResult:
        """What the training returns where it ended so, and what its exceptions hold."""

    @abc.abstractmethod
    def diverged(self, before: Progress, step: int) -> None:
        """Raise what has to be said where the loss or the gradient of a step is finite for none, of
        the training before that step; or return to go on."""

    @abc.abstractmethod
    def is_done(self, history: History) -> bool:
        """Whether the history leaves nothing to do, though there are steps left."""


def run(
    training: AbstractTraining,
    now: Progress,
    checkpoints: Checkpoints,
    log: str | os.PathLike | None,
    progress: bool,
    callback: Callback | None = None,
) -> Progress:
    """Take the steps that are left; record, evaluate, write checkpoints, and stop when told to.

    A step begins before the one that it follows is read, so that the device has always something to
    do: all that is found wrong with the latter, such as a loss that is not finite, drops the former
    as if it had never been. It waits where the latter is to be evaluated or written.

    On several processes all go through the same steps: where one is told to stop, or the one that
    writes cannot, they all stop after the step in flight.

    Args:
        now: where to begin, its arrays on the devices of the mesh.

    Returns:
        Where it ended, whole and tied to no device.

    Raises:
        ValueError: the log or the checkpoint cannot be written, as is known before the first step.
        TrainingInterrupted: Ctrl-C, or SIGTERM where there is a checkpoint.
        TrainingNotSaved: a checkpoint or the log can no longer be written.
    """
    total, mesh, is_kept = training.total, training.mesh, checkpoints.path is not None
    (is_logged,) = on_any((log is not None,), mesh)
    told, bar = (log, progress) if is_writer(mesh) else (None, False)
    options = (training.metric, training.batches, total, told, bar, now, training.unit, callback)
    with contextlib.ExitStack() as held, Interruption(enabled=is_kept) as interruption:

        def opened() -> Recorder:
            if is_writer(mesh):
                held.enter_context(checkpoints.held(now.step, total, log))
            return held.enter_context(Recorder(*options))

        recorder = _on_all(opened, mesh, _refused)
        now = training.judged(now._replace(log_start=recorder.log_start))
        try:
            if is_kept:
                begin = functools.partial(checkpoints.begin, total=total)
                _write(checkpoints, begin, now, mesh, _refused)
            following, is_requested = None, False
            while now.step < total and not training.is_done(now.history):
                begun = following or _begun(training, now)
                if _is_none(begun):
                    break
                before, (after, values) = now, begun.result()
                is_scored = after.step == total or after.step % training.evaluate_every == 0
                is_saved = checkpoints.is_due(after.step, total)
                is_told = is_requested or (is_alone(mesh) and interruption.requested)
                following = None if is_scored or is_saved or is_told else _begun(training, after)
                is_scored = is_scored or _is_none(following)
                is_good = recorder.step(after.step, values) or training.goes_on_without
                now = after
                following = following if is_good else _dropped(following)
                if is_scored and is_good and not training.is_done(now.history):
                    recorder.validation(now.step, training.evaluate(now))
                    now = training.judged(now)
                recorder.tell()
                flags = (interruption.requested, recorder.failed is not None)
                is_requested, can_not_log = on_any(flags, mesh) if is_kept or is_logged else flags
                if can_not_log:
                    raise recorder.failed or _elsewhere()
                if not is_good:
                    training.diverged(_at_home(before, mesh), now.step)
                is_last = is_requested and not following
                if is_kept and (is_last or is_saved or training.is_done(now.history)):
                    _write(checkpoints, checkpoints.write, now, mesh, _elsewhere)
                if is_last:
                    raise KeyboardInterrupt
        except KeyboardInterrupt as stop:
            so_far = training.result(_at_home(now, mesh), "interrupted")
            raise TrainingInterrupted(so_far, checkpoints.remedy()) from stop
        except CannotWrite as error:
            so_far = training.result(_at_home(now, mesh), "interrupted")
            models = "model" if isinstance(so_far, FitResult) else "models"
            raise TrainingNotSaved(
                f"Training stopped after {training.unit} {now.step}, for it could not write "
                f"{error}.{checkpoints.remedy()} The exception's `result` has the {models} and the "
                "history up to then.",
                so_far,
            ) from error
    if now.step < total and not training.is_done(now.history):
        ended = (
            f"`batches` ended after {now.step} of {total} {training.unit}s, and the training too"
        )
        warnings.warn(ended, stacklevel=3)
    return _at_home(now, mesh)


def check_callback(callback: object) -> None:
    if callback is not None and (not callable(callback) or isinstance(callback, type)):
        must = "be a function of the step and its record, or None"
        refuse("callback", must, f"it is {shown(callback)}")


def way_of_end(now: Progress, total: int) -> str:
    """How a training ended that nothing interrupted."""
    return "completed" if now.step == total else "stopped"


def _begun(training: AbstractTraining, now: Progress) -> Step:
    """A step, or what it raised: that is of no concern before the step is asked for."""
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
    """Wait for a step that nobody asks for, and forget it: the device may be needed.

    What it raised goes with it, but for a Ctrl-C that only happened to come while it began.
    """
    error = None if step is None else step.exception()
    if error is not None and not isinstance(error, Exception):
        raise error
    if step is not None and error is None:
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            jax.block_until_ready(step.result()[1])


def _elsewhere() -> CannotWrite:
    """What the other processes say when the one that writes has said why it cannot."""
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
    """Write the whole of a training, on one process."""
    whole = _at_home(now, mesh)
    _on_all(lambda: write(whole) if is_writer(mesh) else None, mesh, elsewhere)
    checkpoints.last = now.step


def _on_all(
    do: Callable[[], Value], mesh: Mesh | None, elsewhere: Callable[[], Exception]
) -> Value:
    """What it gives; where it fails on one process the others raise `elsewhere`, and none goes on
    to wait for it."""
    try:
        value = do()
    except BaseException:
        on_any((True,), mesh)
        raise
    if any(on_any((False,), mesh)):
        raise elsewhere()
    return value


def _at_home(now: Progress, mesh: Mesh | None) -> Progress:
    """With arrays that are whole, of this process alone and tied to no device."""
    models = (now.state, now.previous, now.best)
    state, previous, best = bring_home(gather(models, mesh), mesh)
    return now._replace(state=state, previous=previous, best=best)


class Interruption:
    """While entered, the first SIGINT or SIGTERM sets `requested`; a second one acts as before.

    Only the main thread may handle signals, and one that is ignored stays so (nohup). Where nobody
    answered the request by an exception, the signal is sent again at the end.
    """

    def __init__(self, *, enabled: bool):
        self.requested = False
        self._enabled = enabled
        self._previous: dict[int, Any] = {}
        self._number = signal.SIGINT

    def __enter__(self) -> "Interruption":
        can_handle = self._enabled and threading.current_thread() is threading.main_thread()
        for number in (signal.SIGINT, signal.SIGTERM) if can_handle else ():
            # None: a handler that was not set from Python, and could not be put back.
            if signal.getsignal(number) not in (None, signal.SIG_IGN):
                self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, exception_type: type[BaseException] | None, *rest: object) -> None:
        self._restore()
        if self.requested and exception_type is None:
            signal.raise_signal(self._number)

    def _request(self, number: int, frame: types.FrameType | None) -> None:
        self.requested, self._number = True, number
        self._restore()

    def _restore(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())
