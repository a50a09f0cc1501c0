"""The normalized state against numpy, the vector field, and a long simulation."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from gates import FEEDBACK, constant, settled_gates
from marks import slow

import organics_ode as oo
from organics_ode.facts import closed_form, gains, has_constant_gains, is_exact

EXPONENTS = (1.0, 1.5, 2.0, 3.0, 5.0)


def residual(circuit, state, x):
    """|ẋ| against the largest it could be without its terms cancelling."""
    velocity = circuit.vector_field(0.0, state, x)
    return max(float(jnp.max(jnp.abs(v))) for v in velocity)


@pytest.mark.parametrize("build", (constant, settled_gates))
@pytest.mark.parametrize("rectification", oo.Rectification)
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_the_vector_field_is_zero_there(build, rectification, exponent):
    for seed in range(4):
        circuit = build(rectification, exponent, seed)
        x = zoo.input_of(circuit, seed=seed)
        state = closed_form(circuit, x)
        assert bool(is_exact(circuit))
        # Sums of a dozen terms of order one.
        assert residual(circuit, state, x) < 1e-14
        assert np.any(np.asarray(state.y) != 0)


@pytest.mark.parametrize("rectification", oo.Rectification)
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_it_is_divisive_normalization_as_numpy_writes_it(rectification, exponent):
    circuit = constant(rectification, exponent)
    x = zoo.input_of(circuit)
    y, a = zoo.closed_form(circuit, x)
    state = closed_form(circuit, x)
    np.testing.assert_allclose(state.y, y, rtol=1e-13)
    np.testing.assert_allclose(state.a, a, rtol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "rectification", "exponent"),
    (
        slow(constant, zoo.NONE, 2.0),
        (constant, zoo.BEFORE, 1.5),
        slow(constant, zoo.AFTER, 3.0),
        slow(settled_gates, zoo.AFTER, 2.0),
    ),
)
def test_a_long_simulation_ends_there(build, rectification, exponent):
    circuit = build(rectification, exponent)
    x = zoo.input_of(circuit)
    controller = diffrax.PIDController(rtol=1e-10, atol=1e-12)
    ends = jnp.array([0.0, 3000.0])
    run = oo.simulate(circuit, x, ends, solver=diffrax.Kvaerno5(), stepsize_controller=controller)
    for settled, exact in zip(run.states, closed_form(circuit, x), strict=True):
        # A hundred times the solver's tolerance.
        np.testing.assert_allclose(settled[-1], exact, rtol=1e-8, atol=1e-10)


def test_a_general_W_r_or_gains_with_feedback_are_not_exact():
    assert not is_exact(oo.resolve(zoo.organics()))
    assert not is_exact(oo.resolve(zoo.gated()))
    exact = settled_gates()
    assert bool(is_exact(exact)) and bool(has_constant_gains(exact))
    for name in FEEDBACK:
        leaf = getattr(exact, name).at[0, 1].set(1e-300)
        changed = eqx.tree_at(lambda c, name=name: getattr(c, name), exact, leaf)
        assert not is_exact(changed) and not has_constant_gains(changed), name
    nudged = eqx.tree_at(lambda c: c.W_r, exact, exact.W_r.at[0, 0].add(1e-12))
    assert not is_exact(nudged)


def test_whether_it_is_exact_is_data_and_can_be_traced():
    given = jnp.stack([jnp.eye(2), 2 * jnp.eye(2)])

    def exact(W_r):
        return is_exact(oo.resolve(oo.ORGaNICs(jnp.eye(2), W_r, jnp.eye(2), 0.1, 0.5, 0.5, 2, 2)))

    assert jax.jit(jax.vmap(exact))(given).tolist() == [True, False]


def test_gains_rest_where_their_equations_are_zero():
    circuit = oo.resolve(zoo.gated())
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)
    b0, b1 = gains(circuit, state.y, state.a, x)
    velocity = circuit.vector_field(0.0, state._replace(b0=b0, b1=b1), x)
    np.testing.assert_allclose(velocity.b0, 0, atol=1e-15)
    np.testing.assert_allclose(velocity.b1, 0, atol=1e-15)


def test_without_a_closed_form_it_is_a_finite_start():
    for name in ("organics none p=2", "gated after p=2", "gated one unit"):
        circuit = oo.resolve(zoo.CIRCUITS[name]())
        state = closed_form(circuit, 3 * zoo.input_of(circuit))
        assert all(np.all(np.isfinite(leaf)) for leaf in state)
        assert np.all(np.asarray(state.a) > 0)
