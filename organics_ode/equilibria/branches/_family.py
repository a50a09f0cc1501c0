"""A circuit of which one parameter varies: f(v, λ) = 0, with its derivatives."""

import operator
import re
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._checks import as_known_array, refuse, shown
from ..._types import Numbers
from ...circuits import AbstractCircuit
from ...linear import Equations
from ...programs import equal_one, in_full_precision

Move = Callable[[AbstractCircuit, Any], AbstractCircuit]

_SIZES = (1, 16, 256)
_NAMED = re.compile(r"^(\w+)(?:\[([\d, ]+)\])?$")


class Family(eqx.Module):
    """A circuit at an input, of which one number varies.

    `path` leads to the field, or () to the input; `index` to its entry, or None for all of it.
    `is_factor`: whether the number multiplies the whole input. `move`: a function that makes the
    circuit from the number, instead of all these.
    """

    circuit: AbstractCircuit
    x: Float[Array, " m"]
    path: tuple[str, ...] = eqx.field(static=True)
    index: tuple[int, ...] | None = eqx.field(static=True)
    is_factor: bool = eqx.field(static=True, default=False)
    move: Move | None = eqx.field(static=True, default=None)

    def at(self, value: Any) -> tuple[AbstractCircuit, Float[Array, " m"]]:
        """The circuit and the input with that number."""
        value = jnp.asarray(value, self.x.dtype)
        if self.move is not None:
            return self.move(self.circuit, value), self.x
        if not self.path:
            x = value * self.x if self.is_factor else self.x.at[self.index].set(value)
            return self.circuit, x
        get = operator.attrgetter(".".join(self.path))
        old = jnp.asarray(get(self.circuit), self.x.dtype)
        new = jnp.full_like(old, value) if self.index is None else old.at[self.index].set(value)
        return eqx.tree_at(get, self.circuit, new), self.x


def read_family(
    circuit: AbstractCircuit,
    x: Array,
    name: object,
    within: tuple[str, ...] = (),
    argument: str = "name",
) -> Family:
    """The family of a resolved circuit (which has the named one at `within`) over a field, an entry
    of one such as "W[0, 1]", an input "x[0]", or "x", a factor on the input. A field with a number
    for each unit gets the same number for all units."""
    own: Any = operator.attrgetter(".".join(within))(circuit) if within else circuit
    fields = {f: np.shape(value) for f, value in vars(own).items() if _is_number(value)}
    must = f"be one of {', '.join([*fields, 'x'])}, or an entry such as x[0]"
    match = _NAMED.match(name) if isinstance(name, str) else None
    if match is None or match[1] not in [*fields, "x"]:
        refuse(argument, must, f"it is {shown(name)}")
    field, entry = match.groups()
    shape = fields.get(field, x.shape)
    index = None if entry is None else tuple(int(i) for i in entry.split(",") if i.strip())
    is_input = field not in fields
    if index is not None and not _is_inside(index, shape):
        refuse(argument, f"be an entry of {field}, which has shape {shape}", f"it is {name!r}")
    if index is None and not is_input and len(shape) > 1 and np.prod(shape) != 1:
        found = f"{field} has shape {shape}"
        refuse(argument, f"be one number, such as {field}[{', '.join('0' for _ in shape)}]", found)
    path = () if is_input else (*within, field)
    return Family(circuit, x, path, index, is_input and index is None)


def read_move(circuit: AbstractCircuit, x: Array, parameter: Move) -> Family:
    """The family of a function of a circuit and a number."""
    family = Family(circuit, x, (), None, move=equal_one(parameter))
    must = "make a circuit of a circuit and a number"

    def state(value: Array) -> Any:
        made = family.at(value)[0]
        if not isinstance(made, AbstractCircuit):
            refuse("parameter", must, f"it makes {shown(made)}")
        return made.initial_state()

    try:
        own = eqx.filter_eval_shape(state, jnp.ones((), x.dtype))
    except (TypeError, jax.errors.JAXTypeError) as error:
        what = f"it fails: {str(error).splitlines()[0]:.200}"
        refuse("parameter", f"{must}, traceable by JAX", what)
    shapes = [
        jax.tree.map(lambda leaf: leaf.shape, each) for each in (own, circuit.initial_state())
    ]
    if shapes[0] != shapes[1]:
        refuse("parameter", "keep the state of the circuit", f"its shapes become {shapes[0]}")
    return family


def read_values(values: Numbers) -> Float[np.ndarray, " v"]:
    """Increasing numbers."""
    values = as_known_array("values", values)
    if np.iscomplexobj(values) or values.dtype == bool:
        refuse("values", "be at least two increasing numbers", f"they are {shown(values)}")
    values = values.astype(float)
    is_row = values.ndim == 1 and values.size > 1
    if not is_row or not np.all(np.isfinite(values)) or not np.all(np.diff(values) > 0):
        refuse("values", "be at least two increasing numbers", f"they are {values}")
    return values


def check_legal(
    family: Family, values: Float[np.ndarray, " v"], within: tuple[str, ...] = ()
) -> None:
    """Refuse values that the circuit's own reader would refuse."""
    own: Any = family.circuit
    for part in within:
        own = getattr(own, part)
    kind = own.kinds.get(family.path[-1]) if family.path else None
    if kind is not None and kind.sign is not None:
        for value in (values[0], values[-1]):
            kind.sign("values", jnp.asarray(value))


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
    # Compiled for a few numbers of points rather than for every one.
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
