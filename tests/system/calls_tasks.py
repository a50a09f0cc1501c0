"""Calls of tasks and data sets, and of what reads behaviour."""

import functools
import os
from unittest import mock

import jax.numpy as jnp
import numpy as np
import objects
from calls_parts import FOLDER, Call, draw, flip_flop, key

import tasks


@functools.cache
def blank_digits():
    """A folder with the files of MNIST, of as many images, all of them black zeros."""
    folder = FOLDER / "mnist"
    folder.mkdir()
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        for name, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            header = [bytes((0, 0, 8, len(shape))), *(n.to_bytes(4, "big") for n in shape)]
            path = folder / f"{part}-{name}-ubyte"
            path.write_bytes(b"".join(header))
            os.truncate(path, 4 * len(header) + int(np.prod(shape)))
    return FOLDER


def without_download(data_set):
    """The data set, which finds these files also where no folder is named."""

    @functools.wraps(data_set)
    def call(**arguments):
        with mock.patch.dict(os.environ, ORGANICS_DATA=str(blank_digits())):
            return data_set(**arguments)

    return call


def curve(seed):
    rates = np.array([0.1, 0.6 + 0.001 * seed])
    return tasks.Psychometric(np.array([-0.5, 0.5]), rates, 0.1 * rates, np.array([20, 20]))


CALLS: dict[str, Call] = {
    **{
        f"tasks.{cls.__name__}": Call(cls, functools.partial(lambda more, s: dict(more), more))
        for cls, more in (
            (tasks.AddingProblem, {"length": 10, "dt": 1.0}),
            (tasks.DelayedComparison, {"delay": 300.0, "dt": 5.0}),
            (tasks.ContextDecision, {"noise": 2.0, "dt": 5.0}),
            (tasks.CopyMemory, {"delay": 10, "dt": 1.0}),
            (tasks.FlipFlop, {"bits": 2, "length": 10, "pulse": 0.05, "dt": 5.0}),
            (tasks.DelayedMatch, {"stimuli": 2, "delay": 300.0, "dt": 5.0}),
            (tasks.PerceptualDecision, {"noise": 2.0, "dt": 5.0}),
            (tasks.ReadySetGo, {"dt": 5.0}),
            (tasks.RingTask, {"name": next(iter(tasks.RING_TASKS)), "dt": 5.0}),
            (tasks.RuleReversal, {"presentations": 3, "dt": 5.0}),
        )
    },
    "tasks.FlipFlop.sample": Call(flip_flop().sample, lambda s: {"key": key(s)}),
    "tasks.AddingProblem.sample": Call(tasks.AddingProblem(10).sample, lambda s: {"key": key(s)}),
    "tasks.PerceptualDecision.sample": Call(
        tasks.PerceptualDecision(dt=50.0).sample, lambda s: {"key": key(s)}
    ),
    "tasks.ReactionTime.sample": Call(
        tasks.ReactionTime(tasks.PerceptualDecision(dt=50.0)).sample, lambda s: {"key": key(s)}
    ),
    "tasks.ReactionTime": Call(
        tasks.ReactionTime,
        lambda s: {"task": tasks.PerceptualDecision(1.0 + 0.1 * s), "stimulus": "motion"},
    ),
    "tasks.NeurogymTask": Call(
        tasks.NeurogymTask,
        lambda s: {
            "env": objects.Environment(),
            "length": 5 + s,
            "actions": 3,
            "reference": "none",
        },
    ),
    "tasks.SequentialDigits": Call(tasks.SequentialDigits, lambda s: {}),
    "tasks.MNIST": Call(without_download(tasks.MNIST), lambda s: {"data_dir": blank_digits()}),
    "tasks.SequentialMNIST": Call(
        without_download(tasks.SequentialMNIST),
        lambda s: {"data_dir": blank_digits(), "permuted": False, "seed": s},
    ),
    "tasks.fit_psychometric": Call(tasks.fit_psychometric, lambda s: {"curve": curve(s)}),
    "tasks.psychometric": Call(
        tasks.psychometric,
        lambda s: {"strengths": np.array([0.1, 0.1, 0.5, 0.5]), "chosen": np.array([0, 1, 1, 1])},
    ),
    "tasks.chronometric": Call(
        tasks.chronometric,
        lambda s: {"strengths": np.array([0.1, 0.1, 0.5, 0.5]), "times": draw(s, 4)},
    ),
    "tasks.reaction": Call(
        tasks.reaction,
        lambda s: {
            "outputs": jnp.asarray(draw(s, 6, 2)),
            "onset": 1,
            "threshold": 0.5,
            "dt": 5.0,
        },
    ),
}
