"""The loop of a training, which `fit`, `ensemble` and `fit_with_skips` have in common."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax.sharding import Mesh
from jaxtyping import Array

from ._devices import bring_home, gather, is_writer, on_any
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
from ._resume import Checkpoints, Progress
from ._signals import Interruption


class Loop(NamedTuple):
    """A training: what is done in a step, and what else there is to do.

    Attributes:
        total: steps.
        take: one step, and the values that are recorded of it.
        evaluate: scores, every so many steps (`evaluate_every`) and at the end; None for none.
        result: what there is, as `fit` or its like would return it.
        is_done: whether the history leaves nothing to do, though there are steps left.
        until_divergence: whether a step ends the training whose loss or gradient is finite for
            nobody.
        metric, batches: as in `fit`.
        unit: what a step is called.
    """

    total: int
    take: Callable[[Progress], tuple[Progress, dict[str, Array]]]
    evaluate: Callable[[Progress], dict[str, Any]] | None
    evaluate_every: int
    result: Callable[[Progress], FitResult | EnsembleResult | SkipResult]
    is_done: Callable[[History], bool] = lambda history: False
    until_divergence: bool = True
    metric: Any = None
    batches: Any = None
    unit: str = "step"


def run_loop(
    loop: Loop, now: Progress, checkpoints: Checkpoints, log: Any, progress: bool, mesh: Mesh | None
) -> tuple[Progress, Progress | None]:
    """Take the steps that are left; record, evaluate, write checkpoints, and stop when told to.

    On several processes all go through the same steps: where one is told to stop, or the one that
    writes can not, they all stop after the step in flight.

    Args:
        now: where to begin, its arrays on the devices of the mesh.

    Returns:
        Where it ended, whole and tied to no device; and where the last step diverged, the training
        before it.

    Raises:
        TrainingInterrupted: Ctrl-C, or SIGTERM where there is a checkpoint.
        TrainingNotSaved: a checkpoint or the log can no longer be written.
    """
    total, is_kept, is_logged = loop.total, checkpoints.path is not None, log is not None
    log, progress = (log, progress) if is_writer(mesh) else (None, False)
    with (
        Recorder(loop.metric, loop.batches, total, log, progress, now, loop.unit) as recorder,
        Interruption(enabled=is_kept) as interruption,
    ):
        now = now._replace(log_start=recorder.log_start)
        try:
            if is_kept:
                _write(lambda whole: checkpoints.begin(whole, total), now, mesh)
            while now.step < total and not loop.is_done(now.history):
                before = now
                now, values = loop.take(before)
                if not recorder.step(now.step, values) and loop.until_divergence:
                    return _at_home(now, mesh), _at_home(before, mesh)
                is_last = now.step == total
                if loop.evaluate and (is_last or now.step % loop.evaluate_every == 0):
                    recorder.validation(now.step, loop.evaluate(now))
                is_requested, can_not_log = interruption.requested, recorder.failed is not None
                if is_kept or is_logged:
                    is_requested, can_not_log = on_any((is_requested, can_not_log), mesh)
                if can_not_log:
                    raise recorder.failed or _elsewhere()
                is_due = checkpoints.is_due(now.step, total) or loop.is_done(now.history)
                if is_kept and (is_requested or is_due):
                    _write(checkpoints.write, now, mesh)
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
    return _at_home(now, mesh), None


def _write(write: Callable[[Progress], None], now: Progress, mesh: Mesh | None) -> None:
    """Write the whole of a training on one process; where it can not, all processes fail."""
    whole, failed = _at_home(now, mesh), None
    if is_writer(mesh):
        try:
            write(whole)
        except (CannotWrite, ValueError) as error:
            failed = error
    (is_failed,) = on_any((failed is not None,), mesh)
    if is_failed:
        raise failed or _elsewhere()


def _elsewhere() -> CannotWrite:
    return CannotWrite("its files on the process that does")


def _at_home(now: Progress, mesh: Mesh | None) -> Progress:
    """With arrays that are whole, of this process alone and tied to no device."""
    state, previous = bring_home(gather((now.state, now.previous), mesh), mesh)
    return now._replace(state=state, previous=previous)
