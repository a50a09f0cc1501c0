"""Parameters out of their sets, as only a file that was edited can bring them."""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .._constraints import Connectivity, NonNegative, SpectralBound
from ..circuits import GatedORGaNICs, ORGaNICs

_PROJECTED = (NonNegative, Connectivity, SpectralBound)
_CIRCUITS = (ORGaNICs, GatedORGaNICs)
# Of these circuits: parameters that are positive, and W, which is not negative.
_POSITIVE = ("sigma", "b0", "b1", "tau_y", "tau_a", "tau_b0", "tau_b1")
_ROUNDING = 1e-5


def out_of_range(tree: PyTree) -> Iterator[str]:
    """What is wrong with which parameter. Moments in the states of optimizers have any sign.

    A leading axis of members is fine, and so is NaN, which a training that diverged has.
    """
    for path, part in jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_judged):
        label = jax.tree_util.keystr(path).removeprefix(".") or "(root)"
        if isinstance(part, _PROJECTED):
            yield from _of_node(label, part)
        elif isinstance(part, _CIRCUITS):
            for name, value in vars(part).items():
                yield from _of_parameter(f"{label}.{name}".removeprefix("(root)."), name, value)


def _is_judged(part: object) -> bool:
    return isinstance(part, (*_PROJECTED, *_CIRCUITS)) or _is_of_an_optimizer(part)


def _is_of_an_optimizer(part: object) -> bool:
    return isinstance(part, tuple) and type(part).__module__.partition(".")[0] == "optax"


def _of_parameter(label: str, name: str, value: Any) -> Iterator[str]:
    if isinstance(value, _PROJECTED):
        yield from _of_node(label, value)
    elif eqx.is_array(value) and name in ("W", *_POSITIVE):
        smallest = _smallest(value)
        if smallest < 0 or (name != "W" and smallest == 0):
            must = "negative" if name == "W" else "0 or negative"
            yield f"`{label}` may not be {must}, and its smallest value is {smallest:g}"


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
