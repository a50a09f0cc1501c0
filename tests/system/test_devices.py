"""Training on several devices and processes is training on one, to rounding."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import devices_worker as worker
import jax
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh
from trainings import train, two_classes

import organics_ode as oo

TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
HERE = Path(__file__).parent


def run(out, devices, dtypes, steps, *, ensemble, processes=1, solver=False):
    """What each process of `devices_worker.py` found."""
    options = {"out": str(out), "devices": devices, "dtypes": dtypes, "steps": steps}
    options |= {"ensemble": ensemble, "solver": solver}
    if processes > 1:
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            options |= {"port": probe.getsockname()[1], "processes": processes}
    paths = [str(HERE.parent / "support"), str(HERE), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    script = str(HERE / "devices_worker.py")
    started = [
        subprocess.Popen(
            [sys.executable, script, json.dumps(options | {"process": process})],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for process in range(processes)
    ]
    try:
        printed = [process.communicate(timeout=500)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * processes, "\n".join(printed)
    return [json.loads((out / f"{process}.json").read_text()) for process in range(processes)]


def check_training(found, dtype, steps):
    alone = worker.train(np.dtype(dtype), steps)
    alone = worker.numbers(alone.model, alone.history)
    assert len(alone["loss"]) == steps
    assert alone["loss"][-1] > 0.1 and np.ptp(alone["loss"]) > 0.01  # it learns, and is not done
    for name, value in alone.items():
        np.testing.assert_allclose(found[dtype][name], value, rtol=0, atol=TOLERANCE[dtype])


def check_ensemble(found, steps):
    alone = worker.train_members(steps)
    assert found["ensemble"]["outcomes"] == list(alone.outcomes)
    assert found["ensemble"]["steps"] == list(alone.steps)
    assert alone.outcomes == tuple("diverged" if i == 2 else "completed" for i in range(8))
    for name, value in worker.numbers(alone.models, alone.history).items():
        np.testing.assert_allclose(found["ensemble"][name], value, rtol=0, atol=1e-10)


def check_skips(found):
    for name, value in worker.train_with_skips(4).items():
        np.testing.assert_allclose(found["skips"][name], value, rtol=0, atol=1e-10)


@pytest.fixture(scope="module")
def on_eight(tmp_path_factory):
    (found,) = run(tmp_path_factory.mktemp("eight"), 8, ["float64"], 100, ensemble=5)
    assert found["devices"] == 8
    return found


def test_eight_devices_train_as_one(on_eight):
    check_training(on_eight, "float64", 100)


@pytest.mark.slow
def test_eight_devices_train_as_one_in_float32(tmp_path):
    (found,) = run(tmp_path, 8, ["float32"], 100, ensemble=0)
    check_training(found, "float32", 100)


@pytest.mark.slow
def test_adaptive_solves_on_eight_devices_are_those_on_one(tmp_path):
    (found,) = run(tmp_path, 8, [], 0, ensemble=0, solver=True)
    alone = worker.train_solved().history["loss"]
    np.testing.assert_allclose(found["solved"], alone, rtol=0, atol=1e-10)


def test_an_ensemble_on_eight_devices_is_that_on_one(on_eight):
    check_ensemble(on_eight, 5)


def test_networks_with_skips_on_eight_devices_are_those_on_one_resumed_or_not(on_eight):
    check_skips(on_eight)


def test_devices_meet_once_in_a_step_and_not_in_its_loops(on_eight):
    found = on_eight["exchanges"]
    assert found["loops"] >= 2  # the scan and its gradient
    assert set(found["depths"]) == {0}


def test_what_the_devices_do_not_divide_is_refused_with_both_numbers(on_eight):
    found = on_eight["refusals"]
    must = "Argument `batches` must have a size that the mesh's 8 devices divide, but 6 is not"
    assert found["size"].startswith(must) and found["function"].startswith(must)
    must = "Argument `models` must have as many members as a multiple of the mesh's 8 devices"
    assert found["members"].startswith(must) and "3 is not a multiple of 8" in found["members"]


def check_processes(out, dtypes, steps, *, ensemble):
    first, second = run(out, 2, dtypes, steps, ensemble=ensemble, processes=2)
    assert first["devices"] == 4
    for found, told in ((first, "`log` must be a file"), (second, "another process cannot")):
        assert told in found["refusals"].pop("unwritable")
    assert first == second  # every decision, and every bit of every result
    for dtype in dtypes:
        check_training(first, dtype, steps)
        history = oo.History.read(out / f"{dtype}-0.jsonl")
        assert history["loss"].tolist() == first[dtype]["loss"]
        assert not (out / f"{dtype}-1.jsonl").exists()  # one writer
    assert first["terminated"].pop("ended") == 3  # the step in flight, on both
    check_training({"float64": first["terminated"]}, "float64", 5)
    assert first["unsaved"] == [{"checkpoint": 3, "log": 3}] * 2
    if ensemble:
        check_ensemble(first, ensemble)
        check_skips(first)
    assert "must be the same on every process" in first["refusals"]["differing"]
    assert "6 is not a multiple of 4" in first["refusals"]["size"]


def test_two_processes_with_two_devices_each_train_as_one(tmp_path):
    check_processes(tmp_path, ["float64"], 5, ensemble=0)


@pytest.mark.slow
def test_two_processes_train_as_one_for_a_hundred_steps(tmp_path):
    check_processes(tmp_path, ["float64", "float32"], 100, ensemble=5)


def test_a_mesh_of_one_device_changes_nothing():
    data = two_classes(seed=1)
    alone, on_mesh = (train(mesh=mesh, validation=data) for mesh in (None, oo.device_mesh()))
    for name in ("loss", "accuracy", "gradient_norm", "validation_loss"):
        np.testing.assert_allclose(on_mesh.history[name], alone.history[name], rtol=1e-13)
    for leaf in jax.tree.leaves(on_mesh.model):
        assert not isinstance(leaf, jax.Array) or not leaf.committed


def test_a_part_of_a_batch_is_its_rows():
    data = two_classes()
    rows = np.array([1, 5, 6])
    drawn = oo.minibatches(data, 8, key=jax.random.key(0))
    for whole, part in zip(drawn(7), drawn.part(7, rows), strict=True):
        assert whole is part is None or np.array_equal(whole[rows], part)


BAD = {
    "Argument `mesh` must be a `jax.sharding.Mesh`.* but it is an int": 8,
    "Argument `mesh` must have axes of type Auto, but they are Explicit;.*`oo.device_mesh": Mesh(
        np.array(jax.devices()), ("x",), axis_types=(AxisType.Explicit,)
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_a_mesh_that_can_not_be_used_is_refused(unchecked, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        train(mesh=BAD[message])
    with pytest.raises(ValueError, match=f"^{message}"):
        oo.evaluate(train(steps=1).model, two_classes(), mesh=BAD[message])


def test_the_mesh_that_jax_makes_by_itself_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"must have axes of type Auto.*`oo\.device_mesh\(\)`"):
        train(mesh=jax.make_mesh((1,), ("devices",)))


def test_a_mesh_needs_devices():
    mesh = oo.device_mesh(jax.devices()[:1])
    assert mesh.size == 1 and mesh.axis_types == (AxisType.Auto,)
    with pytest.raises(ValueError, match=r"^Argument `devices` must be a sequence of devices"):
        oo.device_mesh([])
