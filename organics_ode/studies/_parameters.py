"""Parameters of a circuit by name: `tau_a`, or a single entry, `tau_a[3]` or `W_r[0,1]`."""

import dataclasses
import re
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._checks import a_or_an, as_float_array, is_traced, refuse, shown
from .._constraints import replace, resolve
from .._types import Numbers
from ..circuits import AbstractCircuit

_NAME = re.compile(r"([A-Za-z_]\w*)(?:\[(\d{1,9}(?: *, *\d{1,9})*)\])?")


class Place(NamedTuple):
    """A field of a circuit, or the input `x`, and the index of one of its entries, or None."""

    field: str
    entry: tuple[int, ...] | None

    def __str__(self) -> str:
        entry = "" if self.entry is None else f"[{','.join(map(str, self.entry))}]"
        return self.field + entry


def read_circuit(circuit: Any) -> AbstractCircuit:
    if not isinstance(circuit, AbstractCircuit):
        refuse("circuit", "be a circuit", f"it is {a_or_an(type(circuit).__name__)}")
    if any(map(is_traced, jax.tree.leaves(circuit))):
        refuse("circuit", "hold known values", "it is traced: this runs outside jit and vmap")
    return circuit


def read_place(argument: str, name: Any, circuit: AbstractCircuit) -> Place:
    """The place that a name refers to in this circuit."""
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        must = "name parameters such as 'tau_a' or 'W_r[0,1]'"
        refuse(argument, must, f"one is {shown(name)}")
    index = None if found[2] is None else tuple(map(int, found[2].split(",")))
    if found[1] != "x":
        shape = value_of(argument, circuit, found[1]).shape
        if index is not None and not _is_inside(index, shape):
            refuse(argument, "name entries that there are", f"`{found[1]}` has shape {shape}")
    return Place(found[1], index)


def _is_inside(index: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(index) == len(shape) and all(i < n for i, n in zip(index, shape, strict=True))


def parameters_of(circuit: AbstractCircuit) -> list[str]:
    """The fields that hold real numbers."""
    names = [f.name for f in dataclasses.fields(circuit) if not f.metadata.get("static")]
    return [name for name in names if _is_real(getattr(circuit, name))]


def _is_real(value: Any) -> bool:
    value = resolve(value)
    return isinstance(value, float) or eqx.is_inexact_array(value)


def value_of(argument: str, circuit: AbstractCircuit, field: str) -> Array:
    """A parameter in the user's units."""
    names = parameters_of(circuit)
    if field not in names:
        must = f"name parameters of the circuit: {', '.join(names)}"
        refuse(argument, must, f"{field!r:.99} is none")
    return jnp.asarray(resolve(getattr(circuit, field)))


def with_value(
    argument: str, circuit: AbstractCircuit, field: str, value: Numbers
) -> AbstractCircuit:
    """The circuit with another value of a parameter, in the same kind of node."""
    array = as_float_array(argument, value, value_of(argument, circuit, field).dtype)
    if not np.all(np.isfinite(array)):
        refuse(argument, "be finite", f"`{field}` is not")
    try:
        return replace(circuit, **{field: array})
    except ValueError as error:
        found = str(error).rpartition(" must ")[2].rstrip(".")
        refuse(argument, f"hold values that `{field}` may have", f"one must {found}")
