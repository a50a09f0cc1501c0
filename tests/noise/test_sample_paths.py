"""Sampled paths: the scheme itself, its statistics, and the law of its time step."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from compared import tree_equal

import organics_ode as oo
from organics_ode import Noise, covariance, sample_paths

State = oo.ORGaNICsState
KEY = jax.random.key(0)


class Decay(oo.AbstractCircuit):
    """τ v̇ = −v + x with τ = 2 ms: an Ornstein-Uhlenbeck process in noise."""

    input_size = 1

    def vector_field(self, t, state, x):
        return (-(state[0] - x) / 2,)

    def initial_state(self):
        return (jnp.zeros(1),)


def test_without_noise_it_is_the_explicit_euler_method():
    circuit = zoo.organics(seed=3)
    xs = zoo.input_of(circuit, length=12)
    expected = oo.unroll(oo.Euler(circuit, 0.3), xs)
    paths = sample_paths(circuit, xs, Noise(), dt=0.3, key=KEY)
    assert tree_equal(paths.states, expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(paths.ts, 0.3 * np.arange(1, 13), rtol=1e-15)
    assert paths.succeeded


def test_one_step_adds_the_noise_that_the_equation_says():
    # S ξ √dt of one step, over many keys: mean 0, variance dt (α² + (β x)²) at the start (Itô).
    circuit, x = zoo.organics(identity=True), np.zeros(3)
    start = zoo.state_of(circuit)
    noise = Noise(State(0.2, 0.0), State(0.0, np.array([0.0, 0.1, 0.2, 0.4])))
    settings = {"dt": 0.04, "steps": 1, "state0": start}

    @eqx.filter_jit
    def kicks(noise, keys):
        def one(key):
            return sample_paths(circuit, x, noise, key=key, **settings).states

        return jax.vmap(one)(keys)

    keys = jax.random.split(KEY, 20_000)
    quiet, noisy = (kicks(n, keys) for n in (Noise(), noise))
    for name, variance in (("y", np.full(4, 0.2**2)), ("a", (noise.proportional.a * start.a) ** 2)):
        kick = np.asarray(getattr(noisy, name) - getattr(quiet, name))[:, 0]
        # √(2/20 000) = 1 %: four of them.
        np.testing.assert_allclose(kick.var(0), 0.04 * np.asarray(variance), rtol=0.04, atol=1e-30)
        deviation = np.abs(kick.mean(0)) * np.sqrt(len(keys))
        assert np.all(deviation <= 4 * np.sqrt(0.04 * np.asarray(variance)))


def test_the_kept_states_are_those_of_the_same_path():
    circuit = zoo.gated()
    xs = zoo.input_of(circuit, length=12)
    settings = {"dt": 0.1, "key": KEY}
    every = sample_paths(circuit, xs, Noise(0.1), **settings)
    some = sample_paths(circuit, xs, Noise(0.1), keep_every=4, **settings)
    for all_, kept in zip(every.states, some.states, strict=True):
        np.testing.assert_array_equal(all_[3::4], kept)
    np.testing.assert_array_equal(every.ts[3::4], some.ts)


def test_a_constant_input_is_a_sequence_of_the_same_input():
    circuit = zoo.organics(identity=True)
    x = zoo.input_of(circuit)
    held = sample_paths(circuit, x, Noise(0.1), dt=0.1, steps=6, key=KEY)
    given = sample_paths(circuit, jnp.tile(x, (6, 1)), Noise(0.1), dt=0.1, key=KEY)
    assert tree_equal(held, given, rtol=1e-13)


@eqx.filter_jit
def stationary(dt, steps, alpha):
    """The variance of `Decay` over the second halves of 400 paths."""

    def one(key):
        settings = {"dt": dt, "steps": steps, "keep_every": 5}
        return sample_paths(Decay(), np.zeros(1), Noise(alpha), key=key, **settings).states[0]

    v = jax.vmap(one)(jax.random.split(KEY, 400))
    return jnp.mean(v[:, v.shape[1] // 2 :] ** 2)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("dt", [1.0, 0.2])
def test_the_stationary_variance_is_that_of_the_method(dt):
    # v ← (1 − dt/τ) v + √dt α ξ has the variance α² τ/2 / (1 − dt/2τ): above the exact by O(dt).
    tau, alpha, steps = 2.0, 0.3, 4000
    exact = float(covariance(Decay(), np.zeros(1), Noise(alpha))[0, 0])
    assert exact == pytest.approx(alpha**2 * tau / 2, rel=1e-12)
    found = float(stationary(dt, steps, alpha))
    # 400 paths of steps·dt/2 ms, which forget in τ ms: √(2τ/(400·steps·dt/2)) or less, four times.
    error = 4 * np.sqrt(2 * tau / (400 * steps * dt / 2))
    assert found == pytest.approx(exact / (1 - dt / (2 * tau)), rel=error)
    assert error < dt / (2 * tau) / 2  # so that the difference from the exact one is seen
    assert abs(found / exact - 1) > error


@pytest.mark.slow
def test_proportional_noise_is_that_of_the_linear_theory_where_it_is_small():
    circuit, x = zoo.organics(n=1, m=1, identity=True), np.array([0.8])
    noise = Noise(0.0, State(0.01, 0.01))
    y, a = zoo.closed_form(circuit, x)
    dt, steps = 0.1, 4000

    @eqx.filter_jit
    def draw(keys):
        settings = {"dt": dt, "steps": steps, "keep_every": 10, "state0": State(y, a)}

        def one(key):
            return sample_paths(circuit, x, noise, key=key, **settings).states

        return jax.vmap(one)(keys)

    states = draw(jax.random.split(KEY, 400))
    values = np.concatenate([states.y, states.a], -1)[:, steps // 20 :].reshape(-1, 2)
    C = np.asarray(covariance(circuit, x, noise))
    # 400 paths of 200 ms: 80 000 ms, over a memory of some 20 ms: √(2/4000) = 2.2 %, and dt.
    scale = np.sqrt(np.diag(C))
    found = np.cov((values / scale).T)
    np.testing.assert_allclose(found, C / np.outer(scale, scale), rtol=0, atol=0.09)


def test_paths_of_many_keys_are_the_paths_of_each():
    circuit, x = zoo.organics(identity=True), np.ones(3)
    keys = jax.random.split(KEY, 3)
    settings = {"dt": 0.1, "steps": 5}
    many = jax.vmap(lambda k: sample_paths(circuit, x, Noise(0.1), key=k, **settings))(keys)
    assert many.states.y.shape == (3, 5, 4)
    assert many.succeeded.shape == (3,)
    for i in range(3):
        one = sample_paths(circuit, x, Noise(0.1), key=keys[i], **settings)
        np.testing.assert_allclose(many.states.y[i], one.states.y, rtol=1e-12)
    assert np.all(np.abs(many.states.y[0] - many.states.y[1]) > 0)


def test_float32_stays_float32():
    circuit = zoo.organics(identity=True, dtype=np.float32)
    paths = sample_paths(circuit, np.ones(3), Noise(0.1, 0.1), dt=0.1, steps=4, key=KEY)
    assert {leaf.dtype for leaf in jax.tree.leaves(paths)} == {np.dtype("float32")}


def test_derivatives_with_respect_to_amplitudes_are_finite_even_at_zero():
    circuit, x = zoo.organics(identity=True), np.ones(3)

    def value(alpha):
        paths = sample_paths(circuit, x, Noise(alpha), dt=0.1, steps=3, key=KEY)
        return jnp.sum(paths.states.y)

    gradient = eqx.filter_jit(jax.grad(value))
    difference = (value(0.2 + 1e-5) - value(0.2 - 1e-5)) / 2e-5
    assert float(gradient(0.2)) == pytest.approx(float(difference), rel=1e-6)
    assert np.isfinite(gradient(0.0))


def test_a_path_that_diverges_says_so():
    diverging = oo.ORGaNICs(np.eye(1), [[3.0]], [[0.0]], 0.1, 1.0, 1.0, 1.0, 1.0)
    paths = sample_paths(diverging, np.ones(1), Noise(0.1), dt=0.5, steps=4000, key=KEY)
    assert not paths.succeeded


def test_bad_arguments_are_refused(unchecked):
    circuit, x, noise = zoo.organics(identity=True), np.ones(3), Noise(0.1)
    cases = [
        ({"circuit": 1}, "Argument `circuit` must be a circuit"),
        ({"inputs": np.ones(4)}, r"Argument `inputs` must have shape \(3,\) or \(steps, 3\)"),
        ({"inputs": np.ones((5, 3))}, r"Argument `steps` must be the length of `inputs`"),
        ({"inputs": np.full(3, np.nan)}, "Argument `inputs` must be finite"),
        ({"steps": None}, "Argument `steps` must be given where `inputs`"),
        ({"dt": 0.0}, "Argument `dt` must be a positive number"),
        ({"keep_every": 4}, "Argument `keep_every` must divide the number of steps, 6"),
        ({"noise": 0.1}, r"Argument `noise` must be an `oo\.Noise`"),
        ({"noise": Noise(State(np.ones(3), 0.0))}, r"Argument `additive\.y` must"),
        ({"state0": State(np.ones(3), np.ones(4))}, r"Argument `state0\.y` must have shape"),
    ]
    for changed, text in cases:
        given = {"circuit": circuit, "inputs": x, "noise": noise, "dt": 0.1, "steps": 6, "key": KEY}
        given |= changed
        with pytest.raises(ValueError, match=text):
            sample_paths(given.pop("circuit"), given.pop("inputs"), given.pop("noise"), **given)


# Inputs over time


TS = np.array([0.0, 0.4, 1.1])
VALUES = np.array([[1.0, 0.0, -1.0], [0.2, 0.5, 0.4], [0.0, 1.5, 0.3]])
OVER_TIME = {
    "hold": (
        oo.ZeroOrderHold(TS, VALUES),
        VALUES[np.searchsorted(TS, np.arange(16) / 10, "right") - 1],
    ),
    "pair": (
        (TS.tolist(), VALUES.tolist()),
        VALUES[np.searchsorted(TS, np.arange(16) / 10, "right") - 1],
    ),
    "line": (
        oo.LinearInput(TS, VALUES),
        np.stack([np.interp(np.arange(16) / 10, TS, v) for v in VALUES.T], axis=1),
    ),
    "function": (
        lambda t: jnp.stack([jnp.sin(t), jnp.cos(t), t]),
        np.stack([f(np.arange(16) / 10) for f in (np.sin, np.cos, np.asarray)], axis=1),
    ),
}


@pytest.mark.parametrize("name", OVER_TIME)
def test_an_input_over_time_is_looked_at_where_a_step_begins(name):
    inputs, rows = OVER_TIME[name]
    circuit = zoo.organics(identity=True)
    settings = {"dt": 0.1, "key": KEY}
    over = sample_paths(circuit, inputs, Noise(0.1), steps=16, **settings)
    given = sample_paths(circuit, rows, Noise(0.1), **settings)
    # The function is smooth: the hair by which a hold is looked at later is not there.
    assert tree_equal(over, given, rtol=1e-12)


@pytest.mark.parametrize("dt", [0.1, 0.3])
def test_a_value_is_held_from_its_step_on_in_float32_too(dt):
    steps = np.arange(0, 3000, 500)
    values = np.arange(18.0).reshape(6, 3)
    circuit = zoo.organics(identity=True, dtype=np.float32)
    held = oo.ZeroOrderHold(np.float32(dt) * steps, values)
    rows = np.repeat(values, 500, axis=0)
    settings = {"dt": dt, "key": KEY, "keep_every": 100}
    over = sample_paths(circuit, held, Noise(), steps=3000, **settings)
    given = sample_paths(circuit, rows, Noise(), **settings)
    np.testing.assert_allclose(over.states.y, given.states.y, rtol=1e-5)


@pytest.mark.slow
def test_without_noise_it_is_what_simulate_says():
    circuit, start = zoo.organics(identity=True), zoo.organics(identity=True).initial_state()
    inputs = OVER_TIME["hold"][0]
    run = oo.simulate(circuit, inputs, [0.0, 0.8, 1.6], state0=start)
    errors = []
    for steps in (160, 320):
        paths = sample_paths(circuit, inputs, Noise(), dt=1.6 / steps, steps=steps, key=KEY)
        errors.append(np.abs(paths.states.y[-1] - run.states.y[-1]).max())
    # Euler's method: an error of the order of the step, which halves with it.
    assert errors[0] < 0.01 and errors[1] == pytest.approx(errors[0] / 2, rel=0.1)


def test_the_mean_of_an_ornstein_uhlenbeck_process_follows_its_input():
    # τ v̇ = −v + x(t) with x = sin ωt: m(t) = (sin ωt − ωτ cos ωt + ωτ e^(−t/τ))/(1 + (ωτ)²), and
    # the variance α² τ/2 (1 − e^(−2t/τ)).
    tau, omega, alpha, dt, steps = 2.0, 0.5, 0.3, 0.02, 400

    @eqx.filter_jit
    def draw(keys):
        def one(key):
            settings = {"dt": dt, "steps": steps, "keep_every": 40}
            drive = lambda t: jnp.sin(omega * t)[None]  # noqa: E731
            return sample_paths(Decay(), drive, Noise(alpha), key=key, **settings)

        return jax.vmap(one)(keys)

    paths = draw(jax.random.split(KEY, 4000))
    v, t = np.asarray(paths.states[0])[..., 0], np.asarray(paths.ts[0])
    wave = np.sin(omega * t) - omega * tau * np.cos(omega * t) + omega * tau * np.exp(-t / tau)
    mean, variance = (
        wave / (1 + (omega * tau) ** 2),
        alpha**2 * tau / 2 * (1 - np.exp(-2 * t / tau)),
    )
    # Five standard errors, and the method's own O(dt).
    error = 5 * np.sqrt(variance / len(v)) + dt * omega
    assert np.all(np.abs(v.mean(0) - mean) < error) and np.ptp(mean) > 20 * error.max()
    np.testing.assert_allclose(v.var(0), variance, rtol=5 * np.sqrt(2 / len(v)) + dt / tau)


def test_bad_inputs_over_time_are_refused(unchecked):
    circuit = zoo.organics(identity=True)
    settings = {"dt": 0.1, "key": KEY}
    for name in ("hold", "pair"):
        with pytest.raises(ValueError, match="`steps` must be given where `inputs` is over time"):
            sample_paths(circuit, OVER_TIME[name][0], Noise(), **settings)
    with pytest.raises(ValueError, match="Argument `inputs` must give m = 3 numbers"):
        sample_paths(circuit, lambda t: jnp.ones(2), Noise(), steps=3, **settings)
    with pytest.raises(ValueError, match=r"Argument `inputs\.ts` must have shape"):
        sample_paths(circuit, (TS[:2], VALUES), Noise(), steps=3, **settings)
