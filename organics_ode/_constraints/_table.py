"""A circuit as a table of its parameters: shape, value or range, unit, and how each is trained."""

import dataclasses
import enum
from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
from jaxtyping import PyTree

from .._checks import is_traced
from ._nodes import Bounded, Connectivity, NonNegative, Positive, SpectralBound
from ._places import Place, is_parameter, places
from ._rotations import IdentityPlusSkew, SkewSymmetric, SymmetricPart
from ._worth import in_words, is_number


class Row(NamedTuple):
    """One parameter, in words."""

    parameter: str
    shape: str
    value: str
    unit: str
    trained: str


def table(tree: eqx.Module) -> str:
    """The table as text: a title, a line for each parameter, and the options.

    A tree of gradients or masks has the class of the circuit, but no values in ms: a tree without
    its compiled-in numbers is shown as equinox shows it.
    """
    if not _have_values(places(tree)):
        return eqx.tree_pformat(tree)
    listed = [Row(*Row._fields), *rows(tree)]
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in listed
    ]
    title = f"{type(tree).__name__}({', '.join(_dtypes(tree))})"
    options = ", ".join(f"{name} = {_name_of(value)}" for name, value in _options("", tree))
    return "\n  ".join([title, *lines, *filter(None, [options])])


def described(tree: PyTree) -> dict[str, str]:
    """A text for each parameter of any tree: "10 to 20 ms, shape (4,), positive"."""
    found = places(tree)
    shown = [place for place in found if is_parameter(place.part)] if _have_values(found) else []
    return {row.parameter: _sentence(row) for row in map(_row, shown)}


def rows(tree: eqx.Module) -> list[Row]:
    """A row for each parameter, or for what takes its place, as in a tree of masks."""
    return [_row(place) for place in places(tree) if not _is_option(place.part)]


def _row(place: Place) -> Row:
    part = place.part
    if not is_parameter(part) and not hasattr(part, "dtype"):
        return Row(place.name, "-", eqx.tree_pformat(part, width=10_000), "-", "-")
    return Row(place.name, *in_words(part), _unit(place), _trained(place))


def _sentence(row: Row) -> str:
    value = row.value if row.unit == "-" else f"{row.value} {row.unit}"
    return f"{value}, shape {row.shape}, {row.trained}"


def _have_values(found: list[Place]) -> bool:
    return all(is_parameter(place.part) for place in found if _must_be_number(place))


def _must_be_number(place: Place) -> bool:
    field = _field(place)
    return getattr(place.kind, "is_compiled_in", False) or (
        field is not None and field.type in (float, "float")
    )


def _field(place: Place) -> dataclasses.Field | None:
    fields = dataclasses.fields(place.owner) if isinstance(place.owner, eqx.Module) else ()
    return next((field for field in fields if field.name == place.field), None)


def _unit(place: Place) -> str:
    """ms for time constants and steps, unless the field says otherwise:
    `eqx.field(metadata={"unit": "mV"})`."""
    field = _field(place)
    told = None if field is None else field.metadata.get("unit")
    is_time = place.field == "dt" or place.field.startswith("tau")
    return told or ("ms" if is_time else "-")


def _trained(place: Place) -> str:
    if place.frozen is not None:
        return "frozen"
    match place.part:
        case Positive():
            return "positive"
        case NonNegative():
            return "nonnegative"
        case Bounded(low=low, high=high):
            return f"bounded: {f'above {low:g}' if np.isinf(high) else f'{low:g} to {high:g}'}"
        case SpectralBound(bound=bound):
            return f"spectral bound: {bound:g}"
        case IdentityPlusSkew(groups=groups):
            return f"identity plus skew{_in_groups(groups)}"
        case SkewSymmetric():
            return "skew-symmetric"
        case SymmetricPart(low=low, high=high, groups=groups):
            return f"symmetric part: {low:g} to {high:g}{_in_groups(groups)}"
        case Connectivity() as node:
            return f"connectivity{_connections(node)}"
        case paramax.AbstractUnwrappable():
            return type(place.part).__name__
    is_fixed = is_number(place.part) or not is_parameter(place.part)
    return "fixed" if is_fixed else "plain"


def _in_groups(groups: int) -> str:
    return f", {groups} groups" if groups > 1 else ""


def _connections(node: Connectivity) -> str:
    """The number of connections, and whether units have signs."""
    if not all(isinstance(x, jax.Array) and not is_traced(x) for x in (node.mask, node.signs)):
        return ""
    mask, signs = np.asarray(node.mask), np.asarray(node.signs)
    return f": {mask.sum()} of {mask.size}{', signed' * bool(signs.any())}"


def _dtypes(tree: eqx.Module) -> list[str]:
    stored = jax.tree.leaves([place.part for place in places(tree) if is_parameter(place.part)])
    dtypes = {x.dtype for x in stored if hasattr(x, "dtype")}
    return sorted(str(dtype) for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating))


def _is_option(part: object) -> bool:
    return callable(part) or isinstance(part, enum.Enum)


def _options(prefix: str, module: eqx.Module) -> Iterator[tuple[str, Any]]:
    """Everything but numbers: the static fields and functions of a module and of modules in it.

    Those of equinox layers are left out: they are sizes, which the shapes tell.
    """
    if type(module).__module__.startswith("equinox."):
        return
    for field in dataclasses.fields(module):
        value = getattr(module, field.name, None)
        is_node = isinstance(value, paramax.AbstractUnwrappable)
        if field.metadata.get("static") or (
            _is_option(value) and not isinstance(value, eqx.Module)
        ):
            yield f"{prefix}{field.name}", value
        elif isinstance(value, eqx.Module) and not is_node:
            yield from _options(f"{prefix}{field.name}.", value)


def _name_of(option: Any) -> str:
    if isinstance(option, enum.Enum):
        return option.name
    is_function = callable(option) and not isinstance(option, eqx.Module)
    name = getattr(option, "__name__", type(option).__name__) if is_function else None
    return name or eqx.tree_pformat(option, width=10_000)
