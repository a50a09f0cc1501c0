"""Programs compiled for a fast first call rather than for the thousandth."""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, ParamSpec, TypeVar, final

import equinox as eqx
import jax
import jax.numpy as jnp

from .._checks import is_traced
from ._upstream import QUICK

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@final
class Quick(Generic[Parameters, Result]):
    """A function made by `quickly_compiled`."""

    def __init__(self, function: Callable[Parameters, Result], level: int):
        functools.update_wrapper(self, function)
        options = QUICK | {"xla_backend_optimization_level": level}
        self._quick = eqx.filter_jit(function, compiler_options=options)  # pyright: ignore
        self._rule = eqx.filter_jit(function)

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return self._program(*args, **kwargs)(*args, **kwargs)

    def lowered(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Any:
        """Its program for these arguments, not compiled yet."""
        return self._program(*args, **kwargs).lower(*args, **kwargs)

    def _program(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Any:
        values = jax.tree.leaves((args, kwargs, _here()))
        is_whole = not any(map(is_traced, values))
        return self._quick if is_whole and _may_choose() else self._rule


def quickly_compiled(
    function: Callable[Parameters, Result], *, level: int = 0
) -> Quick[Parameters, Result]:
    """`equinox.filter_jit`, compiled on a CPU in a fraction of the time.

    It is meant for functions called a few times by hand. At optimisation level 0 programs compile
    five to eight times faster and run two to three times more slowly, which suits those that take a
    millisecond. At level 1 they compile two to four times faster and run as fast, which suits
    searches and other long loops. Inside another program, or under a transformation, the function
    becomes part of that program.
    """
    return Quick(function, level)


def prepare(calls: Sequence[tuple[Quick, tuple]]) -> None:
    """Compile the programs of some calls at once, each in a thread; those already compiled take a
    few milliseconds.

    They are traced here, where the user's settings of JAX hold: a thread has its own.
    """
    with ThreadPoolExecutor(len(calls)) as pool:
        waited = [pool.submit(program.lowered(*args).compile) for program, args in calls]
    for each in waited:
        each.result()


def _may_choose() -> bool:
    """Whether the options exist for this backend, and the user has not asked for even less."""
    return jax.default_backend() == "cpu" and not jax.config.read("jax_disable_most_optimizations")


@jax.jit
def _here() -> jax.Array:
    """A tracer if another program is being traced, even if its arguments are only constants."""
    return jnp.zeros(())
