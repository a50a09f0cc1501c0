"""The definition of a training run as texts: cheap to store, and differences can be named."""

import contextlib
import dataclasses
import enum
import functools
import re
import types
import zlib
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from ..storage import is_allowed, saved_name
from .batches import given

_CONSTANTS = (bool, int, float, complex, str, bytes, type(None), np.generic, enum.Enum)
_ROOT = "itself"

Fingerprint = dict[str, str]


def fingerprint(value: object, *, mutable: bool = True) -> Fingerprint:
    """Path ↦ text for numbers, arrays (by checksum) and functions with what they close over.

    Functions are looked into, because the learning rate of an optax transformation is in a closure.
    Without `mutable`, only the types of lists and dicts count, since their contents may change
    while a function is used, such as a count of its calls. Values of module-level names are not
    seen.
    """
    return dict(_walk("", value, mutable, set()))


def summary(model: PyTree) -> Fingerprint:
    """Path ↦ mean and root mean square of each array, to 4 digits.

    It distinguishes seeds, but not the last bits, which depend on the device.
    """
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(model, eqx.is_inexact_array))
    return {jax.tree_util.keystr(path).removeprefix("."): _moments(leaf) for path, leaf in leaves}


def describe(*, model: PyTree, batches: object, **others: object) -> dict[str, Fingerprint]:
    """The definition of a training run, by argument of `fit`."""
    of, batches = {"model": summary(model)}, given(batches)
    # A user's function may keep counts and caches in lists and dicts.
    of["batches"] = fingerprint(batches, mutable=isinstance(batches, eqx.Module))
    return of | {
        name: fingerprint(value, mutable=name in ("optimizer", "validation"))
        for name, value in others.items()
    }


def changes(argument: str, saved: Fingerprint, here: Fingerprint) -> Iterator[str]:
    """What differs; parts of something that differs already are left out."""
    reported: list[str] = []
    for name in saved | here:
        then, now = saved.get(name, "absent"), here.get(name, "absent")
        if _are_equal(then, now) or any(
            name.startswith((f"{k}.", f"{k}[")) or k == _ROOT for k in reported
        ):
            continue
        reported.append(name)
        what = f"`{argument}`" if name == _ROOT else f"`{name}` of `{argument}`"
        yield f"{what} was {then} and is {now}"


def _are_equal(then: str, now: str) -> bool:
    """Compare numbers by value: a schedule of optax turns 3000 into 3000.0 when it is first used.

    Classes and functions of this library are compared by name only, because modules may move.
    """
    if then == now or (_in_library(then) and _in_library(then) == _in_library(now)):
        return True
    numbers = _number(then), _number(now)
    return None not in numbers and numbers[0] == numbers[1]


def _in_library(text: str) -> str | None:
    """The name of a class or function of this library, without its module."""
    found = re.fullmatch(r"organics_ode(?:\._?[a-z]\w*)*\.((?:_?[A-Z]\w*\.)*\w+)", text)
    return found and found[1]


def _number(text: str) -> int | float | None:
    # numpy shows its numbers as np.float32(3.0), and earlier checkpoints hold them so.
    text = re.sub(r"^np\.\w+\((.*)\)$", r"\1", text)
    for kind in (int, float):  # an integer may have more digits than a float can hold
        with contextlib.suppress(ValueError):
            return kind(text)
    return None


def _moments(array: Array | np.ndarray) -> str:
    x = np.asarray(array).astype(complex if np.iscomplexobj(array) else float)
    return f"mean {np.mean(x):.4g}, root mean square {np.sqrt(np.mean(np.abs(x) ** 2)):.4g}"


def _walk(path: str, value: object, mutable: bool, seen: set[int]) -> Iterator[tuple[str, str]]:
    label, value = path.removeprefix(".") or _ROOT, given(value)
    if isinstance(value, jax.Array | np.ndarray):
        yield label, _checksum(value)
    elif isinstance(value, _CONSTANTS):
        yield label, repr(value.item() if isinstance(value, np.generic) else value)
    elif id(value) not in seen:
        seen.add(id(value))
        yield label, _name(value)
        for key, part in () if _is_known(value) else _parts(value, mutable):
            yield from _walk(path + key, part, mutable, seen)


def _checksum(array: Array | np.ndarray) -> str:
    is_key = jnp.issubdtype(array.dtype, jax.dtypes.prng_key)
    values = np.asarray(jax.random.key_data(array) if is_key else array)
    what = f"{array.dtype}{list(array.shape)}"
    if values.dtype.hasobject:
        return what
    data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    return f"{what}, checksum {zlib.crc32(data):08x}"  # pyright: ignore


def _name(value: Any) -> str:
    named = value if hasattr(value, "__qualname__") else type(value)
    # None for anything `exec` made; a task is not part of the library, wherever it was found.
    module = str(named.__module__).removeprefix("organics_ode.tasks.")
    # The module of a script is `__main__` at one time and `script` at another.
    if module.startswith("organics_ode."):
        return saved_name(named).replace(":", ".")  # a name that outlives its module
    if is_allowed(module):
        return f"{module}.{named.__qualname__}"
    numbers = [x for x in _constants(value) if isinstance(x, int | float)]
    return f"{named.__qualname__} with {numbers}" if numbers else named.__qualname__


def _constants(value: object) -> tuple[Any, ...]:
    return value.__code__.co_consts if isinstance(value, types.FunctionType) else ()


def _is_known(value: object) -> bool:
    """A function at the top level of a library, which its name identifies."""
    name = getattr(value, "__qualname__", "<locals>")
    is_bound = isinstance(value, types.MethodType)  # to an object that its name does not tell
    return not is_bound and is_allowed(getattr(value, "__module__", "")) and "<" not in name


def _parts(value: Any, mutable: bool) -> Iterator[tuple[str, Any]]:
    """The parts of a value, by key."""
    match value:
        case types.FunctionType():
            yield from _closure(value)
            defaults = {".defaults": value.__defaults__, ".options": value.__kwdefaults__}
            yield from ((key, part) for key, part in defaults.items() if part is not None)
        case types.MethodType():
            yield from ((".self", value.__self__), ("", value.__func__))
        case functools.partial():
            yield from ((".func", value.func), (".args", value.args), (".kw", value.keywords))
        case type() | types.ModuleType():
            return
        case list() | dict() | set() if not mutable:
            return
        case dict():
            yield from ((f"[{key!r}]", part) for key, part in value.items())
        case tuple() if hasattr(value, "_fields"):
            yield from ((f".{k}", v) for k, v in value._asdict().items())  # pyright: ignore
        case list() | tuple():
            yield from ((f"[{i}]", part) for i, part in enumerate(value))
        case _ if dataclasses.is_dataclass(value):
            fields = [f.name for f in dataclasses.fields(value) if hasattr(value, f.name)]
            yield from ((f".{name}", getattr(value, name)) for name in fields)
        case _ if hasattr(value, "__wrapped__"):
            yield ".wrapped", value.__wrapped__
        case _ if hasattr(value, "__dict__") and (mutable or _is_settled(value)):
            yield from ((f".{name}", part) for name, part in vars(value).items())


def _is_settled(value: object) -> bool:
    """Whether it is an object of a library, whose attributes only the library itself changes."""
    return type(value).__module__.partition(".")[0] in ("optax", "organics_ode")


def _closure(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f".{name}", cell.cell_contents
        except ValueError:  # a name without a value yet
            continue
