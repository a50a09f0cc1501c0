"""Step sizes: steps end at the switches of an input, and a hopeless run ends early."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest
import scipy.optimize
import zoo

import organics_ode as oo
from organics_ode.dynamics._implicit_steps import SizedChord

NONE, AFTER = oo.Rectification.NONE, oo.Rectification.AFTER
SWITCHES = np.arange(16.0)
REFERENCE = diffrax.PIDController(rtol=1e-12, atol=1e-14)
FIXED = diffrax.ConstantStepSize()


def gated(rectification):
    """A circuit whose time constants lie between 5 and 20 ms: a hold of 1 ms is short."""
    taus = np.random.default_rng(0).uniform(5, 20, (4, 4))
    names = ("tau_y", "tau_a", "tau_b0", "tau_b1")
    return oo.GatedORGaNICs.random(
        2,
        4,
        key=jax.random.key(0),
        rectification=rectification,
        sigma=0.5,
        **dict(zip(names, taus, strict=True)),
    )


def last(trajectory):
    return np.concatenate([leaf[-1] for leaf in trajectory.states])


def order(errors):
    """The slope of log(error) over log(step) when each step is half the one before."""
    return -np.polyfit(np.arange(len(errors)), np.log2(errors), 1)[0]


@pytest.fixture(scope="module", params=[NONE, AFTER], ids=["none", "after"])
def driven(request):
    """A circuit, its start, a held input, and the state it reaches after 16 ms."""
    circuit = gated(request.param)
    state0 = circuit.random_state(jax.random.key(1))
    xs = np.random.default_rng(1).normal(size=(16, 2))
    hold = oo.ZeroOrderHold(SWITCHES, xs)
    reference = oo.simulate(
        circuit, hold, [0.0, 16.0], state0=state0, stepsize_controller=REFERENCE
    )
    return circuit, state0, xs, last(reference)


def fixed_step_errors(driven, inputs, solver, steps):
    circuit, state0, _, reference = driven
    errors = []
    for k in steps:
        trajectory = oo.simulate(
            circuit,
            inputs,
            [0.0, 16.0],
            state0=state0,
            solver=solver,
            stepsize_controller=FIXED,
            dt0=1 / k,
        )
        assert trajectory.stats["num_steps"] == 16 * k, "a step was lost or added at a switch"
        errors.append(np.abs(last(trajectory) - reference).max())
    return np.array(errors)


@pytest.mark.slow_but_first
def test_euler_with_the_step_of_the_hold_is_the_cell(driven):
    circuit, state0, xs, _ = driven
    cell = oo.unroll(oo.Euler(circuit, 1.0), jnp.asarray(xs), state0=state0)
    trajectory = oo.simulate(
        circuit,
        oo.ZeroOrderHold(SWITCHES, xs),
        np.arange(17.0),
        state0=state0,
        solver=diffrax.Euler(),
        stepsize_controller=FIXED,
        dt0=1.0,
    )
    assert trajectory.stats["num_steps"] == 16
    for solved, unrolled in zip(trajectory.states, cell, strict=True):
        np.testing.assert_allclose(solved[1:], unrolled, rtol=0, atol=1e-12)


@pytest.mark.slow_but_first
def test_the_cell_converges_to_the_solution_at_first_order(driven):
    circuit, state0, xs, reference = driven
    errors = []
    for k in (8, 16, 32, 64):
        repeated = jnp.repeat(jnp.asarray(xs), k, axis=0)
        state = oo.unroll(oo.Euler(circuit, 1 / k), repeated, state0=state0, last_only=True)
        errors.append(np.abs(np.concatenate(state) - reference).max())
    assert order(errors) == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_heun_keeps_its_order_on_a_hold(driven):
    hold = oo.ZeroOrderHold(SWITCHES, driven[2])
    errors = fixed_step_errors(driven, hold, diffrax.Heun(), (1, 2, 4, 8))
    assert order(errors) == pytest.approx(2, abs=0.15)


@pytest.mark.slow
def test_without_its_switch_times_a_hold_costs_an_order(driven):
    hold = oo.ZeroOrderHold(SWITCHES, driven[2])
    naive = fixed_step_errors(driven, lambda t: hold(t), diffrax.Heun(), (1, 2, 4, 8))
    assert order(naive) == pytest.approx(1, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("driven", [NONE], indirect=True, ids=["none"])
def test_tsit5_keeps_its_order_on_a_hold(driven):
    # Only without rectification: its kinks inside a hold are met by no step.
    hold = oo.ZeroOrderHold(SWITCHES, driven[2])
    errors = fixed_step_errors(driven, hold, diffrax.Tsit5(), (1, 2, 4))
    assert order(errors) > 4
    assert errors[-1] < 1e-10


def test_fixed_steps_that_do_not_divide_the_hold_are_shortened():
    circuit = gated(NONE)
    hold = oo.ZeroOrderHold(SWITCHES, np.ones((16, 2)))
    trajectory = oo.simulate(circuit, hold, [0.0, 16.0], stepsize_controller=FIXED, dt0=0.4)
    assert trajectory.stats["num_steps"] == 16 * 3


# Adaptive steps


@pytest.fixture(scope="module")
def pixels():
    """784 held inputs of 1 ms, most of them zero, as in a sequence of pixels."""
    rng = np.random.default_rng(0)
    values = rng.uniform(size=(784, 2)) * (rng.uniform(size=(784, 2)) < 0.3)
    return oo.ZeroOrderHold(np.arange(784.0), values)


def steps(circuit, inputs, controller=None):
    run = oo.simulate(circuit, inputs, [0.0, 784.0], stepsize_controller=controller)
    return int(run.stats["num_accepted_steps"]), int(run.stats["num_rejected_steps"])


# At an absolute tolerance that every hold of 1 ms keeps, a rejection is that of a switch, or of
# a corner within the hold, where the recurrent drive of a rectified circuit changes its sign.
LOOSE = diffrax.PIDController(rtol=1e-6, atol=1e-6)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("rectification", (NONE, AFTER))
def test_a_hold_costs_about_one_step_per_switch_and_no_rejections(pixels, rectification):
    accepted, rejected = steps(gated(rectification), pixels, LOOSE)
    assert accepted <= 1.5 * 784
    assert rejected <= (corners_of(pixels) if rectification is AFTER else 0)


def corners_of(pixels):
    """In how many holds a recurrent drive changes its sign."""
    circuit = gated(AFTER)
    ts = np.arange(0, 784 + 1 / 16, 1 / 16)
    y = oo.simulate(circuit, pixels, ts).states.y
    drive = np.asarray(y @ oo.resolve(circuit).W_r.T)
    turns = np.any(np.diff(np.sign(drive), axis=0) != 0, axis=1)
    return int(np.sum(np.any(turns.reshape(784, 16), axis=1)))


@pytest.mark.slow
def test_a_hold_costs_few_steps_at_the_usual_tolerance_too_and_many_without_its_switch_times(
    pixels,
):
    circuit = gated(AFTER)
    accepted, rejected = steps(circuit, pixels)
    assert accepted + rejected <= 1.5 * 784
    # Every switch has to be found by rejected steps.
    naive = steps(circuit, lambda t: pixels(t), LOOSE)
    assert sum(naive) > 5 * 784
    assert naive[1] > 784


def test_step_to_is_refused_for_an_input_with_switches(pixels):
    controller = diffrax.StepTo(jnp.arange(785.0))
    with pytest.raises(ValueError, match=r"Argument `stepsize_controller` must .*, but .*StepTo"):
        oo.simulate(gated(NONE), pixels, [0.0, 784.0], stepsize_controller=controller)


@pytest.mark.slow
def test_step_to_runs_where_nothing_switches():
    circuit = zoo.organics()
    x, times = zoo.input_of(circuit), jnp.linspace(0, 5, 11)
    run = oo.simulate(circuit, x, [0.0, 5.0], stepsize_controller=diffrax.StepTo(times))
    assert run.stats["num_steps"] == 10


def test_fixed_steps_need_their_length():
    circuit = zoo.organics()
    with pytest.raises(ValueError, match="Argument `dt0` must be given with a fixed step size"):
        oo.simulate(circuit, zoo.input_of(circuit), [0.0, 5.0], stepsize_controller=FIXED)


def test_a_user_who_clips_steps_already_keeps_doing_so():
    circuit = zoo.organics()
    hold = oo.ZeroOrderHold([0.0, 2.0], np.ones((2, zoo.M)))
    inner = diffrax.PIDController(rtol=1e-2, atol=1e-2)
    stops = jnp.linspace(0, 4, 41)
    clipped = diffrax.ClipStepSizeController(inner, step_ts=stops)
    run = oo.simulate(circuit, hold, [0.0, 4.0], stepsize_controller=clipped)
    assert run.stats["num_accepted_steps"] >= 40


@pytest.mark.parametrize("dt0", [None, 0.1])
def test_a_norm_of_the_users_sees_the_fields_of_the_state(dt0):
    circuit, x, ts = gated(NONE), jnp.array([0.5, -0.2]), [0.0, 30.0]
    norm = lambda s: optx.max_norm(s.y)  # noqa: E731
    controller = diffrax.PIDController(rtol=1e-4, atol=1e-5, norm=norm)
    how = {"dt0": dt0, "stepsize_controller": controller}
    run = oo.simulate(circuit, x, ts, dtmax=np.inf, **how)
    plain = oo.resolve(circuit)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, s, args: plain.vector_field(t, s, x)),
        *(diffrax.Tsit5(), 0.0, 30.0, dt0, plain.initial_state()),
        stepsize_controller=controller,
    )
    assert run.stats["num_steps"] == solution.stats["num_steps"]
    for ours, theirs in zip(run.states, solution.ys, strict=True):
        np.testing.assert_allclose(ours[-1], theirs[-1], rtol=1e-12)


# Corners and implicit steps
def test_a_step_over_a_corner_is_seen():
    # τ ẏ = −y + ⌊t − θ⌋/2 for many places θ of the corner: by its own estimate `Tsit5` errs by
    # up to 16 tolerances in its one step over it.
    one, tau = np.ones((1, 1)), 2.0
    circuit = oo.ORGaNICs(one, 0 * one, 0 * one, 1.0, 1.0, 0.5, tau, tau, rectification=AFTER)
    ts, thetas = np.linspace(0.0, 4.0, 9), np.linspace(0.5, 2.5, 21)
    controller = diffrax.PIDController(rtol=1e-6, atol=1e-7)

    def trial(theta):
        how = {"stepsize_controller": controller}
        return oo.simulate(circuit, lambda t: jnp.array([t - theta]), ts, **how)

    run = jax.vmap(trial)(thetas)
    since = np.maximum(ts[None, :] - thetas[:, None], 0)
    expected = (since - tau * (1 - np.exp(-since / tau))) / 2
    assert np.abs(run.states.y[..., 0] - expected).max() < 2e-6
    assert run.stats["num_steps"].max() < 30


def turned(slope):
    """The k of k = slope sin(2 + k), by chords from k = 0 on, as diffrax solves a stage."""
    chord = SizedChord(1e-6, 1e-7, optx.max_norm, size=jnp.ones(1))
    # What a stage starts from is the third last of diffrax's arguments.
    args = (jnp.full(1, 2.0), None, None)
    f = lambda k, args: k - slope * jnp.sin(args[0] + k)  # noqa: E731
    return optx.root_find(f, chord, jnp.zeros(1), args, max_steps=10, throw=False)


def test_chords_are_turned_until_they_converge():
    # diffrax's own give up after two turns, and half of all steps with them.
    found = turned(0.3)
    assert found.result == optx.RESULTS.successful
    assert found.stats["num_steps"] > 2
    expected = scipy.optimize.brentq(lambda k: k - 0.3 * np.sin(2 + k), 0, 1, xtol=1e-15)
    assert found.value[0] == pytest.approx(expected, abs=1e-8)
    assert turned(10.0).result == optx.RESULTS.nonlinear_divergence
