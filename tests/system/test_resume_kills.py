"""A training killed twenty times ends in the weights of an undisturbed one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from compared import tree_equal
from trainings import without_seconds

import organics_ode as oo

ROOT = Path(__file__).parents[2]
STEPS, KILLS = 1000, 20

# Under `slow`, a checkpoint takes far longer than a step: most kills then come while it is written.
TRAINING = f"""
import sys, time
import equinox as eqx, jax, numpy as np, optax
import organics_ode as oo

folder, slow, every = sys.argv[1], sys.argv[2] == "slow", int(sys.argv[3])
save = np.save

def slow_save(*args, **options):
    time.sleep(0.001)
    save(*args, **options)

if slow:
    np.save = slow_save
rng = np.random.default_rng(0)
targets = rng.integers(2, size=64).astype(np.int32)
inputs = 2.0 * targets[:, None, None] - 1 + 0.5 * rng.normal(size=(64, 8, 1))
data = oo.Batch(inputs.astype(np.float32), targets)
keys = jax.random.split(jax.random.key(0), 3)
circuit = oo.GatedORGaNICs.random(1, 8, key=keys[0])
model = oo.SequenceClassifier(oo.Euler(circuit, 1.0), eqx.nn.Linear(8, 2, key=keys[1]))
result = oo.fit(
    model,
    oo.minibatches(data, 16, key=keys[2]),
    optimizer=optax.adamw(optax.cosine_decay_schedule(0.01, {STEPS})),
    steps={STEPS},
    validation=data,
    validate_every=50,
    checkpoint=folder + "/run",
    checkpoint_every=every,
    log=folder + "/log",
    progress=False,
)
"""


def start(folder, speed, every):
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(folder), speed, str(every)], env=environment
    )


def written(path):
    return path.stat().st_mtime_ns if path.exists() else None


def wait_for_a_step(process, path):
    """Until the process has put two new checkpoints at the path: one at its start, one later."""
    for _ in range(2):
        before = written(path)
        while process.poll() is None and written(path) == before:
            time.sleep(0.001)


@pytest.mark.slow
def test_twenty_kills_end_in_the_weights_of_an_undisturbed_training(tmp_path):
    rng = np.random.default_rng(0)
    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    quiet.mkdir()
    killed.mkdir()
    assert start(quiet, "fast", STEPS).wait() == 0
    while_writing, steps = 0, []
    for kill in range(KILLS):
        process = start(killed, ("fast", "slow")[kill % 2], 1)
        if kill % 5:  # else at any moment, while it starts or loads as well
            wait_for_a_step(process, killed / "run")
        time.sleep(rng.uniform(0, 0.8 if kill % 5 else 6.0))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the training had ended before it was killed"
        leftovers = [name for name in os.listdir(killed) if name.endswith(".tmp")]
        while_writing += bool(leftovers)
        steps.append(oo.load(killed / "run").step if (killed / "run").exists() else 0)
    print(f"killed after steps {steps}; {while_writing} of {KILLS} while a checkpoint was written")
    assert while_writing >= 3 and len(set(steps)) > KILLS // 2
    assert start(killed, "fast", 50).wait() == 0
    assert sorted(os.listdir(killed)) == ["log", "run"]
    one, other = oo.load(quiet / "run"), oo.load(killed / "run")
    assert one.step == other.step == STEPS and not one.resumed and len(other.resumed) > KILLS // 2
    assert tree_equal(one.model, other.model)
    assert tree_equal(one.optimizer, other.optimizer)
    histories = [oo.History.from_columns(run.history) for run in (one, other)]
    assert without_seconds(histories[0]) == without_seconds(histories[1])
    assert oo.History.read(killed / "log").records == histories[1].records
