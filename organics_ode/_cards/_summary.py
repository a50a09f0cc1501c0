"""Values on a line of a card."""

from typing import Any

import equinox as eqx
import jax
import numpy as np

from .._checks import is_key

_LONGEST = 120  # Maximum letters for the outline of a tree.


def summary(value: Any) -> str:
    """A value in one line: numbers as they are, arrays as their shapes and ranges."""
    is_number = isinstance(value, int | float | complex | np.generic | np.ndarray | jax.Array)
    if not is_number or is_key(value) or not np.size(value):
        return outline(value)
    array = np.asarray(value)
    if not array.ndim:
        return number(array)
    if array.dtype == bool:
        return f"{array.sum()} of {array.size}"
    part = "real part " if array.dtype.kind == "c" else ""
    found = np.real(array)[np.isfinite(array)]
    missing = array.size - found.size
    parts = [f"{part}{_span(found)}"] if found.size else []
    parts += [f"{missing} not finite"] if missing else []
    return ", ".join([str(array.shape), *parts])


def _span(values: np.ndarray) -> str:
    low, high = number(values.min()), number(values.max())
    return f"{low} to {high}" if low != high else low


def first_numbers(state: Any) -> str:
    """The fields of a state, each with its first three numbers."""
    fields = getattr(state, "_fields", range(len(state)))
    return "  ".join(f"{name} {_first(v)}" for name, v in zip(fields, state, strict=True))


def _first(leaf: Any) -> str:
    values = np.asarray(leaf).ravel()
    text = " ".join(f"{value:.4g}" for value in values[:3])
    return f"[{text}{' ...' if values.size > 3 else ''}]"


def number(value: Any) -> str:
    """A number as printed on cards."""
    value = np.asarray(value).item()
    if isinstance(value, complex):
        sign = "-" if value.imag < 0 else "+"
        return f"{value.real:.6g} {sign} {abs(value.imag):.6g}i"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def outline(value: Any) -> str:
    """A tree by its structure."""
    text = value if isinstance(value, str) else eqx.tree_pformat(value, width=10**6)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
