"""A response that has died out to e⁻⁷⁰⁰ and is then driven again."""

import diffrax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo

REST = 700.0  # ms, τ_y is 1 ms


@pytest.mark.parametrize("solver", (None, diffrax.Kvaerno5()), ids=("Tsit5", "Kvaerno5"))
def test_it_is_driven_again(solver):
    """In units of what is left of it, ẏ would depend on the gains at a rate of e⁷⁰⁰ /ms, and no
    step would be short enough. Its closed form is b₁ z (1 − exp(−t/τ_y))."""
    times = {"tau_y": 1.0, "tau_a": 2.0, "tau_b0": 2.0, "tau_b1": 2.0}
    none = oo.Rectification.NONE
    circuit = oo.GatedORGaNICs.random(1, 1, rectification=none, key=0, **times)
    silent = ("W_r", "W", "W_bx0", "W_by0", "W_ba0", "W_bx1", "W_by1", "W_ba1")
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    circuit = oo.replace(circuit, W_zx=one, **dict.fromkeys(silent, zero))
    rest = circuit.initial_state()
    held = oo.ZeroOrderHold([0.0, REST], [[0.0], [1.0]])
    ts = jnp.array([0.0, REST, REST + 1.0, REST + 5.0])
    start = rest._replace(y=jnp.ones(1))
    found = oo.simulate(circuit, held, ts, state0=start, solver=solver)
    expected = rest.b1[0] * (1 - np.exp([-1.0, -5.0]))
    np.testing.assert_allclose(found.states.y[2:, 0], expected, rtol=1e-4)
