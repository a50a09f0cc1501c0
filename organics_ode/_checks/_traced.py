"""A user's functions that JAX traces: errors in them say what to write instead."""

import functools
import types
from collections.abc import Callable
from typing import Any, TypeVar

import jax

from ._calls import is_ours

Function = TypeVar("Function", bound=Callable[..., Any])

# The most specific first. Each is something a function did with a number that is not yet known.
_FOUND = {
    jax.errors.TracerArrayConversionError: (
        "gives a traced number to numpy",
        "write `jnp.sin(t)` for `np.sin(t)`, and `x.at[i].set(v)` for `x[i] = v`",
    ),
    jax.errors.TracerIntegerConversionError: (
        "counts or indexes by a traced number",
        "write `jnp.asarray(values)[i]` for an entry of a list, `jax.lax.fori_loop` for `range`",
    ),
    jax.errors.TracerBoolConversionError: (
        "decides by a traced number",
        "write `jnp.where(condition, a, b)` or `jax.lax.cond` for `if`",
    ),
    jax.errors.NonConcreteBooleanIndexError: (
        "takes as many entries as a traced condition says",
        "write `jnp.where(x > 0, x, 0)` for `x[x > 0]`",
    ),
    jax.errors.ConcretizationTypeError: (
        "makes a plain number of a traced one",
        "write `jnp.exp(t)` for `math.exp(t)`, and leave `float` and `int` out",
    ),
}


def in_jax(name: str, function: Function) -> Function:
    """The function given as the argument `name`. If it does something with a traced number that JAX
    cannot trace, such as `np.sin`, the error says where, and what to write instead."""

    # A callable object keeps its contents to itself.
    @functools.wraps(function, updated=("__dict__",) * isinstance(function, types.FunctionType))
    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except (*_FOUND, ValueError) as error:
            kind = _kind_of(error)
            if kind is None:
                raise
            found, remedy = _FOUND[kind]
            raise ValueError(
                f"Argument `{name}` must be written in jax.numpy, but {_where(error)} {found}: "
                f"{remedy}."
            ) from error

    return call  # pyright: ignore


def _kind_of(error: Exception) -> type[Exception] | None:
    """The entry of the table for an error; None if it has nothing to do with tracing."""
    inner = error.__cause__ or error.__context__
    # What numpy says about `a[0] = t` for one of its own arrays.
    is_set = str(error).startswith("setting an array element with a sequence")
    if is_set and isinstance(inner, tuple(_FOUND)):
        return jax.errors.TracerArrayConversionError
    return next((kind for kind in _FOUND if isinstance(error, kind)), None)


def _where(error: Exception) -> str:
    """The last line of the user's own code."""
    line, trace = "it", error.__traceback__
    while trace is not None:
        if not is_ours(trace.tb_frame):
            code = trace.tb_frame.f_code
            file = code.co_filename.replace("\\", "/").rpartition("/")[2]
            line = f"line {trace.tb_lineno} of {file}, in `{code.co_name}`,"
        trace = trace.tb_next
    return line
