"""The data of `compare.py`, the answers of a model to each sample, and their scores."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import organics_ode as oo
import tasks

TASKS = ("digits", "smnist", "psmnist", "adding", "match")
SCORES = {"adding": "share of variance explained"}  # accuracy for all others
# Trials, for tasks that draw them. The adding problem takes thousands of updates to learn.
COUNTS = {"train": 4000, "validation": 1000, "test": 2000}
ADDED = COUNTS | {"train": 20_000}
VARIANCE = 1 / 6  # of the sum of two numbers from 0 to 1


class Splits(NamedTuple):
    train: Any
    validation: Any
    test: Any
    outputs: int  # the size of the readout
    loss: Callable[..., Any] = oo.cross_entropy
    score: Callable[..., Any] = oo.accuracy


def load(task: str, repeat: int = 1) -> Splits:
    """Sequences of inputs, each shown `repeat` times."""
    drawn = {"adding": _adding, "match": _match}
    splits = drawn[task]() if task in drawn else _images(task)
    parts = {name: getattr(splits, name) for name in COUNTS}
    longer = {
        name: part._replace(inputs=np.repeat(part.inputs, repeat, axis=1))
        for name, part in parts.items()
    }
    return splits._replace(**longer)


def _images(task: str) -> Splits:
    digits = task == "digits"
    data = tasks.SequentialDigits() if digits else tasks.SequentialMNIST(permuted=task == "psmnist")
    return Splits(data.train, data.validation, data.test, 10)


def _adding() -> Splits:
    """The sum of the two marked numbers among a hundred."""
    drawn = _drawn(tasks.AddingProblem(100), lambda trials: trials.targets[:, -1], ADDED)
    return Splits(**drawn, outputs=1, loss=oo.squared_error, score=explained)


def _match() -> Splits:
    """Whether two stimuli one second apart are the same, in steps of 20 ms."""
    task = tasks.DelayedMatch(stimuli=4, dt=20.0)
    alike = lambda trials: trials.info["sample"] == trials.info["test"]  # noqa: E731
    return Splits(**_drawn(task, lambda trials: alike(trials).astype(jnp.int32)), outputs=2)


def _drawn(
    task: Any, answers: Callable[[Any], jax.Array], counts: dict[str, int] = COUNTS
) -> dict[str, tasks.Split]:
    def part(seed: int, count: int) -> tasks.Split:
        keys = jax.random.split(jax.random.key(seed), count)
        trials = jax.jit(jax.vmap(lambda key: task.sample(key, **_options(task))))(keys)
        return tasks.Split(np.asarray(trials.inputs), np.asarray(answers(trials)))

    return {name: part(seed, count) for seed, (name, count) in enumerate(counts.items())}


def _options(task: Any) -> dict[str, bool]:
    """Trials with fixed durations, so that every trial ends with its last step."""
    return {"jitter": False} if isinstance(task, tasks.DelayedMatch) else {}


def explained(output: jax.Array, target: jax.Array) -> jax.Array:
    """The mean share of the variance that answers explain: 0 for always answering 1."""
    return 1 - jnp.mean((output - target) ** 2) / VARIANCE
