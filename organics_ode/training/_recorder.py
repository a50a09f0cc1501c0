"""Keeps the history of a training run, writes it to its log, and shows progress.

For an ensemble, each quantity is a list with the members' values, whose median is shown.
"""

import contextlib
import copy
import errno
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Array

from .._checks import check_flag, refuse, shown
from .._progress import progress_bar
from ..programs import arrived
from ..storage import from_line, read_path, to_line
from ._checkpoints import Progress
from ._history import CannotWrite, History, were_good
from ._objective import Loss, named

Callback = Callable[[int, dict[str, Any]], Any]


def check_callback(callback: object) -> None:
    if callback is not None and (not callable(callback) or isinstance(callback, type)):
        must = "be a function of the step and its record, or None"
        refuse("callback", must, f"it is {shown(callback)}")


class Recorder:
    """Keeps the history, writes it to the log, and shows progress.

    If the log can no longer be written, `failed` says why, and writing ends.
    """

    def __init__(
        self,
        metric: Loss | None,
        batches: object,
        total: int,
        log: str | os.PathLike | None,
        progress: bool,
        now: Progress,
        unit: str,
        callback: Callback | None = None,
    ):
        progress = check_flag("progress", progress)
        self.history = history = now.history
        self.log_start = now.log_start
        self._metric, self._callback, self._told = metric, callback, len(history.records)
        self._per_epoch = getattr(batches, "steps_per_epoch", None)
        self._log = None
        self.failed: CannotWrite | None = None
        if log is not None and now.step < total:
            self._log = Log(log, now.log_start, history, now.step)
            self.log_start = self._log.start
        resumed = f"resumed after step {now.step}" if now.step else None
        options = {"done": now.step, "title": resumed, "shown": progress}
        self._bar = progress_bar(total, unit=unit, **options)
        seconds = next((r["seconds"] for r in reversed(history.records) if "seconds" in r), 0.0)
        self._start, self._shown = time.perf_counter() - seconds, {}

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()
        if self._log is not None:
            self._log.close()

    def step(self, step: int, values: dict[str, Array]) -> bool:
        """Record a training step; returns whether any of the models was good."""
        found = arrived(named(values, self._metric))
        numbers = {name: value.tolist() for name, value in found.items()}
        epoch = {} if self._per_epoch is None else {"epoch": step / self._per_epoch}
        self._add({"step": step, **epoch, **numbers, "seconds": time.perf_counter() - self._start})
        self._show(numbers)
        self._bar.update()
        return bool(were_good(numbers).any())

    def validation(self, step: int, scores: dict[str, Any] | None) -> None:
        if scores is None:
            return
        named = {f"validation_{name}": score for name, score in scores.items()}
        self._add({"step": step, **named})
        self._show({k: v for k, v in named.items() if k != "validation_loss"})

    def tell(self) -> None:
        """Call back with the new records since the last call."""
        new = self.history.records[self._told :] if self._callback is not None else ()
        for record in new:
            self._told += 1
            self._callback(record["step"], copy.deepcopy(record))  # pyright: ignore

    def _show(self, numbers: dict[str, Any]) -> None:
        self._shown |= {k: f"{_median(v):.4g}" for k, v in numbers.items() if k != "gradient_norm"}
        self._bar.set_postfix(self._shown, refresh=False)

    def _add(self, record: dict[str, Any]) -> None:
        self.history.records.append(record)
        if self._log is not None and self.failed is None:
            try:
                self._log.write(record)
            except CannotWrite as error:
                self.failed = error


def _median(values: float | list[float]) -> float:
    numbers = np.asarray(values)
    finite = numbers[np.isfinite(numbers)]
    return float(np.median(finite)) if finite.size else math.nan


class Log:
    """The file at `path`, opened at its end; the lines of this training run begin at byte `start`.

    After a resume, lines for steps beyond the history are dropped and missing ones are written.
    """

    def __init__(self, path: str | os.PathLike, start: int | None, history: History, done: int):
        self._path = file = read_path("log", path)
        try:
            self.start = _align(file, start, history, done)
            self._file = _open(file)
        except OSError as error:
            raise ValueError(
                f"Argument `log` must be a file that can be written, but {file}: {_reason(error)}."
            ) from error

    def write(self, record: dict[str, Any]) -> None:
        try:
            self._file.write(to_line(record))
            self._file.flush()
        except OSError as error:
            raise CannotWrite(f"the log {self._path}: {error.strerror}") from error

    def close(self) -> None:
        # What did not fit on a full disk has been reported by `write`.
        with contextlib.suppress(OSError):
            self._file.close()


def _reason(error: OSError) -> str:
    is_pipe = error.errno == errno.ENXIO
    return "it is a pipe that nobody reads" if is_pipe else error.strerror or str(error)


def _open(path: Path) -> Any:
    # Without `newline`, Windows would write other bytes than a resume looks for.
    return open(path, "a", encoding="utf-8", newline="\n", opener=_opener)


def _opener(path: str, flags: int) -> int:
    """Open without blocking: a pipe without a reader is refused."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    if hasattr(os, "set_blocking"):
        os.set_blocking(descriptor, True)
    return descriptor


def _align(path: Path, start: int | None, history: History, done: int) -> int:
    """Make the file hold the history from `start` on and nothing after it; returns its start."""
    size = path.stat().st_size if path.exists() else 0
    if start is None or start > size:  # a new file
        start = size - _unfinished(path)
    wanted = "".join(map(to_line, history.records)).encode()
    if start == size and not wanted:  # may be a pipe, which cannot be read
        return start
    if path.exists() and not path.is_file():
        refuse("log", "be a file to go on from a checkpoint", f"{path} is a pipe or a device")
    with open(path, "a+b") as file:
        file.seek(start)
        found = file.read()
        _check_own(path, found, wanted, done)
        file.truncate(start + min(len(found), len(wanted)))
        file.write(wanted[len(found) :])
    return start


def _unfinished(path: Path) -> int:
    """The bytes of a record at the end that a killed training run had begun to write."""
    last = path.read_bytes().rpartition(b"\n")[2] if path.is_file() else b""
    return len(last) if last.startswith(b'{"step') and from_line(last) is None else 0


def _check_own(path: Path, found: bytes, wanted: bytes, done: int) -> None:
    """Refuse a file with lines of another training run, which would be lost."""
    later = found[len(wanted) :].splitlines(keepends=True)
    is_later = [_step(line) > done for line in later if line.endswith(b"\n")]
    if not (found.startswith(wanted) or wanted.startswith(found)) or not all(is_later):
        remedy = "name the log that this training began, or a new file"
        refuse("log", "hold this training at its end", f"{path} goes on otherwise; {remedy}")


def _step(line: bytes) -> int:
    return (from_line(line) or {"step": 0})["step"]  # 0: not a line of a history
