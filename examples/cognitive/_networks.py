"""What the scripts for cognitive tasks share: circuits, and skip schedules by name."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

import organics_ode as oo
import tasks

SIZE = 50  # units
# The groups of the reference: 20 units get the input, the next 20 are read out, 10 do neither.
INPUT_UNITS, READOUT_UNITS = (0, 20), (20, 40)
EXCITATORY_UNITS = (0, 40)
BURN_IN = 1000.0  # ms

SCHEMES = ("base", "cd", "sctt", "dasc")
CIRCUITS = ("rate", "dale", "balanced", "organics", "lstm")


def schedule(scheme: str, *, length: int, stages: int, beta: float, rounds: int):
    """The schedule of a scheme; CD shortens its steps one by one from θ to 1."""
    if scheme == "base":
        return None
    if scheme == "cd":
        return oo.SkipSchedule(
            oo.CoarseStep(), length=length, stages=length, beta=0.0, rounds=rounds
        )
    kind = oo.StateSkip() if scheme == "sctt" else oo.DerivativeSkip()
    return oo.SkipSchedule(kind, length=length, stages=stages, beta=beta, rounds=rounds)


def memory(input_size: int, key: jax.Array) -> oo.GatedORGaNICs:
    """ORGaNICs with W_r = I and weak normalization: the principal cells start as a memory."""
    fast, slow = oo.LogUniform(60.0, 240.0, bound=50.0), oo.LogUniform(100.0, 400.0, bound=50.0)
    network = oo.GatedORGaNICs.random(
        input_size,
        SIZE,
        key=key,
        sigma=0.1,
        tau_y=slow,
        tau_a=slow,
        tau_b0=fast,
        tau_b1=fast,
        rectification=oo.Rectification.NONE,
    )
    return oo.replace(network, W_r=jnp.eye(SIZE))


def make_model(circuit: str, task: tasks.RingTask, key: jax.Array) -> oo.SequenceToSequence:
    """A random network of 50 units with its readout, for a task of the ring family."""
    keys = jax.random.split(key)
    m, k = task.input_size, task.output_size
    if circuit == "lstm":
        cell = oo.LSTM.random(m, SIZE, key=keys[0])
        return oo.SequenceToSequence(cell, oo.Readout.random(SIZE, k, key=keys[1]))
    if circuit == "organics":
        network = memory(m, keys[0])
        readout = oo.Readout.random(SIZE, k, key=keys[1])
        return oo.SequenceToSequence(oo.Euler(network, task.dt), readout)
    if circuit == "balanced":  # the recipe of Song, Yang and Wang; its excitatory units are read
        network = oo.balanced_network(m, SIZE, key=keys[0])
        readout = oo.Readout.random(SIZE, k, key=keys[1], units=EXCITATORY_UNITS)
        return oo.SequenceToSequence(oo.Euler(network, task.dt), readout)
    excitatory = 0.8 if circuit == "dale" else None
    network = oo.RateNetwork.random(
        m, SIZE, key=keys[0], input_units=INPUT_UNITS, excitatory=excitatory
    )
    readout = oo.Readout.random(SIZE, k, key=keys[1], units=READOUT_UNITS)
    return oo.SequenceToSequence(oo.Euler(network, task.dt), readout)


def make_models(circuit: str, task: tasks.RingTask, count: int, seed: int):
    """Several such networks; the same seed gives every scheme the same ones."""
    keys = jax.random.split(jax.random.key(seed), count)
    return [make_model(circuit, task, key) for key in keys]


def in_float64(model: oo.SequenceToSequence) -> oo.SequenceToSequence:
    """The model in float64, in which fixed points can be told from slow ones."""
    return _cast(model, jnp.float64)


def smaller(model: oo.SequenceToSequence) -> oo.SequenceToSequence:
    """The model in half precision, for a file of half the size."""
    return _cast(model, jnp.float16)


def _cast(model: oo.SequenceToSequence, dtype: Any) -> oo.SequenceToSequence:
    """The model with plain arrays in another precision."""
    arrays, rest = eqx.partition(oo.resolve(model), eqx.is_inexact_array)
    return eqx.combine(jax.tree.map(lambda a: a.astype(dtype), arrays), rest)
