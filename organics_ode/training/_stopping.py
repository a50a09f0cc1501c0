"""When a training run is evaluated and stops, and which of its models it keeps."""

import os
import signal
import threading
import types
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import numpy as np

from .._cards import HIGHER_IS_BETTER
from .._checks import check_choice, check_flag, check_kind, check_positive_integer, refuse, shown
from ._history import History
from .batches import Data, read_samples


class EarlyStopping(eqx.Module):
    """Stops training when validation no longer improves, as `oo.fit(..., stop=EarlyStopping(…))`.

    Training ends after `patience` evaluations in a row that are no better than the best before
    them. An equal one is no better, nor is one with NaN or infinity.
    """

    metric: str
    patience: int | None
    higher_is_better: bool

    def __init__(self, metric: str, patience: int | None, *, higher_is_better: bool | None = None):
        """
        Args:
            metric: `"loss"`, or the name of the metric, as after `validation_` in the history.
            patience: a number of evaluations; None never stops, for use with only `keep="best"`.
            higher_is_better: may be omitted if it follows from the name: True for `accuracy`,
                `score` and `performance`, False for `loss`, `cross_entropy` and `squared_error`.

        Raises:
            ValueError: an argument is bad, or `higher_is_better` is missing and does not follow
                from the name.
        """
        if not isinstance(metric, str):
            refuse("metric", 'be a name such as "loss" or "accuracy"', f"it is {shown(metric)}")
        self.metric = metric.removeprefix("validation_")
        self.patience = None if patience is None else check_positive_integer("patience", patience)
        if higher_is_better is None and self.metric not in HIGHER_IS_BETTER:
            found = f"it does not follow from the name `{self.metric}`"
            refuse("higher_is_better", "be True or False", found)
        higher = HIGHER_IS_BETTER[self.metric] if higher_is_better is None else higher_is_better
        self.higher_is_better = check_flag("higher_is_better", higher)

    def best(self, history: History) -> dict[str, Any] | None:
        """The record of the best evaluation; `keep="best"` keeps the model after its `step`. None
        if no evaluation counts."""
        judge = Judge(self, keeps=True).follow(history)
        if judge.has_best.ndim:
            refuse("history", "be of one model", "it is of several; take `member(i).history`")
        return judge.best


class Judge:
    """Follows the evaluations: which was the best, and how many since were no better.

    For several models it follows each, unless `summary` reduces their values to one number.
    """

    def __init__(
        self, rule: EarlyStopping, *, keeps: bool, summary: Callable[[Any], Any] = np.asarray
    ):
        self.rule, self.keeps, self._summary = rule, keeps, summary
        self._seen, self._best = 0, np.asarray(-np.inf)
        self._since, self.is_new = np.asarray(0), np.asarray(False)
        self.best: dict[str, Any] | None = None  # the record, if it is common to all

    @property
    def has_best(self) -> np.ndarray:
        return np.asarray(self._best > -np.inf)

    @property
    def has_stopped(self) -> np.ndarray:
        patience = np.inf if self.rule.patience is None else self.rule.patience
        return np.asarray(self._since >= patience)

    def follow(self, history: History) -> "Judge":
        """Take note of the records since the last call; `is_new` is about the last of them."""
        for record in history.records[self._seen :]:
            is_scored = f"validation_{self.rule.metric}" in record
            self.is_new = self._note(record) if is_scored else np.zeros_like(self.has_best)
            self.best = record if np.all(self.is_new) else self.best
        self._seen = len(history.records)
        return self

    def _note(self, record: dict[str, Any]) -> np.ndarray:
        scores = {k: self._summary(v) for k, v in record.items() if k.startswith("validation_")}
        value = np.asarray(scores[f"validation_{self.rule.metric}"], float)
        value = value if self.rule.higher_is_better else -value
        counts = np.logical_and.reduce([np.isfinite(np.asarray(v)) for v in scores.values()])
        is_new = counts & (value > self._best)
        self._best = np.where(is_new, value, self._best)
        self._since = np.where(is_new, 0, self._since + 1)
        return np.asarray(is_new)

    @property
    def kept(self) -> str:
        """What is kept, in the form that a checkpoint compares."""
        better = "higher" if self.rule.higher_is_better else "lower"
        return f"best {self.rule.metric}, {better} is better" if self.keeps else "last"


def read_stopping(
    stop: EarlyStopping | None, keep: str, names: Sequence[str], **options: Any
) -> Judge | None:
    """The judge of the evaluations under these names; None if there is nothing to judge."""
    check_choice("keep", keep, ("last", "best"))
    if stop is not None:
        check_kind("stop", stop, EarlyStopping)
    if stop is None and keep == "last":
        return None
    stop = EarlyStopping(names[0], None) if stop is None else stop
    if stop.metric not in names:
        refuse("stop", f"watch one of {', '.join(names)}", f"it watches `{stop.metric}`")
    return Judge(stop, keeps=keep == "best", **options)


def check_judged(judge: Judge | None, validation: Data | None, every: int | None) -> None:
    """Refuse bad validation data, and a training run judged by evaluations it does not have."""
    if validation is not None:
        read_samples(validation, "validation")
    what = 'for `stop` and for `keep="best"`'
    if judge is not None and validation is None:
        refuse("validation", f"be given {what}", "it is None")
    if judge is not None and every is None:
        refuse("validate_every", f"be given {what}, where there are no epochs", "it is None")


def check_intervals(
    validate_every: int | None, checkpoint: str | os.PathLike | None, checkpoint_every: int | None
) -> None:
    """Check the intervals of a training run; a ValueError names a bad argument."""
    if validate_every is not None:
        validate_every = check_positive_integer("validate_every", validate_every)
    if checkpoint_every is not None:
        checkpoint_every = check_positive_integer("checkpoint_every", checkpoint_every)
        if checkpoint is None:
            refuse("checkpoint", "name a file for `checkpoint_every`", "it is None")


class Interruption:
    """While entered, the first SIGINT or SIGTERM sets `requested`; a second one acts as before.

    Only the main thread may handle signals, and a signal that is ignored remains so (nohup). If no
    exception answered the request, the signal is sent again at the end.
    """

    def __init__(self, *, enabled: bool):
        self.requested = False
        self._enabled = enabled
        self._previous: dict[int, Any] = {}
        self._number = signal.SIGINT

    def __enter__(self) -> "Interruption":
        can_handle = self._enabled and threading.current_thread() is threading.main_thread()
        for number in (signal.SIGINT, signal.SIGTERM) if can_handle else ():
            # None: a handler that was not set from Python, and could not be restored.
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
