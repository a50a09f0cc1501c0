"""Single values, read and checked: numbers, keys, flags, choices."""

import numbers
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from ._errors import a_or_an, is_traced, refuse, shown

_LARGEST = 2**31 - 1  # of indices and sizes


def read_scalar(name: str, value: Any, low: float = -float("inf")) -> Any:
    """A finite number of at least `low`, unchanged, or a scalar array, which may be traced."""
    if not is_traced(value):
        read_number(name, value, low)
    elif value.ndim or is_key(value):
        refuse(name, "be a number", f"it is traced, {value.dtype}{list(value.shape)}")
    return value


def check_positive_number(name: str, value: Any) -> Any:
    """The value, a positive finite number or a scalar array (which may be traced)."""
    if not is_traced(value):
        number = _as_number(value)
        if number is None or not 0 < number < float("inf"):
            refuse(name, "be a positive number", f"it is {shown(value)}")
    elif value.ndim or not jnp.issubdtype(value.dtype, jnp.number):
        refuse(name, "be a positive number", f"it is traced, {value.dtype}{list(value.shape)}")
    return value


def read_number(
    name: str,
    value: object,
    low: float = -float("inf"),
    high: float = float("inf"),
    *,
    is_finite: bool = True,
) -> float:
    """A number from `low` to `high` as a float, finite unless otherwise requested."""
    number = _as_number(value)
    if number is None:
        refuse(name, "be a number", f"it is {shown(value)}")
    if is_finite and not abs(number) < float("inf"):
        refuse(name, "be finite", f"it is {shown(value)}")
    if not low <= number <= high:
        must = (
            f"be at least {low:g}" if high == float("inf") else f"lie between {low:g} and {high:g}"
        )
        refuse(name, must, f"it is {number:g}")
    return number


def _as_number(value: Any) -> float | None:
    """A real number of Python, numpy or JAX as a float; None for anything else."""
    is_array = isinstance(value, jax.Array | np.ndarray) and not is_traced(value)
    if is_array and value.ndim == 0 and jnp.issubdtype(value.dtype, jnp.number):
        value = np.asarray(value).item()
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    try:
        return float(value) if is_real else None
    except OverflowError:
        return float("inf") if value > 0 else -float("inf")  # pyright: ignore


def check_positive_integer(name: str, value: object) -> int:
    """A size of at least 1, given as any integer type, as an int."""
    return read_integer(name, value, 1, "be a positive integer")


def read_integer(
    name: str, value: Any, low: int, must: str | None = None, high: int = _LARGEST
) -> int:
    """An integer from `low` to `high`, of any type, as an int: a numpy integer would be traced."""
    must = f"be an integer of at least {low}" if must is None else must
    if is_traced(value):
        refuse(name, must, "it is traced: its value has to be known when this is compiled")
    if isinstance(value, jax.Array | np.ndarray) and value.ndim == 0 and not is_key(value):
        value = value.item()
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer or not low <= value <= high:  # pyright: ignore
        must = must if high < _LARGEST or not is_integer or value < low else f"be at most {high}"
        is_whole = isinstance(value, float) and value.is_integer() and low <= value <= high
        refuse(name, must, f"it is {shown(value)}{f'; write `{value:.0f}`' if is_whole else ''}")
    return int(value)


def is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def read_key(name: str, key: Any) -> PRNGKeyArray:
    """One PRNG key: of the new kind, an old-style array of numbers, or made from an integer."""
    try:
        key = jax.random.key(key) if _is_seed(key) else key
        jax.eval_shape(_is_one_key, key)
    except (TypeError, ValueError, OverflowError):
        must = "be one PRNG key such as `jax.random.key(0)`, or an integer, its seed"
        one = f"; take one of them, `{name}=keys[0]`" if is_key(key) else ""
        refuse(name, must, f"it is {shown(key)}{one}")
    return key


def _is_seed(value: Any) -> bool:
    if isinstance(value, jax.Array | np.ndarray):
        return value.ndim == 0 and jnp.issubdtype(value.dtype, jnp.integer)
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_one_key(key: Any) -> Array:
    return jax.random.fold_in(key, 0)


def check_flag(name: str, value: object) -> bool:
    """A value that is True or False, as a bool."""
    if not isinstance(value, bool | np.bool_):
        refuse(name, "be True or False", f"it is {shown(value)}")
    return bool(value)


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Refuse anything but one of the texts."""
    if not isinstance(value, str) or value not in choices:
        refuse(name, f"be one of {', '.join(choices)}", f"it is {shown(value)}")


def check_kind(name: str, value: object, kind: type) -> None:
    """Refuse anything but an object of this class."""
    if not isinstance(value, kind):
        refuse(name, f"be {a_or_an(kind.__name__)}", f"it is {a_or_an(type(value).__name__)}")
