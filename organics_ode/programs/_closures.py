"""A user's function as its code and its values, so that the same code is not compiled again.

JAX caches what it compiled by the identity of a function: `lambda t: amplitude * pulse(t)`, written
in a loop, is a new function in every iteration. Taken apart, it is the same code with other values.
"""

import builtins
import enum
import functools
import math
import sys
import types
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .._checks import is_traced
from ._upstream import forget_program

_STATIC = (int, bool, str, bytes, complex, type(None), np.dtype, enum.Enum)
# What these packages define does not change while a program runs.
_FIXED = ("jax", "numpy", "math", "equinox", "organics_ode", "builtins", "operator", "functools")
_FIXED += ("optax", "diffrax")
# Numbers by which optax only multiplies arrays: passed as data they give the same bits.
_FACTORS = {
    "scale.<locals>.update_fn": "step_size",
    "add_decayed_weights.<locals>.init_fn": "weight_decay",
    "add_decayed_weights.<locals>.update_fn": "weight_decay",
}
_EMPTY = object()  # for a name that has no value yet
_KEPT = 16
# By identity: a compiled program keeps its function alive, so that no identity is reused.
_seen: set[int] = set()


class Numbers(enum.Enum):
    """What becomes data: all numbers and arrays, only arrays, or only factors of arrays."""

    ALL = enum.auto()
    ARRAYS = enum.auto()
    FACTORS = enum.auto()


class AbstractApart(eqx.Module):
    """Something that was taken apart."""

    @abstractmethod
    def whole(self) -> Any:
        """The original, put together again."""


class Opened(AbstractApart):
    """A function as its code and everything the code refers to: a pytree whose arrays are data.

    For a function of a library, names are looked up in its module.
    """

    code: types.CodeType = eqx.field(static=True)
    cells: tuple[Any, ...]
    names: Any
    defaults: tuple[Any, ...] | None
    options: dict[str, Any] | None

    def __call__(self, *args: PyTree) -> PyTree:
        return self.whole()(*args)

    def whole(self) -> Any:
        cells = tuple(_cell(value) for value in closed(self.cells))
        is_module = isinstance(self.names, types.ModuleType)
        names = vars(self.names) if is_module else self.names | {"__builtins__": builtins}
        names, defaults = names if is_module else closed(names), closed(self.defaults)
        function = types.FunctionType(self.code, names, self.code.co_name, defaults, cells)
        function.__kwdefaults__ = closed(self.options)
        return function


class Factor(AbstractApart):
    """A number that multiplies arrays: data, weakly typed as the number was."""

    value: jax.Array

    def whole(self) -> Any:
        return self.value


class OpenedPartial(AbstractApart):
    """A function with some of its arguments, such as a method with its object."""

    function: Any
    args: tuple[Any, ...]
    keywords: dict[str, Any]

    def __call__(self, *args: PyTree) -> PyTree:
        return self.whole()(*args)

    def whole(self) -> Any:
        function, args, keywords = closed((self.function, self.args, self.keywords))
        return functools.partial(function, *args, **keywords)


class OpenedObject(AbstractApart):
    """An object of a library, such as `optax.MultiSteps(…)`."""

    kind: type = eqx.field(static=True)
    parts: dict[str, Any]

    def whole(self) -> Any:
        new = object.__new__(self.kind)
        vars(new).update(closed(self.parts))
        return new


def closed(tree: PyTree) -> PyTree:
    """The tree with all functions that were taken apart put together again."""
    is_apart = lambda part: isinstance(part, AbstractApart)  # noqa: E731
    return jax.tree.map(lambda p: p.whole() if is_apart(p) else p, tree, is_leaf=is_apart)


class _Closed(Exception):
    """Raised for a value that may change without notice."""


def opened(function: Callable[..., Any], *example: PyTree) -> Callable[..., Any]:
    """The function taken apart, with its numbers as data where possible; unchanged if it refers to
    something that may change unnoticed, such as a list or an object of the user's."""
    for numbers in (Numbers.ALL, Numbers.ARRAYS):
        try:
            apart = take_apart(function, numbers)
            eqx.filter_eval_shape(apart, *example)
            return apart
        except Exception:  # errors of the function itself are raised where it is called
            continue
    _forget_now_and_then(function)
    return function


