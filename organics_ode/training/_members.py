"""The members of an ensemble: read, and stacked into one tree with a leading axis of members."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, ArrayLike, PyTree

from .._checks import a_or_an, common_dtype, counted, refuse
from .._constraints import trainable
from ..optimizers import Always, Optimizer, is_optimizer
from ..parallel import check_divides, check_mesh, check_same
from .batches import Batch, Batches, read_function


class Together:
    """`batches(step)`: the batches of each member, stacked along a leading axis of members."""

    def __init__(self, batches: Sequence[Callable[[int], Batch]]):
        self.members, self.size = tuple(batches), len(batches)
        lengths = {getattr(member, "steps_per_epoch", None) for member in batches}
        if len(lengths) == 1 and None not in lengths:
            (self.steps_per_epoch,) = lengths

    def __call__(self, step: int) -> Batch:
        return self.part(step, np.arange(self.size))

    def part(self, step: int, rows: np.ndarray) -> Batch:
        """The batches of only these members."""
        return stack([self.members[i](step) for i in rows])


def as_members(models: Sequence[PyTree]) -> PyTree:
    """The models as one tree; a ValueError if their structures differ."""
    if not isinstance(models, Sequence) or len(models) == 0:
        must = "be a sequence of models such as `[make_model(key) for key in keys]`"
        is_empty = isinstance(models, Sequence)
        refuse(
            "models", must, "it is empty" if is_empty else f"it is {a_or_an(type(models).__name__)}"
        )
    if not any(jax.tree.leaves(trainable(models[0]))):
        refuse("models", "have something to train", "all of it is frozen")
    like = _facts(models[0])
    for i, model in enumerate(models):
        facts = _facts(model)
        if (
            jax.tree.structure(model) != jax.tree.structure(models[0])
            or facts.keys() != like.keys()
        ):
            found = f"model {i} is built otherwise than model 0"
            refuse("models", "be of one structure and differ in their arrays only", found)
        for name in (name for name in like if facts[name] != like[name]):
            found = f"`{name}` is {like[name]} in model 0 and {facts[name]} in model {i}"
            refuse("models", "be of one structure and differ in their arrays only", found)
    return stack(models)


def check_devices(count: int, members: PyTree, mesh: Mesh | None) -> None:
    """Refuse a mesh that cannot take the members, or processes with different ones."""
    check_mesh(mesh)
    if mesh is not None:
        must = f"have as many members as a multiple of the mesh's {counted(mesh.size, 'device')}"
        check_divides("models", must, count, mesh)
    check_same("models", members, mesh)


def stack(trees: Sequence[PyTree]) -> PyTree:
    """Trees of the same structure as one, whose arrays have one more leading axis."""

    def one(*leaves: Any) -> Any:
        if isinstance(leaves[0], np.ndarray):
            return np.stack(leaves)
        return jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0]

    return jax.tree.map(one, *trees)


def unstack(tree: PyTree) -> tuple[PyTree, ...]:
    """The trees that `stack` stacked."""
    count = len(jax.tree.leaves(eqx.filter(tree, eqx.is_array))[0])
    return tuple(
        jax.tree.map(lambda x, i=i: x[i] if eqx.is_array(x) else x, tree) for i in range(count)
    )


def read_batches(batches: Batches | Sequence[Any], members: int) -> tuple[Any, bool]:
    """The data, and whether all members share it."""
    if not isinstance(batches, Sequence) or not any(map(callable, batches)):
        return read_function(batches), True
    must = "be a function of the step, or a sequence of one per member"
    if not all(map(callable, batches)):
        refuse("batches", must, f"it is {a_or_an(type(batches).__name__)}")
    if len(batches) != members:
        refuse("batches", must, f"there are {len(batches)} for {counted(members, 'member')}")
    return Together([read_function(each) for each in batches]), False


def read_optimizer(
    optimizer: Optimizer | Callable[[Any], Optimizer], hyperparameters: PyTree
) -> Any:
    """A function from the hyperparameters of one member to its optimizer."""
    if is_optimizer(optimizer):
        if hyperparameters is not None:
            must = (
                "be a function of the hyperparameters, such as `optax.adam`, where some are given"
            )
            refuse("optimizer", must, "it is a finished transformation")
        return Always(optimizer)
    if not callable(optimizer):
        must = "be an optax transformation, or a function of hyperparameters that makes one"
        refuse("optimizer", must, f"it is {a_or_an(type(optimizer).__name__)}")
    if hyperparameters is None:
        refuse("hyperparameters", "be given where `optimizer` is a function", "they are None")
    return optimizer


def read_hyperparameters(hyperparameters: PyTree, models: PyTree, members: int) -> Any:
    """Each as an array (members, …) in the dtype of the models, which updates then keep."""
    dtype = common_dtype(*filter(eqx.is_inexact_array, jax.tree.leaves(models)))

    def read(value: ArrayLike | list) -> Array:
        array = jnp.asarray(value)
        if array.ndim == 0 or len(array) != members:
            must = f"have one value for each member, {members}, on the first axis"
            refuse("hyperparameters", must, f"one has shape {array.shape}")
        return array.astype(dtype) if jnp.issubdtype(array.dtype, jnp.floating) else array

    return jax.tree.map(read, hyperparameters, is_leaf=lambda x: isinstance(x, list))


def _facts(model: PyTree) -> dict[str, Any]:
    """For each leaf by its path: the shape and dtype of an array, otherwise the value itself."""
    leaves = jax.tree_util.tree_leaves_with_path(model)
    return {
        jax.tree_util.keystr(path).lstrip("."): f"{leaf.dtype}{list(leaf.shape)}"
        if isinstance(leaf, jax.Array | np.ndarray)
        else leaf
        for path, leaf in leaves
    }
