"""One process of a training on several forced CPU devices, run by `test_devices.py`.

`python devices_worker.py '{"out": …, "devices": 8, "dtypes": […], …}'` trains on a mesh of
all devices and writes what came of it; with `port`, `process` and `processes` it is one of several.
"""

import errno
import functools
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import ClassVar

if __name__ == "__main__":
    OPTIONS = json.loads(sys.argv[1])
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={OPTIONS['devices']}"
    os.environ["JAX_PLATFORMS"] = "cpu"

import equinox as eqx
import jax
import numpy as np
import optax
import pytest
from jax.experimental import multihost_utils

import organics_ode as oo
import tasks
from organics_ode.optimizers import State
from organics_ode.parallel import replicate, split
from organics_ode.programs import shared
from organics_ode.training import _objective

SIZE, TIME, MEMBERS = 16, 5, 8


def data(dtype):
    """Noise around ±0.1 on every step: hard enough for a loss that stays far from 0."""
    rng = np.random.default_rng(0)
    targets = rng.integers(2, size=48).astype(np.int32)
    signal = 0.2 * targets[:, None, None] - 0.1
    return oo.Batch((signal + rng.normal(size=(48, TIME, 1))).astype(dtype), targets)


def model(dtype, seed=0):
    import zoo  # it computes, which must wait until the processes have found each other

    values = zoo.values(4, 1, seed=seed, dtype=dtype)
    readout = eqx.nn.Linear(4, 2, key=jax.random.key(seed), dtype=dtype)
    return oo.SequenceClassifier(oo.Euler(oo.ORGaNICs(**values), 0.5), readout)


def batches(dtype, size=SIZE):
    return oo.minibatches(data(dtype), size, key=jax.random.key(1))


@functools.cache
def relaxed_adam(rate=0.01):
    import zoo

    return zoo.relaxed(optax.adam(rate))


def train(dtype, steps, mesh=None, **options):
    # No number of devices divides 37.
    options = {"validation": jax.tree.map(lambda x: x[:37], data(dtype))} | options
    options = {"optimizer": relaxed_adam(), "progress": False, "steps": steps} | options
    return oo.fit(model(dtype), batches(dtype), mesh=mesh, **options)


class Solved(eqx.Module):
    """A model with an adaptive solver inside: y after 4 ms of a constant input."""

    circuit: oo.ORGaNICs

    def __call__(self, xs):
        return oo.simulate(self.circuit, xs[0], np.array([0.0, 4.0]), throw=False).states.y[-1]


def train_solved(mesh=None):
    start = Solved(model(np.float64).cell.circuit)
    options = {"optimizer": relaxed_adam(), "progress": False, "steps": 3, "mesh": mesh}
    return oo.fit(start, batches(np.float64), metric=None, **options)


def train_members(steps, mesh=None, checkpoint=None):
    """Members of their own seed and learning rate; that of the third is far too high. With a
    checkpoint, in two calls."""
    for total in (steps,) if checkpoint is None else (3, steps):
        result = oo.ensemble(
            [model(np.float64, seed) for seed in range(MEMBERS)],
            batches(np.float64),
            optimizer=optax.sgd,
            hyperparameters=np.where(
                np.arange(MEMBERS) == 2, 1e200, 0.01 * (1 + np.arange(MEMBERS))
            ),
            steps=total,
            validation=data(np.float64),
            validate_every=10,
            checkpoint=checkpoint,
            progress=False,
            mesh=mesh,
        )
    return result


def rate_network(seed):
    keys = jax.random.split(jax.random.key(seed))
    network = oo.RateNetwork.random(85, 4, key=keys[0], tau=100.0)
    readout = oo.Readout.random(4, 33, key=keys[1])
    return oo.SequenceToSequence(oo.Euler(network, 50.0), readout)


