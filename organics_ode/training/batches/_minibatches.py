"""Batches of a data set as a function of the step number, so that resuming needs only the step."""

import functools

import equinox as eqx
import jax
import numpy as np

from ..._checks import check_positive_integer, plain, read_key, refuse
from ..._types import KeyLike
from ._batch import Batch, Data, as_batch, check_masks


class Minibatches(eqx.Module):
    """`batches(step)`: the samples of a data set, reshuffled every epoch."""

    inputs: np.ndarray
    targets: np.ndarray
    size: int
    seed: tuple[int, ...]
    mask: np.ndarray | None = None

    @property
    def steps_per_epoch(self) -> int:
        """The number of whole batches in the data set; the rest of each shuffle is left out."""
        return len(self.inputs) // self.size

    def __call__(self, step: int) -> Batch:
        return self.part(step, np.arange(self.size))

    def part(self, step: int, rows: np.ndarray) -> Batch:
        """Only these rows of the batch, as one of several processes needs them."""
        epoch, position = divmod(step, self.steps_per_epoch)
        chosen = _order(self.seed, epoch, len(self.inputs))[
            position * self.size : (position + 1) * self.size
        ][rows]
        mask = None if self.mask is None else self.mask[chosen]
        return Batch(self.inputs[chosen], self.targets[chosen], mask)


# Kept for all steps of an epoch; enough for the members of an ensemble with their own batches.
@functools.lru_cache(maxsize=64)
def _order(seed: tuple[int, ...], epoch: int, count: int) -> np.ndarray:
    """The order of the samples in an epoch, which does not depend on anything before it."""
    return np.random.default_rng((*seed, epoch)).permutation(count)


def minibatches(split: Data, size: int, *, key: KeyLike) -> Minibatches:
    """Shuffled batches of a data set, as a function of the step number (host).

    Args:
        split: an object with `inputs` (N, …), `targets` (N, …) and optionally `mask` (N, time), the
            weights ≥ 0 of the steps; or these arrays as a tuple. Sequences of different lengths
            must be padded to the same length, with weights 0.
        size: samples per batch, at most N.
        key: a PRNG key; the same key and step give the same batch.

    Returns:
        A callable step ↦ `Batch`, with `steps_per_epoch`.

    Raises:
        ValueError: an argument is bad, or a value in the split that counts is NaN or infinite.
    """
    key = read_key("key", key)
    size = check_positive_integer("size", size)
    samples = as_batch("split", split)
    inputs, targets = np.asarray(plain(samples.inputs)), np.asarray(plain(samples.targets))
    mask = None if samples.mask is None else np.asarray(plain(samples.mask))
    if inputs.ndim == 0 or targets.ndim == 0:
        shapes = f"it holds arrays of shapes {inputs.shape} and {targets.shape}"
        refuse("split", "have samples along a leading axis", shapes)
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
