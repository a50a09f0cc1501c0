"""A user's function as its code and its values, so that the same code does not compile again.

JAX compiles for a function by its identity: `lambda t: amplitude * pulse(t)`, written in a loop,
is a new function at every turn. Taken apart, it is the same code with other values.
"""

import builtins
import functools
import math
import types
from collections.abc import Callable, Iterator
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

_STATIC = (int, bool, str, bytes, complex, type(None))
# What these define does not change while a program runs.
_FIXED = ("jax", "numpy", "math", "equinox", "organics_ode", "builtins", "operator", "functools")
_KEPT = 16
# By identity: what was compiled for a function keeps it alive, so that no number comes twice.
_seen: set[int] = set()


class Opened(eqx.Module):
    """A function as code, and as all that the code refers to: a pytree whose arrays are data."""

    code: types.CodeType = eqx.field(static=True)
    cells: tuple[Any, ...]
    names: dict[str, Any]
    defaults: tuple[Any, ...] | None
    options: dict[str, Any] | None

    def __call__(self, *args: Any) -> Any:
        cells = tuple(types.CellType(value) for value in self.cells)
        names: dict[str, Any] = self.names | {"__builtins__": builtins}
        function = types.FunctionType(self.code, names, self.code.co_name, self.defaults, cells)
        function.__kwdefaults__ = self.options
        return function(*args)


class _Closed(Exception):
    """A value that may change without a sign of it."""


def opened(function: Callable[..., Any], *example: Any) -> Callable[..., Any]:
    """The function taken apart, with its numbers as data where they may be; as it is where it
    refers to what may change unseen, such as a list or an object of the user's."""
    for as_data in (True, False):
        try:
            apart = _open(function, as_data, ())
            eqx.filter_eval_shape(apart, *example)
            return apart
        except Exception:  # what is wrong with the function itself is told where it is called
            continue
    _forget_now_and_then(function)
    return function


def _forget_now_and_then(function: Any) -> None:
    """Each such function leaves a program of some 15 MB behind: so many are kept, and no more."""
    _seen.add(id(function))
    if len(_seen) > _KEPT:
        _seen.clear()
        # diffrax has no public way: its solve is an `equinox.filter_jit`.
        getattr(getattr(diffrax.diffeqsolve, "_cached", None), "clear_cache", int)()


def _open(value: Any, as_data: bool, above: tuple[Any, ...]) -> Any:
    inside = functools.partial(_open, as_data=as_data, above=(*above, value))
    if any(value is outer for outer in above):
        raise _Closed
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return jnp.asarray(value)
    if isinstance(value, float) and as_data and math.isfinite(value):
        return jnp.asarray(value)  # weakly typed, as the number itself
    if isinstance(value, (*_STATIC, float)) or _is_fixed(value):
        return value
    if isinstance(value, types.FunctionType):
        return _open_function(value, inside)
    if isinstance(value, functools.partial):
        named = {name: inside(part) for name, part in value.keywords.items()}
        return jax.tree_util.Partial(inside(value.func), *map(inside, value.args), **named)
    if type(value) is tuple:
        return tuple(map(inside, value))
    if isinstance(value, eqx.Module):
        return jax.tree.map(inside, value)
    raise _Closed


def _open_function(function: types.FunctionType, inside: Callable[[Any], Any]) -> Opened:
    cells = tuple(inside(cell.cell_contents) for cell in function.__closure__ or ())
    used = [name for name in _names(function.__code__) if name in function.__globals__]
    names = {name: inside(function.__globals__[name]) for name in used}
    defaults, options = function.__defaults__, function.__kwdefaults__
    return Opened(
        function.__code__,
        cells,
        names,
        None if defaults is None else tuple(map(inside, defaults)),
        None if options is None else {name: inside(part) for name, part in options.items()},
    )


def _names(code: types.CodeType) -> Iterator[str]:
    """The global names that the code may look up, attributes among them."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _is_fixed(value: Any) -> bool:
    """A module, a class or a function of a library that does not change."""
    named = value.__name__ if isinstance(value, types.ModuleType) else None
    if named is None and callable(value) and hasattr(value, "__name__"):
        named = getattr(value, "__module__", None)
    return str(named).partition(".")[0] in _FIXED and not isinstance(value, eqx.Module)
