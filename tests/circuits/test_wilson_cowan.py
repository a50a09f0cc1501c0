"""Wilson & Cowan's populations against scipy: trajectories, states at rest, the limit cycle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

import organics_ode as oo

# Wilson & Cowan (1972): three states at rest (their figure 4), and a limit cycle (figure 11).
BISTABLE = {"W": (12.0, 4.0, 13.0, 11.0), "a": (1.2, 1.0), "theta": (2.8, 4.0)}
CYCLE = {"W": (16.0, 12.0, 15.0, 3.0), "a": (1.3, 2.0), "theta": (4.0, 3.7)}


def pair(W, a, theta, tau=10.0):
    """One pair, whose excitatory population gets the input."""
    weights = [np.array([[w]]) for w in (*W, 1.0, 0.0)]
    return oo.WilsonCowan(*weights, *a, *theta, 1.0, 1.0, tau, tau)


def by_hand(circuit, x):
    """The vector field of the equations, in numpy, for E and I one after the other."""
    c = jax.tree.map(np.asarray, oo.resolve(circuit))
    n = len(c.W_EE)

    def S(u, a, theta):
        return 1 / (1 + np.exp(-a * (u - theta))) - 1 / (1 + np.exp(a * theta))

    def field(_, v):
        E, I = v[:n], v[n:]
        k_E, k_I = 1 - 1 / (1 + np.exp(c.a_E * c.theta_E)), 1 - 1 / (1 + np.exp(c.a_I * c.theta_I))
        S_E = S(c.W_EE @ E - c.W_EI @ I + c.W_EX @ x, c.a_E, c.theta_E)
        S_I = S(c.W_IE @ E - c.W_II @ I + c.W_IX @ x, c.a_I, c.theta_I)
        dE, dI = -E + (k_E - c.r_E * E) * S_E, -I + (k_I - c.r_I * I) * S_I
        return np.concatenate([dE / c.tau_E, dI / c.tau_I])

    return field


def flow(circuit, x, ts, start):
    options = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-13, "t_eval": ts}
    return scipy.integrate.solve_ivp(by_hand(circuit, x), (0, ts[-1]), start, **options).y.T


def test_trajectories_of_many_populations_are_scipys(tmp_path):
    times = {"tau_E": oo.LogUniform(5, 20), "r_I": np.array([0.0, 0.5]), "theta_E": [3.0, 4.0, 5.0]}
    circuit = oo.WilsonCowan.random(2, 3, inhibitory=2, key=jax.random.key(0), **times)
    assert (circuit.input_size, circuit.size) == (2, 3)
    x, ts = np.array([3.0, -1.0]), np.linspace(0, 60, 7)
    start = oo.WilsonCowanState(jnp.array([0.3, 0.0, 0.1]), jnp.array([0.0, 0.2]))
    oo.save(tmp_path / "circuit", circuit)
    circuit = oo.load(tmp_path / "circuit")
    found = oo.simulate(circuit, x, ts, state0=start).states
    expected = flow(circuit, x, ts, np.concatenate(start))
    # The default is to keep solutions to about 1e-6.
    np.testing.assert_allclose(np.hstack(found), expected, rtol=0, atol=2e-6)
    exact = by_hand(circuit, x)(0, expected[3])
    state = oo.WilsonCowanState(*map(jnp.asarray, np.split(expected[3], [3])))
    velocity = circuit.vector_field(0.0, state, jnp.asarray(x))
    np.testing.assert_allclose(np.concatenate(velocity), exact, rtol=1e-12, atol=1e-15)


def roots(circuit, x):
    """All states at rest of one pair from a grid of starts, by scipy, and their eigenvalues."""
    field, found = by_hand(circuit, x), []
    for start in np.stack(np.meshgrid(*2 * [np.linspace(0, 0.5, 9)]), -1).reshape(-1, 2):
        root = scipy.optimize.root(lambda v: field(0, v), start, tol=1e-13)
        is_new = all(np.abs(root.x - other).max() > 1e-6 for other in found)
        if np.abs(field(0, root.x)).max() < 1e-12 and is_new:
            found.append(root.x)
    found = sorted(found, key=lambda v: v[0])
    h = 1e-6 * np.eye(2)
    slopes = [
        np.stack([(field(0, v + d) - field(0, v - d)) / 2e-6 for d in h], axis=1) for v in found
    ]
    return np.array(found), [np.linalg.eigvals(J) for J in slopes]


def rests_at(circuit, x, start):
    return oo.fixed_point(circuit, x, state0=oo.WilsonCowanState(*np.split(start, 2)))


@pytest.mark.slow
def test_two_stable_states_with_a_saddle_between_them():
    circuit, x = pair(**BISTABLE), np.zeros(1)
    expected, eigenvalues = roots(circuit, x)
    assert [np.max(values.real) < 0 for values in eigenvalues] == [True, False, True]
    for v, values in zip(expected[::2], eigenvalues[::2], strict=True):
        found = rests_at(circuit, x, v + 0.01)
        np.testing.assert_allclose(np.concatenate(found.state), v, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.abscissa, values.real.max(), rtol=1e-7)
        assert found.is_stable


@pytest.mark.slow
def test_the_search_finds_all_three_and_no_theorem_is_claimed():
    circuit, x = pair(**BISTABLE), np.zeros(1)
    points = oo.find_fixed_points(circuit, x, key=jax.random.key(1), starts=64)
    order = np.argsort(np.asarray(points.states.E)[:, 0])
    states = np.hstack(points.states)[order]
    np.testing.assert_allclose(states, roots(circuit, x)[0], rtol=0, atol=1e-9)
    assert np.asarray(points.is_stable)[order].tolist() == [True, False, True]
    certificate = oo.certify(circuit, x)
    assert not certificate.holds and "no theorem is known here" in certificate.reasons[0]


@pytest.mark.slow
def test_the_limit_cycle_of_the_paper():
    circuit, x = pair(**CYCLE), np.array([1.25])
    (rest,), (values,) = roots(circuit, x)
    assert values.real.min() > 0  # nowhere to rest: an unstable spiral alone
    found = rests_at(circuit, x, rest + 0.01)
    np.testing.assert_allclose(np.concatenate(found.state), rest, rtol=1e-8)
    np.testing.assert_allclose(found.abscissa, values.real.max(), rtol=1e-7)
    assert not found.is_stable
    ts = np.arange(0.0, 800.0, 1.0)
    E = np.asarray(oo.simulate(circuit, x, ts).states.E)[:, 0]
    np.testing.assert_allclose(E, flow(circuit, x, ts, np.zeros(2))[:, 0], rtol=0, atol=1e-4)
    rises = np.flatnonzero((E[400:-1] < rest[0]) & (E[401:] >= rest[0]))
    assert len(rises) == 8 and set(np.diff(rises)) == {50}  # five time constants a turn
    np.testing.assert_allclose(np.ptp(E[400:600]), np.ptp(E[600:]), rtol=1e-2)
    assert np.ptp(E[400:]) > 0.1


BAD = {
    "`W_EI` must not be negative, but its smallest value is -4": {"W": (12.0, -4.0, 13.0, 11.0)},
    "`a_I` must be positive": {"a": (1.0, 0.0)},
    r"`theta_E` must be a scalar or have shape \(n,\) = \(1,\)": {"theta": (np.ones(2), 1.0)},
    "`tau_E` must be positive": {"tau": -1.0},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_refused_by_name(message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        pair(**BISTABLE | BAD[message])
    with pytest.raises(ValueError, match=r"^Argument `inhibitory` must be a positive integer"):
        oo.WilsonCowan.random(1, 2, inhibitory=0, key=jax.random.key(0))
