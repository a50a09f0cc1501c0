"""The models to compare with against their published steps, transcribed in numpy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo

KEY, N, M = jax.random.key(0), 3, 2


def sigmoid(u):
    return 1 / (1 + np.exp(-u))


def cornn(c, dt, x, y, z):
    z = z + dt * (np.tanh(c.W @ y + c.W_z @ z + c.V @ x + c.b) - c.gamma * y - c.epsilon * z)
    return y + dt * z, z


def unicornn(c, dt, x, y, z):
    z = z - dt * sigmoid(c.c) * (np.tanh(c.w * y + c.V @ x + c.b) + c.alpha * y)
    return y + dt * sigmoid(c.c) * z, z


def lem(c, dt, x, y, z):
    dt_z, dt_y = (
        dt * sigmoid(W @ y + V @ x + b)
        for W, V, b in ((c.W_1, c.V_1, c.b_1), (c.W_2, c.V_2, c.b_2))
    )
    z = (1 - dt_z) * z + dt_z * np.tanh(c.W_z @ y + c.V_z @ x + c.b_z)
    return (1 - dt_y) * y + dt_y * np.tanh(c.W_y @ z + c.V_y @ x + c.b_y), z


def lipschitz(c, dt, x, h):
    A, W = (
        c.beta * (Q - Q.T) + (1 - c.beta) * (Q + Q.T) - c.gamma * np.eye(N) for Q in (c.M_A, c.M_W)
    )
    return (h + dt * A @ h + dt * np.tanh(W @ h + c.U @ x + c.b),)


def antisymmetric(c, dt, x, h):
    u = (np.triu(c.W) - np.triu(c.W).T - c.gamma * np.eye(N)) @ h
    gate = 1 if c.V_z is None else sigmoid(u + c.V_z @ x + c.b_z)
    return (h + dt * gate * np.tanh(u + c.V @ x + c.b),)


# The step of each, the circuit, its cell, and the hyperparameters that it is tried with.
PUBLISHED = {
    "CoRNN": (cornn, oo.CoRNN, oo.SemiImplicitEuler, {"gamma": 2.7, "epsilon": 4.7}),
    "UnICORNN": (unicornn, oo.UnICORNN, oo.SemiImplicitEuler, {"alpha": 0.9}),
    "LEM": (lem, oo.LEM, oo.SemiImplicitEuler, {}),
    "LipschitzRNN": (lipschitz, oo.LipschitzRNN, oo.Euler, {"beta": 0.7, "gamma": 0.1}),
    "AntisymmetricRNN": (antisymmetric, oo.AntisymmetricRNN, oo.Euler, {"gamma": 0.1}),
    "gated": (antisymmetric, oo.AntisymmetricRNN, oo.Euler, {"gamma": 0.1, "gated": True}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_step_is_the_published_one_in_units_of_tau(name):
    by_hand, kind, cell, hyperparameters = PUBLISHED[name]
    circuit = kind.random(M, N, key=KEY, tau=10.0, **hyperparameters)
    rng, c = np.random.default_rng(1), jax.tree.map(np.asarray, oo.resolve(circuit))
    like = circuit.initial_state()
    xs = rng.normal(size=(2, M))
    expected = tuple(rng.normal(size=N) for _ in like)
    state = type(like)(*map(jnp.asarray, expected))
    step = cell(circuit, 2.5).step  # ms: a quarter of the published unit
    for x in xs:
        state, expected = step(state, jnp.asarray(x)), by_hand(c, 0.25, x, *expected)
    assert type(state) is type(like) and (circuit.size, circuit.input_size) == (N, M)
    np.testing.assert_allclose(np.stack(state), np.stack(expected), rtol=1e-13, atol=1e-14)


def test_steps_of_one_unit_worked_out_by_hand():
    one, zero, x = np.ones((1, 1)), np.zeros(1), jnp.zeros(1)
    # z = 1 + ½(tanh 0 − 2·1 − 1·1) = −½, from the old y; y = 1 − ½·½ from the new z.
    oscillator = oo.CoRNN(0 * one, 0 * one, one, zero, 2.0, 1.0)
    state = oo.SemiImplicitEuler(oscillator, 0.5).step(oo.CoRNNState(*jnp.ones((2, 1))), x)
    assert (state.y.item(), state.z.item()) == (0.75, -0.5)
    # σ(0) = ½: z = 1 − ¼·4 = 0, and y does not move.
    free = oo.UnICORNN(zero, one, zero, zero, 4.0)
    state = oo.SemiImplicitEuler(free, 0.5).step(oo.UnICORNNState(*jnp.ones((2, 1))), x)
    assert (state.y.item(), state.z.item()) == (1.0, 0.0)
    # β = ¼: A = 2·¾·M_A − γ = 3 − 1, W = −1 of M_W = 0; h = ½ + ½(2·½ + tanh(−½)).
    lipschitz = oo.LipschitzRNN(2 * one, 0 * one, one, zero, 0.25, 1.0)
    state = oo.Euler(lipschitz, 0.5).step(oo.LipschitzRNNState(jnp.full(1, 0.5)), x)
    assert state.h.item() == pytest.approx(1 - np.tanh(0.5) / 2, rel=1e-15)


def trained(model):
    leaves = jax.tree.leaves(eqx.filter(model, oo.trainable(model)))
    return sum(leaf.size for leaf in leaves)


def classifier(cell, size):
    return oo.SequenceClassifier(cell, oo.Readout(np.ones((10, size)), np.ones(10)))


def layers():
    sizes = ((1, 256), (256, 256), (256, 256))
    return oo.Stack(*(oo.SemiImplicitEuler(oo.UnICORNN.random(*s, key=KEY), 0.1) for s in sizes))


# Trained numbers with one input and ten classes.
COUNTS = {
    "CoRNN": (256, 134_154, lambda: oo.CoRNN.random(1, 256, key=KEY)),
    "LipschitzRNN": (128, 34_314, lambda: oo.LipschitzRNN.random(1, 128, key=KEY)),
    "AntisymmetricRNN": (128, 9_674, lambda: oo.AntisymmetricRNN.random(1, 128, key=KEY)),
    # 4·128² + 8·128 and the readout; the authors' redundant biases would make them 68 362.
    "LEM": (128, 67_850, lambda: oo.LEM.random(1, 128, key=KEY)),
}


@pytest.mark.parametrize("name", COUNTS)
def test_trained_numbers_are_as_many_as_published(name):
    size, count, build = COUNTS[name]
    assert trained(classifier(oo.Euler(build(), 0.1), size)) == count


def test_three_layers_of_unicornn_have_the_published_count():
    assert trained(classifier(layers(), 256)) == 136_202


def energy(c, state, x):
    y, z = map(np.asarray, state)
    drive = c.w * y + c.V @ x + c.b
    return c.alpha * y**2 / 2 + z**2 / 2 + np.log(np.cosh(drive)) / c.w


def test_unicornn_keeps_its_energy_where_euler_steps_lose_it():
    circuit, x = oo.UnICORNN.random(M, N, key=KEY, alpha=2.0), np.array([1.0, -2.0])
    c = jax.tree.map(np.asarray, oo.resolve(circuit))
    start = oo.UnICORNNState(*jnp.array([[1.0, -0.5, 0.2], [0.0, 0.3, -1.0]]))
    slope = eqx.filter_grad(lambda s: jnp.sum(energy_in_jax(circuit, s, x)))(start)
    velocity = circuit.vector_field(0.0, start, jnp.asarray(x))
    change = slope.y * velocity.y + slope.z * velocity.z
    np.testing.assert_allclose(change, 0, atol=1e-14)
    xs, before = np.tile(x, (400, 1)), energy(c, start, x)
    off = {}
    for cell in (oo.SemiImplicitEuler, oo.Euler):
        states = oo.unroll(cell(circuit, 0.1), xs, state0=start)
        off[cell] = np.abs(energy(c, states, x) / before - 1).max()
    assert off[oo.SemiImplicitEuler] < 0.1 < 1 < off[oo.Euler]


def energy_in_jax(circuit, state, x):
    c = oo.resolve(circuit)
    drive = c.w * state.y + c.V @ jnp.asarray(x) + c.b
    return c.alpha * state.y**2 / 2 + state.z**2 / 2 + jnp.log(jnp.cosh(drive)) / c.w


def test_antisymmetric_weights_stay_so_and_turn_without_damping():
    circuit = oo.AntisymmetricRNN.random(M, 5, key=KEY, gamma=0.3, tau=2.0)
    assert trained(circuit.W) == 10
    rest = circuit.initial_state()
    J = oo.jacobian(circuit, rest, np.zeros(M))
    values = np.linalg.eigvals(np.asarray(J))
    np.testing.assert_allclose(values.real, -0.15, rtol=1e-12)
    assert np.abs(values.imag).max() > 0.1
    # Any update of what is trained leaves the weights in their class.
    node = eqx.tree_at(lambda W: W.theta, circuit.W, jnp.arange(10.0))
    W = np.asarray(node.unwrap())
    np.testing.assert_array_equal(W, -W.T)
    assert W[0, 1:].tolist() == [0.0, 1.0, 2.0, 3.0] and W[3, 4] == 9.0
    np.testing.assert_array_equal(oo.SkewSymmetric(W).theta, node.theta)
    changed = oo.replace(circuit, W=W)
    assert isinstance(changed.W, oo.SkewSymmetric)
    np.testing.assert_array_equal(oo.resolve(changed).W, W)


@pytest.mark.slow
def test_the_librarys_tools_know_an_oscillator():
    # One oscillator without coupling: it rests at tanh(x)/γ, where λ² + ελ + γ = 0.
    one, x = np.ones((1, 1)), np.array([0.7])
    circuit = oo.CoRNN(0 * one, 0 * one, one, np.zeros(1), 2.0, 0.5, tau=10.0)
    point = oo.fixed_point(circuit, x)
    np.testing.assert_allclose(point.state.y, np.tanh(0.7) / 2, rtol=1e-9)
    np.testing.assert_allclose(point.state.z, 0, atol=1e-9)
    assert point.is_stable
    values = np.linalg.eigvals(np.asarray(oo.jacobian(circuit, point.state, x)))
    np.testing.assert_allclose(np.sort(values.imag), np.roots([1, 0.5, 2]).imag[::-1] / 10)
    np.testing.assert_allclose(values.real, -0.025)
    certificate = oo.certify(circuit, x)
    assert not certificate.holds and "no theorem is known here" in certificate.reasons[0]
    # ÿ + ε ẏ + γ y = tanh x from rest, in units of τ.
    ts = np.array([0.0, 5.0, 40.0])
    turn, s = np.sqrt(2 - 0.25**2), ts / 10
    decay = np.exp(-0.25 * s) * (np.cos(turn * s) + 0.25 / turn * np.sin(turn * s))
    y = oo.simulate(circuit, x, ts).states.y[:, 0]
    np.testing.assert_allclose(y, np.tanh(0.7) / 2 * (1 - decay), atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_each_is_simulated_and_searched_as_any_circuit(name):
    _, kind, cell, hyperparameters = PUBLISHED[name]
    circuit = kind.random(M, N, key=KEY, **hyperparameters)
    x, ts = np.array([0.5, -0.3]), np.array([0.0, 1.0, 2.0])
    states = oo.simulate(circuit, x, ts).states
    fine = oo.unroll(cell(circuit, 1e-3), np.tile(x, (2000, 1)))
    for exact, steps in zip(states, fine, strict=True):
        np.testing.assert_allclose(exact[1:], steps[999::1000], atol=2e-3)
    assert not oo.certify(circuit, x, state0=circuit.initial_state()).holds
    points = oo.find_fixed_points(circuit, x, key=KEY, starts=16)
    for state in points:
        velocity = circuit.vector_field(0.0, state, jnp.asarray(x))
        assert all(np.abs(np.asarray(leaf)).max() < 1e-6 for leaf in velocity)


ONE = np.ones((1, 1))
REFUSED = {
    "`gamma` must be positive": lambda: oo.CoRNN(ONE, ONE, ONE, [0.0], 0.0, 1.0),
    "`beta` must lie between 0": lambda: oo.LipschitzRNN(ONE, ONE, ONE, [0.0], 1.5),
    "`alpha` must not be negative": lambda: oo.UnICORNN([1.0], ONE, [0.0], [0.0], -1.0),
    "`W` must be skew-symmetric, W = -W\\^T": lambda: oo.AntisymmetricRNN(ONE, ONE, [0.0]),
    "`b_z` must be given where `V_z` is": lambda: oo.AntisymmetricRNN(0 * ONE, ONE, [0.0], ONE),
    "`circuit` must have a state of two arrays": lambda: oo.SemiImplicitEuler(
        oo.LipschitzRNN.random(1, 2, key=KEY), 0.1
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_arguments_are_refused_by_name(message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        REFUSED[message]()
