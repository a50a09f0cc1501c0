"""The parts of the stability report on cognitive tasks, on networks with known answers, and the
kept networks against what the committed report says of them."""

import importlib
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
import tasks

EXAMPLES = Path(__file__).parents[2] / "examples"
RESULTS = EXAMPLES / "results"
TASK = tasks.RingTask("dlygo", 20.0)


sys.path.insert(0, str(EXAMPLES / "cognitive"))
looks, networks, around = map(importlib.import_module, ("_looks", "_networks", "_trials"))


def kept(case):
    return networks.in_float64(
        oo.load(RESULTS / "cognitive-stability" / f"{case}.npz")["models"][0]
    )


def test_trials_are_spread_around_the_ring():
    trials, shown = around.evenly(TASK, 8, jax.random.key(0))
    np.testing.assert_allclose(shown, np.asarray(trials.info["direction"]) % (2 * np.pi), atol=1e-6)
    # The nearest of 512 random directions: half a degree away on average.
    away = np.angle(np.exp(1j * (shown - 2 * np.pi * np.arange(8) / 8)))
    assert np.abs(away).max() < np.radians(5)


def test_exponents_and_abscissae_of_a_switch_at_rest():
    # One unit that holds either sign, r = tanh(2 r), at 0.
    network = oo.RateNetwork([[2.0]], [[0.0]], [0.0], 100.0, f=jnp.tanh)
    inputs, rest = jnp.zeros((2, 40, 1)), oo.RateNetworkState(jnp.zeros((2, 1)))
    # There it runs away at (2 − 1)/τ; a step of Euler multiplies by 1 + h/τ.
    rates = looks.exponents(oo.Euler(network, 20.0), rest, inputs)
    np.testing.assert_allclose(rates, np.log(1.2) / 20, rtol=1e-12)
    held = jax.tree.map(lambda leaf: jnp.repeat(leaf[:, None], 3, axis=1), rest)
    np.testing.assert_allclose(looks.abscissae(network, held, inputs[:, :3]), 0.01, rtol=1e-12)


def test_the_right_share_is_that_of_the_response_alone():
    model, trials = kept("rate-dlygo"), around.draw(TASK, 20, jax.random.key(1))
    longer = 150  # 3 s
    start, stop = TASK.periods["delay"]
    inputs = np.asarray(trials.inputs)
    inputs = np.concatenate(
        [inputs[:, :stop], np.repeat(inputs[:, start : start + 1], longer, 1), inputs[:, stop:]], 1
    )
    outputs = np.asarray(looks.outputs_of(model, inputs))
    answers = outputs[:, TASK.periods["response"][0] + longer + 10 :]  # after 200 ms
    angles = np.angle(answers[..., 1:] @ np.exp(1j * around.PREFERRED))
    wanted = np.asarray(trials.info["direction"])[:, None]
    near = np.cos(angles - wanted) > np.cos(0.2 * np.pi)
    right = np.mean(near & (answers[..., 0] < 0.5))
    assert 0.2 < right < 0.99
    np.testing.assert_allclose(looks.share_right(model, TASK, trials, longer), right, atol=1e-9)


@pytest.mark.parametrize("case", ["organics-dlygo", "rate-dlygo"])
def test_the_kept_networks_do_what_the_report_says(case):
    report = json.loads((RESULTS / "cognitive-stability.json").read_text())
    training, circuits = (report["cases"][case][part] for part in ("training", "circuits"))
    best = circuits[int(np.argmax(training["performance"]))]
    keys = jax.random.split(jax.random.key(report["options"]["seed"] + 2))
    trials = around.draw(TASK, looks.TRIALS, keys[1])
    model = kept(case)
    outputs = looks.outputs_of(model, trials.inputs)
    performance = float(jnp.mean(jax.vmap(TASK.score)(outputs, trials)))
    # Kept in half precision: a step or two of an answer may differ.
    assert performance == pytest.approx(best["performance"], abs=5e-3)
    assert performance > 0.99
