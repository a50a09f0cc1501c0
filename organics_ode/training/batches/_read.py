"""The argument `batches` of a training function: functions of the step, lists, and iterables."""

import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh

from ..._checks import a_or_an, check_positive_integer, refuse
from ...parallel import is_alone
from ._batch import Batch, as_batch
from ._minibatches import Minibatches
from ._trials import NumpyTrials, Trials

_FUNCTION = "be a function of the step, or give batches in turn"
_MADE = "`oo.minibatches` makes such a function of a data set, and `oo.trials` of a task"
_GIVES = "give a `Batch` or a pair (inputs, targets) for every step"


_NO_BATCHES = type | str | bytes | dict | set | jax.Array | np.ndarray

Batches = Callable[[int], Any] | Iterable[Any]


class BatchesEnded(Exception):
    """An iterator has no batches left."""


def read_function(batches: Any) -> Callable[[int], Batch]:
    """The batches as a function of the step."""
    if isinstance(batches, Minibatches | Trials | NumpyTrials | Function | Listed | Stream):
        return batches
    if inspect.isgeneratorfunction(batches):
        refuse("batches", _FUNCTION, "it is a function that makes a generator; call it")
    if callable(batches) and not isinstance(batches, type):
        return Function(batches)
    if hasattr(batches, "inputs") or _are_arrays(batches):
        refuse("batches", _FUNCTION, f"it is a data set; {_MADE}")
    is_iterable = isinstance(batches, Iterable) and not isinstance(batches, _NO_BATCHES)
    if not is_iterable or (isinstance(batches, Sequence) and not batches):
        refuse("batches", _FUNCTION, f"it is {a_or_an(type(batches).__name__)}; {_MADE}")
    if isinstance(batches, Sequence):
        return Listed(tuple(map(_as_batch, batches)))
    return Stream(batches)  # pyright: ignore


def _as_batch(data: Any) -> Batch:
    batch = as_batch("batches", data, _GIVES)
    shapes = [np.shape(x) for x in jax.tree.leaves((batch.inputs, batch.targets))]
    if len({shape[:1] for shape in shapes}) != 1 or () in shapes:
        must = "pair inputs and targets along a leading axis of samples"
        refuse("batches", must, f"a batch has arrays of shapes {shapes}")
    return batch


def _are_arrays(batches: Any) -> bool:
    """Whether it is a pair of arrays rather than a list of batches."""
    is_short = isinstance(batches, tuple | list) and len(batches) in (2, 3)
    return is_short and all(hasattr(part, "shape") for part in batches)


def given(batches: Any) -> Any:
    """The function as the user gave it, by which a checkpoint recognises it."""
    return batches.function if isinstance(batches, Function) else batches


@final
class Function:
    """A user's function, whose pairs become batches; its attributes are kept."""

    def __init__(self, function: Callable[[int], Any]):
        self.function = function

    def __call__(self, step: int) -> Batch:
        return _as_batch(self.function(step))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)


class Listed(eqx.Module):
    """A list of batches, epoch after epoch in the same order."""

    batches: tuple[Batch, ...]

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches in the list."""
        return len(self.batches)

    def __call__(self, step: int) -> Batch:
        return self.batches[step % len(self.batches)]


@final
class Stream:
    """The batches of an iterable, asked for in order and only once.

    An iterable that can be iterated again starts over in each epoch.
    """

    def __init__(self, source: Iterable[Any]):
        self._source, self._iterator = source, iter(source)
        self._recent: dict[int, Batch] = {}
        if hasattr(source, "__len__"):
            self.steps_per_epoch = len(source)  # pyright: ignore

    def __call__(self, step: int) -> Batch:
        if step not in self._recent:
            self._recent[step] = _as_batch(self._next(step))
            self._recent.pop(step - 2, None)
        return self._recent[step]

    def _next(self, step: int) -> Any:
        for _ in range(2):
            for batch in self._iterator:
                return batch
            self._iterator = iter(self._source)
        if step == 0:
            refuse("batches", _GIVES, "it is empty")
        raise BatchesEnded


def check_repeatable(
    batches: Callable[[int], Batch], checkpoint: str | os.PathLike | None, mesh: Mesh | None
) -> None:
    """Refuse an iterable if the batches of a step are needed again, or on several processes."""
    if not isinstance(batches, Stream):
        return
    found = "`batches` is an iterable, which gives its batches once and in its own order"
    remedy = "pass a function of the step, as `oo.minibatches` makes one"
    if checkpoint is not None:
        refuse("checkpoint", "be None", f"{found}: nothing could go on to the same bits; {remedy}")
    if not is_alone(mesh):
        refuse("mesh", "be of one process", f"{found}; {remedy}")


def count_steps(batches: Callable[[int], Batch], steps: int | None, epochs: int | None) -> int:
    """The number of training steps, given as one of the two."""
    if (steps is None) == (epochs is None):
        raise ValueError(
            "Arguments `steps` and `epochs`: exactly one of them must be given, as `steps=1000`."
        )
    if steps is not None:
        steps = check_positive_integer("steps", steps)
        return steps
    epochs = check_positive_integer("epochs", epochs)
    per_epoch = getattr(batches, "steps_per_epoch", None)
    if per_epoch is None:
        refuse("epochs", "be used with a data set", "these batches have no end; give `steps`")
    return epochs * per_epoch
