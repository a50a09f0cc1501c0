"""The loop of a training, which `fit`, `ensemble` and `fit_with_skips` have in common."""

import contextlib
import signal
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from jax.sharding import Mesh
from jaxtyping import Array

from ..parallel import bring_home, gather, is_writer, on_any
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
from ._recorder import Recorder

Value = TypeVar("Value")


class Loop(NamedTuple):
    """A training: what is done in a step, and what else there is to do.

    Attributes:
        total: steps.
        take: one step, and the values that are recorded of it.
        evaluate: scores, every so many steps (`evaluate_every`) and at the end; None for none.
        result: what there is when it is interrupted, as `fit` or its like would return it.
        diverged: raises what has to be said where a step's loss or gradient is finite for nobody,
            of the training before that step and the number of the step, or returns to go on.
        is_done: whether the history leaves nothing to do, though there are steps left.
        metric, batches: as in `fit`.
        unit: what a step is called.
    """

    total: int
    take: Callable[[Progress], tuple[Progress, dict[str, Array]]]
    evaluate: Callable[[Progress], dict[str, Any]] | None
    evaluate_every: int
    result: Callable[[Progress], FitResult | EnsembleResult | SkipResult]
    diverged: Callable[[Progress, int], None] | None = None
    is_done: Callable[[History], bool] = lambda history: False
    metric: Any = None
    batches: Any = None
    unit: str = "step"


def run_loop(
    loop: Loop, now: Progress, checkpoints: Checkpoints, log: Any, progress: bool, mesh: Mesh | None
) -> Progress:
    """Take the steps that are left; record, evaluate, write checkpoints, and stop when told to.

    On several processes all go through the same steps: where one is told to stop, or the one that
    writes can not, they all stop after the step in flight.

    Args:
        now: where to begin, its arrays on the devices of the mesh.

    Returns:
        Where it ended, whole and tied to no device.

    Raises:
        ValueError: the log or the checkpoint can not be written, as is known before the first step.
        TrainingInterrupted: Ctrl-C, or SIGTERM where there is a checkpoint.
        TrainingNotSaved: a checkpoint or the log can no longer be written.
    """
    total, is_kept = loop.total, checkpoints.path is not None
    (is_logged,) = on_any((log is not None,), mesh)
    log, progress = (log, progress) if is_writer(mesh) else (None, False)
    options = (loop.metric, loop.batches, total, log, progress, now, loop.unit)
    with contextlib.ExitStack() as held, Interruption(enabled=is_kept) as interruption:

        def opened() -> Recorder:
            if is_writer(mesh):
                held.enter_context(checkpoints.held(now.step, total, log))
            return held.enter_context(Recorder(*options))

        recorder = _on_all(opened, mesh, _refused)
        now = now._replace(log_start=recorder.log_start)
        try:
            if is_kept:
                _write(lambda whole: checkpoints.begin(whole, total), now, mesh, _refused)
                checkpoints.last = now.step
            while now.step < total and not loop.is_done(now.history):
                before = now
                now, values = loop.take(before)
                diverged = None if recorder.step(now.step, values) else loop.diverged
                is_due = now.step == total or now.step % loop.evaluate_every == 0
                if loop.evaluate and is_due and not (diverged or loop.is_done(now.history)):
                    recorder.validation(now.step, loop.evaluate(now))
                flags = (interruption.requested, recorder.failed is not None)
                is_requested, can_not_log = on_any(flags, mesh) if is_kept or is_logged else flags
                if can_not_log:
                    raise recorder.failed or _elsewhere()
                if diverged is not None:
                    diverged(_at_home(before, mesh), now.step)
                is_due = checkpoints.is_due(now.step, total) or loop.is_done(now.history)
                if is_kept and (is_requested or is_due):
                    _write(checkpoints.write, now, mesh, _elsewhere)
                    checkpoints.last = now.step
                if is_requested:
                    raise KeyboardInterrupt
        except KeyboardInterrupt as stop:
            so_far = loop.result(_at_home(now, mesh))
            raise TrainingInterrupted(so_far, checkpoints.remedy()) from stop
        except CannotWrite as error:
            so_far = loop.result(_at_home(now, mesh))
            models = "model" if isinstance(so_far, FitResult) else "models"
            text = (
                f"Training stopped after {loop.unit} {now.step}, for it could not write {error}."
                f"{checkpoints.remedy()} The exception's `result` has the {models} and the history "
                "up to then."
            )
            raise TrainingNotSaved(text, so_far) from error
    return _at_home(now, mesh)


def _elsewhere() -> CannotWrite:
    """What the other processes say when the one that writes has said why it can not."""
    return CannotWrite("its files: another process tells why")


def _refused() -> ValueError:
    """The same before the first step."""
    return ValueError(
        "Arguments `checkpoint` and `log` must name files that can be written, but another process "
        "can not write them; it tells why."
    )


def _write(
    write: Callable[[Progress], None],
    now: Progress,
    mesh: Mesh | None,
    elsewhere: Callable[[], Exception],
) -> None:
    """Write the whole of a training, on one process."""
    whole = _at_home(now, mesh)
    _on_all(lambda: write(whole) if is_writer(mesh) else None, mesh, elsewhere)


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
    state, previous = bring_home(gather((now.state, now.previous), mesh), mesh)
    return now._replace(state=state, previous=previous)


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

    def __exit__(self, exception_type: Any, *rest: object) -> None:
        self._restore()
        if self.requested and exception_type is None:
            signal.raise_signal(self._number)

    def _request(self, number: int, frame: Any) -> None:
        self.requested, self._number = True, number
        self._restore()

    def _restore(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())
