"""The parts of the stability report on cognitive tasks, on networks with known answers, and the
kept networks against what the committed report says of them."""

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


@pytest.fixture(scope="module")
def looks():
    sys.path.insert(0, str(EXAMPLES))
    try:
        import _cognitive_looks

        yield _cognitive_looks
    finally:
        sys.path.remove(str(EXAMPLES))


def kept(looks, case):
    return looks.in_float64(oo.load(RESULTS / "cognitive-stability" / f"{case}.npz")["models"][0])


@pytest.fixture(scope="module")
def switch():
    """One unit that holds either sign: r = tanh(2 r)."""
    zero = jnp.zeros(1)
    network = oo.RateNetwork(2 * jnp.eye(1), jnp.zeros((1, 1)), zero, 100.0, f=jnp.tanh)
    cell = oo.Euler(network, 20.0)
    inputs = jnp.zeros((2, 40, 1))
    starts = oo.RateNetworkState(jnp.array([[0.2], [-0.3]]))
    states = jax.vmap(lambda start, xs: oo.unroll(cell, xs, state0=start))(starts, inputs)
    return cell, inputs, starts, states


def test_trials_are_spread_around_the_ring(looks):
    trials, shown = looks.evenly(TASK, 8, jax.random.key(0))
    np.testing.assert_allclose(shown, np.asarray(trials.info["direction"]) % (2 * np.pi), atol=1e-6)
    # The nearest of 512 random directions: half a degree away on average.
    away = np.angle(np.exp(1j * (shown - 2 * np.pi * np.arange(8) / 8)))
    assert np.abs(away).max() < np.radians(5)


def test_both_states_of_a_switch_are_found_and_held(looks, switch):
    cell, inputs, starts, states = switch
    visit = looks.Visit(inputs, np.zeros(2), starts, states)
    found = looks.points_in(cell.circuit, visit, (20, 40))
    record = looks.summary(found, visit, (20, 40), 20.0)
    r = 0.9575040240772687  # tanh(2 r) = r
    assert record == {
        "fixed": 1.0,
        "stable": 1.0,
        "slow": 0.0,
        "distinct": 2,
        "abscissa": round((2 * (1 - r**2) - 1) / 100, 6),
    }
    ends = looks.minute(cell, starts, inputs[:, 0])
    assert ends["ends"] == 2
    assert ends["largest_state"] == pytest.approx(r, abs=1e-9)
    assert looks.minute(cell, jax.tree.map(abs, starts), inputs[:, 0])["ends"] == 1


def test_exponents_and_abscissae_of_a_switch_at_rest(looks, switch):
    cell, inputs, starts, _ = switch
    rest = jax.tree.map(jnp.zeros_like, starts)
    # At 0 the unit runs away at (2 − 1)/τ; a step of Euler multiplies by 1 + h/τ.
    rates = looks.exponents(cell, rest, inputs)
    np.testing.assert_allclose(rates, np.log(1.2) / 20, rtol=1e-12)
    held = jax.tree.map(lambda leaf: jnp.repeat(leaf[:, None], 3, axis=1), rest)
    np.testing.assert_allclose(looks.abscissae(cell.circuit, held, inputs[:, :3]), 0.01, rtol=1e-12)


def test_the_right_share_is_that_of_the_response_alone(looks):
    model, trials = kept(looks, "rate-dlygo"), looks.draw(TASK, 20, jax.random.key(1))
    longer = 150  # 3 s
    start, stop = TASK.periods["delay"]
    inputs = np.asarray(trials.inputs)
    inputs = np.concatenate(
        [inputs[:, :stop], np.repeat(inputs[:, start : start + 1], longer, 1), inputs[:, stop:]], 1
    )
    outputs = np.asarray(jax.vmap(jax.vmap(model.readout))(looks.run(model, inputs)[1][0]))
    answers = outputs[:, TASK.periods["response"][0] + longer + 10 :]  # after 200 ms
    angles = np.angle(answers[..., 1:] @ np.exp(1j * looks.PREFERRED))
    wanted = np.asarray(trials.info["direction"])[:, None]
    near = np.cos(angles - wanted) > np.cos(0.2 * np.pi)
    right = np.mean(near & (answers[..., 0] < 0.5))
    assert 0.2 < right < 0.99
    np.testing.assert_allclose(looks.share_right(model, TASK, trials, longer), right, atol=1e-9)


@pytest.mark.parametrize("case", ["organics-dlygo", "rate-dlygo"])
def test_the_kept_networks_do_what_the_report_says(looks, case):
    report = json.loads((RESULTS / "cognitive-stability.json").read_text())
    training, circuits = (report["cases"][case][part] for part in ("training", "circuits"))
    best = circuits[int(np.argmax(training["performance"]))]
    keys = jax.random.split(jax.random.key(report["options"]["seed"] + 2))
    trials = looks.draw(TASK, looks.TRIALS, keys[1])
    model = kept(looks, case)
    outputs = jax.vmap(jax.vmap(model.readout))(looks.run(model, trials.inputs)[1][0])
    performance = float(jnp.mean(jax.vmap(TASK.score)(outputs, trials)))
    # Kept in half precision: a step or two of an answer may differ.
    assert performance == pytest.approx(best["performance"], abs=5e-3)
    assert performance > 0.99
