"""Arrays over all variables of a circuit, by the names of its state."""

import itertools
from typing import Any

import jax

from .._checks import a_or_an, as_known_array, is_traced, refuse
from .._constraints import resolve
from .._types import Numbers, State
from ..circuits import AbstractCircuit


def by_field(circuit: AbstractCircuit[State], values: Numbers) -> State:
    """Split an array whose last axis is over all variables by field: `by_field(circuit, power).y`.

    Use it for the spectra of `power_spectrum`, eigenvectors, or the diagonal of a covariance. Pure
    (jit, vmap, grad).

    Args:
        circuit: an `AbstractCircuit`.
        values: (…, d), in the order of the state's fields.

    Returns:
        A state whose fields are (…, n).

    Raises:
        ValueError: an argument is bad.
    """
    like = _like(circuit)
    return _parts(_read(values, like, 1), like, ())


def by_block(circuit: AbstractCircuit[State], values: Numbers) -> State:
    """Split an array whose last two axes are over all variables: `by_block(circuit, C).y.a`.

    Use it for a covariance, the matrices of `cross_spectrum` and `coherence`, or a Jacobian. Pure
    (jit, vmap, grad).

    Args:
        circuit: an `AbstractCircuit`.
        values: (…, d, d), in the order of the state's fields.

    Returns:
        A state of states: the outer field names the rows, the inner one the columns; each block is
        (…, n, n).

    Raises:
        ValueError: an argument is bad.
    """
    like = _like(circuit)
    rows = _parts(_read(values, like, 2), like, (sum(leaf.size for leaf in like),))
    return jax.tree.map(lambda row: _parts(row, like, ()), rows)


def _like(circuit: AbstractCircuit[State]) -> State:
    if not isinstance(circuit, AbstractCircuit):
        refuse("circuit", "be a circuit", f"it is {a_or_an(type(circuit).__name__)}")
    return jax.eval_shape(resolve(circuit).initial_state)


def _read(values: Any, like: Any, axes: int) -> Any:
    d = sum(leaf.size for leaf in jax.tree.leaves(like))
    known = isinstance(values, jax.Array) or is_traced(values)
    array = values if known else as_known_array("values", values)
    if array.shape[-axes:] != (d,) * axes:
        shape = f"(..., {', '.join(['d'] * axes)}) with d = {d}"
        refuse("values", f"have shape {shape}", f"it has shape {array.shape}")
    return array


def _parts(values: Any, like: Any, behind: tuple[int, ...]) -> Any:
    """The axis in front of those `behind`, cut into the fields of a state."""
    leaves, structure = jax.tree.flatten(like)
    ends = list(itertools.accumulate(leaf.size for leaf in leaves))
    axis = values.ndim - len(behind) - 1
    lead = values.shape[:axis]
    index = (slice(None),) * axis
    cut = [values[(*index, slice(e - leaf.size, e))] for leaf, e in zip(leaves, ends, strict=True)]
    shaped = [
        part.reshape(*lead, *leaf.shape, *behind) for part, leaf in zip(cut, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, shaped)
