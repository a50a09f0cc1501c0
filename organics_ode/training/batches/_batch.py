"""Samples and batches, as they are given and as training takes them."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import ArrayLike, PyTree

from ..._cards import carded
from ..._checks import plain, refuse, shown
from ...cells import check_mask


@runtime_checkable
class Samples(Protocol):
    """Anything with `inputs` and `targets`, each with a leading axis, and optionally a `mask`."""

    @property
    def inputs(self) -> Any: ...

    @property
    def targets(self) -> Any: ...


# What a user gives for a data set: an object with `inputs` and `targets`, or a tuple of arrays.
Data = Samples | Sequence[Any]


@carded
class Batch(NamedTuple):
    """Samples along a leading axis.

    - `inputs`: (batch, …), such as (batch, time, m). `targets`: (batch, …), classes or values.
    - `mask`: None or (batch, time), weights ≥ 0 of the steps.

    Targets where the mask is 0 have no effect, nor have inputs after the last step where it is not.
    """

    inputs: Any
    targets: Any
    mask: Any = None


def as_batch(name: str, data: Any, must: str | None = None) -> Batch:
    """A batch from an object with `inputs` and `targets`, or from a pair or triple of arrays."""
    if hasattr(data, "inputs") and hasattr(data, "targets"):
        return Batch(data.inputs, data.targets, getattr(data, "mask", None))
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        must = must or "have `inputs` and `targets`, or be a pair (inputs, targets) of arrays"
        refuse(name, must, f"it is {shown(data)}")
    is_list = lambda part: isinstance(part, tuple | list)  # noqa: E731
    array = lambda part: _as_array(name, part)  # noqa: E731
    return Batch(*(jax.tree.map(array, part, is_leaf=is_list) for part in data))


def _as_array(name: str, part: Any) -> Any:
    """Lists, and tensors of other libraries, as arrays."""
    try:
        part = plain(part)
        array = part if isinstance(part, jax.Array | np.ndarray) else np.asarray(part)
    except ValueError:
        found = "one is a list of lists of several lengths; pad them to one, and say by a mask"
        found += " (N, time) which steps count: `oo.Batch(inputs, targets, mask)`"
        refuse(name, "hold arrays of numbers", found)
    if getattr(array.dtype, "kind", "O") not in "biufc" and array.dtype.isbuiltin != 2:
        refuse(name, "hold arrays of numbers", f"one has dtype {array.dtype}")
    return array


def read_samples(data: Data, name: str = "data") -> Batch:
    """The samples to evaluate on: a split of a data set, a `Batch` or a pair; its mask checked."""
    samples = as_batch(name, data)
    for part in (samples.inputs, *jax.tree.leaves(samples.targets)):
        if np.ndim(part) == 0:
            refuse(name, "have samples along a leading axis", f"it holds {shown(part)}")
    if len(samples.inputs) == 0:
        refuse(name, "hold at least one sample", "it is empty")
    if samples.mask is not None:
        check_masks(samples.mask, samples.inputs, samples.targets)
    return samples


def check_masks(mask: ArrayLike, inputs: ArrayLike, targets: PyTree) -> None:
    """Refuse masks that do not fit the samples, or that select nothing in one of them."""
    times = {np.shape(x)[:2] for x in (inputs, *jax.tree.leaves(targets)) if np.ndim(x) > 1}
    if np.ndim(mask) != 2 or np.shape(mask) not in times:
        shapes = f"it has shape {np.shape(mask)}, and the inputs {np.shape(inputs)}"
        refuse("mask", "have shape (N, time) like the samples", shapes)
    check_mask(np.asarray(mask), "mask")
