"""What is known about a class beyond its equations."""

import functools
from collections.abc import Callable
from typing import Concatenate, Generic, ParamSpec, TypeVar

from ..circuits import AbstractCircuit, obeys

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")
Known = TypeVar("Known", bound=Callable)


class Fact(Generic[Asked, Answer]):
    """A function of a circuit with its own answer for each registered class, and the default for
    all others, including subclasses with other equations."""

    def __init__(self, default: Callable[Concatenate[AbstractCircuit, Asked], Answer]):
        functools.update_wrapper(self, default)
        self._default = default
        self._known: dict[type | None, Callable[..., Answer]] = {}
        self._when: dict[type | None, Callable[..., bool]] = {}

    def register(
        self, kind: type, *, when: Callable[..., bool] | None = None
    ) -> Callable[[Known], Known]:
        """The answer for a class: for all its objects, or for those for which `when` is true."""

        def keep(answer: Known) -> Known:
            self._known[kind] = answer
            if when is not None:
                self._when[kind] = when
            return answer

        return keep

    def __call__(
        self, circuit: AbstractCircuit, *args: Asked.args, **named: Asked.kwargs
    ) -> Answer:
        return self._known.get(self._kind(circuit), self._default)(circuit, *args, **named)

    def is_known(self, circuit: AbstractCircuit) -> bool:
        """Whether the answer for this circuit is a registered one."""
        return self._kind(circuit) is not None

    def _kind(self, circuit: AbstractCircuit) -> type | None:
        # The nearest class decides: beyond a class with other equations nothing holds.
        nearest = next((kind for kind in type(circuit).__mro__ if kind in self._known), None)
        if nearest is None or not obeys(circuit, nearest):
            return None
        return nearest if self._when.get(nearest, _always)(circuit) else None


def _always(circuit: AbstractCircuit) -> bool:
    return True
