"""Checks of arguments, with one wording: "Argument `x` must …, but …."."""

import contextlib
import numbers
from collections.abc import Sequence
from typing import Any, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

_LARGEST = 2**31 - 1  # of indices and sizes


def refuse(name: str, must: str, found: str) -> NoReturn:
    """Raise the library's ValueError for one argument."""
    raise ValueError(f"Argument `{name}` must {must}, but {found}.")


def is_traced(value: Any) -> bool:
    return isinstance(value, Tracer)


def common_dtype(*values: Any) -> jnp.dtype:
    """The widest floating dtype among arrays; Python numbers and integers do not count."""
    dtypes = [v.dtype for v in values if hasattr(v, "dtype") and not is_key(v)]
    floats = [d for d in dtypes if jnp.issubdtype(d, jnp.floating)]
    default = jnp.zeros(()).dtype
    if not floats:
        return default
    # Each by itself first: of float64 where it is switched off JAX would warn without a name.
    floats = [jax.dtypes.canonicalize_dtype(d) for d in floats]
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(*floats)


def as_float_array(name: str, value: Any, dtype: Any = None) -> Array:
    """The value as a real floating array; known at trace time if the given one was."""
    if is_traced(value):
        return _as_float_array(name, value, dtype)
    with jax.ensure_compile_time_eval():
        return _as_float_array(name, value, dtype)


def is_key(value: Any) -> bool:
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def _as_float_array(name: str, value: Any, dtype: Any) -> Array:
    if is_key(value):
        refuse(name, "hold real numbers", "it is a PRNG key")
    try:
        array = _read_array(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"Argument `{name}` must be an array of numbers, but it is {type(value).__name__}."
        ) from error
    if jnp.issubdtype(array.dtype, jnp.complexfloating) or array.dtype == bool:
        refuse(name, "hold real numbers", f"its dtype is {array.dtype}")
    dtype = jax.dtypes.canonicalize_dtype(common_dtype(array) if dtype is None else dtype)
    if isinstance(array, np.ndarray):
        with np.errstate(over="ignore"):
            narrow = array.astype(dtype)
        _check_kept(name, array, narrow)
        array = narrow
    return jnp.asarray(array, dtype)


def _read_array(value: Any) -> Any:
    """An array of JAX as it is, anything else by numpy: it holds what a narrower type does not."""
    if isinstance(value, jax.Array):
        return value
    try:
        array = np.asarray(value)
    except jax.errors.TracerArrayConversionError:
        return jnp.asarray(value)
    # Integers beyond 64 bits come as objects.
    if array.dtype == object and None not in array.ravel():
        array = array.astype(float)
    if not jnp.issubdtype(array.dtype, jnp.number) and array.dtype != bool:
        raise TypeError
    return array


def _check_kept(name: str, given: np.ndarray, narrow: np.ndarray) -> None:
    """Rounding is expected; numbers that become infinite, or all 0, are told."""
    is_lost = np.isfinite(given) & ~np.isfinite(narrow)
    if not is_lost.any() and given.any() and not narrow.any():
        is_lost = given != 0
    if is_lost.any():
        one = np.flatnonzero(is_lost.ravel())[0]
        found = f"{given.ravel()[one]:g} is {narrow.ravel()[one]:g} there"
        must = f"hold numbers within the range of {narrow.dtype}"
        refuse(name, must, f"{found}; compute in float64 (jax_enable_x64) or in other units")


def as_times(name: str, value: Any, dtype: Any = None) -> Array:
    """Finite times that increase strictly; it is told where only the cast makes two of them one."""
    times = check_finite(name, as_float_array(name, value, dtype))
    if times.ndim == 1 and not is_traced(times):
        given = np.asarray(value, float)
        merged = (np.diff(given) > 0) & (np.diff(np.asarray(times)) <= 0)
        if merged.any():
            i = int(np.argmax(merged))
            pair = f"{float(given[i])} and {float(given[i + 1])}"
            found = f"its entries {i} and {i + 1}, {pair}, are one there"
            remedy = "compute in float64 (jax_enable_x64), or begin nearer to 0"
            refuse(name, f"increase strictly in {times.dtype}", f"{found}; {remedy}")
    return check_increasing(name, times)


def check_shape(name: str, array: Array, shape: tuple[int, ...], letters: str) -> None:
    if array.shape == shape:
        return
    hint = " (is it transposed?)" if array.shape == shape[::-1] else ""
    refuse(name, f"have shape {letters} = {shape}", f"it has shape {array.shape}{hint}")


def check_finite(name: str, array: Array) -> Array:
    found = "it holds NaN or infinite values"
    return _check(array, lambda a: ~jnp.isfinite(a), name, "be finite", found)


def check_positive(name: str, array: Array) -> Array:
    return _check(array, lambda a: a <= 0, name, "be positive", "its smallest value is {low}")


def check_nonnegative(name: str, array: Array) -> Array:
    return _check(array, lambda a: a < 0, name, "not be negative", "its smallest value is {low}")


