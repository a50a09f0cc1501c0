"""What is known of a class beyond its equations, and for which objects it holds."""

import functools
from collections.abc import Callable
from typing import Any

# A subclass may define these anew, and all dunder names but those that stand for other attributes.
_HARMLESS = {"_abc_impl", "initial_state", "random"}
_HARMFUL = {"__call__", "__getattr__", "__getattribute__"}


def obeys(thing: Any, *kinds: type) -> bool:
    """Whether a thing has the equations of one of these classes.

    An object of the class itself has, and one of a subclass that defines nothing anew of what the
    class defines. Whoever overrides `vector_field`, or something that it calls, has other
    equations, and nothing that is known of the class holds for them.
    """
    return any(_keeps(type(thing), kind) for kind in kinds)


def what_is(thing: Any, *kinds: type) -> str:
    """What a thing is that does not obey them, for an error."""
    own = ", a subclass with equations of its own" if isinstance(thing, kinds) else ""
    return f"it is {type(thing).__name__}{own}"


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


@functools.cache
def _keeps(cls: type, kind: type) -> bool:
    if not issubclass(cls, kind):
        return False
    defined = set().union(*map(_names, kind.__mro__[:-1]))
    added = set().union(*(_names(base) for base in cls.__mro__ if base not in kind.__mro__))
    return not any(name in defined for name in added if _matters(name))


def _names(cls: type) -> set[str]:
    return vars(cls).keys() | vars(cls).get("__annotations__", {}).keys()


def _matters(name: str) -> bool:
    is_dunder = name.startswith("__") and name.endswith("__")
    return name in _HARMFUL if is_dunder else name not in _HARMLESS
