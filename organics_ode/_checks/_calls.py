"""The public function that a user called, looked up when one of its arguments is bad."""

import inspect
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from ._errors import a_or_an, refuse, shown

_LIBRARY = __name__.partition(".")[0]
_BETWEEN = ("jax", "jaxlib", "numpy", "equinox", "diffrax", "jaxtyping", "functools", "contextlib")
# Public under their own names, in addition to the package itself.
_SPACES = ("", ".planar", ".robustness", ".feedback", ".mean_field", ".periods", ".population")
_SPACES += (".cortex",)


def right_call() -> str:
    """The call as it should be, such as "oo.simulate(circuit, inputs, ts)"; empty if no public
    function is running."""
    name, function = _called()
    if function is None:
        return ""
    arguments = inspect.signature(function).parameters.values()
    # A key is optional in the signature, but some calls need it.
    asked = [a for a in arguments if a.default is a.empty or a.name == "key"]
    signs = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    texts = [
        f"{a.name}=" * (a.kind is a.KEYWORD_ONLY) + signs.get(a.kind, "") + a.name for a in asked
    ]
    return f"{name}({', '.join(texts)})"


def many_calls(name: str) -> str:
    """The line of code that calls the function for each row of a `batch` of this argument."""
    call, (_, function) = right_call(), _called()
    if "host function" in " ".join(str(getattr(function, "__doc__", "")).lower().split()):
        return f"[{call} for {name} in batch]"
    return f"jax.vmap(lambda {name}: {call or f'f({name})'})(batch)"


def refuse_kind(name: str, must: str, value: object) -> NoReturn:
    """Raise an error for an argument of the wrong kind, and show the call."""
    call = right_call()
    found = f"it is {shown(value)}" if hasattr(value, "dtype") else _what(value)
    refuse(name, must, f"{found}; the call is `{call}`" if call else found)


def warn_user(message: str, category: type[Warning]) -> None:
    """Issue a warning that points to the user's own line."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and is_ours(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def is_ours(frame: FrameType) -> bool:
    """Whether a frame belongs to the library, or to packages between it and the user."""
    module = str(frame.f_globals.get("__name__"))
    return module.partition(".")[0] in (_LIBRARY, *_BETWEEN)


def _what(value: object) -> str:
    if not isinstance(value, type):
        return f"it is {a_or_an(type(value).__name__)}"
    made = ".random(input_size, size, key=0)" if hasattr(value, "random") else "(...)"
    return f"it is a class; make an object of it, such as `{value.__name__}{made}`"


def _called() -> tuple[str, Callable[..., Any] | None]:
    """The innermost public function or constructor that is running, and its name for users."""
    frame = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(f"{_LIBRARY}."):
            code, name = frame.f_code, frame.f_code.co_name
            if name == "__init__" and "self" in frame.f_locals:
                name = type(frame.f_locals["self"]).__name__
            for space in _SPACES:
                public = getattr(sys.modules.get(_LIBRARY + space), name, None)
                own: Any = public.__init__ if isinstance(public, type) else public
                if getattr(inspect.unwrap(own), "__code__", None) is code:
                    return f"{space[1:] or 'oo'}.{name}", public
        frame = frame.f_back
    return "", None
