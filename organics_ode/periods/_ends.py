"""Where the states of trials end up when their inputs are held."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._cards import carded
from .._checks import check_positive_integer, check_positive_number, refuse_traced
from .._constraints import resolve
from .._nonlinearities import highest
from .._types import Numbers
from ..cells import AbstractCell, CellLike, read_cell
from ..dynamics import unroll
from ._visit import as_inputs, read_starts, refuse_diverged


@carded
class Ends(NamedTuple):
    """Where the states of trials ended up.

    Attributes:
        states: (trials, …), after the last step.
        distinct: how many of them differ.
        largest: the largest |state| on the way.
    """

    states: Any
    distinct: int
    largest: float


def ends(
    cell: CellLike, starts: PyTree, inputs: Numbers, steps: int, *, within: float = 0.01
) -> Ends:
    """Where a cell ends up from the states of trials, each with its input held (host).

    Two states count as one if no entry differs by more than `within` times the largest entry.

    Args:
        cell: an `AbstractCell`.
        starts: states of the cell, (trials, …).
        inputs: (trials, m).
        steps: the number of steps for which the inputs are held.
        within: the tolerance above, > 0.

    Returns:
        An `Ends`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: the state diverged.
    """
    own: AbstractCell = resolve(read_cell("cell", cell))
    steps = check_positive_integer("steps", steps)
    check_positive_number("within", within)
    inputs = as_inputs("inputs", inputs, own, ("trials",))
    starts = read_starts("starts", starts, own, len(inputs))
    refuse_traced("inputs", inputs, own, starts)
    states, largest = _hold(own, starts, inputs, steps)
    refuse_diverged((states, largest))
    rows = np.concatenate(
        [np.asarray(leaf).reshape(len(inputs), -1) for leaf in jax.tree.leaves(states)], axis=1
    )
    return Ends(states, _distinct(rows, within), float(highest(largest)))


@eqx.filter_jit
def _hold(
    cell: AbstractCell, starts: PyTree, inputs: Float[Array, "trials m"], steps: int
) -> tuple[PyTree, Float[Array, " trials"]]:
    def of(start: PyTree, x: Array) -> tuple[PyTree, Array]:
        states = unroll(cell, jnp.broadcast_to(x, (steps, *x.shape)), state0=start)
        largest = [highest(jnp.abs(leaf)) for leaf in jax.tree.leaves(states)]
        return jax.tree.map(lambda leaf: leaf[-1], states), highest(jnp.stack(largest))

    return jax.vmap(of)(starts, inputs)


def _distinct(rows: Float[np.ndarray, "trials d"], within: float) -> int:
    apart: list[np.ndarray] = []
    for row in rows:
        if all(np.abs(row - other).max() > within * np.abs(row).max() for other in apart):
            apart.append(row)
    return len(apart)
