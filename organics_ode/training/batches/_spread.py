"""The devices of a training run without a mesh, by how much there is to compute."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import PyTree

from ...parallel import check_mesh, usual_mesh
from ._batch import Batch
from ._read import Listed

_GRADIENT = 3  # multiplications, relative to those of the outputs


def mesh_for_batches(mesh: Mesh | None, model: PyTree, batches: Any) -> Mesh | None:
    """`mesh`, checked, or the usual one if the sizes of all batches are known before the first is
    asked for."""
    check_mesh(mesh)
    sizes = _sizes(batches)
    if mesh is not None or not sizes:
        return mesh
    return usual_mesh(sizes, lambda: _work(max(sizes) * _GRADIENT, model, _one(batches)), model)


def mesh_for_samples(mesh: Mesh | None, model: PyTree, samples: Batch) -> Mesh | None:
    """`mesh`, checked, or the usual one for these samples, whose number it need not divide."""
    check_mesh(mesh)
    if mesh is not None:
        return mesh
    work = lambda: _work(len(samples.inputs), model, samples.inputs)  # noqa: E731
    return usual_mesh([0], work, model, samples)


def mesh_for_members(mesh: Mesh | None, models: Sequence[PyTree], batches: Any) -> Mesh | None:
    """`mesh`, or the usual one for members that learn from these batches, shared or their own."""
    every = getattr(batches, "members", (batches,))
    sizes = [size for each in every for size in _sizes(each)]
    if mesh is not None or not sizes:
        return mesh
    count = len(models) * max(sizes) * _GRADIENT
    return usual_mesh([len(models)], lambda: _work(count, models[0], _one(every[0])), *models)


def mesh_for_trials(models: Sequence[PyTree], trial: Any, size: int) -> Mesh | None:
    """The usual one for members that learn from `size` trials like this one."""
    inputs = jax.ShapeDtypeStruct((1, *trial.inputs.shape), trial.inputs.dtype)
    count = len(models) * size * _GRADIENT
    work = lambda: _work(count, models[0], inputs)  # noqa: E731
    return usual_mesh([len(models)], work, *models)


def _sizes(batches: Any) -> list[int]:
    """The sizes of all batches, if they are known beforehand."""
    if isinstance(batches, Listed):
        return [len(batch.inputs) for batch in batches.batches]
    size = getattr(batches, "size", None)
    has_parts = callable(getattr(batches, "part", None))
    return [size] if isinstance(size, int) and size > 0 and has_parts else []


def _one(batches: Any) -> Any:
    """The inputs of a batch of one sample, or their shapes and dtypes."""
    if isinstance(batches, Listed):
        return batches(0).inputs
    return eqx.filter_eval_shape(lambda: batches.part(0, np.arange(1)).inputs)


def _work(samples: int, model: PyTree, inputs: PyTree) -> tuple[float, int]:
    """The multiplications in a step of the sequence, one per parameter and sample, and the number
    of such steps."""
    parameters = sum(leaf.size for leaf in jax.tree.leaves(model) if eqx.is_inexact_array(leaf))
    shape = np.shape(jax.tree.leaves(inputs)[0])
    return float(samples) * parameters, shape[1] if len(shape) > 2 else 1
