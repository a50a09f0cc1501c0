"""The size of each variable, and that a tolerance is relative to it."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import zoo

import organics_ode as oo
from organics_ode.dynamics._inputs import as_input
from organics_ode.dynamics._sizes import sizes

TS = jnp.array([0.0, 10.0])


def sizes_of(circuit, x):
    circuit = oo.resolve(circuit)
    return sizes(circuit, circuit.initial_state(), as_input(x, circuit.input_size), TS)


def test_a_modulator_is_as_large_as_it_rests_and_a_response_as_its_drive():
    circuit = oo.ORGaNICs(*np.ones((3, 1, 1)), sigma=1e-4, b0=0.5, b1=0.5, tau_y=2.0, tau_a=2.0)
    found = sizes_of(circuit, jnp.array([1e-3]))
    assert found.a[0] == pytest.approx(0.25e-8)
    # The drive, 0.5e-3, is heard once more through w_r = 1, and too small to be normalized.
    assert found.y[0] == pytest.approx(1e-3)


def test_without_a_drive_it_is_the_first_state_and_never_more_than_1():
    circuit = oo.resolve(zoo.organics())
    silent = jnp.zeros(circuit.input_size)
    start = oo.ORGaNICsState(jnp.full(4, 0.25), jnp.ones(4))
    assert np.all(sizes(circuit, start, as_input(silent, circuit.input_size), TS).y == 0.25)
    assert np.all(sizes_of(circuit, silent).y == 1)


class Other(oo.ORGaNICs):
    """A circuit with equations of its own, at another scale."""

    def vector_field(self, t, state, x):
        """ẏ = 10⁻⁶ − y, ȧ = 10⁻³ − a."""
        return oo.ORGaNICsState(1e-6 - state.y, 1e-3 - state.a)


def test_a_subclass_with_its_own_equations_has_the_sizes_of_these():
    circuit = oo.ORGaNICs.random(1, 2, key=jax.random.key(0))
    other = Other(**{k: getattr(circuit, k) for k in zoo.values()})
    found = sizes_of(other, jnp.zeros(1))
    np.testing.assert_allclose(found.y, 1e-6)
    np.testing.assert_allclose(found.a, 1e-3)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("solver", (diffrax.Tsit5(), diffrax.Kvaerno5()))
def test_a_small_sigma_is_solved_to_the_tolerance(solver):
    circuit = oo.ORGaNICs(*np.ones((3, 1, 1)), sigma=1e-4, b0=0.5, b1=0.5, tau_y=2.0, tau_a=2.0)
    x, ts = jnp.array([0.5]), np.linspace(0, 40, 9)

    def field(t, v):
        y, a = v
        return (-y + 0.25 + (1 - np.sqrt(a)) * y) / 2, (-a + 0.5e-4**2 + a * y**2) / 2

    exact = {"method": "DOP853", "t_eval": ts, "rtol": 1e-10, "atol": 1e-18}
    expected = scipy.integrate.solve_ivp(field, (0, 40), (0, 0.5e-4**2), **exact).y[1]
    found = oo.simulate(circuit, x, ts, solver=solver)
    np.testing.assert_allclose(found.states.a[:, 0], expected, rtol=1e-4)
