"""Ctrl-C and the scheduler's SIGTERM as a request to stop at a good moment."""

import signal
import threading
from typing import Any


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
