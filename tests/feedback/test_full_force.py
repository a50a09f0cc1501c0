"""full-FORCE against a transcription in numpy, and at its published target."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode import feedback

KEY, N, R, TIME = jax.random.key(0), 5, 2, 12


def teacher(rng, size, rank, g=1.5):
    chi, (m, W_x) = (
        rng.normal(size=(size, size)) / np.sqrt(size),
        (rng.uniform(-1, 1, (size, k)) for k in (rank, 1)),
    )
    return oo.FeedbackNetwork(chi, m, 0 * m, np.zeros(size), g, W_x)


def by_hand(c, f, u, dt, alpha, schedule):
    """Trial by trial, a step at a time; whether each step of each trial has an update."""
    c = jax.tree.map(np.asarray, oo.resolve(c))
    size, rank = len(c.chi), f.shape[1]
    J, w = np.zeros((size, size)), np.zeros((rank, size))
    P, xt, xs, errors = np.eye(size) / alpha, np.zeros(size), np.zeros(size), []
    for updates in schedule:
        total = 0.0
        for t, is_update in enumerate(updates):
            drive = c.I + c.W_x @ u[t]
            xt, xs = (
                xt + dt * (-xt + c.g * c.chi @ np.tanh(xt) + c.m @ f[t] + drive),
                xs + dt * (-xs + J @ np.tanh(xs) + drive),
            )
            r = np.tanh(xs)
            total += np.sum((w @ r - f[t]) ** 2)
            if is_update:
                k = P @ r / (1 + r @ P @ r)
                wanted = c.g * c.chi @ np.tanh(xt) + c.m @ f[t]
                J, w = J - np.outer(J @ r - wanted, k), w - np.outer(w @ r - f[t], k)
                P = P - np.outer(k, r @ P)
        errors.append(total / np.sum(f**2))
    return J, w, xs, np.array(errors)


def test_it_is_recursive_least_squares_of_connections_and_readout():
    rng = np.random.default_rng(0)
    network, f, u = teacher(rng, N, R), rng.normal(size=(TIME, R)), rng.normal(size=(TIME, 1))
    found = feedback.full_force(
        network, f, u, key=KEY, alpha=0.5, dt=0.2, trials=3, settling=2, tests=2
    )
    drawn = [np.asarray(jax.random.bernoulli(k, 0.5, (TIME,))) for k in jax.random.split(KEY, 3)]
    never = np.zeros(TIME, bool)
    J, w, x, errors = by_hand(network, f, u, 0.2, 0.5, [never, never, *drawn, never, never])
    # A few hundred roundings, through chaotic networks.
    np.testing.assert_allclose(found.network.chi, J, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.network.n, N * w.T, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.state, x, rtol=1e-9)
    np.testing.assert_allclose(found.history, errors[2:5], rtol=1e-9)
    np.testing.assert_allclose(found.error, errors[5:].mean(), rtol=1e-9)
    # The student is a network like any other, which needs no feedback.
    assert not np.any(found.network.m) and float(found.network.g) == 1
    start = oo.FeedbackNetworkState(found.state)
    states = oo.unroll(oo.Euler(found.network, 0.2), u, state0=start)
    again = np.asarray(found.network.readout(states))
    *_, errors = by_hand(network, f, u, 0.2, 0.5, [never, never, *drawn, *3 * [never]])
    np.testing.assert_allclose(np.sum((again - f) ** 2) / np.sum(f**2), errors[-1], rtol=1e-8)


@pytest.mark.slow
def test_it_learns_the_published_target_of_two_seconds():
    # A chirp from 1 to 3 Hz and back, after a pulse of 50 ms; steps of 1 ms, τ = 10 ms.
    t = np.arange(1000) * 1e-3
    chirp = np.sin(2 * np.pi * np.linspace(1, 3, 1000) * t)
    f, u = np.concatenate([chirp, -chirp[::-1]]), (np.arange(2000) < 50)[:, None] * 1.0
    rng = np.random.default_rng(1)
    network = teacher(rng, 300, 1)
    network = oo.FeedbackNetwork(
        network.chi, network.m[:, 0], network.n[:, 0], network.I, 1.5, network.W_x
    )
    found = feedback.full_force(network, f, u, key=KEY, trials=200)
    assert found.error < 0.05


REFUSED = {
    "`target` must have shape \\(time, R\\), R = 2": {"target": np.ones(TIME)},
    "`x` must have shape \\(time, k\\) = \\(12, 1\\)": {"x": np.ones((TIME, 2))},
    "`probability` must be above 0": {"probability": 0.0},
    "`trials` must be a positive integer": {"trials": 0},
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_arguments_are_refused_by_name(message):
    network = teacher(np.random.default_rng(0), N, R)
    given = {"target": np.ones((TIME, R)), "x": np.ones((TIME, 1))} | REFUSED[message]
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        feedback.full_force(network, **given, key=KEY)


def test_a_step_that_is_too_long_is_told():
    network = teacher(np.random.default_rng(0), N, R)
    with pytest.raises(RuntimeError, match=r"^The training diverged: .* shorter step `dt`"):
        feedback.full_force(network, jnp.ones((300, R)), key=KEY, dt=1e3, trials=1, tests=1)
