"""Arrays of numbers, read and checked."""

import contextlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array

from ._errors import is_traced, refuse, shown
from ._single import is_key

# What can be read as an array: an array of any library, a number, or lists of them.


_FLOATS = (np.dtype("float32"), np.dtype("float64"))


def plain(value: Any) -> Any:
    """The value as it is, except that arrays of another library, such as PyTorch tensors, become
    numpy arrays."""
    if isinstance(value, jax.Array | np.ndarray) or not hasattr(value, "__array__"):
        return value
    # A tensor may be on a device, or part of a computation that is differentiated.
    for step in ("detach", "cpu"):
        value = getattr(value, step)() if hasattr(value, step) else value
    try:
        return np.asarray(value)
    except TypeError:  # numpy has no bfloat16
        return np.asarray(value.float()) if hasattr(value, "float") else value


def common_dtype(*values: Any) -> jnp.dtype:
    """The widest floating dtype among arrays; Python numbers and integers do not count."""
    dtypes = [v.dtype for v in map(plain, values) if hasattr(v, "dtype") and not is_key(v)]
    floats = [d for d in dtypes if jnp.issubdtype(d, jnp.floating)]
    if not floats:
        return jnp.result_type(float)
    # Each by itself first: JAX would warn about float64 that is switched off without a name.
    floats = [jax.dtypes.canonicalize_dtype(d) for d in floats]
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(*floats)


def as_float_array(name: str, value: object, dtype: DTypeLike | None = None) -> Array:
    """The value as a real floating array; known at trace time if the given value was."""
    if is_traced(value):
        return _as_float_array(name, value, dtype)
    if isinstance(value, jax.Array) and value.dtype in _FLOATS:
        wanted = jax.dtypes.canonicalize_dtype(value.dtype if dtype is None else dtype)
        # A weak type, as that of `jnp.full(3, 0.5)`, would compile every program once more.
        if wanted == value.dtype and not value.weak_type:
            return value  # as below, in a hundredth of the time
    with jax.ensure_compile_time_eval():
        return _as_float_array(name, value, dtype)


def as_complex_parts(name: str, value: object) -> tuple[Array, Array]:
    """The real and imaginary parts of a real or complex value, as floating arrays."""
    value = plain(value)
    if isinstance(value, list | tuple | complex):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            read = np.asarray(value)
            value = read if read.dtype.kind == "c" else value
    if not jnp.issubdtype(getattr(value, "dtype", None) or float, jnp.complexfloating):
        real = as_float_array(name, value)
        return real, jnp.zeros_like(real)
    whole: Any = value
    return as_float_array(name, whole.real), as_float_array(name, whole.imag)


def _as_float_array(name: str, value: object, dtype: DTypeLike | None) -> Array:
    if is_key(value):
        refuse(name, "hold real numbers", "it is a PRNG key")
    try:
        array = _read_array(value)
    except (TypeError, ValueError, OverflowError) as error:
        found = "a list of rows of different lengths" if _is_ragged(value) else shown(value)
        raise ValueError(
            f"Argument `{name}` must be an array of numbers, but it is {found}."
        ) from error
    if jnp.issubdtype(array.dtype, jnp.complexfloating) or array.dtype == bool:
        refuse(name, "hold real numbers", f"its dtype is {array.dtype}")
    dtype = jax.dtypes.canonicalize_dtype(common_dtype(array) if dtype is None else dtype)
    if isinstance(array, np.ndarray):
        with np.errstate(over="ignore"):
            narrow = array.astype(dtype)
        _check_kept(name, array, narrow)
        return on_device(narrow)
    return jnp.asarray(array, dtype)


def on_device(values: Any, dtype: DTypeLike | None = None) -> Array:
    """Known values as an array of JAX, in a copy (host). `jnp.asarray` compiles a program for every
    new shape, this none."""
    with np.errstate(over="ignore"):
        array = np.asarray(values, dtype)
    return jax.device_put(array, may_alias=False)


def _is_ragged(value: object) -> bool:
    """Whether a list has rows of different shapes."""
    if not isinstance(value, list | tuple) or not any(map(np.iterable, value)):
        return False
    lengths = {len(row) if isinstance(row, list | tuple) else None for row in value}
    return len(lengths) > 1


def _read_array(value: object) -> Array | np.ndarray:
    """A JAX array as it is, anything else as a numpy array, which may have a wider type."""
    if isinstance(value, jax.Array):
        return value
    try:
        array = np.asarray(plain(value))
    except jax.errors.TracerArrayConversionError:
        return jnp.asarray(value)
    # Integers beyond 64 bits arrive as objects.
    if array.dtype == object and None not in array.ravel():
        array = array.astype(float)
    if not jnp.issubdtype(array.dtype, jnp.number) and array.dtype != bool:
        raise TypeError
    return array


def _check_kept(name: str, given: np.ndarray, narrow: np.ndarray) -> None:
    """Refuse a cast that makes numbers infinite, or all 0; rounding is expected."""
    is_lost = np.isfinite(given) & ~np.isfinite(narrow)
    if not is_lost.any() and given.any() and not narrow.any():
        is_lost = given != 0
    if is_lost.any():
        one = np.flatnonzero(is_lost.ravel())[0]
        found = f"{given.ravel()[one]:g} is {narrow.ravel()[one]:g} there"
        must = f"hold numbers within the range of {narrow.dtype}"
        refuse(name, must, f"{found}; compute in float64 (jax_enable_x64) or in other units")


