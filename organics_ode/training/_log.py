"""The log of a training, a line of JSON for each record, continued where a checkpoint left it."""

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

from .._checks import refuse
from ..storage import from_line, read_path, to_line
from ._history import CannotWrite, History


class Log:
    """The file at `path`, opened at its end; this training's lines begin at the byte `start`.

    After a resume, lines of steps later than the history are dropped and missing ones are written.
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
        # What a full disk did not take has been reported by `write`.
        with contextlib.suppress(OSError):
            self._file.close()


def _reason(error: OSError) -> str:
    is_pipe = error.errno == errno.ENXIO
    return "it is a pipe that nobody reads" if is_pipe else error.strerror or str(error)


def _open(path: Path) -> Any:
    # Without `newline`, Windows would write other bytes than those that a resume looks for.
    return open(path, "a", encoding="utf-8", newline="\n", opener=_opener)


def _opener(path: str, flags: int) -> int:
    """Opened at once: a pipe that nobody reads would be waited for, and is refused instead."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    if hasattr(os, "set_blocking"):
        os.set_blocking(descriptor, True)
    return descriptor


def _align(path: Path, start: int | None, history: History, done: int) -> int:
    """Make the file hold the history from `start` on and nothing after it; where it begins."""
    size = path.stat().st_size if path.exists() else 0
    if start is None or start > size:  # a new file
        start = size - _unfinished(path)
    wanted = "".join(map(to_line, history.records)).encode()
    if start == size and not wanted:  # may be a pipe, which can not be read
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
    """The bytes of a record that a killed training began to write at the end of the file."""
    last = path.read_bytes().rpartition(b"\n")[2] if path.is_file() else b""
    return len(last) if last.startswith(b'{"step') and from_line(last) is None else 0


def _check_own(path: Path, found: bytes, wanted: bytes, done: int) -> None:
    """Refuse a file with lines of another training, which would be lost."""
    later = found[len(wanted) :].splitlines(keepends=True)
    is_later = [_step(line) > done for line in later if line.endswith(b"\n")]
    if not (found.startswith(wanted) or wanted.startswith(found)) or not all(is_later):
        remedy = "name the log that this training began, or a new file"
        refuse("log", "hold this training at its end", f"{path} goes on otherwise; {remedy}")


def _step(line: bytes) -> int:
    return (from_line(line) or {"step": 0})["step"]  # 0: no line of a history