def take_apart(value: object, numbers: Numbers) -> PyTree:
    """The value as a pytree; an exception if it refers to something that may change unnoticed."""
    return _open(value, numbers, False, ())


def _forget_now_and_then(function: object) -> None:
    """Each such function leaves a program of some 15 MB behind, so only `_KEPT` are kept."""
    _seen.add(id(function))
    if len(_seen) > _KEPT:
        _seen.clear()
        forget_program(diffrax.diffeqsolve)


def _open(
    value: object,
    numbers: Numbers,
    is_settled: bool,
    above: tuple[Any, ...],
    is_factor: bool = False,
) -> PyTree:
    inside = functools.partial(_open, numbers=numbers, is_settled=is_settled, above=(*above, value))
    if any(value is outer for outer in above):
        raise _Closed
    if numbers is Numbers.FACTORS and (is_traced(value) or (is_factor and _is_number(value))):
        return Factor(jnp.asarray(value))
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return value if numbers is Numbers.FACTORS else jnp.asarray(value)
    if isinstance(value, float) and numbers is Numbers.ALL and math.isfinite(value):
        return jnp.asarray(value)  # weakly typed, as the number itself
    if isinstance(value, types.FunctionType) and not _is_named(value):
        return _open_function(value, functools.partial(inside, is_settled=_is_fixed(value)))
    if isinstance(value, types.MethodType):
        return OpenedPartial(inside(value.__func__), (inside(value.__self__),), {})
    if isinstance(value, (*_STATIC, float)) or _is_fixed(value):
        return value
    if isinstance(value, functools.partial):
        named = {name: inside(part) for name, part in value.keywords.items()}
        return OpenedPartial(inside(value.func), tuple(map(inside, value.args)), named)
    if isinstance(value, tuple):
        parts = map(inside, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, eqx.Module):
        return jax.tree.map(inside, value)
    # Lists, dicts and objects may change; those internal to a library do not.
    if is_settled and type(value) is list:
        return [inside(part) for part in value]
    if is_settled and type(value) is dict:
        return {key: inside(part) for key, part in value.items()}
    if type(value).__module__.startswith("optax.") and hasattr(value, "__dict__"):
        parts = {name: inside(part, is_settled=True) for name, part in vars(value).items()}
        return OpenedObject(type(value), parts)
    raise _Closed


def _open_function(function: types.FunctionType, inside: Callable[..., Any]) -> Opened:
    code, factor = function.__code__, _FACTORS.get(function.__qualname__)
    cells = tuple(
        _EMPTY if cell == types.CellType() else inside(cell.cell_contents, is_factor=name == factor)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True)
    )
    names: Any = sys.modules.get(function.__module__)
    if not _is_fixed(function) or vars(names) is not function.__globals__:
        used = [name for name in _names(code) if name in function.__globals__]
        names = {name: inside(function.__globals__[name]) for name in used}
    defaults, options = function.__defaults__, function.__kwdefaults__
    return Opened(
        code,
        cells,
        names,
        None if defaults is None else tuple(map(inside, defaults)),
        None if options is None else {name: inside(part) for name, part in options.items()},
    )


def _cell(value: object) -> types.CellType:
    return types.CellType() if value is _EMPTY else types.CellType(value)


def _is_number(value: object) -> bool:
    """Whether this is a number other than 0; for 0 optax leaves the transformation out."""
    return isinstance(value, float) and math.isfinite(value) and value != 0


def _is_named(function: types.FunctionType) -> bool:
    """Whether a library has the function under its name, so that it is always the same one."""
    return _is_fixed(function) and "<" not in function.__qualname__


def _names(code: types.CodeType) -> Iterator[str]:
    """The global names that the code may look up, including attributes."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _is_fixed(value: object) -> bool:
    """Whether this is a module, a class or a function of a library that does not change."""
    named = value.__name__ if isinstance(value, types.ModuleType) else None
    if named is None and callable(value) and hasattr(value, "__name__"):
        named = getattr(value, "__module__", None)
    return str(named).partition(".")[0] in _FIXED and not isinstance(value, eqx.Module)
