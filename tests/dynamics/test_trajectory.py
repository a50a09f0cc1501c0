"""How runs end: success, divergence and exhaustion, as results, as errors and in print."""

from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from marks import slow

import organics_ode as oo

TS = np.linspace(0, 20, 41)
X = np.array([0.8114, 0.5649])
LOW = oo.ORGaNICsState(np.full(2, 0.01), np.full(2, 0.01))
NEAR = oo.ORGaNICsState(np.array([0.819, 0.799]), np.array([1.048, 0.618]))
BLOW_UP_TIME = 13.964
DIVERGED = r"The state diverged at t = 13\.96\d* ms"


def diverging():
    """From `LOW` a blow-up in finite time, although `NEAR` there is a stable fixed point."""
    W_r = [[-0.87417, 0.48561], [0.48561, 0.87417]]
    W = [[0.94658, 0.85010], [0.82841, 0.02378]]
    return oo.ORGaNICs(np.eye(2), W_r, W, [0.2156, 0.1612], 1.0, 1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def diverged():
    return oo.simulate(diverging(), X, TS, state0=LOW, throw=False)


def test_a_blow_up_is_a_result_and_not_silent(diverged):
    assert not diverged.succeeded
    assert diverged.result == diffrax.RESULTS.nonfinite
    assert isinstance(diverged.result, diffrax.RESULTS)
    assert not diffrax.is_successful(diverged.result)
    assert diverged.stats["t_reached"] == pytest.approx(BLOW_UP_TIME, abs=1e-3)
    assert diverged.stats["largest"] > 1e6


def test_a_blow_up_fails_early(diverged):
    assert diverged.stats["num_steps"] < 1000
    steps = ("num_accepted_steps", "num_rejected_steps")
    assert diverged.stats["num_steps"] == sum(diverged.stats[name] for name in steps)


def test_states_are_finite_before_the_blow_up_and_infinite_after(diverged):
    before = diverged.ts <= diverged.stats["t_reached"]
    assert before.sum() == 28
    for leaf in diverged.states:
        assert jnp.isfinite(leaf[before]).all()
        assert jnp.isinf(leaf[~before]).all()


def test_the_states_before_a_blow_up_are_those_of_a_run_that_ends_there(diverged):
    between = (TS[:13] + TS[1:14]) / 2  # as many times as those of the blow-up: one program
    ts = np.sort(np.concatenate([TS[:28], between]))
    whole = oo.simulate(diverging(), X, ts, state0=LOW)
    for part, leaf in zip(diverged.states, whole.states, strict=True):
        # The last step ends elsewhere: a hundred times the default relative tolerance.
        np.testing.assert_allclose(part[:28], leaf[np.isin(ts, TS)], rtol=1e-4)


def test_a_blow_up_raises_and_says_when():
    with pytest.raises(RuntimeError, match=DIVERGED):
        oo.simulate(diverging(), X, TS, state0=LOW)


def test_a_blow_up_under_jit_raises_and_says_so_and_a_trajectory_prints_there():
    cards = []

    @eqx.filter_jit
    def run(state0):
        trajectory = oo.simulate(diverging(), X, TS, state0=state0)
        cards.append(repr(trajectory))
        return trajectory

    assert run(NEAR).succeeded
    assert "Tsit5, rtol 1.25e-07" in cards[0]
    with pytest.raises(RuntimeError, match="The state diverged"):
        run(LOW)
    assert len(cards) == 1


def test_a_blow_up_with_fixed_steps_is_found_too():
    fixed = {"stepsize_controller": diffrax.ConstantStepSize(), "dt0": 0.01, "state0": LOW}
    run = oo.simulate(diverging(), X, TS, **fixed, throw=False)
    assert run.result == diffrax.RESULTS.nonfinite
    # Two steps of the explicit method, which lags behind the pole.
    assert run.stats["t_reached"] == pytest.approx(BLOW_UP_TIME, abs=0.05)
    for leaf in run.states:
        assert not jnp.isnan(leaf).any()


def test_one_of_many_may_diverge():
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), LOW, NEAR)
    run = jax.vmap(lambda s: oo.simulate(diverging(), X, TS, state0=s, throw=False))(states)
    np.testing.assert_array_equal(run.succeeded, [False, True])
    np.testing.assert_allclose(run.stats["t_reached"], [BLOW_UP_TIME, 20], atol=1e-3)
    assert jnp.isfinite(run.states.y[1]).all() and jnp.isinf(run.states.y[0, -1]).all()
    assert "Tsit5" in repr(run)


