"""The progress of a long computation: a bar where one can be drawn, else one line per minute."""

import contextlib
import sys
import time
from typing import Any, final

_EVERY = 60.0  # seconds between lines


def progress_bar(
    total: int, *, unit: str, done: int = 0, title: str | None = None, shown: bool = True
) -> Any:
    """A context manager with `update(count)`, `set_postfix(texts)` and `close()`.

    On a terminal and in a notebook it is a tqdm bar. A file would keep everything that a bar
    overwrites, tens of kilobytes a minute, so it gets a line per minute instead, and one at the
    end.
    """
    if shown and _can_go_back(sys.stderr):
        from tqdm import tqdm

        return tqdm(total=total, initial=done, desc=title, unit=unit, dynamic_ncols=True)
    return _Lines(total, unit, done, title, shown and sys.stderr is not None)


def _can_go_back(stream: Any) -> bool:
    """Whether a carriage return lets a line be overwritten."""
    if type(stream).__module__.partition(".")[0] == "ipykernel":
        return True
    with contextlib.suppress(AttributeError, ValueError):  # there is none, or it is closed
        return stream.isatty()
    return False


@final
class _Lines:
    def __init__(self, total: int, unit: str, done: int, title: str | None, shown: bool):
        self._total, self._unit, self._title, self._is_shown = total, unit, title, shown
        self._done = self._first = done
        self._start = self._last = time.monotonic()
        self._texts: dict[str, str] = {}

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def update(self, count: int = 1) -> None:
        self._done += count
        if time.monotonic() - self._last >= _EVERY and self._done < self._total:
            self._write()

    def set_postfix(self, texts: dict[str, str], refresh: bool = False) -> None:
        del refresh
        self._texts = texts

    def close(self) -> None:
        self._write()
        self._is_shown = False

    def _write(self) -> None:
        self._last = time.monotonic()
        if self._is_shown:
            with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
                print(self._line(self._last - self._start), file=sys.stderr, flush=True)

    def _line(self, seconds: float) -> str:
        title = f"{self._title}: " if self._title else ""
        parts = [f"{title}{self._unit} {self._done}/{self._total}", _duration(seconds)]
        if self._first < self._done < self._total:
            left = (self._total - self._done) * seconds / (self._done - self._first)
            parts.append(f"{_duration(left)} left")
        return ", ".join([*parts, *(f"{name}={text}" for name, text in self._texts.items())])


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
