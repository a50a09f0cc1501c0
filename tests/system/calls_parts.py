"""What the good calls of `calls.py` are made of: `Call`, and things to call with by a number."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import zoo

import organics_ode as oo
import tasks
from organics_ode import mean_field

FOLDER = Path(tempfile.mkdtemp(prefix="organics_ode-calls-"))
TS = np.linspace(0.0, 2.0, 3)


@dataclasses.dataclass
class Call:
    """A function, and arguments for it by a number; those in `free` may be anything."""

    function: Callable[..., Any]
    arguments: Callable[[int], dict[str, Any]]
    free: tuple[str, ...] = ()


def draw(seed, *shape):
    return np.random.default_rng(seed).uniform(0.1, 1.0, shape)


def key(seed):
    return jax.random.key(seed)


def circuit(seed, n=2, m=1):
    return oo.ORGaNICs(**zoo.values(n, m, seed=seed, identity=True))


def planar_circuit(seed):
    return oo.ORGaNICs([[1.0]], [[1.0]], [[1.0]], 0.1 + 0.01 * seed, 0.5, 0.5, 2.0, 2.0)


def state(seed, n=2):
    return oo.ORGaNICsState(*draw(seed, 2, n))


def cell(seed):
    return oo.Euler(circuit(seed), 0.1)


def network(seed, size=10):
    return oo.FeedbackNetwork.random(
        size, mean_field.Geometry(1.2, 0.5, 0.5, 1, 1, 0.3), 0.4, g=0.5, key=key(seed)
    )


def rate(seed, n=3, m=1):
    return oo.RateNetwork(draw(seed, n, n) / n, draw(seed + 1, n, m), draw(seed, n), 50.0)


def classifier(seed):
    readout = oo.Readout(draw(seed, 2, 2), np.zeros(2), activation=None)
    return oo.SequenceClassifier(cell(seed), readout)


def flip_flop():
    return tasks.FlipFlop(bits=1, length=4, dt=5.0)


def sequences(seed):
    readout = oo.Readout(draw(seed, 1, 3), np.zeros(1), activation=None)
    return oo.SequenceToSequence(oo.Euler(rate(seed), 5.0), readout)


def batch(seed):
    return oo.Batch(draw(seed, 4, 3, 1), np.arange(4, dtype=np.int32) % 2)


def batches(seed):
    return oo.minibatches(batch(seed), 2, key=key(seed))


def saved(seed):
    path = FOLDER / "saved"
    oo.save(path, circuit(seed))
    return path


def responses(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


LABELS = np.array([0, 1, 0, 1, 0, 1])
GEOMETRY = (1.2, 0.5, 0.5, 1.0, 1.0, 0.3)


def geometry(seed):
    return mean_field.Geometry(1.2 + 0.01 * seed, *GEOMETRY[1:])


def point(seed):
    return {"circuit": circuit(seed), "x": draw(seed, 1)}
