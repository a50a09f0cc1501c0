"""Batches as pure functions of the step number, so that resuming needs only the step."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, PRNGKeyArray, PyTree

from .._cards import carded
from .._checks import check_positive_integer, read_key, refuse, shown
from ..cells import check_mask


@runtime_checkable
class Samples(Protocol):
    """What has `inputs` and `targets`, each with a leading axis, and maybe a `mask`."""

    @property
    def inputs(self) -> Any: ...

    @property
    def targets(self) -> Any: ...


@carded
class Batch(NamedTuple):
    """Samples along a leading axis: `inputs` (batch, …), such as (batch, time, m), `targets`
    (batch, …), classes or values, and `mask`, None or (batch, time), weights ≥ 0 of the steps.

    Targets where the mask is 0, and inputs behind the last step where it is not, do not matter.
    """

    inputs: Any
    targets: Any
    mask: Any = None


@runtime_checkable
class Sampler(Protocol):
    """What trials are drawn from."""

    def sample(self, key: PRNGKeyArray) -> Any:
        """One trial."""


@runtime_checkable
class Task(Sampler, Protocol):
    """What `fit_with_skips` trains on: a task of the package `tasks`, or an object of your own.

    It inherits from nothing; it has

    - `dt`: ms per step. `input_size`: m.
    - `sample(key)`: one trial with `inputs` (time, m), `targets` (time, …), `mask` (time,), the
      weights ≥ 0 of the steps, and `info`, a dict, whose `"periods"`, where they are there, map
      names to (start, stop) steps. It is vmapped over keys. `trials` asks for no more than this,
      and not for `info`.
    - `score(outputs, trial)`: how well the outputs (time, k) solve a trial, 1 for solved.

    and, where it likes,

    - `sample(key, jitter=False)`: trials of fixed durations, for the evaluation.
    - `loss_weights(trial)`: (time,), the weights of the steps in the loss; otherwise the mask,
      scaled to sum to 1.
    - `burn_in_inputs(trial)`: (m,), what is held before the trial; otherwise its first inputs.
    - `play(step, state, trial)`: runs an agent in closed loop, and returns its outputs (time, k)
      and the inputs (time, m) that it saw; `step` maps (state, inputs (m,)) to (state, outputs
      (k,)). `output_size` is then the k it needs.
    """

    @property
    def dt(self) -> float:
        """ms per step."""
        ...

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        ...

    def score(self, outputs: Array, trial: Any) -> Array:
        """How well a trial is solved."""
        ...


class Minibatches(eqx.Module):
    """`batches(step)`: the samples of a data set, shuffled anew each epoch."""

    inputs: np.ndarray
    targets: np.ndarray
    size: int
    seed: tuple[int, ...]
    mask: np.ndarray | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the data set; the remainder of each shuffle is left out."""
        return len(self.inputs) // self.size

    def __call__(self, step: int) -> Batch:
        return self.part(step, np.arange(self.size))

    def part(self, step: int, rows: np.ndarray) -> Batch:
        """Only these rows of the batch: what one of several processes needs."""
        epoch, position = divmod(step, self.steps_per_epoch)
        chosen = _order(self.seed, epoch, len(self.inputs))[
            position * self.size : (position + 1) * self.size
        ][rows]
        mask = None if self.mask is None else self.mask[chosen]
        return Batch(self.inputs[chosen], self.targets[chosen], mask)


# Kept for all steps of an epoch; as many as the members of an ensemble with batches of their own.
@functools.lru_cache(maxsize=64)
def _order(seed: tuple[int, ...], epoch: int, count: int) -> np.ndarray:
    """The samples as an epoch takes them, which depends on nothing that ran before it."""
    return np.random.default_rng((*seed, epoch)).permutation(count)


class Trials(eqx.Module):
    """`batches(step)`: fresh trials of a task."""

    task: Sampler
    size: int
    key: PRNGKeyArray

    def __call__(self, step: int) -> Batch:
        return self.part(step, np.arange(self.size))

    def part(self, step: int, rows: np.ndarray) -> Batch:
        """Only these trials of the batch: what one of several processes needs."""
        return _sample(self.task, self.size, jax.random.fold_in(self.key, step), rows)


@eqx.filter_jit
def _sample(task: Sampler, size: int, key: PRNGKeyArray, rows: np.ndarray | Array) -> Batch:
    trials = jax.vmap(task.sample)(jax.random.split(key, size)[rows])
    return Batch(trials.inputs, trials.targets, trials.mask)


