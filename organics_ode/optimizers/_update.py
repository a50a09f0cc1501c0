"""One update of a model by its gradient, and which model is kept."""

import warnings
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

from .._constraints import project, trainable
from ._optimizer import Optimizer, optimizer_start, optimizer_step

Tree = TypeVar("Tree")


class State(NamedTuple):
    """What a step of training changes."""

    model: PyTree
    optimizer: PyTree


def begin(optimizer: Optimizer, model: PyTree) -> State:
    """A model that was not trained yet."""
    params = eqx.filter(model, trainable(model))
    _warn_of_half_precision(params)
    return State(model, optimizer_start(optimizer, params))


def update(
    optimizer: Optimizer,
    state: State,
    slope: Callable[[PyTree, PyTree], tuple[PyTree, dict[str, Array]]],
) -> tuple[State, dict[str, Array]]:
    """One step of the optimizer along a gradient, back into the sets of projected parameters.

    Args:
        optimizer: of optax.
        state: before the step.
        slope: (trained leaves, all else) of a model ↦ the gradient by the first, and scores of that
            model, its `loss` among them.

    Returns:
        The state after the step, and the scores before it with the `gradient_norm`.
    """
    params, rest = eqx.partition(state.model, trainable(state.model))
    here = lambda params: slope(params, rest)  # noqa: E731
    params, optimizer_state, scores = optimizer_step(optimizer, params, state.optimizer, here)
    return State(project(eqx.combine(params, rest)), optimizer_state), scores


def is_good(scores: dict[str, Array]) -> Bool[Array, "*models"]:
    """Whether a model is good where it was scored: its loss and its gradient are finite."""
    return jnp.isfinite(scores["loss"]) & jnp.isfinite(scores["gradient_norm"])


def is_finite(model: PyTree) -> Bool[Array, ""]:
    """Whether all that is trained is: a step along a finite gradient can overflow."""
    leaves = jax.tree.leaves(eqx.filter(model, trainable(model)))
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()


def choose(condition: Bool[Array, "..."], yes: Tree, no: Tree) -> Tree:
    """The arrays of one tree or of the other; all else is that of the first."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b) if eqx.is_array(a) else a, yes, no)


def _warn_of_half_precision(params: PyTree) -> None:
    low = [
        (jax.tree_util.keystr(path).removeprefix("."), leaf.dtype)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if jnp.finfo(leaf.dtype).bits < 32
    ]
    if low:
        (name, dtype), lost = low[0], float(jnp.finfo(low[0][1]).eps)
        warnings.warn(
            f"`{name}` is trained in {dtype}: updates, and steps of a state, that are smaller than "
            f"{lost / 2:g} of it are lost, so that it stands still. Build the model in float32; "
            "`oo.MixedPrecision(cell)` multiplies in bfloat16 and sums in float32.",
            stacklevel=3,
        )
