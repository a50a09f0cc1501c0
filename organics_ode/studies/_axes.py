"""The axes of a sweep: each is a parameter or the input, and its values."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._checks import a_or_an, as_known_array, on_device, refuse, shown
from .._types import Numbers
from ..circuits import AbstractCircuit
from ._parameters import Place, read_place, value_of, with_value


class Axis(eqx.Module):
    """A place in the circuit, or in the input, and what it becomes at each of k values.

    `stacks` has an array (k, …) for every leaf of the field's node, or None if it is unchanged.
    """

    place: Place = eqx.field(static=True)
    stacks: list[Array | None]

    def put(
        self, circuit: AbstractCircuit, x: Array | None, i: Int[Array, ""]
    ) -> tuple[AbstractCircuit, Array | None]:
        """Circuit and input at value number i."""
        field, index = self.place
        old = x if field == "x" else getattr(circuit, field)
        leaves, structure = jax.tree.flatten(old)
        leaves = leaves if leaves else [None]  # an input that only this axis gives
        new = [
            leaf
            if stack is None
            else stack[i]
            if index is None
            else jnp.asarray(leaf).at[index].set(stack[i])
            for leaf, stack in zip(leaves, self.stacks, strict=True)
        ]
        if field == "x":
            return circuit, new[0]
        node = jax.tree.unflatten(structure, new)
        return eqx.tree_at(lambda c: getattr(c, field), circuit, node), x


def read_axes(
    circuit: AbstractCircuit, axes: Any, x: Float[Array, " m"] | None
) -> tuple[dict[str, np.ndarray], list[Axis]]:
    """The values by name, and the axes that put them into the circuit."""
    if not (is_mapping := isinstance(axes, Mapping)) or not axes:
        must = "map names of parameters to values, as {'tau_a': [1.0, 2.0]}"
        found = "it is empty" if is_mapping else f"it is {a_or_an(type(axes).__name__)}"
        refuse("axes", must, found)
    places = {name: read_place("axes", name, circuit) for name in axes}
    _check_apart(list(places.values()))
    values = {name: _read_values(name, axes[name]) for name in axes}
    read = [_read_axis(circuit, places[name], values[name], x) for name in axes]
    return values, read


def _check_apart(places: list[Place]) -> None:
    fields = [place.field for place in places]
    twice = [p for p in places if p.entry is None and fields.count(p.field) > 1]
    if twice or len(set(places)) < len(places):
        name = (twice or places)[0].field
        refuse("axes", "change every number once", f"`{name}` is there twice")


def _read_values(name: str, given: Numbers) -> np.ndarray:
    array = as_known_array("axes", given)
    if array.ndim == 0 or array.size == 0 or array.dtype.kind not in "iuf":
        refuse("axes", "hold lists of numbers", f"`{name}` is {shown(given)}")
    if not np.all(np.isfinite(array)):
        refuse("axes", "be finite", f"`{name}` holds NaN or infinite values")
    return array


def _read_axis(circuit: AbstractCircuit, place: Place, values: np.ndarray, x: Array | None) -> Axis:
    if place.field == "x":
        return Axis(place, [_read_inputs(circuit, place, values, x)])
    base = value_of("axes", circuit, place.field)
    at = _full_values(place, values, np.asarray(base))
    # Each value separately, as the circuit's own constructor would check it.
    nodes = [
        jax.tree.leaves(getattr(with_value("axes", circuit, place.field, v), place.field))
        for v in at
    ]
    old = jax.tree.leaves(getattr(circuit, place.field))
    columns = zip(old, *nodes, strict=True)
    return Axis(place, [_stack(place, base.shape, one, new) for one, *new in columns])


def _stack(place: Place, shape: tuple[int, ...], old: Any, new: list[Any]) -> Array | None:
    if np.shape(old) != shape:  # the signs of a `Connectivity`, which are kept
        return None
    index = () if place.entry is None else place.entry
    return jnp.stack([jnp.asarray(leaf)[index] for leaf in new])


def _full_values(place: Place, values: np.ndarray, base: np.ndarray) -> np.ndarray:
    """The whole parameter at every value, (k, …); a single number is used for all units."""
    k, shape = len(values), base.shape
    if place.entry is not None:
        if values.ndim != 1:
            refuse("axes", "hold numbers for an entry", f"`{place}` has shape {values.shape}")
        full = np.repeat(base[None], k, axis=0)
        full[(slice(None), *place.entry)] = values
        return full
    if values.shape[1:] == shape:
        return values
    if values.ndim == 1 and (len(shape) == 1 or base.size == 1):
        return np.broadcast_to(values.reshape(k, *(1,) * len(shape)), (k, *shape))
    entry = f"'{place.field}[{','.join('0' * len(shape))}]'"
    remedy = f"name one entry, {entry}, or change it inside of `function`"
    wanted = f"(k, {', '.join(map(str, shape))})" if shape else "(k,)"
    must = f"have shape {wanted} for `{place.field}`"
    refuse("axes", must, f"it has shape {values.shape}" + (f"; {remedy}" if shape else ""))


def _read_inputs(
    circuit: AbstractCircuit, place: Place, values: np.ndarray, x: Array | None
) -> Array:
    """(k, m) for inputs, (k,) for one entry of them."""
    m, dtype = circuit.input_size, dtype_of(circuit)
    if place.entry is not None:
        if x is None:
            refuse("x", "be given where an axis is one of its entries", "it is None")
        if values.ndim != 1 or len(place.entry) != 1 or place.entry[0] >= m:
            found = f"`{place}` has shape {values.shape}"
            refuse("axes", f"hold numbers for one of m = {m} inputs", found)
        return on_device(values, dtype)
    values = values[:, None] if values.ndim == 1 and m == 1 else values
    if values.shape != (len(values), m):
        refuse("axes", f"have shape (k, {m}) for `x`", f"it has shape {values.shape}")
    return on_device(values, dtype)


def dtype_of(circuit: AbstractCircuit) -> jnp.dtype:
    return jax.tree.leaves(circuit.initial_state())[0].dtype