def minibatches(split: Samples, size: int, *, key: PRNGKeyArray) -> Minibatches:
    """Shuffled batches of a data set, as a function of the step number (host).

    Args:
        split: has `inputs` (N, …) and `targets` (N, …), and maybe `mask` (N, time), the weights ≥ 0
            of the steps: sequences of different lengths are padded to one, with weights 0.
        size: samples per batch, at most N.
        key: a PRNG key; the same key and step give the same batch.

    Returns:
        A callable step ↦ `Batch`, with `steps_per_epoch`.

    Raises:
        ValueError: an argument is bad, or a value of the split that counts is NaN or infinite.
    """
    key = read_key("key", key)
    size = check_positive_integer("size", size)
    if not (hasattr(split, "inputs") and hasattr(split, "targets")):
        refuse("split", "have `inputs` and `targets`", f"it is {type(split).__name__}")
    inputs, targets = np.asarray(split.inputs), np.asarray(split.targets)
    mask = getattr(split, "mask", None)
    mask = None if mask is None else np.asarray(mask)
    if len(inputs) != len(targets):
        refuse("split", "pair inputs and targets", f"it has {len(inputs)} and {len(targets)}")
    if size > len(inputs):
        refuse(
            "size", "not exceed the number of samples", f"{size} of {len(inputs)} were asked for"
        )
    if mask is not None:
        check_masks(mask, inputs, targets)
    _check_finite("inputs", inputs, None if mask is None else _ended(mask))
    _check_finite("targets", targets, None if mask is None else mask > 0)
    seed = np.asarray(jax.random.key_data(key)).ravel()
    return Minibatches(inputs, targets, size, tuple(int(word) for word in seed), mask)


def read_samples(data: Samples, name: str = "data") -> Batch:
    """The samples to evaluate on: a split of a data set or a `Batch`, its mask checked."""
    if not (hasattr(data, "inputs") and hasattr(data, "targets")):
        refuse(name, "have `inputs` and `targets`", f"it is {shown(data)}")
    samples = Batch(data.inputs, data.targets, getattr(data, "mask", None))
    if len(samples.inputs) == 0:
        refuse(name, "hold at least one sample", "it is empty")
    if samples.mask is not None:
        check_masks(samples.mask, samples.inputs, samples.targets)
    return samples


def check_masks(mask: ArrayLike, inputs: ArrayLike, targets: PyTree) -> None:
    """Refuse masks that do not fit the samples, or that select nothing of one."""
    times = {np.shape(x)[:2] for x in (inputs, *jax.tree.leaves(targets)) if np.ndim(x) > 1}
    if np.ndim(mask) != 2 or np.shape(mask) not in times:
        shapes = f"it has shape {np.shape(mask)}, and the inputs {np.shape(inputs)}"
        refuse("mask", "have shape (N, time) like the samples", shapes)
    check_mask(np.asarray(mask), "mask")


def _ended(mask: np.ndarray) -> np.ndarray:
    """The steps up to the last one that counts."""
    return np.maximum.accumulate((mask > 0)[:, ::-1], axis=1)[:, ::-1]


def _check_finite(name: str, values: np.ndarray, counts: np.ndarray | None) -> None:
    if not np.issubdtype(values.dtype, np.floating):
        return
    bad = ~np.isfinite(values)
    if counts is not None and values.shape[:2] == counts.shape:
        bad = bad[counts]
    if bad.any():
        where = "" if counts is None else " where they count"
        refuse("split", f"hold finite {name}{where}", "some are NaN or infinite")


def trials(task: Sampler, size: int, *, key: PRNGKeyArray) -> Trials:
    """Batches of fresh trials, as a function of the step number.

    Args:
        task: has `sample(key)` returning `inputs`, `targets`, `mask`, as in `Task`.
        size: trials per batch.
        key: a PRNG key; the same key and step give the same trials.

    Returns:
        A callable step ↦ `Batch`.

    Raises:
        ValueError: an argument is bad.
    """
    key = read_key("key", key)
    size = check_positive_integer("size", size)
    if not isinstance(task, Sampler):
        refuse("task", "have a method `sample(key)`", f"it is {type(task).__name__}")
    return Trials(task, size, key)


def count_steps(batches: Callable[[int], Batch], steps: int | None, epochs: int | None) -> int:
    """How many steps a training takes, given as one of the two."""
    if (steps is None) == (epochs is None):
        raise ValueError("Arguments `steps` and `epochs`: exactly one of them must be given.")
    if steps is not None:
        steps = check_positive_integer("steps", steps)
        return steps
    epochs = check_positive_integer("epochs", epochs)
    per_epoch = getattr(batches, "steps_per_epoch", None)
    if per_epoch is None:
        refuse("epochs", "be used with a data set", "trials never end; give `steps`")
    return epochs * per_epoch
