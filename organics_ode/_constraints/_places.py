"""Where the parameters of a circuit, a cell or a model are, and their names."""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
from jaxtyping import PyTree

from ._nodes import Frozen
from ._worth import is_number, is_whole


class Place(NamedTuple):
    """A parameter in a tree.

    Attributes:
        name: its dotted path, `cell.circuit.tau_y`; the `.value` of a `Frozen` is left out.
        path: its keys from the root.
        part: the array, number or node at this place.
        owner: the module of which it is a field, or in whose field it is.
        field: the name of this field.
        frozen: how many keys lead to the `Frozen` around it; None if there is none.
    """

    name: str
    path: tuple[Any, ...]
    part: Any
    owner: Any
    field: str
    frozen: int | None

    @property
    def kind(self) -> Any:
        """What the owner's table says it is; None if there is no table."""
        kinds = getattr(self.owner, "kinds", None)
        kind = kinds.get(self.field) if isinstance(kinds, dict) else None
        return kind if hasattr(kind, "or_scalar") else None

    @property
    def is_number(self) -> bool:
        return is_number(self.part)


def places(tree: PyTree) -> list[Place]:
    """All leaves in the order of the fields, with None and non-parameters; a node is one leaf."""
    flat = jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_whole)
    return [_place(tree, path, part) for path, part in flat]


def is_parameter(part: object) -> bool:
    """Whether this is a node, a floating array (possibly traced, or only a shape), or a number."""
    if isinstance(part, paramax.AbstractUnwrappable):
        return is_whole(part)
    return is_number(part) or _is_floating(part)


def follow(tree: PyTree, path: tuple[Any, ...]) -> Any:
    """What is under these keys."""
    return functools.reduce(_step, path, tree)


def _place(tree: PyTree, path: tuple[Any, ...], part: object) -> Place:
    owner, field, frozen, shown, holder = tree, "", None, [], tree
    for depth, key in enumerate(path):
        if isinstance(holder, Frozen):
            frozen = depth if frozen is None else frozen
        else:
            shown.append(key)
            # The numbers of an operator are the parameter of the field that it is in.
            if isinstance(holder, eqx.Module) and not getattr(holder, "is_part", False):
                owner, field = holder, key.name
        holder = _step(holder, key)
    name = jax.tree_util.keystr(tuple(shown)).removeprefix(".")
    return Place(name, path, part, owner, field, frozen)


def _is_whole(part: object) -> bool:
    # A `Frozen` is looked into: its value may be a tree, and the state of a model is one.
    is_node = isinstance(part, paramax.AbstractUnwrappable) and not isinstance(part, Frozen)
    return part is None or is_node


def _step(holder: Any, key: Any) -> Any:
    match key:
        case jax.tree_util.GetAttrKey(name):
            return getattr(holder, name)
        case jax.tree_util.SequenceKey(at) | jax.tree_util.DictKey(at):
            return holder[at]
    return jax.tree_util.default_registry.flatten_one_level(holder)[0][key.key]


def _is_floating(part: Any) -> bool:
    dtype = getattr(part, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.floating)
