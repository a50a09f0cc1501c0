"""What is known of a class beyond its equations."""

import functools
from collections.abc import Callable
from typing import Any

from ..circuits import obeys


class Fact:
    """A function of a circuit with an answer of its own for each class that was registered, and the
    default for every other: a subclass with other equations included."""

    def __init__(self, default: Callable[..., Any]):
        functools.update_wrapper(self, default)
        self._default, self._known = default, {}

    def register(self, kind: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def keep(answer: Callable[..., Any]) -> Callable[..., Any]:
            self._known[kind] = answer
            return answer

        return keep

    def __call__(self, circuit: Any, *args: Any) -> Any:
        return self._known.get(self._kind(circuit), self._default)(circuit, *args)

    def is_known(self, circuit: Any) -> bool:
        """Whether the answer is a registered one."""
        return self._kind(circuit) is not None

    def _kind(self, circuit: Any) -> type | None:
        # The nearest class decides: behind a class with other equations nothing holds.
        nearest = next((kind for kind in type(circuit).__mro__ if kind in self._known), None)
        return nearest if nearest is not None and obeys(circuit, nearest) else None
