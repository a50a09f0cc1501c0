"""The step of a trained circuit runs where this library is not: in a process that has jax alone."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import organics_ode as oo

pytest.importorskip("flatbuffers")

RUN = """
import sys
import numpy as np
from jax import export

step = export.deserialize(open("step.bin", "rb").read())
inputs = np.load("inputs.npz")
state = tuple(inputs[f"state{i}"] for i in range(4))
for x in inputs["xs"]:
    state = step.call(state, x)
np.save("y.npy", state[0])
assert not {"organics_ode", "equinox", "diffrax"} & set(sys.modules)
"""


def test_a_trained_step_runs_elsewhere_to_the_bit(tmp_path):
    cell = oo.resolve(oo.pretrained("smnist-64")).cell

    @jax.jit
    def step(state, x):
        return tuple(cell.step(oo.GatedORGaNICsState(*state), x))

    state = tuple(cell.initial_state())
    xs = np.random.default_rng(0).uniform(size=(20, cell.input_size)).astype(np.float32)
    xs = jnp.asarray(xs, state[0].dtype)
    (tmp_path / "step.bin").write_bytes(export.export(step)(state, xs[0]).serialize())
    arrays = {f"state{i}": np.asarray(leaf) for i, leaf in enumerate(state)}
    np.savez(tmp_path / "inputs.npz", xs=xs, **arrays)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for x in xs:
        state = step(state, x)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), state[0])