def as_times(name: str, value: object, dtype: DTypeLike | None = None) -> Array:
    """Finite, strictly increasing times; the error tells if only the cast makes two times equal."""
    times = check_finite(name, as_float_array(name, value, dtype))
    if times.ndim != 1:
        refuse(name, "have shape (time,)", f"it has shape {times.shape}")
    if not is_traced(times):
        given = np.asarray(plain(value), float)
        merged = (np.diff(given) > 0) & (np.diff(np.asarray(times)) <= 0)
        if merged.any():
            i = int(np.argmax(merged))
            pair = f"{float(given[i])} and {float(given[i + 1])}"
            found = f"its entries {i} and {i + 1}, {pair}, are one there"
            remedy = "compute in float64 (jax_enable_x64), or begin nearer to 0"
            refuse(name, f"increase strictly in {times.dtype}", f"{found}; {remedy}")
    return check_increasing(name, times)


def with_ones(array: Array, *sizes: int | None) -> Array:
    """The array with trailing axes of size 1 that were left out restored: a number for (1,) or
    (1, 1), (time,) for (time, 1)."""
    missing = sizes[array.ndim :]
    return array.reshape(array.shape + missing) if set(missing) == {1} else array


def check_shape(name: str, array: Array, shape: tuple[int, ...], letters: str) -> None:
    if array.shape == shape:
        return
    hint = f" (is it transposed?); write `{name}.T`" if array.shape == shape[::-1] else ""
    refuse(name, f"have shape {letters} = {shape}", f"it has shape {array.shape}{hint}")


def check_finite(name: str, array: Array) -> Array:
    found = "it holds NaN or infinite values"
    return _check(array, _is_infinite, name, "be finite", found)


def check_reach(name: str, result: Array | np.floating, what: str) -> None:
    """Refuse an argument so large that a result computed from it overflows, unless it is traced."""
    if not is_traced(result) and not np.isfinite(np.asarray(result)).all():
        must = f"be small enough for {what} to be finite in {result.dtype}"
        refuse(name, must, "it is not; take other units")


def check_positive(name: str, array: Array) -> Array:
    return _check(array, lambda a: a <= 0, name, "be positive", "its smallest value is {low}")


def check_nonnegative(name: str, array: Array) -> Array:
    return _check(array, lambda a: a < 0, name, "not be negative", "its smallest value is {low}")


def check_between(name: str, array: Array, low: float, high: float) -> Array:
    """Refuse values that are not inside the open interval."""
    must, found = f"lie between {low} and {high}", "its values reach from {low} to {high}"
    return _check(array, lambda a: ~((low < a) & (a < high)), name, must, found)


def check_within(name: str, array: Array, low: float, high: float) -> Array:
    """Refuse values that are not inside the closed interval."""
    must, found = f"lie between {low} and {high}", "its values reach from {low} to {high}"
    return _check(array, lambda a: ~((low <= a) & (a <= high)), name, must, found)


def check_increasing(name: str, array: Array) -> Array:
    found = "its entries {i} and {j}, {a:g} and {b:g}, do not"
    return _check(array, lambda a: a[1:] <= a[:-1], name, "increase strictly", found)


def as_known_array(name: str, value: object) -> np.ndarray:
    """The value as a numpy array of numbers or bools."""
    array = None
    if not is_traced(value) and not is_key(value):
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            array = np.asarray(plain(value))
    if array is None or not (array.dtype == bool or jnp.issubdtype(array.dtype, jnp.number)):
        refuse(name, "be an array", f"it is {shown(value)}")
    return array


def shape_of(name: str, value: Any) -> tuple[int, ...]:
    """The shape of an array, a number or a list of lists."""
    try:
        return np.shape(plain(value))
    except (TypeError, ValueError):  # a ragged list
        refuse(name, "be an array of numbers", f"it is {shown(value)}")


def check_precision(name: str, dtype: DTypeLike) -> None:
    """Refuse half precision where eigenvalues or linear equations are needed."""
    if jnp.finfo(dtype).bits < 32:
        must = "be in float32 or float64 here: there is no LAPACK for half precision"
        refuse(name, must, f"it is in {dtype}; make it of arrays in float32 for this")


def _check(array: Array, is_bad: Callable[[Any], Any], name: str, must: str, found: str) -> Array:
    """Raise a ValueError for values known now, and a run-time error for traced ones."""
    if is_traced(array):
        return eqx.error_if(array, is_bad(array), f"Argument `{name}` must {must}.")
    # In numpy, which compiles nothing.
    known = np.asarray(array)
    bad = np.ravel(is_bad(known))
    if bad.any():
        i = int(np.argmax(bad))
        low, high = np.min(known), np.max(known)
        a, b = known.ravel()[[i, min(i + 1, known.size - 1)]]
        refuse(name, must, found.format(low=low, high=high, i=i, j=i + 1, a=a, b=b))
    return array


def _is_infinite(array: Array | np.ndarray) -> Array | np.ndarray | np.bool_:
    return ~(jnp if is_traced(array) else np).isfinite(array)
