"""`RateNetwork`, its noise, `Connectivity` and `Readout` against numpy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize
import zoo
from compared import tree_equal
from rate_cases import SIGNS, UNITS, M, N, check_legal, connectivity

import organics_ode as oo

NONLINEARITIES = {
    "relu": (jax.nn.relu, lambda v: max(v, 0.0)),
    "tanh": (jnp.tanh, np.tanh),
    "softplus": (jax.nn.softplus, lambda v: np.log1p(np.exp(v))),
}


def arrays(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    drawn = {
        "W": rng.normal(size=(N, N)) / 2,
        "W_in": rng.normal(size=(3, M)),
        "b": rng.normal(size=N),
        "tau": rng.uniform(5, 10, N),
        "noise": rng.uniform(0.1, 0.5, N),
    }
    return {name: value.astype(dtype) for name, value in drawn.items()}


def network(f=jnp.tanh, *, seed=0, dtype=np.float64, **changes):
    return oo.RateNetwork(**(arrays(seed, dtype) | {"input_units": UNITS} | changes), f=f)


def field(f, r, x, eta):
    """ṙ, unit by unit."""
    c = arrays()
    rates = np.zeros(N)
    for i in range(N):
        drive = c["b"][i] + c["noise"][i] * eta[i]
        drive += sum(c["W"][i, j] * r[j] for j in range(N))
        if UNITS[0] <= i < UNITS[1]:
            drive += sum(c["W_in"][i - UNITS[0], j] * x[j] for j in range(M))
        rates[i] = (-r[i] + f(drive)) / c["tau"][i]
    return rates


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_the_vector_field_is_the_equation_with_and_without_noise(name):
    f, expected = NONLINEARITIES[name]
    rng = np.random.default_rng(5)
    r, x, eta = rng.normal(size=N), rng.normal(size=M), rng.normal(size=N)
    net, state = network(f), oo.RateNetworkState(jnp.asarray(r))
    plain = net.vector_field(None, state, jnp.asarray(x)).r
    np.testing.assert_allclose(plain, field(expected, r, x, np.zeros(N)), rtol=1e-12)
    noisy = oo.Noisy(net)
    both = noisy.vector_field(None, state, jnp.concatenate([x, eta])).r
    np.testing.assert_allclose(both, field(expected, r, x, eta), rtol=1e-12)
    driven = net.velocity(state, net.drive(jnp.asarray(x), jnp.asarray(eta)))
    np.testing.assert_array_equal(driven.r, both)
    assert (net.size, net.input_size, noisy.input_size) == (N, M, M + N)
    np.testing.assert_array_equal(net.initial_state().r, np.zeros(N))
    np.testing.assert_array_equal(noisy.initial_state().r, np.zeros(N))


@pytest.mark.slow
def test_a_noisy_network_is_solved_adaptively_and_by_small_steps_alike():
    net, steps, dt = oo.Noisy(network()), 40, 1.0
    eta = oo.ornstein_uhlenbeck(steps, N, dt=dt, tau=20.0, key=jax.random.key(1))
    values = jnp.concatenate([jnp.ones((steps, M)), eta], axis=1)
    inputs = oo.ZeroOrderHold(dt * np.arange(steps), values)
    # The error of Euler halves with the step; what remains after extrapolation is O(dt²).
    ends = [
        np.asarray(
            oo.unroll(oo.Euler(net, dt / k), jnp.repeat(values, k, axis=0), last_only=True).r
        )
        for k in (50, 100)
    ]
    solved = oo.simulate(net, inputs, jnp.array([0.0, steps * dt]))
    np.testing.assert_allclose(solved.states.r[-1], 2 * ends[1] - ends[0], atol=1e-5)
    assert np.max(np.abs(ends[1] - ends[0])) > 2e-5  # without extrapolation it would not do


@pytest.mark.slow
def test_its_fixed_points_are_all_found_and_their_spectra_are_numpys():
    # Two units that excite themselves and inhibit each other: three states at rest and more.
    W = np.array([[2.0, -0.5], [-0.5, 2.0]])
    net = oo.RateNetwork(W, np.eye(2), np.zeros(2), np.array([10.0, 20.0]), f=jnp.tanh)
    x = jnp.array([0.05, -0.02])
    found = oo.find_fixed_points(net, x, key=jax.random.key(0), starts=256)

    def residual(r):
        return -r + np.tanh(W @ r + np.asarray(x))

    grid = np.linspace(-1.2, 1.2, 9)
    roots = [scipy.optimize.root(residual, (a, b), tol=1e-13) for a in grid for b in grid]
    roots = np.unique([np.round(s.x, 9) for s in roots if s.success], axis=0)
    states = np.asarray(found.states.r)
    states = states[np.lexsort(states.T[::-1])]
    assert len(roots) == 9
    np.testing.assert_allclose(states, roots, atol=1e-7)
    for r, is_stable in zip(np.asarray(found.states.r), found.is_stable, strict=True):
        slope = 1 - r**2
        J = (-np.eye(2) + slope[:, None] * W) / np.array([[10.0], [20.0]])
        spectrum = oo.spectrum(net, oo.RateNetworkState(jnp.asarray(r)), x)
        np.testing.assert_allclose(
            np.sort(np.real(spectrum.eigenvalues)), np.sort(np.linalg.eigvals(J).real), atol=1e-9
        )
        assert bool(is_stable) == (np.max(np.linalg.eigvals(J).real) < 0)
    point = oo.fixed_point(net, x)
    assert point.succeeded and np.max(np.abs(residual(np.asarray(point.state.r)))) < 1e-6


VARIANTS = {
    "plain": network,
    "float32": lambda: network(dtype=np.float32),
    "connectivity": lambda: network(W=connectivity(), f=jax.nn.softplus),
    "trained tau and noise": lambda: network(
        tau=oo.Bounded(np.full(N, 8.0), 2.0, 20.0), noise=oo.Positive(0.2)
    ),
    "frozen input": lambda: network(W_in=oo.Frozen(jnp.asarray(arrays()["W_in"])), tau=7.0),
    "random": lambda: oo.RateNetwork.random(M, N, key=jax.random.key(0)),
}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", VARIANTS)
def test_the_laws_of_circuits(name, tmp_path):
    net = VARIANTS[name]()
    dtype = np.dtype("float32" if name == "float32" else "float64")
    rng = np.random.default_rng(3)
    xs = jnp.asarray(rng.normal(size=(4, M + N)), dtype)
    r = jnp.asarray(rng.normal(size=(4, N)), dtype)
    params, rest = eqx.partition(net, oo.trainable(net))

    def run(params, x, r):
        noisy = oo.Noisy(eqx.combine(params, rest))
        return noisy.vector_field(None, oo.RateNetworkState(r), x).r

    # The gradient reaches what is trained and nothing else, in the dtype of the network.
    gradient = eqx.filter_grad(lambda p: jnp.sum(run(p, xs[0], r[0]) ** 2))(params)
    named = jax.tree_util.tree_leaves_with_path(gradient)
    expected = {"W", "W_in", "b"} | ({"tau", "noise"} if "trained" in name else set())
    expected -= {"W_in"} if "frozen" in name else set()
    assert {str(path[0]).lstrip(".") for path, _ in named} == expected
    for path, leaf in named:
        assert leaf.dtype == dtype and np.all(np.isfinite(leaf)), path
        assert np.any(np.asarray(leaf) != 0), path
    # jit and vmap are a loop.
    many = jax.jit(jax.vmap(run, in_axes=(None, 0, 0)))(params, xs, r)
    one = [run(params, xs[i], r[i]) for i in range(4)]
    np.testing.assert_allclose(many, one, atol=64 * np.finfo(dtype).eps)
    # It comes back from a file, and prints its fields.
    oo.save(tmp_path / "net", net)
    assert tree_equal(oo.load(tmp_path / "net"), net, typematch=True)
    assert all(field in repr(net) for field in ("W_in", "tau_noise", "input_units"))
    values = oo.resolve(net)
    assert {getattr(values, k).dtype for k in ("W", "W_in", "b", "tau", "noise")} == {dtype}


def test_a_random_network_has_the_scales_of_the_reference():
    n = 60
    net = oo.RateNetwork.random(4, n, key=jax.random.key(2), input_units=(0, 20))
    values = oo.resolve(net)
    np.testing.assert_array_equal(values.tau, [100.0] * 48 + [50.0] * 12)
    assert (float(values.noise), float(values.tau_noise)) == (0.1, 100.0)
    assert values.W_in.shape == (20, 4) and not any(jax.tree.leaves(oo.trainable(net).tau))
    # The spread of k normal numbers is known to a relative 1/√(2k); four of those.
    for array, sigma in ((values.W, 1 / n), (values.W_in, 1.0), (values.b, 1.0)):
        assert abs(np.std(array) / sigma - 1) < 4 / np.sqrt(2 * array.size)
    scaled = oo.RateNetwork.random(4, n, key=jax.random.key(2), input_units=(0, 20), radius=0.9)
    assert largest(scaled) == pytest.approx(0.9, rel=1e-12)
    ratio = np.asarray(scaled.W) / values.W
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-12)


def largest(network):
    return np.abs(np.linalg.eigvals(np.asarray(oo.resolve(network).W, np.float64))).max()


@pytest.mark.slow_but_first
@pytest.mark.parametrize(("n", "excitatory", "radius"), ((31, 0.6, 0.7), (50, 0.8, None)))
def test_a_network_by_dales_law_is_balanced_and_has_its_radius(n, excitatory, radius):
    k = round(excitatory * n)
    key = jax.random.key(2)
    net = oo.RateNetwork.random(4, n, key=key, excitatory=excitatory, radius=radius)
    W, sizes = np.asarray(oo.resolve(net).W), np.abs(oo.RateNetwork.random(4, n, key=key).W)
    assert np.all(W[:, :k] >= 0) and np.all(W[:, k:] <= 0) and np.all(np.diag(W) == 0)
    assert np.all(np.asarray(net.b) == 0)
    # What a unit gets of excitation it gets of inhibition, about k/(n − k) times a synapse.
    np.testing.assert_allclose(W.sum(axis=1), 0, atol=1e-14 * n)
    gain = -W[:, k:].sum() / (n - k) / (W[:, :k].sum() / k)
    assert gain == pytest.approx(k / (n - k), rel=0.05)
    assert largest(net) == pytest.approx(1.5 if radius is None else radius, rel=1e-10)
    # Of each row and kind the sizes are those that were drawn, but for one factor.
    np.fill_diagonal(sizes := np.array(sizes), 0)
    for kind in (np.s_[:, :k], np.s_[:, k:]):
        ours, drawn = np.abs(W[kind]), sizes[kind]
        shares = (x / x.sum(axis=1, keepdims=True) for x in (ours, drawn))
        np.testing.assert_allclose(*shares, rtol=1e-10)


@pytest.mark.slow
def test_the_eigenvalues_of_a_balanced_network_fill_the_disc_of_the_theory():
    """Rajan & Abbott (2006): with balanced rows the radius is the root of the summed variances."""
    n, k = 400, 320
    net = oo.RateNetwork.random(2, n, key=jax.random.key(0), excitatory=0.8, radius=1.0)
    W = np.asarray(oo.resolve(net).W)
    disc = np.sqrt(W.var(axis=0).sum())
    sizes = np.sort(np.abs(np.linalg.eigvals(W)))
    # All but a handful; those that lie outside, for n is finite, set the radius of 1.
    assert sizes[-6] == pytest.approx(disc, rel=0.06)
    assert 1 <= 1 / disc < 1.25
    # Half normal sizes: σ² = (1 − 2/π) E[w²], and an inhibitory column has k/(n − k) times more.
    spread = np.sqrt((1 - 2 / np.pi) * (W[:, :k] ** 2).mean() * (k + (n - k) * (k / (n - k)) ** 2))
    assert spread == pytest.approx(disc, rel=0.05)


def test_networks_of_one_kind_absent_connections_and_traced_keys():
    mask = np.random.default_rng(0).random((N, N)) < 0.5
    mask[0] = np.arange(N) == 1  # hears excitation only
    options = {"mask": mask, "excitatory": 0.6, "self_connections": True}
    W = np.asarray(oo.resolve(random(**options)).W)
    assert np.all(W[~mask] == 0) and W[0, 1] > 0
    only = random(excitatory=1.0)
    assert np.all(np.asarray(oo.resolve(only).W) >= 0) and largest(only) == pytest.approx(1.5)
    # A chain of connections without a loop has no eigenvalue but 0, and stays as it was drawn.
    chain = {"mask": np.eye(N, k=1, dtype=bool), "excitatory": 1.0}
    assert np.all(np.isfinite(oo.resolve(random(**chain)).W))
    drawn = eqx.filter_vmap(lambda key: random(key=key, excitatory=0.6))
    keys = jax.random.split(jax.random.key(3))
    many = drawn(keys)
    for i in range(2):
        one = random(key=keys[i], excitatory=0.6).W.value
        np.testing.assert_allclose(many.W.value[i], one, rtol=1e-10)


def test_connectivity_holds_whatever_the_update_and_keeps_legal_weights():
    node = connectivity()
    np.testing.assert_array_equal(oo.resolve(oo.project(node)), oo.resolve(node))
    check_legal(oo.resolve(node))
    optimizer = zoo.relaxed(optax.adamw(0.5))
    params, rest = eqx.partition(node, oo.trainable(node))
    state = optimizer.init(params)
    for i in range(20):
        gradient = 1e3 * np.random.default_rng(i).normal(size=(N, N))
        updates, state = optimizer.update(
            eqx.tree_at(lambda p: p.value, params, gradient), state, params
        )
        node = oo.project(eqx.combine(eqx.apply_updates(params, updates), rest))
        params = eqx.filter(node, oo.trainable(node))
        check_legal(oo.resolve(node))
    assert np.any(np.asarray(oo.resolve(node))[:, :2] > 0)
    # A weight that is not a number is no wrong sign: the training must see it.
    broken = eqx.tree_at(lambda p: p.value, node, node.value.at[1, 0].set(jnp.nan))
    assert np.isnan(oo.resolve(oo.project(broken))[1, 0])


def test_absent_connections_have_no_gradient_and_zero_weights_a_finite_one():
    node = oo.Connectivity(np.zeros((N, N)), mask=~np.eye(N, dtype=bool), signs=SIGNS)
    r = jnp.arange(1.0, N + 1)

    def value(node):
        return jnp.sum((oo.resolve(node) @ r - 1) ** 2)

    gradient = np.asarray(eqx.filter_grad(value)(node).value)
    expected = np.where(np.eye(N), 0, -2 * np.ones((N, 1)) * np.asarray(r))
    np.testing.assert_allclose(gradient, expected)


def test_an_organics_circuit_takes_connectivity_too():
    circuit = zoo.organics(n=N, nodes={"W_r": lambda _: connectivity()})
    np.testing.assert_array_equal(oo.resolve(circuit).W_r, oo.resolve(connectivity()))
    assert circuit.W_r.mask.dtype == bool
    # Numbers in other nodes are read as floats still.
    assert zoo.organics(nodes={"b0": lambda _: oo.Frozen(1)}).b0.value.dtype == np.float64


def test_the_noise_is_stationary_with_variance_one_and_the_correlations_of_its_time_constant():
    paths, steps, dt, tau = 4000, 60, 5.0, 100.0
    eta = np.asarray(
        oo.ornstein_uhlenbeck(steps, (paths, 2), dt=dt, tau=tau, key=jax.random.key(4))
    )
    assert eta.shape == (steps, paths, 2)
    count = 2 * paths  # independent ones at each step
    for t in (0, 1, 30, 59):  # stationary from the first row
        assert abs(np.mean(eta[t])) < 4 / np.sqrt(count)
        assert abs(np.var(eta[t]) - 1) < 4 * np.sqrt(2 / count)
    for first, lag in ((0, 1), (0, 20), (30, 20), (10, 49)):
        rho = np.exp(-lag * dt / tau)
        product = np.mean(eta[first] * eta[first + lag])
        assert abs(product - rho) < 4 * np.sqrt((1 + rho**2) / count), lag
    # Channels do not know of each other.
    assert abs(np.mean(eta[30, :, 0] * eta[30, :, 1])) < 4 / np.sqrt(paths)


def test_a_readout_sees_its_units():
    rng = np.random.default_rng(7)
    W_out, b_out, r = rng.normal(size=(2, 3)), rng.normal(size=2), rng.normal(size=N)
    readout = oo.Readout(W_out, b_out, units=(1, 4))
    expected = 1 / (1 + np.exp(-(W_out @ r[1:4] + b_out)))
    np.testing.assert_allclose(readout(jnp.asarray(r)), expected, rtol=1e-12)
    scores = oo.Readout([[1, 2], [3, 4]], activation=None)  # lists are read as arrays
    np.testing.assert_array_equal(scores(jnp.array([1.0, -1.0])), (-1, -1))
    masked = oo.Readout(connectivity(), activation=None)
    np.testing.assert_allclose(masked(jnp.asarray(r)), np.asarray(oo.resolve(connectivity())) @ r)
    drawn = oo.Readout.random(100, 50, key=jax.random.key(3), units=(20, 80))
    assert drawn.W_out.shape == (50, 60) and drawn.b_out is None and drawn.units == (20, 80)
    assert abs(np.std(drawn.W_out) - 1) < 4 / np.sqrt(2 * 3000)
    single = oo.Readout(W_out.astype(np.float32), oo.Frozen(jnp.asarray(b_out, np.float32)))
    assert single(jnp.ones(3, np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    (
        ({"W": np.ones((2, 3))}, "`W` must be a square matrix"),
        ({"W": oo.Connectivity(np.ones((2, 3)))}, "`W` must be a square matrix"),
        ({"W": np.full((N, N), np.nan)}, "`W` must be finite"),
        ({"W_in": np.ones((M, 3)).T[:2]}, r"`W_in` must have shape \(k, m\) = \(3, m\)"),
        ({"b": np.ones(N + 1)}, "`b` must have shape"),
        ({"tau": np.zeros(N)}, "`tau` must be positive"),
        ({"tau": np.ones(2)}, "`tau` must be a scalar or have shape"),
        ({"noise": -0.1}, "`noise` must not be negative"),
        ({"tau_noise": 0.0}, "`tau_noise` must be positive"),
        ({"f": "relu"}, "`f` must be a function"),
        ({"f": jnp.sum}, "`f` must map an array"),
        ({"input_units": (3, 2)}, "`input_units` must have 0 <= start < stop"),
        ({"input_units": (0, 9)}, "`input_units` must end at n = 5"),
        ({"input_units": (0.0, 3.0)}, "`input_units` must be a pair"),
    ),
)
def test_bad_arguments_of_a_network(changes, message, unchecked):
    f = changes.pop("f", jnp.tanh)
    with pytest.raises(ValueError, match=message):
        network(f, **changes)


def random(**changes):
    given = {"input_size": M, "size": N, "key": jax.random.key(0)}
    return oo.RateNetwork.random(**given | changes)


@pytest.mark.parametrize(
    ("build", "message"),
    (
        (lambda: random(input_size=0), "`input_size` must be a positive integer"),
        (lambda: random(size=2.5), "`size` must be a positive integer"),
        (lambda: random(mask=np.ones((N, N))), "`mask` must be a boolean array"),
        (lambda: random(excitatory=1.5), "`excitatory` must lie between 0 and 1"),
        (lambda: random(radius=0.0), "`radius` must be a positive number"),
        (lambda: random(self_connections=None, radius="a"), "`radius` must be a positive number"),
        (lambda: random(self_connections="no"), "`self_connections` must be True or False"),
        (lambda: oo.Noisy(zoo.organics()), "`network` must be a `RateNetwork`"),
        (lambda: oo.Connectivity(np.ones(3)), "`value` must be a matrix"),
        (lambda: oo.Connectivity(np.ones((2, 2)), mask=np.ones((2, 2))), "`mask` must be a bool"),
        (lambda: oo.Connectivity(np.ones((2, 2)), signs=[1, 2]), "`signs` must hold -1, 0 or 1"),
        (lambda: oo.Connectivity(np.ones((2, 2)), signs=[1, -1]), "`value` must be 0 where"),
        (lambda: oo.Connectivity(np.ones((2, 2)), mask=np.eye(2) > 0), "`value` must be 0 where"),
        (lambda: oo.Readout(np.ones(3)), "`W_out` must be a matrix"),
        (lambda: oo.Readout(np.ones((2, 3)), units=(0, 2)), "`W_out` must have a column"),
        (lambda: oo.Readout(np.ones((2, 3)), units=3), "`units` must be a pair"),
        (lambda: oo.Readout(np.ones((2, 3)), np.ones(3)), "`b_out` must have shape"),
        (lambda: oo.Readout(np.ones((2, 3)), activation="softmax"), "`activation` must be"),
        (lambda: oo.Readout(np.ones((2, 3)), units=(4, 7))(jnp.ones(5)), "`r` must be a response"),
        (lambda: noise(steps=0), "`steps` must be a positive integer"),
        (lambda: noise(size=(2, 0)), "`size` must be a positive integer or a tuple"),
        (lambda: noise(tau=-1.0), "`tau` must be a positive number"),
        (lambda: noise(dt="1"), "`dt` must be a positive number"),
    ),
)
def test_bad_arguments_of_its_parts(build, message, unchecked):
    with pytest.raises(ValueError, match=message):
        build()


def noise(**changes):
    given = {"steps": 3, "size": 2, "dt": 1.0, "tau": 1.0, "key": jax.random.key(0)}
    given |= changes
    return oo.ornstein_uhlenbeck(given.pop("steps"), given.pop("size"), **given)
