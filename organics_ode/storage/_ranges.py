"""Parameters out of range, which only an edited file can have."""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .._checks import check_nonnegative, check_positive
from .._constraints import (
    Connectivity,
    Frozen,
    NonNegative,
    SpectralBound,
    SymmetricPart,
    resolve,
)
from ..circuits import AbstractCircuit, Kind, RotationalORGaNICs

_PROJECTED = (NonNegative, Connectivity, SpectralBound, SymmetricPart)
_ROUNDING = 1e-5


def out_of_range(tree: PyTree) -> Iterator[str]:
    """What is wrong with which parameter; moments in optimizer states may have any sign.

    A leading axis of members is allowed, and so is NaN, which a diverged training run leaves.
    """
    for path, part in jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_judged):
        label = jax.tree_util.keystr(path).removeprefix(".") or "(root)"
        if isinstance(part, _PROJECTED):
            yield from _of_node(label, part)
        elif _is_circuit(part):
            for name, kind in part.kinds.items():
                own = f"{label}.{name}".removeprefix("(root).")
                yield from _of_parameter(own, kind, getattr(part, name))
            yield from _of_class(label, part)


def _is_judged(part: object) -> bool:
    return isinstance(part, _PROJECTED) or _is_circuit(part) or _is_of_an_optimizer(part)


def _is_circuit(part: Any) -> bool:
    """A circuit that declares its parameters; others are examined leaf by leaf."""
    return isinstance(part, AbstractCircuit) and bool(part.kinds)


def _is_of_an_optimizer(part: object) -> bool:
    return isinstance(part, tuple) and type(part).__module__.partition(".")[0] == "optax"


def _of_parameter(label: str, kind: Kind, value: Any) -> Iterator[str]:
    value = value.value if isinstance(value, Frozen) else value
    if isinstance(value, _PROJECTED):
        yield from _of_node(label, value)
    elif eqx.is_array(value) and kind.sign in (check_positive, check_nonnegative):
        smallest = _smallest(value)
        if smallest < 0 or (kind.sign is check_positive and smallest == 0):
            must = "negative" if kind.sign is check_nonnegative else "0 or negative"
            yield f"`{label}` may not be {must}, and its smallest value is {smallest:g}"


def _of_class(label: str, circuit: AbstractCircuit) -> Iterator[str]:
    """What the class requires of its parameters together; for members, of each node separately."""
    if isinstance(circuit, RotationalORGaNICs) and resolve(circuit.W_r).ndim == 2:
        try:
            circuit.__check_init__()
        except ValueError as error:
            yield f"`{label}` is no {type(circuit).__name__}: {error}"


def _of_node(label: str, node: Any) -> Iterator[str]:
    if not eqx.is_array(node.value):
        return
    value, kind = _as_numpy(node.value), type(node).__name__
    match node:
        case NonNegative():
            is_wrong = bool(np.any(value < 0))
        case Connectivity(mask=mask, signs=signs):
            is_absent = ~np.asarray(mask, bool) & (value != 0)
            is_wrong = bool(np.any(is_absent | (np.asarray(signs)[..., None, :] * value < 0)))
        case SymmetricPart(low=low, high=high):
            symmetric = np.nan_to_num(value + np.swapaxes(value, -1, -2)) / 2
            rates = np.linalg.eigvalsh(symmetric)
            slack = _tolerance(node.value) * max(abs(low), abs(high))
            is_known = not np.any(np.isnan(value))
            is_wrong = is_known and bool(np.any((rates < low - slack) | (rates > high + slack)))
        case _:
            largest = np.linalg.norm(np.nan_to_num(value), 2, axis=(-2, -1))
            is_wrong = bool(np.any(largest > node.bound * (1 + _tolerance(node.value))))
    if is_wrong:
        yield f"`{label}` is a {kind} with values out of its set"


def _tolerance(value: Array | np.ndarray) -> float:
    return max(_ROUNDING, 64 * float(jnp.finfo(value.dtype).eps))


def _smallest(value: Array | np.ndarray) -> float:
    array = _as_numpy(value)
    return float(np.min(array, initial=np.inf, where=~np.isnan(array)))


def _as_numpy(value: Array | np.ndarray) -> np.ndarray:
    return np.asarray(value, np.float64)
