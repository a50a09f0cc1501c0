"""States of circuits, read and checked."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._types import State
from ._arrays import as_float_array, check_finite, check_shape, with_ones
from ._errors import a_or_an, is_traced, refuse, shown


def check_state(name: str, state: PyTree, like: State) -> State:
    """The state with the structure, shapes and dtype of `like`; `like` itself for None."""
    if state is None:
        return like
    fields, parts = getattr(like, "_fields", None), fields_of(name, state, like)
    names = [f"{name}.{f}" for f in fields or ()]
    names = names if len(names) == len(parts) else [name] * len(parts)
    arrays = []
    for leaf_name, part, target in zip(names, parts, jax.tree.leaves(like), strict=True):
        array = with_ones(as_float_array(leaf_name, part, target.dtype), *target.shape)
        check_shape(leaf_name, array, target.shape, "(n,)")
        # Not inside jit: there the check would cost a callback in every training step.
        arrays.append(array if is_traced(array) else check_finite(leaf_name, array))
    return jax.tree.unflatten(jax.tree.structure(like), arrays)


def fields_of(name: str, state: PyTree, like: PyTree) -> list[Any]:
    """What the state has in place of each array of `like`: an array, a number or a list."""
    given = _by_fields(state, like) if isinstance(like, tuple) else state
    try:
        parts = jax.tree.structure(like).flatten_up_to(given)
    except (TypeError, ValueError):
        fields = ", ".join(getattr(like, "_fields", ()))
        listed = f", or a tuple ({fields}) or a dict of these" * bool(fields)
        must = f"be {a_or_an(type(like).__name__)} like `initial_state()`{listed}"
        refuse(name, must, _what_differs(state, like))
    # A list of traced numbers is itself not known.
    return [jnp.asarray(v) if any(map(is_traced, jax.tree.leaves(v))) else v for v in parts]


def _by_fields(state: PyTree, like: tuple) -> PyTree:
    """A list, tuple or dict of the fields, or the only field itself, as the class of `like`."""
    fields = getattr(like, "_fields", ())
    if isinstance(state, Mapping) and state.keys() == set(fields):
        state = tuple(state[field] for field in fields)
    if isinstance(state, Mapping) or hasattr(state, "_fields"):
        return state
    is_listed = isinstance(state, tuple | list)
    if not is_listed or len(state) != len(like):
        if len(like) != 1 or state is None or isinstance(state, str):
            return state
        state = (state,)
    return type(like)(*state) if fields else tuple(state)


def _what_differs(state: PyTree, like: PyTree) -> str:
    if type(state) is type(like):
        return f"its structure is {jax.tree.structure(state)}"
    kind = a_or_an(type(state).__name__)
    if isinstance(state, Mapping):
        return f"it is {kind} of {', '.join(map(str, state))}"
    if isinstance(state, tuple | list) and not hasattr(state, "_fields"):
        return f"it is {kind} of {len(state)}"
    if isinstance(getattr(state, "state", None), type(like)):
        return f"it is {kind}, which has one: write `.state`"
    return f"it is {shown(state)}" if hasattr(state, "dtype") else f"it is {kind}"
