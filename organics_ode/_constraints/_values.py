"""The values of parameters in the user's units: reading all of them, and changing some."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
from jax.typing import DTypeLike
from jaxtyping import Array

from .._checks import (
    a_or_an,
    as_float_array,
    check_finite,
    common_dtype,
    is_traced,
    read_number,
    refuse,
    shown,
)
from .._types import ParameterLike
from ._nodes import AbstractHolder, Bounded, Frozen, Positive, cast
from ._places import Place, follow, is_parameter, places
from ._trees import resolve
from ._worth import is_number, worth

Tree = TypeVar("Tree", bound=eqx.Module)


def values(circuit: eqx.Module) -> dict[str, Array | jax.ShapeDtypeStruct]:
    """The values of all parameters by name, as the equations use them.

    Time constants are in ms, whatever is stored internally. `oo.replace(circuit, **values)` is the
    inverse. Pure (jit, vmap, grad).

    Args:
        circuit: a circuit; or a cell or a model, whose parameters are named by their paths:
            `cell.circuit.tau_y`.

    Returns:
        A dict of arrays. Options that are not numbers (rectification, nonlinearity) are left out.

    Raises:
        ValueError: `circuit` is not one of these.
    """
    found = _parameters(circuit)
    dtype = _dtype(found)
    return {place.name: _value(place, dtype) for place in found}


def replace(circuit: Tree, **new: ParameterLike) -> Tree:
    """The circuit with some values replaced, each trained as before: a `Positive` stays one.

    Shapes, dtypes and nodes stay the same, so that nothing is recompiled; values that do not change
    stay the same to the bit. Pure (jit, vmap, grad).

        faster = oo.replace(circuit, tau_y=3.0)
        twice = oo.replace(circuit, **{name: 2 * v for name, v in oo.values(circuit).items()})

    Args:
        circuit: a circuit, a cell or a model.
        new: values by the names of `oo.values(circuit)`, in its units; the end of a name is enough
            if it is unique (`tau_y` for `cell.circuit.tau_y`). A number applies to all units where
            the constructor accepts one. A node (`oo.Frozen(3.0)`) also changes how the parameter is
            trained.

    Returns:
        A new circuit; the given one is unchanged.

    Raises:
        ValueError: there is no such parameter, or its value has a wrong shape or sign, is outside
            the bounds of its node, or is NaN or infinite.
    """
    found = _parameters(circuit)
    dtype, changes = _dtype(found), {}
    for name, value in new.items():
        place = _named(name, found)
        if place.name in changes:
            refuse(name, "be given once", f"`{place.name}` is given twice")
        changes[place.name] = _change(name, place, value, dtype)
    if not changes:
        return circuit
    paths, parts = zip(*changes.values(), strict=True)
    changed = eqx.tree_at(lambda tree: [follow(tree, path) for path in paths], circuit, parts)
    for path in paths:
        for depth in reversed(range(len(path))):
            _check_anew(follow(changed, path[:depth]))
    return changed


def _value(place: Place, dtype: DTypeLike) -> Any:
    if place.is_number:
        return as_float_array(place.name, place.part, dtype)
    return worth(place.part if place.frozen is None else Frozen(place.part))


def _parameters(circuit: eqx.Module) -> list[Place]:
    if not isinstance(circuit, eqx.Module):
        refuse("circuit", "be a circuit, a cell or a model", f"it is {shown(circuit)}")
    return [place for place in places(circuit) if is_parameter(place.part)]


def _dtype(found: list[Place]) -> jnp.dtype:
    return common_dtype(*jax.tree.leaves([place.part for place in found]))


def _named(name: str, found: list[Place]) -> Place:
    exact = [p for p in found if p.name == name]
    ending = exact or [p for p in found if p.name.endswith(f".{name}")]
    if len(ending) > 1:
        which = " and ".join(f"`{p.name}`" for p in ending)
        refuse(name, "name one parameter", f"it may be {which}")
    if not ending:
        names = ", ".join(p.name for p in found)
        refuse(name, f"name one of the parameters {names}", "there is none of this name")
    return ending[0]


def _change(name: str, place: Place, value: Any, dtype: jnp.dtype) -> tuple[tuple, Any]:
    """Where the new part goes, and the new part."""
    if not isinstance(value, paramax.AbstractUnwrappable):
        return place.path, _rewritten(name, place, value, dtype)
    old = _value(place, dtype)
    _checked(name, place, resolve(value), old)
    # It also replaces a `Frozen` around it, unless that holds more.
    is_alone = place.frozen == len(place.path) - 1
    return place.path[: place.frozen if is_alone else None], cast(name, value, old.dtype)


def _rewritten(name: str, place: Place, value: Any, dtype: jnp.dtype) -> Any:
    """The part that represents the value in the same way as the old one."""
    part, old = place.part, _value(place, dtype)
    if place.is_number and not is_traced(value):
        return _number(name, place, value, old)
    new = _checked(name, place, value, old)
    if _are_known(old, new) and np.array_equal(old, new):
        return part
    if isinstance(part, AbstractHolder):
        new = _held(name, part, old, new)
    elif isinstance(part, paramax.AbstractUnwrappable):
        found = f"`{place.name}` is {a_or_an(type(part).__name__)}, which computes it from others"
        refuse(name, "be a node such as `oo.Frozen(value)`", found)
    elif isinstance(part, np.ndarray) and not is_traced(new):
        return np.asarray(new)
    return jax.tree.map(_where_it_was, new, part)


def _number(name: str, place: Place, value: Any, old: Array) -> float:
    """A Python number, which stays one: it is compiled in."""
    number = read_number(name, value)
    if not is_number(value) and number == float(old):
        return place.part  # the value from `values`, rounded
    _sign(place)(name, as_float_array(name, number, old.dtype))
    is_whole = isinstance(place.part, int) and number.is_integer()
    return int(number) if is_whole else number


def _checked(name: str, place: Place, value: Any, old: Array) -> Array:
    """The value as an array that the constructor would accept, in the old shape and dtype."""
    array = _in_shape(name, place, as_float_array(name, value, old.dtype), old.shape)
    return _sign(place)(name, check_finite(name, array))


def _sign(place: Place) -> Callable[[str, Array], Array]:
    return getattr(place.kind, "sign", None) or (lambda name, array: array)


def _in_shape(name: str, place: Place, array: Array, shape: tuple[int, ...]) -> Array:
    if array.shape == shape:
        return array
    kind = place.kind
    or_scalar = len(shape) < 2 if kind is None else kind.or_scalar
    if array.shape == () and (or_scalar or math.prod(shape) == 1):
        if is_traced(array):
            return jnp.broadcast_to(array, shape)
        return as_float_array(name, np.broadcast_to(np.asarray(array), shape), array.dtype)
    if shape == () and kind is not None and or_scalar and array.shape == _size(place):
        return array
    hint = " (is it transposed?)" if array.shape == shape[::-1] else ""
    must = f"{'be a number or ' * (or_scalar and shape != ())}have shape {shape}"
    refuse(name, must, f"it has shape {array.shape}{hint}")


def _size(place: Place) -> tuple[int, ...]:
    """The full shape of a parameter that is one number for all units, from the other parameters."""
    sizes = {}
    for field, kind in place.owner.kinds.items():
        shape = jax.eval_shape(resolve, getattr(place.owner, field)).shape
        if len(shape) == len(kind.shape):
            sizes |= dict(zip(kind.shape, shape, strict=True))
    return tuple(sizes.get(letter, -1) for letter in place.kind.shape)


def _held(name: str, node: AbstractHolder, old: Array, new: Array) -> AbstractHolder:
    is_known = _are_known(old, new) and old.shape == new.shape
    if not is_known or not isinstance(node, Positive | Bounded):
        return node.holding(name, new)
    # Unchanged entries keep their coordinate to the bit, even where rounding put it on a bound.
    with jax.ensure_compile_time_eval():
        same = old == new
        held = node.holding(name, jnp.where(same, new[~same][0], new))
        return eqx.tree_at(lambda n: n.theta, held, jnp.where(same, node.theta, held.theta))


def _are_known(*arrays: Any) -> bool:
    return not any(is_traced(x) or isinstance(x, jax.ShapeDtypeStruct) for x in arrays)


def _where_it_was(new: Array, old: Any) -> Array:
    """The array on the devices of the old one if these were chosen, as programs depend on them."""
    if _are_known(new, old) and new.shape == old.shape and getattr(old, "committed", False):
        return jax.device_put(new, old.sharding)
    return new


def _check_anew(part: object) -> None:
    """Run the checks that a user's own module defines, as equinox calls them."""
    for cls in type(part).__mro__:
        if isinstance(part, eqx.Module) and "__check_init__" in vars(cls):
            vars(cls)["__check_init__"](part)
