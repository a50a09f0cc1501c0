"""A network during trials: the states that it visits."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._cards import carded
from .._checks import (
    as_float_array,
    check_finite,
    counted,
    fields_of,
    read_input_array,
    read_integer,
    refuse,
    refuse_traced,
    with_ones,
)
from .._constraints import resolve
from .._types import Numbers
from ..cells import AbstractCell, CellLike, read_cell
from ..dynamics import unroll


@carded
class Visit(NamedTuple):
    """A network during trials.

    Attributes:
        inputs: (trials, time, m).
        rest: the states before the first step of every trial, (trials, …).
        states: the states after every step, (trials, time, …).
    """

    inputs: Float[Array, "trials time m"]
    rest: Any
    states: Any


def visit(cell: CellLike, inputs: Numbers, *, burn_in: int = 0) -> Visit:
    """The states of a cell along trials that start at rest (host).

    Every trial begins at `cell.initial_state()`, receives its first input for `burn_in` steps, and
    then its inputs. There is no noise.

    Args:
        cell: an `AbstractCell`, such as the `cell` of a trained model.
        inputs: (trials, time, m), one input per step.
        burn_in: the number of steps with the first input before the trial.

    Returns:
        A `Visit`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: the state diverged.
    """
    own: AbstractCell = resolve(read_cell("cell", cell))
    burn_in = read_integer("burn_in", burn_in, 0, "be a number of steps, 0 or more")
    inputs = as_inputs("inputs", inputs, own, ("trials", "time"))
    refuse_traced("inputs", inputs, own)
    rest, states = _run(own, inputs, burn_in)
    refuse_diverged(states)
    return Visit(inputs, rest, states)


@eqx.filter_jit
def _run(cell: AbstractCell, inputs: Float[Array, "trials time m"], burn_in: int) -> PyTree:
    def of(xs: Array) -> tuple[PyTree, PyTree]:
        held = jnp.repeat(xs[:1], burn_in, axis=0)
        rest = unroll(cell, held, last_only=True) if burn_in else cell.initial_state()
        return rest, unroll(cell, xs, state0=rest)

    return jax.vmap(of)(inputs)


def as_inputs(
    name: str, inputs: Numbers, cell: AbstractCell, axes: tuple[str, ...]
) -> Float[Array, "... m"]:
    """Inputs with the given axes followed by (m,), none empty, in the dtype of the state."""
    dtype = jax.tree.leaves(cell.initial_state())[0].dtype
    return check_finite(name, read_input_array(name, inputs, cell.input_size, dtype, *axes))


def read_starts(name: str, starts: PyTree, cell: AbstractCell, trials: int) -> PyTree:
    """States of a cell, one for each trial."""
    like, arrays = cell.initial_state(), []
    for part, leaf in zip(fields_of(name, starts, like), jax.tree.leaves(like), strict=True):
        array = with_ones(as_float_array(name, part, leaf.dtype), None, *leaf.shape)
        array = check_finite(name, array)
        if array.shape != (trials, *leaf.shape):
            must = f"hold arrays with a row for each of the {counted(trials, 'trial')}"
            refuse(name, f"{must}, {(trials, *leaf.shape)}", f"one has shape {array.shape}")
        arrays.append(array)
    return jax.tree.unflatten(jax.tree.structure(like), arrays)


def refuse_diverged(states: PyTree) -> None:
    """Raise a RuntimeError where states (trials, …) are no longer finite."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(states)]
    finite = np.all([np.isfinite(leaf).reshape(len(leaf), -1).all(1) for leaf in leaves], axis=0)
    if not finite.all():
        raise RuntimeError(
            f"The state diverged in trial {int(np.argmin(finite))}: it is no longer finite. Take a "
            "shorter step `dt`, or look at the circuit with `oo.simulate`."
        )
