"""A sweep that is killed goes on to the same bits."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.system
SCRIPT = """
import sys, time
import jax, jax.numpy as jnp, numpy as np
import organics_ode as oo
from organics_ode.studies import _sweep

one, pause, path = np.ones((1, 1)), float(sys.argv[1]), sys.argv[2]
circuit = oo.ORGaNICs(one, one, one, 0.1, 0.5, 0.5, 2.0, 2.0)
compute, _sweep._EVERY = _sweep._leaves, 0.0


def slowly(*arguments):
    time.sleep(pause)
    return compute(*arguments)


_sweep._leaves = slowly


def spread(circuit):
    return jnp.exp(jnp.sin(jnp.linspace(0, circuit.W_r[0, 0], 7)) * oo.resolve(circuit).tau_a)


axes = {"W_r": np.linspace(0.5, 1.5, 20), "tau_a": np.geomspace(1.0, 100.0, 20)}
found = oo.sweep(circuit, axes, spread, chunk=20, path=path, progress=False)
np.save(path + ".npy", found.values)
"""


def start(pause, path):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(pause), str(path)], env=environment)


def test_a_killed_sweep_goes_on_to_the_same_bits(tmp_path):
    assert start(0, tmp_path / "whole").wait() == 0
    running = start(0.1, tmp_path / "killed")
    while not (tmp_path / "killed").exists():
        time.sleep(0.01)
        assert running.poll() is None
    time.sleep(0.5)
    running.kill()
    assert running.wait() != 0 and not (tmp_path / "killed.npy").exists()
    with np.load(tmp_path / "killed") as file:
        assert 0 < len(file["leaves[0]"]) < 400
    assert start(0, tmp_path / "killed").wait() == 0
    whole, again = (np.load(tmp_path / f"{name}.npy") for name in ("whole", "killed"))
    np.testing.assert_array_equal(again, whole)
