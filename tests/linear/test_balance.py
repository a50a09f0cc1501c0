"""Time scales, largest terms and substitution, against the equations written out in numpy."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from oscillators import Linear, Two

import organics_ode as oo
from organics_ode.facts import closed_form, largest_terms, relaxation_times, substitute

STATE = Two(jnp.array([3.0]), jnp.array([-2.0]))
X = jnp.array([0.5, -0.25])


def linear(*rows):
    return Linear(jnp.array(rows, float))


def numpy_of(circuit):
    return {name: np.asarray(getattr(oo.resolve(circuit), name)) for name in zoo.values()}


def broadcast(value, n=zoo.N):
    return np.broadcast_to(np.asarray(value), (n,))


@pytest.mark.parametrize("per_unit", (True, False))
def test_the_times_are_those_of_the_circuit_one_per_equation(per_unit):
    for circuit in (zoo.organics(per_unit=per_unit), zoo.gated(per_unit=per_unit)):
        c, state = oo.resolve(circuit), zoo.state_of(circuit)
        times = relaxation_times(c, state, zoo.input_of(circuit))
        fields = zip(times._fields, times, strict=True)
        for name, tau in fields:
            np.testing.assert_array_equal(tau, broadcast(getattr(c, f"tau_{name}")))


def test_the_times_of_any_other_circuit_are_its_decay():
    times = relaxation_times(linear((-0.5, 7), (3, 0.25)), STATE, X)
    np.testing.assert_array_equal(jnp.concatenate(times), [2, 4])


def test_an_equation_that_does_not_decay_gets_a_finite_time():
    # The slowest time is that of the fastest decay, .5, times the number of variables.
    times = relaxation_times(linear((-0.5, 7), (3, 0)), STATE, X)
    np.testing.assert_array_equal(jnp.concatenate(times), [2, 4])
    times = relaxation_times(linear((0, 7), (3, 0)), STATE, X)
    np.testing.assert_array_equal(jnp.concatenate(times), [1, 1])


def test_the_largest_terms_are_those_of_the_equations():
    circuit = zoo.organics(exponent=3.0)
    c, (y, a) = numpy_of(circuit), map(np.asarray, zoo.state_of(circuit))
    x = np.asarray(zoo.input_of(circuit))
    drive = c["b1"] * (c["W_zx"] @ x)
    recurrent = (1 - np.cbrt(a))[:, None] * c["W_r"] * y[None, :]
    # The sum over j enters with what it would be if nothing in it cancelled.
    terms_y = np.max([abs(y), abs(drive), abs(recurrent).sum(1)], 0) / c["tau_y"]
    offset, pooled = (c["sigma"] * c["b0"]) ** 3, c["W"] @ (a * abs(y) ** 3)
    terms_a = np.max([a, offset, pooled], 0) / c["tau_a"]
    found = largest_terms(oo.resolve(circuit), zoo.state_of(circuit), jnp.asarray(x))
    np.testing.assert_allclose(found.y, terms_y, rtol=1e-13)
    np.testing.assert_allclose(found.a, terms_a, rtol=1e-13)


@pytest.mark.parametrize("rectification", oo.Rectification)
def test_the_residual_of_the_closed_form_is_rounding(rectification):
    for seed in range(5):
        circuit = oo.resolve(zoo.organics(rectification, identity=True, seed=seed))
        x = 30 * zoo.input_of(circuit, seed=seed)
        state = closed_form(circuit, x)
        velocity = circuit.vector_field(None, state, x)
        for f, term in zip(velocity, largest_terms(circuit, state, x), strict=True):
            assert np.all(np.abs(f) <= 16 * np.finfo(float).eps * np.asarray(term))


def test_the_gains_of_a_gated_circuit_have_terms_of_their_own():
    circuit = oo.resolve(zoo.gated(rectification=oo.Rectification.NONE))
    state, x = zoo.state_of(circuit), zoo.input_of(circuit)
    found = largest_terms(circuit, state, x)
    constant: dict[str, Any] = {
        name: value for name, value in zoo.values().items() if name not in ("b0", "b1")
    }
    plain = oo.resolve(oo.ORGaNICs(**constant, b0=state.b0, b1=state.b1))
    plain_found = largest_terms(plain, oo.ORGaNICsState(state.y, state.a), x)
    np.testing.assert_allclose(found.y, plain_found.y, rtol=1e-13)
    np.testing.assert_allclose(found.a, plain_found.a, rtol=1e-13)
    for k, b in ((0, state.b0), (1, state.b1)):
        W_bx, W_by, W_ba = (np.asarray(getattr(circuit, f"W_b{v}{k}")) for v in "xya")
        gate = 1 / (1 + np.exp(-(W_bx @ x + W_by @ state.y + W_ba @ state.a)))
        tau = np.asarray(getattr(circuit, f"tau_b{k}"))
        terms = np.maximum(np.asarray(b), gate) / tau
        np.testing.assert_allclose(getattr(found, f"b{k}"), terms, rtol=1e-13)


def test_the_terms_of_any_other_circuit_are_those_of_its_linearisation():
    found = largest_terms(linear((-0.5, 7), (3, 0.25)), STATE, X)
    # max(|.5 · 3|, |7 · 2|) and max(|3 · 3|, |.25 · 2|). Its rate at 0 is none of the terms here:
    # with it, 1/(1 + v²) would be small at a large v.
    np.testing.assert_array_equal(jnp.concatenate(found), [14, 9])


def test_a_unit_that_is_not_heard_adds_nothing_to_the_terms_of_the_others():
    # BEFORE rectifies what the others get of y: however far below 0 the first unit is, the second
    # has the terms y, b1 z and (1 − s) W_r ⌊y⌋.
    one = np.ones((2, 2))
    circuit = oo.ORGaNICs(
        np.eye(2), one, one, 1.0, 1.0, 1.0, 1.0, 1.0, rectification=oo.Rectification.BEFORE
    )
    state = oo.ORGaNICsState(jnp.array([-1e6, 0.5]), jnp.array([4.0, 9.0]))
    found = largest_terms(oo.resolve(circuit), state, jnp.array([0.1, 0.2]))
    np.testing.assert_allclose(found.y, [1e6, 2 * 0.5], rtol=1e-15)


@pytest.mark.parametrize("rectification", oo.Rectification)
@pytest.mark.parametrize("build", (zoo.organics, zoo.gated))
def test_substitution_solves_each_equation_for_its_own_variable(build, rectification):
    circuit = oo.resolve(build(rectification))
    state, x = zoo.state_of(circuit, seed=1), zoo.input_of(circuit, seed=1)
    # A y whose active units are those of the y that comes out, which rectified equations need.
    for _ in range(6):
        state = state._replace(y=substitute(circuit, state, x).y)
    new = substitute(circuit, state, x)
    np.testing.assert_array_equal(np.sign(new.y), np.sign(state.y))
    dy = circuit.vector_field(None, state._replace(y=new.y), x).y
    np.testing.assert_allclose(dy, 0, atol=1e-13)
    c, s = circuit, np.asarray(state.a)
    pooled = np.asarray(new.y) ** 2
    if rectification is not oo.Rectification.NONE:
        pooled = np.where(np.asarray(new.y) > 0, pooled, 0)
    b0 = np.asarray(state.b0 if build is zoo.gated else c.b0)
    a = (np.asarray(c.sigma) * b0) ** 2 + np.asarray(c.W) @ (s * pooled)
    np.testing.assert_allclose(new.a, a, rtol=1e-12)
    if build is zoo.gated:
        # The gains rest at the new y and a.
        still = circuit.vector_field(None, new, x)
        np.testing.assert_allclose([still.b0, still.b1], 0, atol=1e-14)


def test_substitution_stays_at_a_fixed_point():
    circuit = oo.resolve(zoo.organics(identity=True))
    x = zoo.input_of(circuit)
    state = closed_form(circuit, x)
    for new, old in zip(substitute(circuit, state, x), state, strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-12)


def test_a_circuit_of_ones_own_has_nothing_to_substitute():
    assert substitute(linear((-1, 0), (0, -1)), STATE, X) is STATE
