"""Programs that equal functions share: an optimizer made anew compiles nothing anew.

JAX keeps what it compiled for a function by the function's identity, and optax makes new ones at
every call. Here they are taken apart, and what is equal in code and numbers is one thing.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree, PyTreeDef

from ._closures import AbstractApart, Factor, Numbers, closed, take_apart

_KEPT = 16  # structures whose programs are kept, of 5 to 15 MB each
_structures: dict[Any, "_Structure"] = {}
_programs: list[Any] = []


class _Structure:
    """All of some functions but their data: one object for what is equal, hence fast to compare."""

    def __init__(self, treedef: PyTreeDef, leaves: list[Any], first: tuple[Any, ...]):
        self.treedef, self.leaves, self.first = treedef, leaves, first


class Shared(eqx.Module):
    """Functions whose program is that of all equal ones; their factors are data.

    Of an optimizer its learning rate and its weight decay are, where they are numbers.
    """

    data: list[Array]
    structure: _Structure = eqx.field(static=True)

    def whole(self) -> Any:
        """The functions again, as many as were given."""
        data = iter(self.data)
        leaves = [next(data) if leaf is _DATA else leaf for leaf in self.structure.leaves]
        return closed(jax.tree.unflatten(self.structure.treedef, leaves))


_DATA = object()


def shared(*values: object) -> Shared:
    """The values, each taken apart where it can be; by its identity where not (host)."""
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
    """`equinox.filter_jit`, for functions of what is `Shared`: only so many programs are kept."""
    jitted: Any = eqx.filter_jit(function)
    _programs.append(jitted._cached)
    return jitted


def jitted(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """The same for `jax.jit`, with its options: static functions are found again by `equal_one`."""

    def decorate(function: Callable[..., Any]) -> Any:
        _programs.append(jax.jit(function, **options))
        return _programs[-1]

    return decorate


def equal_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """The first function met that computes the same by the same code and numbers (host)."""
    found = shared(function)
    if found.data:
        return function
    return found.structure.first[0]


def forget_programs() -> None:
    """All of them: JAX does not forget a single one."""
    _structures.clear()
    for program in _programs:
        program.clear_cache()


def _apart(value: object) -> PyTree:
    try:
        apart = take_apart(value, Numbers.FACTORS)
        hash(jax.tree.structure(apart))
    except Exception:
        return _Same(value)
    return apart


def _exactly(leaf: object) -> object:
    """What two leaves must have in common to be one: 1, 1.0 and True are equal, and three."""
    if isinstance(leaf, jax.Array | np.ndarray | np.generic):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        values = np.asarray(jax.random.key_data(leaf) if is_key else leaf)  # pyright: ignore
        return str(leaf.dtype), values.shape, values.tobytes()
    return (type(leaf), repr(leaf)) if isinstance(leaf, int | float | complex) else leaf


class _Same(AbstractApart):
    """What can not be taken apart."""

    value: object = eqx.field(static=True)

    def whole(self) -> Any:
        return self.value
