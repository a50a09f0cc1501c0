"""Functions of a user's that JAX traces: what fails there is told with what to write instead."""

import functools
import types
from collections.abc import Callable
from typing import Any, TypeVar

import jax

from ._calls import is_ours

Function = TypeVar("Function", bound=Callable[..., Any])

# The most special first. Each is what a function did with a number that it does not know yet.
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
    """The function of the argument `name`; where it does with a traced number what JAX does not
    trace, such as `np.sin`, the error says where, and what to write."""

    # An object that can be called keeps what it holds to itself.
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
    """What of the table an error is; None for what has nothing to do with tracing."""
    inner = error.__cause__ or error.__context__
    # What numpy says of `a[0] = t`, for an array of its own.
    is_set = str(error).startswith("setting an array element with a sequence")
    if is_set and isinstance(inner, tuple(_FOUND)):
        return jax.errors.TracerArrayConversionError
    return next((kind for kind in _FOUND if isinstance(error, kind)), None)


def _where(error: Exception) -> str:
    """The last line that is the user's own."""
    line, trace = "it", error.__traceback__
    while trace is not None:
        if not is_ours(trace.tb_frame):
            code = trace.tb_frame.f_code
            file = code.co_filename.replace("\\", "/").rpartition("/")[2]
            line = f"line {trace.tb_lineno} of {file}, in `{code.co_name}`,"
        trace = trace.tb_next
    return line
