"""Programs that are compiled for the first call rather than for the thousandth."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._checks import is_traced
from ._upstream import QUICK

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def quickly_compiled(
    function: Callable[Parameters, Result], *, level: int = 0
) -> Callable[Parameters, Result]:
    """`equinox.filter_jit`, compiled on a CPU in a part of the time.

    For what is called a few times by hand. At level 0 of optimisation programs compile five to
    eight times faster, and run two to three times more slowly: for what takes a millisecond. At
    level 1 they compile two to four times faster, and run as fast: for searches and other long
    loops. Inside another program, or under a transformation, a program is a part of that.
    """
    options = QUICK | {"xla_backend_optimization_level": level}
    quick = eqx.filter_jit(function, compiler_options=options)  # pyright: ignore
    rule = eqx.filter_jit(function)

    @functools.wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        values = jax.tree.leaves((args, kwargs, _here()))
        is_whole = not any(map(is_traced, values))
        return (quick if is_whole and _may_choose() else rule)(*args, **kwargs)

    return call


def _may_choose() -> bool:
    """Whether the options are for this backend, and the user has not asked for less still."""
    return jax.default_backend() == "cpu" and not jax.config.read("jax_disable_most_optimizations")


@jax.jit
def _here() -> jax.Array:
    """A tracer where another program is being traced, even one that is given only constants."""
    return jnp.zeros(())