def check_increasing(name: str, array: Array) -> Array:
    found = "its entries {i} and {j} do not"
    return _check(array, lambda a: a[1:] <= a[:-1], name, "increase strictly", found)


def as_known_array(name: str, value: Any) -> np.ndarray:
    """The value as an array of numpy, of numbers or of bool."""
    array = None
    if not is_traced(value) and not is_key(value):
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            array = np.asarray(value)
    if array is None or not (array.dtype == bool or jnp.issubdtype(array.dtype, jnp.number)):
        refuse(name, "be an array", f"it is {shown(value)}")
    return array


def shape_of(name: str, value: Any) -> tuple[int, ...]:
    """The shape of an array, a number or a list of lists."""
    try:
        return np.shape(value)
    except (TypeError, ValueError):  # a ragged list
        refuse(name, "be an array of numbers", f"it is {shown(value)}")


def read_scalar(name: str, value: Any, low: float = -float("inf")) -> Any:
    """A finite number as it is, at least `low`, or a scalar array, which may be traced."""
    if not is_traced(value):
        read_number(name, value, low)
    elif value.ndim or is_key(value):
        refuse(name, "be a number", f"it is traced, {value.dtype}{list(value.shape)}")
    return value


def check_precision(name: str, dtype: Any) -> None:
    """Refuse half precision where eigenvalues and linear equations are asked for."""
    if jnp.finfo(dtype).bits < 32:
        must = "be in float32 or float64 here: there is no LAPACK for half precision"
        refuse(name, must, f"it is in {dtype}; make it of arrays in float32 for this")


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
    value: Any,
    low: float = -float("inf"),
    high: float = float("inf"),
    *,
    is_finite: bool = True,
) -> float:
    """A number from `low` to `high`, finite unless told, as a float."""
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
    """A real number of Python, numpy or JAX as a float; None for what is none, or not known."""
    is_array = isinstance(value, jax.Array | np.ndarray) and not is_traced(value)
    if is_array and value.ndim == 0 and jnp.issubdtype(value.dtype, jnp.number):
        value = np.asarray(value).item()
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    try:
        return float(value) if is_real else None
    except OverflowError:
        return float("inf") if value > 0 else -float("inf")  # pyright: ignore


def check_positive_integer(name: str, value: Any) -> int:
    """A size of at least 1, of any integer type, as an int."""
    return read_integer(name, value, 1, "be a positive integer")


def read_integer(
    name: str, value: Any, low: int, must: str | None = None, high: int = _LARGEST
) -> int:
    """An integer from `low` to `high`, of any type, as an int: what is of numpy would be traced."""
    must = f"be an integer of at least {low}" if must is None else must
    if is_traced(value):
        refuse(name, must, "it is traced: its value has to be known when this is compiled")
    if isinstance(value, jax.Array | np.ndarray) and value.ndim == 0 and not is_key(value):
        value = value.item()
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer or not low <= value <= high:  # pyright: ignore
        must = must if high < _LARGEST or not is_integer or value < low else f"be at most {high}"
        refuse(name, must, f"it is {shown(value)}")
    return int(value)


def read_key(name: str, key: Any) -> Any:
    """One PRNG key, of the new kind or an old-style array of numbers."""
    try:
        jax.eval_shape(_is_one_key, key)
    except (TypeError, ValueError, OverflowError):
        refuse(name, "be one PRNG key such as `jax.random.key(0)`", f"it is {shown(key)}")
    return key


def _is_one_key(key: Any) -> Any:
    return jax.random.fold_in(key, 0)


def shown(value: Any) -> str:
    """The value in an error: short, and arrays by dtype and shape."""
    if isinstance(value, jax.Array | np.ndarray) and np.ndim(value):
        return f"an array of {value.dtype} of shape {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_flag(name: str, value: Any) -> bool:
    """The value, True or False, as a bool."""
    if not isinstance(value, bool | np.bool_):
        refuse(name, "be True or False", f"it is {shown(value)}")
    return bool(value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse what is none of the texts."""
    if not isinstance(value, str) or value not in choices:
        refuse(name, f"be one of {', '.join(choices)}", f"it is {shown(value)}")


def check_kind(name: str, value: Any, kind: type) -> None:
    """Refuse what is no object of the class."""
    if not isinstance(value, kind):
        refuse(name, f"be {a_or_an(kind.__name__)}", f"it is {a_or_an(type(value).__name__)}")


def check_state(name: str, state: Any, like: Any) -> Any:
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


def fields_of(name: str, state: Any, like: Any) -> list[Any]:
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


def a_or_an(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOaeio' else 'a'} {noun}"


def _check(array: Array, is_bad: Any, name: str, must: str, found: str) -> Array:
    """ValueError for values known now, a run-time error for traced ones."""
    if is_traced(array):
        return eqx.error_if(array, is_bad(array), f"Argument `{name}` must {must}.")
    with jax.ensure_compile_time_eval():
        bad = np.asarray(is_bad(array)).ravel()
        if bad.any():
            i = int(np.argmax(bad))
            refuse(name, must, found.format(low=jnp.min(array), i=i, j=i + 1))
    return array
