"""What becomes of a training that is interrupted, or that can no longer be saved."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ._history import (
    CannotWrite,
    EnsembleResult,
    FitResult,
    SkipResult,
    TrainingInterrupted,
    TrainingNotSaved,
)


@contextmanager
def stopping(
    result: Callable[[], FitResult | EnsembleResult | SkipResult],
    stopped: Callable[[], str],
    remedy: Callable[[], str] = lambda: "",
) -> Iterator[None]:
    """Turns Ctrl-C and files that can not be written into exceptions that carry the result so far.

    Args:
        result: what there is at that moment.
        stopped: what stopped and when, as the beginning of a sentence.
        remedy: how to go on, as a sentence.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        raise TrainingInterrupted(result(), remedy()) from stop
    except CannotWrite as error:
        so_far = result()
        models = "model" if isinstance(so_far, FitResult) else "models"
        there = f"The exception's `result` has the {models} and the history up to then."
        text = f"{stopped()}, for it could not write {error}.{remedy()} {there}"
        raise TrainingNotSaved(text, so_far) from error
