"""The value of a parameter, and a description of it in a few words."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax

from .._checks import is_traced, on_device


def worth(part: Any) -> Any:
    """The value that the equations use: an array, traced if the parameter is, or only a shape if
    that is all there is."""
    leaves = jax.tree.leaves(part)
    if any(map(_is_shape, leaves)):
        return jax.eval_shape(paramax.unwrap, part)
    if any(map(is_traced, leaves)):
        return paramax.unwrap(part)
    # Known inside jit too.
    with jax.ensure_compile_time_eval():
        return jax.tree.map(jnp.asarray, paramax.unwrap(part))


def in_words(part: Any) -> tuple[str, str]:
    """The shape of a parameter, and its single value or its range."""
    is_node = isinstance(part, paramax.AbstractUnwrappable)
    try:
        value = worth(jax.tree.map(_here, part)) if is_node else part
        shape = () if isinstance(value, int | float) else value.shape
        return str(tuple(shape)), _summary(value)
    # A node of another package may compute anything, an array may be deleted or on other machines,
    # and printing, often used in debugging, must not add an error.
    except Exception:
        return "?", "?"


def node_in_words(node: Any) -> str:
    """A node shown by its value, and by its coordinate if it has one."""
    shape, value = in_words(node) if is_whole(node) else ("?", "?")
    if shape == "?":
        return eqx.tree_pformat(node)
    facts = [value, f"shape {shape}"]
    for field in dataclasses.fields(node):
        if field.metadata.get("static"):
            facts.append(f"{field.name}={getattr(node, field.name)}")
        elif field.name == "theta":
            facts.append(f"theta={_summary(node.theta)}")
    return f"{type(node).__name__}({', '.join(facts)})"


def is_whole(node: Any) -> bool:
    """Whether a node holds arrays (possibly traced) or shapes: in a tree of masks it does not."""
    stored = jax.tree.leaves(node, is_leaf=lambda x: x is None)
    return bool(stored) and all(is_number(x) or hasattr(x, "dtype") or callable(x) for x in stored)


def is_number(part: object) -> bool:
    """Whether this is a Python number, which is compiled in."""
    return isinstance(part, int | float) and not isinstance(part, bool | np.generic)


def _summary(value: Any) -> str:
    if is_traced(value) or _is_shape(value):
        return "traced" if is_traced(value) else "-"
    numbers = np.asarray(value).astype(float).ravel()
    known = numbers[~np.isnan(numbers)]
    if not known.size:
        return "NaN" if numbers.size else "empty"
    low, high = (f"{x:.4g}" for x in (known.min(), known.max()))
    missing = f", {numbers.size - known.size} NaN" * (known.size < numbers.size)
    return (low if low == high else f"{low} to {high}") + missing


def _here(x: Any) -> Any:
    """The array on this process and device only: others may not know that it is printed."""
    if not isinstance(x, jax.Array) or is_traced(x) or len(x.devices()) == 1:
        return x
    with jax.ensure_compile_time_eval():
        return on_device(np.asarray(x))


def _is_shape(part: object) -> bool:
    return isinstance(part, jax.ShapeDtypeStruct)
