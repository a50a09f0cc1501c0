"""Whether an object has a class's own equations: only then do the facts of the class hold."""

import functools

from .._checks import a_or_an

# A subclass may redefine these, and all dunder names except those that can replace any attribute.
_HARMLESS = {"_abc_impl", "initial_state", "random"}
_HARMFUL = {"__call__", "__getattr__", "__getattribute__"}


def obeys(thing: object, *kinds: type) -> bool:
    """Whether an object has the equations of one of these classes.

    It does if its class is one of them, or a subclass that redefines nothing that the class
    defines. A subclass that overrides `vector_field`, or something that it calls, has other
    equations, and nothing that is known of the class holds for them.
    """
    return any(_keeps(type(thing), kind) for kind in kinds)


def what_is(thing: object, *kinds: type) -> str:
    """What an object is that does not obey them, for an error message."""
    own = ", a subclass with equations of its own" if isinstance(thing, kinds) else ""
    return f"it is {a_or_an(type(thing).__name__)}{own}"


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
