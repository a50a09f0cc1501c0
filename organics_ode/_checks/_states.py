"""States of circuits, read and checked."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._types import State
from ._arrays import as_float_array, check_finite, check_shape
from ._errors import a_or_an, is_traced, refuse


def check_state(name: str, state: PyTree, like: State) -> State:
    """The state in the structure, shapes and dtype of `like`; `like` itself for None."""
    if state is None:
        return like
    fields, parts = getattr(like, "_fields", None), fields_of(name, state, like)
    names = [f"{name}.{f}" for f in fields or ()]
    names = names if len(names) == len(parts) else [name] * len(parts)
    arrays = []
    for leaf_name, part, target in zip(names, parts, jax.tree.leaves(like), strict=True):
        array = as_float_array(leaf_name, part, target.dtype)
        check_shape(leaf_name, array, target.shape, "(n,)")
        # Not inside jit: there the check would cost a callback in every training step.
        arrays.append(array if is_traced(array) else check_finite(leaf_name, array))
    return jax.tree.unflatten(jax.tree.structure(like), arrays)


def fields_of(name: str, state: PyTree, like: PyTree) -> list[Any]:
    """What the state has in the place of every array of `like`: an array, a number or a list."""
    try:
        parts = jax.tree.structure(like).flatten_up_to(state)
    except (TypeError, ValueError):
        must = f"be {a_or_an(type(like).__name__)} like `initial_state()`"
        is_kin = type(state) is type(like)
        found = jax.tree.structure(state) if is_kin else a_or_an(type(state).__name__)
        refuse(name, must, f"its structure is {found}" if is_kin else f"it is {found}")
    # A list of traced numbers is known as little as they are.
    return [jnp.asarray(v) if any(map(is_traced, jax.tree.leaves(v))) else v for v in parts]
