"""One wording for errors: "Argument `x` must …, but …."."""

from typing import NoReturn, TypeGuard

import jax
import numpy as np
from jax.core import Tracer


def refuse(name: str, must: str, found: str) -> NoReturn:
    """Raise the library's ValueError for an argument."""
    raise ValueError(f"Argument `{name}` must {must}, but {found}.")


def is_traced(value: object) -> TypeGuard[Tracer]:
    return isinstance(value, Tracer)


def refuse_traced(name: str, *values: object) -> None:
    """Refuse traced values, for a function that runs outside jit."""
    if any(map(is_traced, jax.tree.leaves(values))):
        refuse(name, "hold known values", "it is traced: this runs outside jit and vmap")


def shown(value: object) -> str:
    """The value as shown in an error: shortened, and arrays by dtype and shape."""
    if isinstance(value, jax.Array | np.ndarray) and np.ndim(value):
        return f"an array of {value.dtype} of shape {value.shape}"
    text = repr(value)
    if "\n" in text and hasattr(value, "__dataclass_fields__"):  # a circuit prints a table
        text = a_or_an(type(value).__name__)
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def a_or_an(noun: str) -> str:
    """The noun with its article: an LSTM, a GRU, an ORGaNICs, a unit, an ndarray."""
    is_spelt = (len(noun) > 1 and noun[:2].isupper()) or noun.startswith("nd")
    vowels = "AEFHILMNORSX" if is_spelt else "AEIO"
    return f"{'an' if noun[0].upper() in vowels else 'a'} {noun}"


def counted(count: int, noun: str, nouns: str | None = None) -> str:
    """A number with its noun: 1 event, 2 events."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"
