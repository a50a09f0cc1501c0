"""What networks do in the periods of their trials, on a unit whose states of rest are known:
τ ṙ = −r + tanh(w r + x)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import organics_ode as oo
from organics_ode import periods

TAU, DT = 100.0, 20.0


def switch(w=2.0, f=jnp.tanh, dt=DT):
    return oo.Euler(oo.RateNetwork([[w]], [[1.0]], [0.0], TAU, f=f), dt)


def rest(guess, x=0.0, w=2.0):
    return scipy.optimize.root_scalar(lambda r: np.tanh(w * r + x) - r, x0=guess, x1=guess + 0.1)


def visited(starts, inputs):
    cell = switch()
    starts, inputs = oo.RateNetworkState(jnp.asarray(starts)), jnp.asarray(inputs)
    states = jax.vmap(lambda start, xs: oo.unroll(cell, xs, state0=start))(starts, inputs)
    return periods.Visit(inputs, starts, states)


@pytest.fixture(scope="module")
def visit():
    """From either side, without input, and one trial with an input that leaves one state alone."""
    inputs = np.zeros((3, 40, 1))
    inputs[2] = 1.0
    return visited([[0.2], [-0.3], [-0.3]], inputs)


def test_a_visit_starts_at_rest_and_follows_the_steps():
    inputs = np.random.default_rng(0).normal(size=(2, 5, 1))
    found = periods.visit(switch(), inputs, burn_in=3)
    for xs, before, states in zip(inputs, found.rest.r, found.states.r, strict=True):
        r = np.zeros(1)
        for t, x in enumerate([*[xs[0]] * 3, *xs]):
            r = r + DT / TAU * (np.tanh(2 * r + x) - r)
            expected = before if t == 2 else states[t - 3] if t > 2 else r
            np.testing.assert_allclose(r, expected, rtol=1e-12)
    alone = periods.visit(switch(), inputs)
    np.testing.assert_array_equal(alone.rest.r, np.zeros((2, 1)))


@pytest.mark.slow
def test_every_input_that_is_held_has_its_points(visit):
    found = periods.points(switch(), visit, (20, 40))
    own, other = found.found
    r = rest(0.9).root
    np.testing.assert_allclose(np.sort(own.states.r.ravel()), [-r, r], rtol=1e-9)
    np.testing.assert_allclose(other.states.r, [[rest(0.9, 1.0).root]], rtol=1e-9)
    assert (found.fixed, found.stable, found.slow, found.distinct) == (1.0, 1.0, 0.0, 3)
    # tanh′ = 1 − tanh² is 1 − r² at rest; the median is one of the two alike.
    assert found.abscissa == pytest.approx((2 * (1 - r**2) - 1) / TAU, rel=1e-9)


def test_a_ghost_is_slow_if_little_moves_in_the_period():
    # Beyond the fold at x = 0.53: two of the three states of rest are gone, and r lingers there.
    w, x = 2.0, -0.55
    speed = lambda r: abs(np.tanh(w * r + x) - r) / TAU  # noqa: E731
    slowest = scipy.optimize.minimize_scalar(speed, bounds=(0.5, 0.9), method="bounded")
    visit = visited([[0.8], [0.75]], np.full((2, 30, 1), x))
    moved = slowest.fun * DT * 20 / np.asarray(visit.states.r).std()
    found = periods.points(switch(), visit, (0, 20), slow=1.001 * moved)
    assert (found.fixed, found.slow, found.distinct) == (0.0, 1.0, 1)
    assert np.isnan(found.abscissa)
    np.testing.assert_allclose(found.found[0].states.r, [[slowest.x]], rtol=1e-4)
    assert periods.points(switch(), visit, (0, 20), slow=0.999 * moved).slow == 0.0


def test_ends_are_counted_and_the_way_is_measured():
    starts = oo.RateNetworkState(np.array([[0.2], [-0.3], [1.5]]))
    found = periods.ends(switch(), starts, np.zeros((3, 1)), 500)
    r = rest(0.9).root
    np.testing.assert_allclose(found.states.r.ravel(), [r, -r, r], rtol=1e-9)
    assert found.distinct == 2
    assert found.largest == pytest.approx(1.5 + DT / TAU * (np.tanh(3.0) - 1.5), rel=1e-12)
    assert periods.ends(switch(), starts, np.zeros((3, 1)), 500, within=2.1).distinct == 1


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda v: periods.visit(switch(), np.zeros((3, 1, 2))), "`inputs` must have shape"),
        (lambda v: periods.visit(switch(), np.zeros((0, 3, 1))), "`inputs` must have shape"),
        (lambda v: periods.visit(switch(), np.full((1, 3, 1), np.nan)), "`inputs` must be finite"),
        (lambda v: periods.visit(switch(), np.zeros((1, 3, 1)), burn_in=-1), "`burn_in` must be"),
        (lambda v: periods.points(switch(), v, (3, 3)), "`period` must be the first step"),
        (lambda v: periods.points(switch(), v, (0, 41)), "`period` must be .* <= 40, but it is"),
        (
            lambda v: periods.points(switch(), v, (0, 4), slow=0.0),
            "`slow` must be a positive number",
        ),
        (
            lambda v: periods.points(oo.LSTM.random(1, 2, key=jax.random.key(0)), v, (0, 4)),
            "`cell` must be a step of a circuit, .* but it is an LSTM",
        ),
        (
            lambda v: periods.ends(switch(), oo.RateNetworkState(np.zeros(1)), np.zeros((2, 1)), 3),
            "`starts` must hold arrays with a row for each of the 2 trials",
        ),
        (lambda v: periods.ends(switch(), v.rest, np.zeros((3, 1)), 0), "`steps` must be"),
    ],
)
def test_bad_arguments_are_refused_by_name(visit, call, told):
    with pytest.raises(ValueError, match=f"^Argument {told}"):
        call(visit)


def test_a_state_that_diverges_is_told_with_its_trial():
    # A step of 20 τ: every one multiplies by 21.
    cell = switch(2.0, jax.nn.relu, dt=20 * TAU)
    inputs = np.zeros((2, 300, 1))
    inputs[1] = 1.0
    with pytest.raises(RuntimeError, match="The state diverged in trial 1"):
        periods.visit(cell, inputs)
    starts = oo.RateNetworkState(np.array([[0.0], [1.0]]))
    with pytest.raises(RuntimeError, match="The state diverged in trial 1"):
        periods.ends(cell, starts, np.zeros((2, 1)), 300)
