"""Inputs of circuits and cells, read and checked."""

from jax.typing import DTypeLike
from jaxtyping import Array

from ._arrays import as_float_array, check_finite, with_ones
from ._calls import many_calls
from ._errors import is_traced, refuse


def read_input_array(
    name: str, value: object, size: int, dtype: DTypeLike, *axes: str, many: str | None = None
) -> Array:
    """Inputs with these axes, such as "time", followed by their size m; checked to be finite, if
    known.

    Where m = 1 its axis may be left out. `many` is the line of code for a batch of them.
    """
    array = shape_input_array(name, value, size, dtype, *axes, many=many)
    # Inside jit the check would cost a callback in every training step.
    return array if is_traced(array) else check_finite(name, array)


def shape_input_array(
    name: str, value: object, size: int, dtype: DTypeLike, *axes: str, many: str | None = None
) -> Array:
    """`read_input_array` for inputs that need not be finite."""
    array = with_ones(as_float_array(name, value, dtype), *(None for _ in axes), size)
    if array.ndim != len(axes) + 1 or array.shape[-1] != size or 0 in array.shape[:-1]:
        first, end = "".join(f"{axis}, " for axis in axes), "," * (not axes)
        steps = " with at least one step" * (0 in array.shape[:-1])
        must = f"have shape ({first}m{end}) = ({first}{size}{end}){steps}"
        hint = hint_of_batch(name, array, len(axes) + 1, size, many)
        is_one = array.ndim == len(axes) and array.shape[-1:] == (size,)
        hint = f"; for a single one write `{name}[None]`" if is_one else hint
        refuse(name, must, f"it has shape {array.shape}{hint}")
    return array


def hint_of_batch(name: str, array: Array, ndim: int, size: int, many: str | None = None) -> str:
    """A hint for an array that looks like a batch, given to a function of one sample."""
    is_batch = array.ndim > ndim and array.shape[-1] == size
    return f"; for a batch write `{many or many_calls(name)}`" if is_batch else ""


def with_input_axis(array: Array, size: int) -> Array:
    """One input (m,), or one for each step (steps, m); an axis m = 1 may have been left out."""
    return with_ones(array, *(None, size) if array.ndim and array.shape != (size,) else (size,))
