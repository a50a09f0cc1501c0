"""The size of each variable, and that a tolerance is relative to it."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo

import organics_ode as oo
from organics_ode._inputs import as_input
from organics_ode._sizes import units

TS = jnp.array([0.0, 10.0])


def units_of(circuit, x, **given):
    circuit = oo.resolve(circuit)
    return units(
        circuit, circuit.initial_state(), as_input(x), TS, **{"is_implicit": False} | given
    )


def test_a_modulator_is_as_large_as_it_rests_and_a_response_as_its_drive():
    circuit = oo.ORGaNICs(*np.ones((3, 1, 1)), sigma=1e-4, b0=0.5, b1=0.5, tau_y=2.0, tau_a=2.0)
    found = units_of(circuit, jnp.array([1e-3]))
    # Within a factor √2, the powers of 2; the drive is heard once more through w_r = 1.
    assert 0.7 < found.a[0] / 0.25e-8 < 1.5
    assert 0.7 < found.y[0] / 1e-3 < 1.5
    assert units_of(circuit, jnp.array([1e-3]), is_implicit=True).a[0] >= 2.0**-26


def test_without_a_drive_it_is_the_first_state_and_never_more_than_1():
    circuit = oo.resolve(zoo.organics())
    silent = jnp.zeros(circuit.input_size)
    start = oo.ORGaNICsState(jnp.full(4, 0.25), jnp.ones(4))
    assert np.all(units(circuit, start, as_input(silent), TS, is_implicit=False).y == 0.25)
    assert np.all(units_of(circuit, silent).y == 1)


class Other(oo.ORGaNICs):
    """A circuit with equations of its own, at another scale."""

    def vector_field(self, t, state, x):
        """ẏ = 10⁻⁶ − y, ȧ = 10⁻³ − a."""
        return oo.ORGaNICsState(1e-6 - state.y, 1e-3 - state.a)


def test_a_subclass_with_its_own_equations_has_the_sizes_of_these():
    circuit = oo.ORGaNICs.random(1, 2, key=jax.random.key(0))
    other = Other(**{k: getattr(circuit, k) for k in zoo.values()})
    found = units_of(other, jnp.zeros(1))
    assert np.all((found.y > 0.7e-6) & (found.y < 1.5e-6))
    assert np.all((found.a > 0.7e-3) & (found.a < 1.5e-3))


@pytest.mark.parametrize("solver", (diffrax.Tsit5(), diffrax.Kvaerno5()))
def test_a_small_sigma_is_solved_to_the_tolerance(solver):
    circuit = oo.ORGaNICs(*np.ones((3, 1, 1)), sigma=1e-4, b0=0.5, b1=0.5, tau_y=2.0, tau_a=2.0)
    exact = diffrax.PIDController(rtol=1e-10, atol=1e-18)
    x, ts = jnp.array([0.5]), jnp.linspace(0, 40, 9)
    expected = oo.simulate(circuit, x, ts, stepsize_controller=exact)
    found = oo.simulate(circuit, x, ts, solver=solver)
    np.testing.assert_allclose(found.states.a, expected.states.a, rtol=1e-4)
