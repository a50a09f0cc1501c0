"""Programs that equal functions share: creating an optimizer again compiles nothing again.

JAX caches what it compiled by the identity of a function, and optax makes new functions at every
call. Here they are taken apart, and those equal in code and numbers count as one.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree, PyTreeDef

from ._closures import AbstractApart, Factor, Numbers, closed, take_apart
from ._upstream import forget_program

_KEPT = 16  # structures whose programs are kept, of 5 to 15 MB each
_structures: dict[Any, "_Structure"] = {}
_programs: list[Any] = []


class _Structure:
    """Some functions without their data: a single object for equal ones, hence fast to compare."""

    def __init__(self, treedef: PyTreeDef, leaves: list[Any], first: tuple[Any, ...]):
        self.treedef, self.leaves, self.first = treedef, leaves, first


class Shared(eqx.Module):
    """Functions that share the program of all equal ones; their factors are data.

    For an optimizer these are the learning rate and the weight decay, if they are numbers.
    """

    data: list[Array]
    structure: _Structure = eqx.field(static=True)

    def whole(self) -> Any:
        """The functions that were given, put together again."""
        leaves = _filled(self.structure.leaves, self.data)
        return closed(jax.tree.unflatten(self.structure.treedef, leaves))


_DATA = object()


def shared(*values: object) -> Shared:
    """The values, each taken apart if possible, otherwise compared by identity (host)."""
    is_factor = lambda part: isinstance(part, Factor)  # noqa: E731
    leaves, treedef = jax.tree.flatten(tuple(map(_apart, values)), is_leaf=is_factor)
    data = [leaf.value for leaf in leaves if is_factor(leaf)]
    rest = [_DATA if is_factor(leaf) else leaf for leaf in leaves]
    key = treedef, tuple(map(_exactly, rest))
    if key not in _structures:
        if len(_structures) == _KEPT:
            forget_programs()
        _structures[key] = _Structure(treedef, rest, values)
    return Shared(data, _structures[key])


def compiled(function: Callable[..., Any]) -> Any:
    """`equinox.filter_jit` for functions of `Shared` arguments: only `_KEPT` programs are kept."""
    _programs.append(eqx.filter_jit(function))
    return _programs[-1]


def unawaited(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `compiled`, but a call returns while the device computes; `equinox.filter_jit` waits.

    Errors on the device are raised where `arrived` reads the results.
    """

    def program(data: list[Any], rest: _Rest) -> tuple[list[Any], _Rest]:
        return _parted(function(*_joined(data, rest)))

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        try:
            return _joined(*jitted(*_parted(args)))
        except _FAILURES as error:
            if _is_equinox(error):
                awaited(*args)
            raise

    awaited = compiled(function)
    program.__name__ = function.__name__
    jitted = jax.jit(program)
    _programs.append(jitted)
    return call


def arrived(values: dict[str, Any]) -> dict[str, np.ndarray]:
    """The results of a program that was not waited for, as numpy arrays (host)."""
    try:
        return {name: np.asarray(value) for name, value in values.items()}
    except _FAILURES as error:
        if _is_equinox(error):
            _awaited(values)
        raise


# As seen by `equinox.filter_jit`, which alone reports in plain words what `equinox.error_if` found.
_FAILURES = (jax.errors.JaxRuntimeError, ValueError)


def _is_equinox(error: Exception) -> bool:
    return "_EquinoxRuntimeError: " in str(error)


@eqx.filter_jit
def _awaited(values: Any) -> Any:
    return values


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class _Rest:
    """A tree without its arrays."""

    treedef: Any
    leaves: tuple[Any, ...]


def _parted(tree: Any) -> tuple[list[Any], _Rest]:
    leaves, treedef = jax.tree.flatten(tree)
    is_data = [isinstance(leaf, jax.Array | np.ndarray | np.generic) for leaf in leaves]
    data = [leaf for leaf, is_array in zip(leaves, is_data, strict=True) if is_array]
    rest = [_DATA if is_array else leaf for leaf, is_array in zip(leaves, is_data, strict=True)]
    return data, _Rest(treedef, tuple(rest))


def _joined(data: list[Any], rest: _Rest) -> Any:
    return jax.tree.unflatten(rest.treedef, _filled(rest.leaves, data))


def _filled(leaves: Sequence[Any], data: list[Any]) -> list[Any]:
    arrays = iter(data)
    return [next(arrays) if leaf is _DATA else leaf for leaf in leaves]


def jitted(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """The same for `jax.jit` with its options; `equal_one` finds equal static functions again."""

    def decorate(function: Callable[..., Any]) -> Any:
        _programs.append(jax.jit(function, **options))
        return _programs[-1]

    return decorate


def equal_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """The first function seen that has the same code and numbers (host)."""
    found = shared(function)
    if found.data:
        return function
    return found.structure.first[0]


def forget_programs() -> None:
    """Forget all programs: JAX cannot forget a single one of many."""
    _structures.clear()
    for program in _programs:
        forget_program(program)


def _apart(value: object) -> PyTree:
    try:
        apart = take_apart(value, Numbers.FACTORS)
        hash(jax.tree.structure(apart))
    except Exception:
        return _Same(value)
    return apart


def _exactly(leaf: object) -> object:
    """What two leaves must share to count as one: 1, 1.0 and True are equal, but not the same."""
    if isinstance(leaf, jax.Array | np.ndarray | np.generic):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        values = np.asarray(jax.random.key_data(leaf) if is_key else leaf)  # pyright: ignore
        return str(leaf.dtype), values.shape, values.tobytes()
    return (type(leaf), repr(leaf)) if isinstance(leaf, int | float | complex) else leaf


class _Same(AbstractApart):
    """Something that cannot be taken apart."""

    value: object = eqx.field(static=True)

    def whole(self) -> Any:
        return self.value
