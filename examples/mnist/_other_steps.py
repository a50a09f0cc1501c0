"""Pixel sequences with other steps, and the accuracy of the same parameters on them."""

import equinox as eqx
import numpy as np

import organics_ode as oo
import tasks


def coarser(split: tasks.Split, pixels: int) -> tasks.Split:
    """Means of the given number of successive pixels."""
    means = split.inputs.reshape(len(split.inputs), -1, pixels).mean(axis=2, keepdims=True)
    return split._replace(inputs=means)


def by_steps(model: oo.SequenceClassifier, split: tasks.Split) -> dict[str, float]:
    """Accuracies by what was changed. An LSTM has no dt, so it takes the steps as they are."""
    every_second = split._replace(inputs=split.inputs[:, ::2])
    return {
        "every pixel, dt = 1 ms": _accuracy(model, split, 1.0),
        "dt = 0.5 ms": _accuracy(model, _held(split, 2), 0.5),
        "dt = 2 ms": _accuracy(model, coarser(split, 2), 2.0),
        "every second pixel": _accuracy(model, _held(every_second, 2), 1.0),
        "every second pixel, dt = 2 ms": _accuracy(model, every_second, 2.0),
    }


def _accuracy(model: oo.SequenceClassifier, split: tasks.Split, dt: float) -> float:
    if hasattr(model.cell, "dt"):
        model = eqx.tree_at(lambda m: m.cell.dt, model, dt)
    return oo.evaluate(model, split, mesh=oo.device_mesh())["accuracy"]


def _held(split: tasks.Split, steps: int) -> tasks.Split:
    return split._replace(inputs=np.repeat(split.inputs, steps, axis=1))
