"""A circuit whose one parameter varies: f(v, λ) = 0, with its derivatives."""

import operator
import re
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import refuse
from ..circuits import AbstractCircuit
from ..linear import Equations
from ..programs import in_full_precision

_SIZES = (1, 16, 256)
_NAMED = re.compile(r"^(\w+)(?:\[([\d, ]+)\])?$")


class Family(eqx.Module):
    """A circuit at an input, of which one number varies.

    `path` leads to the field, () to the input; `index` to the entry of it, None for the only one.
    `is_factor`: whether the number multiplies the whole input.
    """

    circuit: AbstractCircuit
    x: Float[Array, " m"]
    path: tuple[str, ...] = eqx.field(static=True)
    index: tuple[int, ...] | None = eqx.field(static=True)
    is_factor: bool = eqx.field(static=True, default=False)

    def at(self, value: Any) -> tuple[AbstractCircuit, Float[Array, " m"]]:
        """The circuit and the input with that number."""
        value = jnp.asarray(value, self.x.dtype)
        if not self.path:
            x = value * self.x if self.is_factor else self.x.at[self.index].set(value)
            return self.circuit, x
        get = operator.attrgetter(".".join(self.path))
        old = jnp.asarray(get(self.circuit), self.x.dtype)
        new = jnp.full_like(old, value) if self.index is None else old.at[self.index].set(value)
        return eqx.tree_at(get, self.circuit, new), self.x

    @property
    def value(self) -> float | None:
        """The circuit's own number; None for a factor."""
        if self.is_factor:
            return None
        held = operator.attrgetter(".".join(self.path))(self.circuit) if self.path else self.x
        held = np.asarray(held)
        return float(held.ravel()[0] if self.index is None else held[self.index])


def read_family(
    circuit: AbstractCircuit, x: Array, name: object, within: tuple[str, ...] = ()
) -> Family:
    """The family of a resolved circuit (which holds the named one at `within`) over a field's name,
    an entry of it such as "W[0, 1]", an input "x[0]", or "x", a factor on the input."""
    own: Any = operator.attrgetter(".".join(within))(circuit) if within else circuit
    fields = {f: np.shape(value) for f, value in vars(own).items() if _is_number(value)}
    must = f"be one of {', '.join([*fields, 'x'])}, or an entry such as x[0]"
    match = _NAMED.match(name) if isinstance(name, str) else None
    if match is None or match[1] not in [*fields, "x"]:
        refuse("name", must, f"it is {name!r}")
    field, entry = match.groups()
    shape = fields.get(field, x.shape)
    index = None if entry is None else tuple(int(i) for i in entry.split(",") if i.strip())
    is_input = field not in fields
    if index is not None and not _is_inside(index, shape):
        refuse("name", f"be an entry of {field}, which has shape {shape}", f"it is {name!r}")
    if index is None and not is_input and np.prod(shape) != 1:
        found = f"{field} has shape {shape}"
        refuse("name", f"be one number, such as {field}[{', '.join('0' for _ in shape)}]", found)
    path = () if is_input else (*within, field)
    return Family(circuit, x, path, index, is_input and index is None)


def _is_number(value: object) -> bool:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return True
    is_array = isinstance(value, jax.Array | np.ndarray)
    return is_array and jnp.issubdtype(value.dtype, jnp.floating)


def _is_inside(index: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(index) == len(shape) and all(i < n for i, n in zip(index, shape, strict=True))


def derivatives(
    family: Family, v: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """f (k, d), ∂f/∂v (k, d, d) and ∂f/∂λ (k, d) at many points."""
    z = np.concatenate([v, values[:, None]], axis=1).astype(family.x.dtype)
    parts = [z[i : i + _SIZES[-1]] for i in range(0, len(z), _SIZES[-1])]
    found = np.concatenate([_evaluated(family, part) for part in parts])
    return found[:, :, 0], found[:, :, 1:-1], found[:, :, -1]


def _evaluated(family: Family, z: np.ndarray) -> Float[np.ndarray, "k d e"]:
    # Compiled for a few numbers of points, not for every one.
    padded = np.resize(np.arange(len(z)), next(n for n in _SIZES if n >= len(z)))
    return np.asarray(_derivatives(family, z[padded]), float)[: len(z)]


@eqx.filter_jit
@in_full_precision
def _derivatives(family: Family, z: Array | np.ndarray) -> Float[Array, "k d e"]:
    def velocity(z: Array) -> Array:
        circuit, x = family.at(z[-1])
        return Equations(circuit, x, circuit.initial_state()).velocity(z[:-1])

    def one(z: Array) -> Array:
        return jnp.concatenate([velocity(z)[:, None], jax.jacfwd(velocity)(z)], axis=1)

    return jax.vmap(one)(jnp.asarray(z))
