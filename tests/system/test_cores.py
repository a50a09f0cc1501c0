"""Trainings share the cores by themselves once `oo.use_cores` has made devices of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import organics_ode as oo
from organics_ode.parallel import cores

HERE = Path(__file__).parent
PATHS = os.pathsep.join([str(HERE.parent / "support"), str(HERE), os.environ.get("PYTHONPATH", "")])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What `cores_worker.py` found, in a process that may use two cores."""
    if cores() < 2:
        pytest.skip("there is one core")
    folder = tmp_path_factory.mktemp("cores")
    environment = os.environ | {"PYTHONPATH": PATHS, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(HERE / "cores_worker.py"), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())


def test_devices_are_made_once(found):
    assert found["made"] == found["devices"] == found["again"] == 2
    if sys.platform == "linux":
        assert found["threads"] == 2
    told = "Argument `count` must be 2 by now, but it is 3: JAX has computed something"
    assert found["refusal"].startswith(told) and "JAX_NUM_CPU_DEVICES=3" in found["refusal"]


def test_only_what_pays_is_split_and_what_is_placed_stays(found):
    assert found["choices"] == {
        "even": 2,
        "odd": 1,
        "any": 2,
        "small steps": 1,
        "few steps": 1,
        "placed": 1,
        "default": 1,
    }
    assert found["meshes"] == {"minibatches": 2, "a function": 1, "a list": 2}


def test_a_training_that_is_split_by_itself_is_that_on_one_device_to_rounding(found):
    assert found["usual"] == found["two"] != found["one"]
    for name, value in found["one"].items():
        np.testing.assert_allclose(found["usual"][name], value, rtol=0, atol=1e-10)
    for name, value in found["members on one"].items():
        np.testing.assert_allclose(found["members"][name], value, rtol=0, atol=1e-10)


def test_a_training_that_is_split_by_itself_goes_on_to_the_same_bits(found):
    resumed, whole = found["resumed"], found["usual"]
    assert resumed["loss"] == whole["loss"]
    assert {k: v for k, v in resumed.items() if "validation" not in k} == {
        k: v for k, v in whole.items() if "validation" not in k
    }


@pytest.mark.skipif(sys.platform != "linux", reason="Linux names the threads of a process.")
@pytest.mark.parametrize(("asked", "threads"), [({}, 1), ({"NPROC": "3"}, 3)])
def test_one_core_is_one_thread_unless_the_environment_says_more(asked, threads):
    script = """
import threads, organics_ode as oo
oo.use_cores(1)
print(threads.named("XLAEigen"))
"""
    environment = {k: v for k, v in os.environ.items() if k != "NPROC"}
    environment |= asked | {"PYTHONPATH": PATHS}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == str(threads), done.stderr


def test_here_there_is_one_device():
    count = len(jax.devices())
    assert oo.use_cores(count) == count
    told = f"must be {count} by now, but it is {count + 1}: .*call `oo.use_cores` before"
    with pytest.raises(ValueError, match=told):
        oo.use_cores(count + 1)


@pytest.mark.parametrize("count", (0, -1, 1.5, True, "2"))
def test_a_number_of_devices_is_a_positive_integer(unchecked, count):
    with pytest.raises(ValueError, match=r"^Argument `count` must be a positive integer"):
        oo.use_cores(count)