class GrowthState(NamedTuple):
    v: jax.Array


class Growth(oo.AbstractCircuit):
    """v̇ = 3 v, up to the largest number."""

    @property
    def input_size(self):
        return 0

    def vector_field(self, t, state, x):
        return GrowthState(3 * state.v)

    def initial_state(self):
        return GrowthState(jnp.ones(1))


@pytest.mark.parametrize("solver", [diffrax.Dopri8(), slow(diffrax.Kvaerno5())])
def test_growth_without_bound_is_divergence_although_it_takes_long(solver):
    run = oo.simulate(Growth(), [], [0.0, 400.0], solver=solver, throw=False)
    assert run.result == diffrax.RESULTS.nonfinite
    end = np.log(np.finfo(np.float64).max) / 3
    assert run.stats["t_reached"] == pytest.approx(end, rel=0.01)


# Out of steps


def test_running_out_of_steps_says_when_and_what_to_do():
    circuit = zoo.organics()
    arguments = circuit, zoo.input_of(circuit), [0.0, 50.0, 100.0]
    run = oo.simulate(*arguments, max_steps=8, throw=False)
    assert run.result == diffrax.RESULTS.max_steps_reached
    assert not run.succeeded
    assert run.stats["num_steps"] == 8
    assert 0 < run.stats["t_reached"] < 50
    assert jnp.isfinite(run.states.y[0]).all() and jnp.isinf(run.states.y[1:]).all()
    message = rf"ran out of `max_steps` at t = {run.stats['t_reached']:g} ms: .*Kvaerno5"
    with pytest.raises(RuntimeError, match=message):
        oo.simulate(*arguments, max_steps=8)


@pytest.mark.slow
def test_an_implicit_solver_solves_what_is_stiff():
    """Time constants 1e5 apart: an explicit step is at most about 3 times the shortest."""
    eye = np.eye(2)
    stiff = oo.ORGaNICs(eye, eye, 0.5 * eye, 0.5, 1.0, 1.0, 0.01, 1000.0)
    explicit = oo.simulate(stiff, X, [0.0, 5e4], throw=False)
    assert explicit.result == diffrax.RESULTS.max_steps_reached
    implicit = oo.simulate(stiff, X, [0.0, 5e4], solver=diffrax.Kvaerno5())
    assert implicit.stats["num_steps"] < 1000
    for leaf, value in zip(implicit.states, zoo.closed_form(stiff, X), strict=True):
        # A hundred times the default relative tolerance.
        np.testing.assert_allclose(leaf[-1], value, atol=1e-4)


# The card


def test_a_card_says_solver_tolerances_steps_and_result():
    run = oo.simulate(diverging(), X, TS, state0=NEAR)
    accepted, rejected = (run.stats[f"num_{kind}_steps"] for kind in ("accepted", "rejected"))
    card = repr(run)
    for part in (
        "Trajectory: succeeded",
        "Tsit5, rtol 1.25e-07, atol 1.25e-08",
        "0 to 20 ms, 41 saved",
        f"{accepted} accepted, {rejected} rejected",
        "y=f64[41,2]",
    ):
        assert part in card
    assert str(run) == card


def test_the_card_of_a_failure_says_what_the_error_says(diverged):
    with pytest.raises(RuntimeError) as caught:
        oo.simulate(diverging(), X, TS, state0=LOW)
    assert f"Trajectory: {caught.value}" in repr(diverged)


@pytest.mark.slow
def test_a_tolerance_may_be_traced():
    circuit = zoo.organics()

    @jax.vmap
    def steps(rtol):
        arguments = circuit, zoo.input_of(circuit), [0.0, 9.0]
        controller = diffrax.PIDController(rtol=rtol, atol=rtol)
        return oo.simulate(*arguments, stepsize_controller=controller).stats["num_steps"]

    coarse, fine = steps(jnp.array([1e-3, 1e-9]))
    assert coarse < fine
