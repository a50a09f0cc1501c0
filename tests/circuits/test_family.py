"""The circuits of 2019 and 2020: equations in numpy, closed forms, and their numbers."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo


def ring(size):
    """Input weights (size, size): the tuning curves of a ring, rows of a rank-2 projector of norm 1
    for the two components of the orientation."""
    angle = 2 * np.pi * np.arange(size) / size
    basis = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.sqrt(2 / size)
    return basis, basis @ basis.T


def memory(W_yy, m=2, tau=10.0, factor=1.0, **offsets):
    n = len(W_yy)
    zero, silent = np.zeros((n, n)), np.zeros((n, m))
    basis = ring(n)[0]
    # Column 0 and 1: the stimulus; the last two inputs open the gate and reset.
    W_zx = np.concatenate([basis, np.zeros((n, 2))], axis=1)
    gate, reset = (np.concatenate([silent, np.eye(2)[i] * np.ones((n, 1))], axis=1) for i in (0, 1))
    times = dict.fromkeys(("tau_y", "tau_a", "tau_b"), tau * factor)
    return oo.ORGaNICs2019(W_zx, W_yy, reset, zero, gate, zero, **times, **offsets)


def test_2019_is_its_equations():
    rng = np.random.default_rng(0)
    n, m = 3, 2
    W = {name: rng.normal(size=(n, n)) for name in ("W_yy", "W_ay", "W_by")}
    U = {name: rng.normal(size=(n, m)) for name in ("W_zx", "W_ax", "W_bx")}
    tau = {name: rng.uniform(1, 5, n) for name in ("tau_y", "tau_a", "tau_b")}
    c = {name: rng.normal(size=n) for name in ("c_z", "c_y", "c_a", "c_b")}
    circuit = oo.ORGaNICs2019(**W, **U, **tau, **c)
    y, a, b, x = (rng.normal(size=k) for k in (n, n, n, m))
    a_on, b_on = np.maximum(a, 0), np.maximum(b, 0)
    dy = (
        -y
        + b_on / (1 + b_on) * (U["W_zx"] @ x + c["c_z"])
        + (W["W_yy"] @ y + c["c_y"]) / (1 + a_on)
    )
    da = -a + U["W_ax"] @ x + W["W_ay"] @ y + c["c_a"]
    db = -b + U["W_bx"] @ x + W["W_by"] @ y + c["c_b"]
    expected = [dy / tau["tau_y"], da / tau["tau_a"], db / tau["tau_b"]]
    found = circuit.vector_field(
        0.0, oo.ORGaNICs2019State(*map(jnp.asarray, (y, a, b))), jnp.asarray(x)
    )
    np.testing.assert_allclose(np.stack(found), np.stack(expected), rtol=1e-13)


def shown(stimulus=(0.8, 0.6), reset=None):
    """The stimulus with an open gate for 200 ms; then a pulse of 100 ms that resets, or is 0."""
    pulse, at = (0.0, 300.0) if reset is None else (50.0, reset)
    silent = [0.0, 0.0, 0.0, 0.0]
    values = [[*stimulus, 5.0, 0.0], silent, [0.0, 0.0, 0.0, pulse], silent]
    return oo.ZeroOrderHold(np.array([0.0, 200.0, at, at + 100.0]), np.array(values))


TIMES = 22
PRECISE = {"rtol": 1e-9, "atol": 1e-12}


def simulated(circuit, inputs, ts):
    """All at 22 times and with four onsets: one program."""
    assert len(ts) == TIMES and len(inputs.values) == 4
    controller = diffrax.PIDController(**PRECISE)
    return oo.simulate(circuit, inputs, ts, stepsize_controller=controller, max_steps=200_000)


def test_the_ring_of_2019_holds_its_response_for_ten_seconds_and_resets():
    circuit = memory(ring(36)[1])
    ts = np.array([0.0, *np.linspace(400.0, 10_400.0, TIMES - 2), 10_600.0])
    y = np.asarray(simulated(circuit, shown(reset=10_400.0), ts).states.y)[[0, 1, -2, -1]]
    assert np.linalg.norm(y[1]) > 0.5
    np.testing.assert_allclose(y[2], y[1], rtol=0, atol=1e-6 * np.abs(y[1]).max())
    np.testing.assert_allclose(ring(36)[0].T @ y[1] / np.linalg.norm(y[1]), [0.8, 0.6], atol=1e-9)
    assert np.linalg.norm(y[3]) < 1e-3 * np.linalg.norm(y[1])


def test_it_rotates_at_the_angular_frequency_of_its_weights_with_a_steady_norm():
    basis, projector = ring(36)
    omega, tau = 0.05, 10.0
    turn = basis @ np.array([[0, -1], [1, 0]]) @ basis.T
    circuit = memory(projector + omega * turn, tau=tau)
    ts = 400.0 + np.linspace(0.0, 2000.0, TIMES - 1)
    y = np.asarray(simulated(circuit, shown(), np.concatenate([[0.0], ts])).states.y)[1:]
    z = (y @ basis) @ np.array([1, 1j])
    np.testing.assert_allclose(np.abs(z), np.abs(z[0]), rtol=1e-6)
    angle = np.unwrap(np.angle(z))
    np.testing.assert_allclose(np.diff(angle) / np.diff(ts), omega / tau, rtol=1e-6)


def test_a_factor_on_all_time_constants_warps_time():
    rng = np.random.default_rng(1)
    W = np.linalg.qr(rng.normal(size=(36, 36)))[0]
    ts = np.linspace(0.0, 600.0, TIMES)
    plain = simulated(memory(W), shown(), ts).states.y
    slow_input = oo.ZeroOrderHold(2 * np.array([0.0, 200.0, 300.0, 400.0]), shown().values)
    warped = simulated(memory(W, factor=2.0), slow_input, 2 * ts).states.y
    np.testing.assert_allclose(warped, plain, rtol=0, atol=1e-7)


def test_complex_weights_are_those_of_real_and_imaginary_parts():
    rng = np.random.default_rng(2)
    W = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    U = rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))
    y = rng.normal(size=3) + 1j * rng.normal(size=3)
    x = rng.normal(size=2)
    pair = lambda v: np.concatenate([v.real, v.imag])  # noqa: E731
    np.testing.assert_allclose(oo.complex_weights(W) @ pair(y), pair(W @ y), rtol=1e-12)
    np.testing.assert_allclose(oo.complex_weights(U, of_real=True) @ x, pair(U @ x), rtol=1e-12)
    with pytest.raises(ValueError, match=r"^Argument `W` must have shape"):
        oo.complex_weights(np.ones(3))


def v1(size=4, W_yy=None, alpha=0.0, tau=(2.0, 2.0, 2.0)):
    eye = np.eye(size)
    W_yy = eye if W_yy is None else W_yy
    return oo.ORGaNICs2020(eye, W_yy, np.ones((size, size)), 0.1, 0.2, *tau, alpha=alpha)


def drive(size=4, energy=0.25):
    z = np.abs(np.cos(np.pi * np.arange(size) / size))
    return z * np.sqrt(energy / np.sum(z**2))


def test_the_fixed_point_of_2020_is_normalization():
    circuit, z = v1(), drive()
    point = oo.fixed_point(circuit, z)
    y, u, a = map(np.asarray, point.state)
    np.testing.assert_allclose(y**2, z**2 / (0.01 + 0.25), rtol=0, atol=1e-13)
    np.testing.assert_allclose(u, 0.0072222222, atol=1e-10)
    np.testing.assert_allclose(a, np.sqrt(u) / (1 - np.sqrt(u)), rtol=1e-12)
    assert point.is_stable


@pytest.mark.slow
def test_of_2020_nothing_is_certified():
    certificate = oo.certify(v1(), drive())
    assert not certificate.holds and certificate.scope is None


def test_2020_is_its_equations():
    rng = np.random.default_rng(3)
    n, m = 3, 2
    W_zx, W_yy, W_u = rng.normal(size=(n, m)), rng.normal(size=(n, n)), rng.uniform(size=(n, n))
    sigma, b, tau = rng.uniform(0.1, 1, n), rng.uniform(0.1, 1, n), rng.uniform(1, 5, (3, n))
    circuit = oo.ORGaNICs2020(W_zx, W_yy, W_u, sigma, b, *tau, alpha=0.7)
    y, u, a, x = (
        rng.normal(size=n),
        rng.uniform(0.1, 1, n),
        rng.uniform(0, 1, n),
        rng.normal(size=m),
    )
    gain = b / (1 + b)
    dy = -y + gain * (W_zx @ x) + (W_yy @ y) / (1 + a)
    du = -u + W_u @ (u * y**2) + (sigma * gain) ** 2
    da = -a + np.sqrt(u) + a * np.sqrt(u) + 0.7 * du
    found = circuit.vector_field(
        0.0, oo.ORGaNICs2020State(*map(jnp.asarray, (y, u, a))), jnp.asarray(x)
    )
    np.testing.assert_allclose(np.stack(found), np.stack([dy, du, da]) / tau, rtol=1e-13)


def test_beyond_u_of_1_there_is_no_fixed_point_of_2020_and_the_search_says_so():
    circuit = v1()
    assert not oo.fixed_point(circuit, drive(energy=50.0), throw=False).succeeded  # u = 1.4
    rest = oo.replace(circuit, sigma=10.0).initial_state()
    assert np.all(np.isfinite(np.concatenate(rest)))


@pytest.mark.slow
def test_an_onset_overshoots_with_alpha():
    z, ts = drive(), np.linspace(0.0, 60.0, 601)
    overshoot = []
    for alpha in (0.0, 10.0):
        y = oo.simulate(v1(alpha=alpha, tau=(1.0, 1.0, 1.0)), z, ts).states.y
        overshoot.append(float(jnp.max(jnp.abs(y[:, 0])) / jnp.abs(y[-1, 0])))
    assert overshoot[0] >= 1 and overshoot[1] != pytest.approx(overshoot[0], rel=1e-3)


@pytest.mark.parametrize("kind", (oo.ORGaNICs2019, oo.ORGaNICs2020))
def test_saved_and_loaded_they_are_the_same(kind, tmp_path):
    circuit = kind.random(2, 3, key=0)
    oo.save(tmp_path / "circuit", circuit)
    again = oo.load(tmp_path / "circuit")
    assert all(map(np.array_equal, jax.tree.leaves(circuit), jax.tree.leaves(again)))


BAD = {
    r"`alpha` must not be negative": lambda: v1(alpha=-1.0),
    r"`W_u` must not be negative": lambda: oo.replace(v1(2), W_u=-np.ones((2, 2))),
    r"`tau_b` must be positive": lambda: oo.replace(memory(np.eye(2)), tau_b=-1.0),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_refused_by_name(message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        BAD[message]()
