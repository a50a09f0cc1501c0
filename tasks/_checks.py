"""Checks of constructor arguments, in one wording."""

import math
import os
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Integer, PRNGKeyArray


@runtime_checkable
class HasArray(Protocol):
    """An array of another library, such as a tensor of PyTorch or a column of pandas."""

    def __array__(self) -> np.ndarray: ...


# Anything that is read as an array: an array of any library, a number, or lists of numbers.
Numbers = ArrayLike | Sequence[Any] | HasArray
# A PRNG key, or the integer that seeds it. Static checkers do not know shapes.
if TYPE_CHECKING:
    KeyLike = PRNGKeyArray | int | np.integer
else:
    KeyLike = PRNGKeyArray | int | np.integer | Integer[ArrayLike, ""]


def check_integer(name: str, value: Any, *, minimum: int, maximum: float = math.inf) -> None:
    """Raises ValueError unless `value` is an integer within the bounds; a bool is not one."""
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_integer or value < minimum:
        raise ValueError(
            f"Argument `{name}` must be an integer of at least {minimum}, but it is {value!r}."
        )
    if int(value) > maximum:
        raise ValueError(f"Argument `{name}` must be at most {maximum}, but it is {value!r}.")


def check_time_step(
    name: str, value: Any, *, shortest: float = 0.0, longest: float = math.inf
) -> None:
    """Raises ValueError unless `value` is a positive, finite time within the bounds, in ms."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 < float(value) < math.inf:
        raise ValueError(
            f"Argument `{name}` must be a positive, finite time in ms, but it is {value!r}."
        )
    if float(value) > longest:
        raise ValueError(f"Argument `{name}` must be at most {longest:g} ms, but it is {value!r}.")
    if float(value) < shortest:
        raise ValueError(
            f"Argument `{name}` must be at least {shortest:g} ms, but it is {value!r}."
        )


def check_nonnegative(name: str, value: Any) -> None:
    """Raises ValueError unless `value` is a finite number that is not negative."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 <= float(value) < math.inf:
        raise ValueError(
            f"Argument `{name}` must be a finite number of at least 0, but it is {value!r}."
        )


def check_probability(name: str, value: Any) -> None:
    """Raises ValueError unless `value` is a number in [0, 1]."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 <= float(value) <= 1:
        raise ValueError(f"Argument `{name}` must be in [0, 1], but it is {value!r}.")


def read_key(name: str, key: Any) -> PRNGKeyArray:
    """One PRNG key, of the new kind or an old-style array, or the key for an integer seed."""
    try:
        key = jax.random.key(key) if _is_seed(key) else key
        jax.eval_shape(_is_one_key, key)
    except (TypeError, ValueError, OverflowError):
        shown = key if getattr(key, "ndim", 0) == 0 else f"an array of shape {key.shape}"
        raise ValueError(
            f"Argument `{name}` must be one PRNG key such as `jax.random.key(0)`, or an integer, "
            f"its seed, but it is {shown!r}."
        ) from None
    return key


def _is_seed(value: Any) -> bool:
    if isinstance(value, jax.Array | np.ndarray):
        return value.ndim == 0 and jnp.issubdtype(value.dtype, jnp.integer)
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_one_key(key: Any) -> Array:
    return jax.random.fold_in(key, 0)


def read_array(name: str, value: object) -> np.ndarray:
    """The value as an array of numbers or of bool."""
    try:
        array = np.asarray(_plain(value))
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0, object)
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        found = f"it has type {type(value).__name__}"
        raise ValueError(f"Argument `{name}` must be an array of numbers, but {found}.")
    return array


def _plain(value: Any) -> Any:
    """The value unchanged, except that a tensor of PyTorch is detached and moved to the CPU."""
    return value.detach().cpu() if hasattr(value, "detach") else value


def check_scalar(name: str, value: object) -> None:
    """Raises ValueError unless `value` is a finite number, or a scalar that jax traces."""
    if not isinstance(value, jax.core.Tracer):
        array = read_array(name, value)
        if array.ndim or array.dtype == bool or np.iscomplexobj(array) or not np.isfinite(array):
            raise ValueError(f"Argument `{name}` must be a finite number, but it is {value!r}.")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raises ValueError unless `value` is one of the names."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"Argument `{name}` must be one of {', '.join(choices)}, but it is {value!r}."
        )


def check_flag(name: str, value: object) -> None:
    """Raises ValueError unless `value` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"Argument `{name}` must be True or False, but it is {value!r}.")


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 step, 2 steps."""
    return f"{count} {noun if count == 1 else noun + 's'}"


def check_kind(name: str, value: object, kind: type) -> None:
    """Raises ValueError unless `value` is an object of the class."""
    if not isinstance(value, kind):
        raise ValueError(
            f"Argument `{name}` must be of type `{kind.__name__}`, but it is of type "
            f"`{type(value).__name__}`."
        )


def read_folder(name: str, value: str | os.PathLike[str]) -> Path:
    """The absolute path that a text or path names; `~` is the user's home folder."""
    try:
        text = os.fspath(value)
    except TypeError:
        text = None
    if not isinstance(text, str) or "\0" in text:
        raise ValueError(f"Argument `{name}` must be a path, but it is {value!r}.")
    folder = Path(os.path.expanduser(text)).absolute()
    try:
        os.stat(folder)
    except (FileNotFoundError, NotADirectoryError):  # for the caller to report, with a remedy
        pass
    except (OSError, ValueError) as error:  # too long, circular links, not a valid name
        raise ValueError(
            f"Argument `{name}` must be a path that can be followed, but {text!r:.99} is none: "
            f"{getattr(error, 'strerror', None) or error}."
        ) from error
    return folder
