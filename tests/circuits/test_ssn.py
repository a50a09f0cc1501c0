"""The stabilized supralinear network: its equations, two published tables, and neutral growth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode import planar

KEY = jax.random.key(0)


def drawn(seed, *shape):
    return np.random.default_rng(seed).uniform(0.1, 1.0, shape)


def field_by_hand(c, x, V_E, V_I):
    r_E, r_I = (c.gain * np.maximum(V, 0) ** 2 for V in (V_E, V_I))
    dV_E = (-V_E + c.W_EX @ x + c.W_EE @ r_E - c.W_EI @ r_I) / c.tau_E
    dV_I = (-V_I + c.W_IX @ x + c.W_IE @ r_E - c.W_II @ r_I) / c.tau_I
    return dV_E, dV_I


def test_the_vector_field_is_the_equations():
    circuit = oo.SSN.random(2, 3, inhibitory=2, key=KEY, tau_E=[20.0, 15.0, 30.0])
    assert (circuit.input_size, circuit.size) == (2, 3)
    x, V_E, V_I = np.array([3.0, -1.0]), np.array([0.5, -0.2, 2.0]), np.array([1.0, -1.0])
    state = oo.SSNState(jnp.asarray(V_E), jnp.asarray(V_I))
    velocity = circuit.vector_field(0.0, state, jnp.asarray(x))
    expected = field_by_hand(jax.tree.map(np.asarray, oo.resolve(circuit)), x, V_E, V_I)
    for found, by_hand in zip(velocity, expected, strict=True):
        np.testing.assert_allclose(found, by_hand, rtol=1e-13)
    c = oo.resolve(circuit)
    assert all(np.all(np.asarray(W) >= 0) for W in (c.W_EE, c.W_EI, c.W_IE, c.W_II))


def test_the_pair_worked_out_by_hand():
    # V = 2 and 1: r = 1.2 and 0.3; 20 V̇_E = −2 + 1 + 1.5 − 0.195, 10 V̇_I = −1 + 1 + 1.44 − 0.15.
    state = oo.SSNState(jnp.array([2.0]), jnp.array([1.0]))
    velocity = oo.SSN.pair().vector_field(0.0, state, jnp.ones(1))
    np.testing.assert_allclose(velocity, [[0.305 / 20], [1.29 / 10]], rtol=1e-13)


# Hennequin et al. (2018): inputs, and the standard deviation of V_E.
VARIABILITY = {0: 0.200, 1: 0.448, 2: 0.957, 3: 0.733, 5: 0.514, 10: 0.356, 20: 0.268}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::organics_ode.LargeNoiseWarning")
def test_weak_inputs_raise_the_variability_of_the_pair_and_strong_ones_quench_it():
    circuit = oo.SSN.pair()
    sizes = [0.2 * np.sqrt(1 + 20 / 50) / 20, 0.1 * np.sqrt(1 + 10 / 50) / 10]
    noise = oo.OrnsteinUhlenbeckNoise(oo.SSNState(*sizes), 50.0)
    for h, expected in VARIABILITY.items():
        variance = oo.covariance(circuit, np.array([float(h)]), noise)[0, 0]
        assert round(float(np.sqrt(variance)), 3) == expected, h


# Rubin et al. (2015): contrasts, and the response to both of two stimuli, in units of the sum of
# the responses to each; to the printed digits.
PLAIDS = {1.25: 1.17, 2.5: 1.24, 5.0: 1.54, 10.0: 0.87, 20.0: 0.695, 50.0: 0.689}


@pytest.mark.slow
def test_the_ring_adds_weak_stimuli_supralinearly_and_normalizes_strong_ones():
    ring = oo.SSN.ring()

    def response(x):
        return np.asarray(ring.rates(oo.fixed_point(ring, x).state)[0])

    for contrast, expected in PLAIDS.items():
        one, other = (contrast * (np.arange(180) == angle) for angle in (45, 135))
        parts = response(one) + response(other)
        weight = parts @ response(one + other) / (parts @ parts)
        assert f"{weight:.{len(str(expected)) - 2}f}" == f"{expected}", contrast


def test_the_ring_has_the_published_weights_whatever_its_size():
    c, fine = oo.resolve(oo.SSN.ring(18)), oo.resolve(oo.SSN.ring(36))
    np.testing.assert_allclose(c.W_EE[0, 3], 0.44 * np.exp(-(30**2) / (2 * 32**2)), rtol=1e-6)
    np.testing.assert_allclose(c.W_EI[2, 17], 0.23 * np.exp(-(30**2) / (2 * 32**2)), rtol=1e-6)
    np.testing.assert_allclose(c.W_EX[9, 0], np.exp(-(90**2) / (2 * 30**2)), rtol=1e-6)
    np.testing.assert_allclose(c.W_EE.sum(1)[0], fine.W_EE.sum(1)[0], rtol=1e-2)


@pytest.mark.slow
def test_the_plane_of_the_pair_shows_where_it_rests():
    circuit, x = oo.SSN.pair(), np.array([5.0])
    points = planar.fixed_points(circuit, x, y_range=(-1, 10), a_range=(-1, 10))
    rest = oo.fixed_point(circuit, x).state
    np.testing.assert_allclose(points.pairs, [np.ravel(rest)], rtol=1e-8)
    # V_E = 5 + 1.25 r_E − 0.65 r_I, V_I = 5 + 1.2 r_E − 0.5 r_I.
    r_E, r_I = (float(0.3 * V[0] ** 2) for V in rest)
    expected = [5 + 1.25 * r_E - 0.65 * r_I, 5 + 1.2 * r_E - 0.5 * r_I]
    np.testing.assert_allclose(np.ravel(rest), expected, rtol=1e-8)


PARENTS = ([1, 0, 0, 1, 0], [0, 1, 1])


def test_growth_is_neutral_to_the_dynamics():
    circuit = oo.SSN(
        *(drawn(i, 2, 2) for i in range(4)), oo.Frozen(drawn(4, 2, 3)), drawn(5, 2, 3), [20.0, 30.0]
    )
    grown, (E, I) = circuit.grow(*PARENTS), PARENTS
    assert grown.size == 5 and grown.W_II.unwrap().shape == (3, 3)
    assert isinstance(grown.W_EX, oo.Frozen) and isinstance(grown.W_EE, oo.NonNegative)
    small, x = oo.SSNState(jnp.array([2.0, -0.5]), jnp.array([1.5, 3.0])), jnp.asarray(drawn(6, 3))
    velocity = circuit.vector_field(0.0, small, x)
    large = oo.SSNState(small.V_E[jnp.array(E)], small.V_I[jnp.array(I)])
    found = grown.vector_field(0.0, large, x)
    np.testing.assert_allclose(found.V_E, velocity.V_E[jnp.array(E)], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.V_I, velocity.V_I[jnp.array(I)], rtol=0, atol=1e-12)
    # The outgoing weights are shared, and not the incoming ones.
    np.testing.assert_allclose(grown.W_EE.unwrap()[0, 1], circuit.W_EE.unwrap()[1, 0] / 3)
    assert circuit.grow().size == 2


def test_copies_have_the_noise_of_their_parents():
    circuit, L = oo.SSN.random(1, 2, key=KEY), drawn(7, 4, 4)
    grown = np.asarray(circuit.grow_factor(L, *PARENTS))
    parents = np.array([*PARENTS[0], *(2 + np.array(PARENTS[1]))])
    np.testing.assert_allclose(grown @ grown.T, (L @ L.T)[parents][:, parents], rtol=1e-13)
    np.testing.assert_allclose(grown[0, 1], L[1, 0] / np.sqrt(3))


REFUSED = {
    "`excitatory` must name each of the 2 parents, 0 to 1": lambda c: c.grow([0, 0]),
    "`inhibitory` must hold the index of a parent": lambda c: c.grow(None, [0.5, 1.0]),
    "`factor` must have shape": lambda c: c.grow_factor(np.eye(3)),
    "`W_EI` must not be negative": lambda c: oo.replace(c, W_EI=-np.eye(2)),
    "`size` must be a positive integer": lambda c: oo.SSN.ring(0),
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_arguments_are_refused_by_name(message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        REFUSED[message](oo.SSN.random(1, 2, key=KEY))
