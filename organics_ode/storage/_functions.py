"""Functions in a model: the names by which they are found, and copies that keep them."""

import copyreg
import functools
import itertools
import pickle
import re
import sys
from collections.abc import Callable
from typing import Any

import jax

# The new places of modules that earlier versions named in files.
_FORMER = {
    "organics_ode._batches": "organics_ode.training",
    "organics_ode._history": "organics_ode.training",
    "organics_ode._hypotheses": "organics_ode.stability",
    "organics_ode._resume": "organics_ode.training",
    "organics_ode.robustness._study": "organics_ode.robustness",
    "organics_ode.skips": "organics_ode.training",
}


def name_of(named: object) -> str | None:
    """`module:qualified.name` in the most public module that has `named`, or None if none has."""
    module, qualname = (str(getattr(named, k, "")) for k in ("__module__", "__qualname__"))
    public = [part for part in module.split(".") if not part.startswith("_")]
    for candidate in [*itertools.accumulate(public, "{}.{}".format), module]:
        if named is not None and attribute(sys.modules.get(candidate), qualname) is named:
            return f"{candidate}:{qualname}"
    return None


def saved_name(named: Any) -> str:
    """The name of a class or function in a file: `name_of`, or, in this library, the name by its
    room, so that files outlive the modules."""
    module = str(named.__module__)
    room = ".".join(module.split(".")[:2]) if module.startswith("organics_ode.") else module
    name = name_of(named) or f"{room}:{named.__qualname__}"
    # If something else has the name `tasks`, the package is `organics_ode.tasks`.
    return re.sub(r"^organics_ode\.(?=tasks[.:])", "", name)


def current_name(name: str) -> str:
    """The `saved_name` of what an earlier version saved under another one."""
    module, colon, qualname = name.partition(":")
    return _FORMER.get(module, module) + colon + qualname


def attribute(module: object, qualname: str) -> Any:
    """The attribute of a module with this qualified name, or None."""
    return functools.reduce(lambda x, part: getattr(x, part, None), qualname.split("."), module)


class _Whole:
    """A function inside a model: a copy shares it, and a pickle holds what JAX needs to make it."""

    def __init__(self, function: Callable[..., Any]):
        self.function = function

    def __deepcopy__(self, memo: dict) -> "_Whole":
        return self

    def __reduce__(self) -> tuple:
        _, *parts = self.function.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        return _new, *parts


def _new(cls: type, *args: object) -> Any:
    return cls.__new__(cls, *args)


def _from_part(part: object) -> object:
    return part.function if isinstance(part, _Whole) else part


def _reduce(function: Any) -> str | tuple:
    module, name = (getattr(function, k, "") for k in ("__module__", "__qualname__"))
    # Another process cannot find by name what a script defines.
    if module != "__main__" and attribute(sys.modules.get(module), name) is function:
        return name
    return _from_part, (_Whole(function),)


# Functions of Python are copied and pickled by reference, but the wrappers of JAX (`jnp.tanh`,
# `jax.nn.relu`) by their parts: the copy has no name to be saved by, and the pickle fails.
for _kind in (type(jax.jit(len)), jax.custom_jvp, jax.custom_vjp):
    copyreg.pickle(_kind, _reduce)  # pyright: ignore