def train_with_skips(rounds, mesh=None, checkpoint=None):
    """What became of rate networks of their own seed; with a checkpoint, in two calls."""
    models = [rate_network(seed) for seed in range(MEMBERS)]
    sizes = {"steps_per_round": 2, "batch_size": 3, "trials": 4, "burn_in": 100.0}
    options = {"optimizer": relaxed_adam(), "key": jax.random.key(5), "progress": False}
    schedule = oo.SkipSchedule(oo.StateSkip(), length=3, rounds=12)
    for total in (rounds,) if checkpoint is None else (rounds // 2, rounds):
        result = oo.fit_with_skips(
            models,
            tasks.RingTask("go", 50.0),
            schedule,
            rounds=total,
            mesh=mesh,
            checkpoint=checkpoint,
            **sizes,
            **options,
        )
    leaves = jax.tree.leaves(eqx.filter(result.models, eqx.is_inexact_array))
    return {
        "loss": result.history["loss"].tolist(),
        "performance": result.history["validation_performance"].tolist(),
        "weights": np.concatenate([np.ravel(leaf) for leaf in leaves]).tolist(),
    }


class Terminated(eqx.Module):
    """Batches in whose third one the last process gets a SIGTERM, the first time."""

    drawn: eqx.Module
    told: ClassVar[list] = []

    @property
    def size(self):
        return self.drawn.size

    @property
    def steps_per_epoch(self):
        return self.drawn.steps_per_epoch

    def __call__(self, step):
        return self.drawn(step)

    def part(self, step, rows):
        if step == 2 and jax.process_index() == jax.process_count() - 1 and not self.told:
            self.told.append(step)
            signal.raise_signal(signal.SIGTERM)
        return self.drawn.part(step, rows)


def train_terminated(steps, mesh, checkpoint):
    """The step at which every process ended, and what came of the same call again."""
    dtype = np.dtype(np.float64)
    options = {"optimizer": relaxed_adam(), "progress": False, "steps": steps, "mesh": mesh}
    options |= {"validation": jax.tree.map(lambda x: x[:37], data(dtype))}

    def call():
        return oo.fit(model(dtype), Terminated(batches(dtype)), checkpoint=checkpoint, **options)

    try:
        call()
        ended = None
    except oo.TrainingInterrupted as stop:
        ended = len(stop.result.history["loss"])
    multihost_utils.sync_global_devices("the checkpoint is written")
    result = call()
    return numbers(result.model, result.history) | {"ended": ended}


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def unsaved(mesh, folder, train):
    """The step at which every process ended when the writer's disk was full in the third one.

    A line of the log is written when the next step has begun.
    """
    found = {}
    patched = {"checkpoint": (2, os, "fsync"), "log": (3, json, "dumps")}
    for name, (begun, *place) in patched.items():
        with pytest.MonkeyPatch.context() as patch:

            def full(step, patch=patch, begun=begun, place=place):
                if step == begun and jax.process_index() == 0:
                    patch.setattr(*place, no_space)
                return batches(np.float64)(step)

            options = {name: folder / name}
            if name == "checkpoint":
                options["checkpoint_every"] = 1
            try:
                train(full, optimizer=optax.sgd(0.1), steps=5, mesh=mesh, progress=False, **options)
            except oo.TrainingNotSaved as error:
                found[name] = len(error.result.history["loss"])
    return found


def numbers(models, history):
    """What is compared: every loss of the history, and the trained weights."""
    leaves = jax.tree.leaves(eqx.filter(models, eqx.is_array))
    return {
        "loss": history["loss"].tolist(),
        "validation_loss": history["validation_loss"].tolist(),
        "accuracy": history["accuracy"].tolist(),
        "weights": np.concatenate([np.ravel(leaf) for leaf in leaves]).tolist(),
    }


def refusals(mesh):
    """What `fit` and `ensemble` say to what does not divide, or differs between processes."""
    f64 = np.dtype(np.float64)
    options = {"optimizer": optax.adam(0.01), "steps": 1, "mesh": mesh, "progress": False}
    mine = [model(f64, seed=jax.process_index())]
    calls = {
        "size": lambda: oo.fit(model(f64), batches(f64, 6), **options),
        "function": lambda: oo.fit(model(f64), lambda step: batches(f64, 6)(step), **options),
        "members": lambda: oo.ensemble(3 * mine, batches(f64), **options),
    }
    if jax.process_count() > 1:
        calls["differing"] = lambda: oo.fit(mine[0], batches(f64), **options)
        nowhere = lambda: oo.ensemble(4 * [model(f64)], batches(f64), log="/no/such", **options)  # noqa: E731
        calls["unwritable"] = nowhere
    found = {}
    for name, call in calls.items():
        try:
            call()
        except ValueError as error:
            found[name] = str(error)
    return found


def exchanges(mesh):
    """The loops around each exchange between devices in a step, and how many loops there are."""
    optimizer = optax.sgd(0.1)
    start = model(np.float64)
    state = State(start, optimizer.init(eqx.filter(start, oo.trainable(start))))
    state, batch = replicate(state, mesh), split(batches(np.float64)(0), mesh)
    options = (shared(optimizer, oo.cross_entropy, None), mesh)
    jaxpr = eqx.filter_make_jaxpr(_objective.train_step.__wrapped__)(state, batch, *options)[0]
    steps = list(equations(jaxpr.jaxpr))
    loops = sum(name in LOOPS for name, _ in steps)
    return {"depths": [depth for name, depth in steps if EXCHANGE.match(name)], "loops": loops}


LOOPS, EXCHANGE = ("scan", "while"), re.compile(r"p(sum|mean|max|min)|all_|ppermute|reduce_scatter")


def equations(jaxpr, depth=0):
    """The name of each operation, wherever it is nested, and in how many loops."""
    for eqn in jaxpr.eqns:
        name = eqn.primitive.name
        yield name, depth
        for value in eqn.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from equations(inner, depth + (name in LOOPS))


def main(options):
    jax.config.update("jax_enable_x64", True)
    process, out, steps = options.get("process", 0), Path(options["out"]), options["steps"]
    if "port" in options:
        address, count = f"localhost:{options['port']}", options["processes"]
        jax.distributed.initialize(address, num_processes=count, process_id=process)
    mesh = oo.device_mesh()
    found = {"devices": mesh.size, "refusals": refusals(mesh)}
    if "port" not in options:
        found["exchanges"] = exchanges(mesh)
    for name in options["dtypes"]:
        log = out / f"{name}-{process}.jsonl"
        result = train(np.dtype(name), steps, mesh, log=log)
        found[name] = numbers(result.model, result.history)
    if "port" in options:
        members = [model(np.float64, seed) for seed in range(4)]
        folders = [out / "alone", out / "together"]
        for folder in folders:
            folder.mkdir(exist_ok=True)
        found["unsaved"] = [
            unsaved(mesh, folders[0], functools.partial(oo.fit, model(np.float64))),
            unsaved(mesh, folders[1], functools.partial(oo.ensemble, members)),
        ]
        found["terminated"] = train_terminated(5, mesh, out / "terminated.checkpoint")
    if options.get("solver"):
        found["solved"] = train_solved(mesh).history["loss"].tolist()
    if options["ensemble"]:
        members = train_members(options["ensemble"], mesh, out / "members.checkpoint")
        found["ensemble"] = numbers(members.models, members.history)
        # There is one more where the first call ended.
        found["ensemble"]["validation_loss"] = found["ensemble"]["validation_loss"][-1:]
        found["ensemble"] |= {"outcomes": members.outcomes, "steps": members.steps}
        checkpoint = None if "port" in options else out / "skips.checkpoint"
        found["skips"] = train_with_skips(4, mesh, checkpoint)
    (out / f"{process}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(OPTIONS)
