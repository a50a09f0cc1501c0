"""`FeedbackNetwork` against numpy: its equations, geometry, fixed points and eigenvalues."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compared import tree_equal
from feedback_cases import (
    FIGURE_1E,
    LARGE,
    OUTLIERS,
    RADII,
    READOUTS,
    C,
    G,
    Geometry,
    N,
    arrays,
    outlier,
    small,
    solutions,
    to_state,
)
from scipy.integrate import solve_ivp

import organics_ode as oo
from organics_ode import feedback


@pytest.fixture(scope="module")
def network():
    return oo.FeedbackNetwork.random(N, FIGURE_1E, C, g=G, key=jax.random.key(0))


@pytest.fixture(scope="module")
def solved(network):
    return solutions(network)


def test_directions_are_orthogonal_and_of_norm_root_n_exactly_and_of_any_sign():
    draw = jax.vmap(lambda key: oo.orthogonal_directions(7, 3, key=key))
    drawn = np.asarray(draw(jax.random.split(jax.random.key(1), 200)))
    gram = np.einsum("kin,kjn->kij", drawn, drawn)
    np.testing.assert_allclose(gram, np.broadcast_to(7 * np.eye(3), gram.shape), atol=1e-13)
    # 200 fair coins for each entry: five standard deviations of their mean are 0.35.
    assert np.all(np.abs(np.mean(np.sign(drawn), axis=0)) < 0.35)


def test_the_overlaps_of_a_random_network_are_those_of_its_geometry_to_rounding(network):
    found, geo, rest = feedback.overlaps(network), FIGURE_1E, np.sqrt(0.75)
    expected = {
        "sigma_m": 1.2,
        "sigma_I": 0.5,
        "sigma_mI": 0.25 * 1.2 * 0.5,
        "n_m": C * 1.2 * (0.5 + rest),
        "n_I": C * 0.5 * (0.5 + 0.3 * rest),
        "norm": C * np.sqrt(2.09),
    }
    for name, value in expected.items():
        assert float(getattr(found, name)) == pytest.approx(value, rel=1e-13), name
    # The projections are those of a least-squares fit.
    plane = np.stack([network.m, network.I], axis=1)
    parts, rest, *_ = np.linalg.lstsq(plane, np.asarray(network.n), rcond=None)
    np.testing.assert_allclose([found.along_m, found.along_I], parts, rtol=1e-12)
    assert float(found.outside) == pytest.approx(np.sqrt(rest[0] / N), rel=1e-12)
    chi = np.asarray(network.chi)
    # N² independent normal numbers of variance 1/N.
    assert abs(np.var(chi) * N - 1) < 5 * np.sqrt(2) / N
    assert geo.rho == 0.5


@pytest.mark.parametrize(("rank", "inputs"), [(None, None), (None, 2), (2, None), (3, 2)])
def test_the_vector_field_and_the_readout_are_the_equations(rank, inputs):
    network = small(rank, inputs, phi=jnp.arctan)
    rng = np.random.default_rng(9)
    x, u = rng.normal(size=6), rng.normal(size=inputs or 0)
    state = oo.FeedbackNetworkState(jnp.asarray(x))
    c, phi = network, np.arctan(x)
    z = np.array([np.dot(n, phi) / 6 for n in np.reshape(c.n, (6, -1)).T])
    expected = -x + 0.7 * np.asarray(c.chi) @ phi + np.asarray(c.I) + np.asarray(c.W_x) @ u
    expected += np.reshape(c.m, (6, -1)) @ z
    np.testing.assert_allclose(c.vector_field(None, state, jnp.asarray(u)).x, expected, rtol=1e-12)
    np.testing.assert_allclose(np.ravel(c.readout(state)), z, rtol=1e-12)
    assert c.readout(state).shape == (() if rank is None else (rank,))
    assert (c.size, c.rank, c.input_size) == (6, rank or 1, inputs or 0)
    # In open loop the same value comes from outside.
    clamped = c.clamped(c.readout(state))
    np.testing.assert_allclose(
        clamped.vector_field(None, state, jnp.asarray(u)).x, expected, rtol=1e-12
    )
    assert not np.any(clamped.n)


@pytest.mark.parametrize("rank", [None, 2])
def test_the_jacobian_is_the_derivative(rank):
    network, state = small(rank), oo.FeedbackNetworkState(jnp.linspace(-1.0, 2.0, 6))

    def field(v):
        return network.vector_field(None, oo.FeedbackNetworkState(v), jnp.zeros(0)).x

    J = oo.jacobian(network, state, [])
    np.testing.assert_allclose(J, jax.jit(jax.jacfwd(field))(state.x), rtol=1e-12, atol=1e-14)
    blocks = oo.jacobian_blocks(network, state, [])
    np.testing.assert_allclose(blocks.x.x, J, rtol=1e-13)


@pytest.mark.slow
def test_the_search_finds_the_three_fixed_points_with_their_stability(network, solved):
    found = oo.find_fixed_points(network, [], key=jax.random.key(1), starts=16)
    found = found.sort([float(network.readout(state)) for state in found])
    assert len(found) == len(solved) == 3
    z, x = zip(*solved, strict=True)
    np.testing.assert_allclose(network.readout(found.states), z, atol=1e-9)
    np.testing.assert_allclose(found.states.x, x, atol=1e-8)
    assert list(found.is_stable) == [True, False, True]
    for i in range(3):
        assert float(found.abscissae[i]) + 1 == pytest.approx(outlier(network, x[i]), abs=1e-8)


def test_fixed_points_and_outliers_are_those_of_the_theory_within_finite_size():
    network = oo.FeedbackNetwork.random(LARGE, FIGURE_1E, C, g=G, key=jax.random.key(0))
    z, x = zip(*solutions(network), strict=True)
    outliers = [outlier(network, v) for v in x[:2]]
    # Over such networks the readouts differ by 0.05 and the outliers by 0.05 (standard deviation).
    np.testing.assert_allclose(z, READOUTS, atol=3 * 0.05)
    np.testing.assert_allclose(outliers, OUTLIERS, atol=3 * 0.05)
    # All other eigenvalues lie in the theory's disk or at its edge; the target has no outlier.
    for v, radius, expected in zip(x, RADII, (*OUTLIERS, None), strict=True):
        values = 1 + np.linalg.eigvals(np.asarray(oo.jacobian(network, to_state(v), [])))
        if expected is not None:
            values = np.delete(values, np.argmin(np.abs(values - expected)))
        assert 0.9 * radius < np.max(np.abs(values)) < 1.2 * radius
        assert np.mean(np.abs(values) > radius) < 0.05


@pytest.mark.slow
def test_a_fixed_point_from_several_starts_is_where_long_solves_end(network, solved):
    chi, m, n, I, g = arrays(network)

    def field(t, x):
        return -x + g * chi @ np.tanh(x) + m * (n @ np.tanh(x) / N) + I

    for z0, i in ((-2.0, 0), (-0.6, 0), (-0.2, 2), (3.0, 2)):
        start = oo.FeedbackNetworkState(network.m * z0 + network.I)
        point = oo.fixed_point(network, [], state0=start)
        assert point.succeeded and point.abscissa < 0
        end = solve_ivp(field, (0, 80), start.x, method="LSODA", rtol=1e-9, atol=1e-10).y[:, -1]
        # A stable point is promised, not the one of the basin: where the routes agree is in z.
        assert min(abs(network.readout(point.state) - solved[k][0]) for k in (0, 2)) < 1e-9
        assert n @ np.tanh(end) / N == pytest.approx(solved[i][0], abs=1e-7)
        if abs(z0) > 1:
            np.testing.assert_allclose(point.state.x, end, atol=1e-6)


@pytest.mark.slow
def test_simulate_and_unroll_come_to_the_attractor(network, solved):
    state0 = oo.FeedbackNetworkState(-2 * network.m)
    run = oo.simulate(network, [], jnp.array([0.0, 30.0]), state0=state0)
    assert run.succeeded
    assert float(network.readout(run.states)[-1]) == pytest.approx(solved[0][0], abs=1e-4)
    cell = oo.Euler(network, 0.2)
    last = oo.unroll(cell, jnp.zeros((150, 0)), state0=state0, last_only=True)
    np.testing.assert_allclose(network.readout(last), solved[0][0], atol=1e-5)


def test_a_network_is_saved_and_loaded_to_the_bit(tmp_path):
    network = small(2, 1, phi=jax.nn.softplus)
    oo.save(tmp_path / "network", network)
    back = oo.load(tmp_path / "network")
    assert tree_equal(back, network, typematch=True)
    assert back.phi is jax.nn.softplus
    assert repr(back).startswith("FeedbackNetwork(")


def test_every_parameter_gets_a_gradient_and_a_frozen_one_none():
    network = small(2, 1)
    frozen = oo.FeedbackNetwork(
        oo.Frozen(network.chi), network.m, network.n, network.I, network.g, network.W_x
    )
    state = oo.FeedbackNetworkState(jnp.linspace(-1.0, 1.0, 6))

    def loss(c):
        return jnp.sum(c.vector_field(None, state, jnp.ones(1)).x ** 2)

    for circuit, silent in ((network, ()), (frozen, ("chi",))):
        slopes = oo.resolve(eqx.filter_grad(loss)(circuit))
        for name in ("chi", "m", "n", "I", "g", "W_x"):
            assert np.any(np.asarray(getattr(slopes, name)) != 0) == (name not in silent), name


def test_float32_stays_float32():
    network = jax.tree.map(lambda v: v.astype(jnp.float32), small(2, 1))
    state = network.initial_state()
    assert state.x.dtype == jnp.float32
    assert network.vector_field(None, state, jnp.ones(1, jnp.float32)).x.dtype == jnp.float32
    made = oo.FeedbackNetwork(network.chi, network.m, network.n, network.I, 0.5)
    assert {leaf.dtype for leaf in jax.tree.leaves(made)} == {np.dtype("float32")}


A = np.eye(4)
BAD = {
    "chi not square": ({"chi": np.ones((4, 3))}, "chi"),
    "m too short": ({"m": np.ones(3)}, "m"),
    "m of three axes": ({"m": np.ones((4, 1, 1))}, "m"),
    "no rank": ({"m": np.ones((4, 0)), "n": np.ones((4, 0))}, "m"),
    "n of another rank": ({"n": np.ones((4, 2))}, "n"),
    "I of two axes": ({"I": np.ones((4, 1))}, "I"),
    "NaN in n": ({"n": np.full(4, np.nan)}, "n"),
    "infinite chi": ({"chi": np.inf * np.ones((4, 4))}, "chi"),
    "negative g": ({"g": -0.1}, "g"),
    "g an array": ({"g": np.ones(4)}, "g"),
    "W_x transposed": ({"W_x": np.ones((2, 4))}, "W_x"),
    "phi not a function": ({"phi": "tanh"}, "phi"),
    "phi that sums": ({"phi": jnp.sum}, "phi"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_network_is_refused_by_name(case):
    change, name = BAD[case]
    given = {"chi": A, "m": np.ones(4), "n": np.ones(4), "I": np.ones(4), "g": 0.5} | change
    with pytest.raises(ValueError, match=f"^Argument `{name}` must "):
        oo.FeedbackNetwork(**given)


BAD_RANDOM = {
    "two units": ({"size": 2}, "size"),
    "half a unit": ({"size": 10.5}, "size"),
    "rho above 1": ({"geometry": Geometry(rho=1.1)}, "geometry"),
    "rho below 0": ({"geometry": Geometry(rho=-0.1)}, "geometry"),
    "no feedback": ({"geometry": Geometry(sigma_m=0.0)}, "geometry"),
    "no input": ({"geometry": Geometry(sigma_I=0.0)}, "geometry"),
    "no readout": ({"geometry": Geometry(p=0.0, p_m=0.0, p_I=0.0)}, "geometry"),
    "NaN": ({"geometry": Geometry(p=np.nan)}, "geometry"),
    "not a geometry": ({"geometry": (1.0, 2.0)}, "geometry"),
    "an array": ({"geometry": Geometry(p=np.ones(2))}, "geometry.p"),
    "infinite c, as at A*": ({"c": np.inf}, "n"),
    "c an array": ({"c": np.ones(2)}, "c"),
    "negative g": ({"g": -1.0}, "g"),
}


@pytest.mark.parametrize("case", BAD_RANDOM)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_geometry_is_refused_by_name(case):
    change, name = BAD_RANDOM[case]
    given = {
        "size": 5,
        "geometry": Geometry(),
        "c": 1.0,
        "g": 0.5,
        "key": jax.random.key(0),
    } | change
    with pytest.raises(ValueError, match=f"^Argument `{name}` must "):
        oo.FeedbackNetwork.random(**given)


@pytest.mark.usefixtures("unchecked")
def test_inputs_that_the_network_does_not_have_are_refused():
    with pytest.raises(ValueError, match=r"^Argument `x` must have shape"):
        oo.fixed_point(small(), [1.0])
    with pytest.raises(ValueError, match=r"^Argument `z` must have shape"):
        small(2).clamped(1.0)
    with pytest.raises(ValueError, match=r"^Argument `count` must be at most"):
        oo.orthogonal_directions(3, 4, key=jax.random.key(0))
