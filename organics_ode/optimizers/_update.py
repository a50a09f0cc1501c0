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
    """The state that a training step changes."""

    model: PyTree
    optimizer: PyTree


def begin(optimizer: Optimizer, model: PyTree) -> State:
    """The state of a model that was not trained yet."""
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
        optimizer: from optax.
        state: before the step.
        slope: (trained leaves, all else) of a model ↦ the gradient with respect to the first, and
            the scores of that model, which include its `loss`.

    Returns:
        The state after the step, and the scores before it with the `gradient_norm`.
    """
    params, rest = eqx.partition(state.model, trainable(state.model))
    here = lambda params: slope(params, rest)  # noqa: E731
    params, optimizer_state, scores = optimizer_step(optimizer, params, state.optimizer, here)
    return State(project(eqx.combine(params, rest)), optimizer_state), scores


def is_good(scores: dict[str, Array]) -> Bool[Array, "*models"]:
    """Whether the loss and the gradient of a model are finite where it was scored."""
    return jnp.isfinite(scores["loss"]) & jnp.isfinite(scores["gradient_norm"])


def is_finite(model: PyTree) -> Bool[Array, ""]:
    """Whether all trained parameters are finite: a step along a finite gradient can overflow."""
    leaves = jax.tree.leaves(eqx.filter(model, trainable(model)))
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()


def choose(condition: Bool[Array, "..."], yes: Tree, no: Tree) -> Tree:
    """The arrays of one tree or of the other; everything else is that of the first."""
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
