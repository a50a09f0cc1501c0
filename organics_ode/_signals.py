"""Ctrl-C and the scheduler's SIGTERM as a request to stop at a good moment."""

import signal
import threading
from typing import Any

from jax.sharding import Mesh

from ._devices import is_on_any


class Interruption:
    """While entered, the first SIGINT or SIGTERM sets `requested`; a second one acts as before.

    Where several processes train, `is_requested` says the same on all of them after the same step.
    Only the main thread may handle signals, and one that is ignored stays so (nohup). Where nobody
    answered the request by an exception, the signal is sent again at the end.
    """

    def __init__(self, *, enabled: bool, mesh: Mesh | None = None):
        self.requested = False
        self._enabled, self._mesh = enabled, mesh
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

    def is_requested(self) -> bool:
        """Whether a signal came to this process, or to another one of the mesh."""
        return self._enabled and is_on_any(self.requested, self._mesh)

    def _request(self, number: int, frame: Any) -> None:
        self.requested, self._number = True, number
        self._restore()

    def _restore(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())
