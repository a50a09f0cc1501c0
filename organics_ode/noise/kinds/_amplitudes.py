"""Amplitudes of noise: a number for all variables, or a state of numbers and arrays."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..._checks import a_or_an, as_float_array, check_finite, check_nonnegative, counted, refuse
from ..._types import Numbers, Scalar, State

# A state may be given by its fields; it becomes a state once the circuit is known.
Fields = tuple | dict[str, Any]


def read_amplitudes(
    name: str, value: Scalar | Fields, check: Callable[[str, Array], Array] = check_nonnegative
) -> Array | Fields:
    """A number, or a state of numbers and (n,), as arrays."""

    def read(name: str, value: Numbers, axes: int) -> Array:
        array = as_float_array(name, value)
        if array.ndim > axes:
            one = "be a number, or a state of amplitudes"
            must = "be a number or have shape (n,)" if axes else one
            refuse(name, must, f"it has shape {array.shape}")
        return check(name, check_finite(name, array))

    return _by_field(name, value, read)


def read_loadings(name: str, value: Numbers | Fields) -> Array | Fields:
    """A number, (d,) or (d, k), or a state of numbers, (n,) and (n, k), as arrays."""

    def read(name: str, value: Numbers, axes: int) -> Array:
        array = as_float_array(name, value)
        if array.ndim > 2 or 0 in array.shape:
            must = "be a number or have shape (n, k)" if axes else "have shape (d, k)"
            refuse(name, must, f"it has shape {array.shape}")
        return check_finite(name, array)

    return _by_field(name, value, read)


def _by_field(
    name: str, value: Numbers | Fields, read: Callable[[str, Numbers, int], Array]
) -> Array | Fields:
    """Read a value for all variables (0 axes), or one for every field of a state (1 axis)."""
    if isinstance(value, Mapping):
        return {str(f): read(f"{name}.{f}", v, 1) for f, v in value.items()}
    if not isinstance(value, tuple):
        return read(name, value, 0)
    fields = getattr(value, "_fields", None) or range(len(value))
    parts = [read(f"{name}.{f}", v, 1) for f, v in zip(fields, value, strict=True)]
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)


def spread(name: str, amplitudes: Array | Fields, state: State) -> State:
    """The amplitudes as a state with the shapes and dtype of the given one."""
    return jax.tree.unflatten(
        jax.tree.structure(state), map(_spread_one, *_parts(name, amplitudes, state))
    )


def flat(name: str, amplitudes: Array | Fields, state: PyTree) -> Float[Array, " d"]:
    """The amplitudes of all variables of a state, in their order."""
    return jnp.concatenate(spread(name, amplitudes, state))


def stacked(name: str, loadings: Array | Fields, state: PyTree) -> Float[Array, "d k"]:
    """The loadings of all variables of a state, in their order and dtype."""
    if not isinstance(loadings, tuple | dict):
        size = sum(leaf.size for leaf in state)
        return _rows(name, loadings, size, 1).astype(state[0].dtype)
    names, values, leaves = _parts(name, loadings, state)
    k = max([part.shape[1] for part in values if part.ndim == 2], default=1)
    parts = zip(names, values, leaves, strict=True)
    return jnp.concatenate([_rows(n, v, leaf.size, k).astype(leaf.dtype) for n, v, leaf in parts])


def _parts(
    name: str, values: Array | Fields, state: PyTree
) -> tuple[list[str], list[Array], list[Array]]:
    """The names of the fields of a state, the given values, and the fields themselves."""
    fields = getattr(state, "_fields", ())
    if isinstance(values, dict) and values.keys() == set(fields):
        values = tuple(values[field] for field in fields)
    if type(values) is tuple and fields and len(values) == len(fields):
        values = type(state)(*values)
    elif not isinstance(values, tuple | dict):
        values = jax.tree.map(lambda _: values, state)
    if jax.tree.structure(values) != jax.tree.structure(state):
        must = f"be a number or {a_or_an(type(state).__name__)}"
        of = f" of {', '.join(values)}" if isinstance(values, dict) else ""
        refuse(name, must, f"it is {a_or_an(type(values).__name__)}{of}")
    names = [f"{name}.{f}" for f in fields or range(len(state))]
    return names, list(values), list(state)


def _spread_one(name: str, amplitude: Array, like: Array) -> Array:
    if amplitude.shape not in ((), like.shape):
        must = f"be a number or have shape (n,) = {like.shape}"
        refuse(name, must, f"it has shape {amplitude.shape}")
    return jnp.broadcast_to(amplitude, like.shape).astype(like.dtype)


def _rows(name: str, loading: Array, size: int, k: int) -> Float[Array, "size k"]:
    """A number repeated everywhere, (size,) as one column, or (size, k)."""
    if loading.ndim == 0:
        return jnp.full((size, k), loading)
    columns = loading[:, None] if loading.ndim == 1 else loading
    if len(columns) != size or (k > 1 and columns.shape[1] != k):
        must = f"have {size} rows" + f" and {counted(k, 'column')}" * (k > 1)
        refuse(name, must, f"it has shape {loading.shape}")
    return columns
