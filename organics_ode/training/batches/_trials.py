"""Batches of fresh trials as a function of the step number, for tasks in JAX and in numpy."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from ..._checks import check_positive_integer, is_traced, read_key, refuse, refuse_kind
from ..._types import KeyLike
from ._batch import Batch, as_batch
from ._task import Sampler


class Trials(eqx.Module):
    """`batches(step)`: fresh trials of a task."""

    task: Sampler
    size: int
    key: PRNGKeyArray

    def __call__(self, step: int) -> Batch:
        return self.part(step, np.arange(self.size))

    def part(self, step: int, rows: np.ndarray) -> Batch:
        """Only these trials of the batch, as one of several processes needs them."""
        try:
            return _sample(self.task, self.size, jax.random.fold_in(self.key, step), rows)
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
            what = f"numpy met a traced key in `{type(self.task).__name__}.sample`"
            must = "be written in jax.numpy, or in numpy with `sample(self, rng)`"
            raise ValueError(f"Argument `task` must {must}, but {what}. {_IN_NUMPY}") from error


class NumpyTrials(eqx.Module):
    """`batches(step)`: fresh trials of a task that is written in numpy."""

    task: Sampler
    size: int
    seed: tuple[int, ...]

    def __call__(self, step: int) -> Batch:
        return self.part(step, np.arange(self.size))

    def part(self, step: int, rows: np.ndarray) -> Batch:
        """Only these trials of the batch; each has its own generator."""
        sample: Callable[[np.random.Generator], Any] = self.task.sample  # pyright: ignore
        generators = [np.random.default_rng((*self.seed, step, int(row))) for row in rows]
        return _stacked([as_batch("task", sample(rng), _GIVES) for rng in generators])


_GIVES = "have a `sample` that gives `inputs` and `targets`, or a pair (inputs, targets)"


@eqx.filter_jit
def _sample(task: Sampler, size: int, key: PRNGKeyArray, rows: np.ndarray | Array) -> Batch:
    def trial(key: PRNGKeyArray) -> Batch:
        drawn = as_batch("task", task.sample(key), _GIVES)
        if not any(map(is_traced, jax.tree.leaves((drawn.inputs, drawn.targets)))):
            told = f"Every trial of {type(task).__name__} is the same one, whatever its key."
            warnings.warn(f"{told} {_IN_NUMPY}", stacklevel=2)
        return drawn

    return jax.vmap(trial)(jax.random.split(key, size)[rows])


_IN_NUMPY = "Draw in numpy from the argument of `sample(self, rng)`, a np.random.Generator."


def _stacked(trials: list[Batch]) -> Batch:
    shapes = [sorted({np.shape(x) for x in leaves}) for leaves in map(list, _across(trials))]
    if different := [found for found in shapes if len(found) > 1]:
        must = "give trials of one shape: pad them, and say by a mask (time,) which steps count"
        refuse("task", must, f"there are shapes {different[0][0]} and {different[0][-1]}")
    return jax.tree.map(lambda *parts: np.stack(parts), *trials)


def _across(trials: list[Batch]) -> Any:
    return zip(*map(jax.tree.leaves, trials), strict=True)


def is_in_numpy(task: Sampler) -> bool:
    """Whether a task draws from a numpy generator, by the name or annotation of its argument."""
    parameters = list(inspect.signature(task.sample).parameters.values())[:1]
    return any(p.name == "rng" or p.annotation is np.random.Generator for p in parameters)


def trials(task: Sampler, size: int, *, key: KeyLike) -> Trials | NumpyTrials:
    """Batches of fresh trials, as a function of the step number.

    Args:
        task: has `sample(key)` returning `inputs`, `targets` and optionally `mask`, as in `Task`,
            or these as a tuple. One written in numpy has `sample(rng)`, which is called on the host
            for every trial, with a `np.random.Generator` that depends only on key, step and row.
        size: trials per batch.
        key: a PRNG key; the same key and step give the same trials.

    Returns:
        A callable step ↦ `Batch`.

    Raises:
        ValueError: an argument is bad.
    """
    key = read_key("key", key)
    size = check_positive_integer("size", size)
    if isinstance(task, type) or not isinstance(task, Sampler):
        refuse_kind("task", "have a method `sample(key)`", task)
    if is_in_numpy(task):
        words = np.asarray(jax.random.key_data(key)).ravel()
        return NumpyTrials(task, size, tuple(int(word) for word in words))
    return Trials(task, size, key)
