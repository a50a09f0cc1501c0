"""Batches as pure functions of the step number, so that resuming needs only the step."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ._checks import check_positive_integer, refuse


class Batch(NamedTuple):
    """Samples along a leading axis: `inputs` (batch, …), such as (batch, time, m), `targets`
    (batch, …), classes or values, and `mask`, None or (batch, time)."""

    inputs: Any
    targets: Any
    mask: Any = None


class Minibatches(eqx.Module):
    """`batches(step)`: the samples of a data set, shuffled anew each epoch."""

    inputs: np.ndarray
    targets: np.ndarray
    size: int
    seed: tuple[int, ...]

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the data set; the remainder of each shuffle is left out."""
        return len(self.inputs) // self.size

    def __call__(self, step: int) -> Batch:
        return self.part(step, np.arange(self.size))

    def part(self, step: int, rows: np.ndarray) -> Batch:
        """Only these rows of the batch: what one of several processes needs."""
        epoch, position = divmod(step, self.steps_per_epoch)
        # Seeded by (key, epoch): the order of an epoch depends on nothing that ran before it.
        order = np.random.default_rng((*self.seed, epoch)).permutation(len(self.inputs))
        chosen = order[position * self.size : (position + 1) * self.size][rows]
        return Batch(self.inputs[chosen], self.targets[chosen])


class Trials(eqx.Module):
    """`batches(step)`: fresh trials of a task."""

    task: Any
    size: int
    key: PRNGKeyArray

    def __call__(self, step: int) -> Batch:
        return self.part(step, np.arange(self.size))

    def part(self, step: int, rows: np.ndarray) -> Batch:
        """Only these trials of the batch: what one of several processes needs."""
        return _sample(self.task, self.size, jax.random.fold_in(self.key, step), rows)


@eqx.filter_jit
def _sample(task: Any, size: int, key: PRNGKeyArray, rows: Any) -> Batch:
    trials = jax.vmap(task.sample)(jax.random.split(key, size)[rows])
    return Batch(trials.inputs, trials.targets, trials.mask)


def minibatches(split: Any, size: int, *, key: PRNGKeyArray) -> Minibatches:
    """Shuffled batches of a data set, as a function of the step number (host).

    Args:
        split: has `inputs` (N, …) and `targets` (N, …).
        size: samples per batch, at most N.
        key: a PRNG key; the same key and step give the same batch.

    Returns:
        A callable step ↦ `Batch`, with `steps_per_epoch`.

    Raises:
        ValueError: an argument is bad, or a value of the split is NaN or infinite.
    """
    check_positive_integer("size", size)
    if not (hasattr(split, "inputs") and hasattr(split, "targets")):
        refuse("split", "have `inputs` and `targets`", f"it is {type(split).__name__}")
    inputs, targets = np.asarray(split.inputs), np.asarray(split.targets)
    if len(inputs) != len(targets):
        refuse("split", "pair inputs and targets", f"it has {len(inputs)} and {len(targets)}")
    if size > len(inputs):
        refuse(
            "size", "not exceed the number of samples", f"{size} of {len(inputs)} were asked for"
        )
    for name, values in (("inputs", inputs), ("targets", targets)):
        if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
            refuse("split", f"hold finite {name}", "some are NaN or infinite")
    seed = np.asarray(jax.random.key_data(key)).ravel()
    return Minibatches(inputs, targets, size, tuple(int(word) for word in seed))


def trials(task: Any, size: int, *, key: PRNGKeyArray) -> Trials:
    """Batches of fresh trials, as a function of the step number.

    Args:
        task: has `sample(key)` returning `inputs`, `targets`, `mask`.
        size: trials per batch.
        key: a PRNG key; the same key and step give the same trials.

    Returns:
        A callable step ↦ `Batch`.

    Raises:
        ValueError: an argument is bad.
    """
    check_positive_integer("size", size)
    if not hasattr(task, "sample"):
        refuse("task", "have a method `sample(key)`", f"it is {type(task).__name__}")
    return Trials(task, size, key)


def count_steps(batches: Any, steps: int | None, epochs: int | None) -> int:
    """How many steps a training takes, given as one of the two."""
    if (steps is None) == (epochs is None):
        raise ValueError("Arguments `steps` and `epochs`: exactly one of them must be given.")
    if steps is not None:
        check_positive_integer("steps", steps)
        return steps
    check_positive_integer("epochs", epochs)
    if not hasattr(batches, "steps_per_epoch"):
        refuse("epochs", "be used with a data set", "trials never end; give `steps`")
    return epochs * batches.steps_per_epoch
