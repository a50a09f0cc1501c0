"""`simulate` against closed forms, against itself at other tolerances, and its gradients."""

import itertools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import zoo
from marks import slow

import organics_ode as oo
from organics_ode.dynamics._simulate import _before_switches

NONE, BEFORE, AFTER = oo.Rectification.NONE, oo.Rectification.BEFORE, oo.Rectification.AFTER


@pytest.fixture
def unchecked():
    """Without the tests' type checker, which would refuse arguments before the library does."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def tolerance(rtol):
    # As arrays, so that one compiled solve serves all tolerances.
    return diffrax.PIDController(rtol=jnp.asarray(rtol), atol=jnp.asarray(rtol / 100))


def flat(states):
    return np.concatenate([np.asarray(leaf) for leaf in states], axis=-1)


# Values

CASES = [(NONE, 2.0), (BEFORE, 2.0), (AFTER, 2.0)]
OTHERS = [slow((NONE, 3.0)), slow((NONE, 1.5))]


@pytest.fixture(
    scope="module", params=[*CASES, *OTHERS], ids=lambda case: f"{case[0].value}-p={case[1]:g}"
)
def normalizing(request):
    """A circuit with W_r = I, an input that drives units both ways, and the fixed point."""
    circuit = zoo.organics(*request.param, identity=True)
    x = zoo.input_of(circuit)
    assert np.any(circuit.W_zx @ x < 0), "the rectifications would not differ"
    return circuit, x, np.concatenate(zoo.closed_form(circuit, x))


@pytest.mark.slow_but_first
def test_a_long_run_reaches_divisive_normalization(normalizing):
    circuit, x, fixed_point = normalizing
    for rtol in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10):
        run = oo.simulate(circuit, x, [0.0, 300.0, 600.0], stepsize_controller=tolerance(rtol))
        np.testing.assert_allclose(flat(run.states)[-1], fixed_point, rtol=0, atol=100 * rtol)


@pytest.mark.slow
def test_the_error_falls_with_the_tolerance():
    circuit = zoo.gated(NONE)
    x, ts = zoo.input_of(circuit), np.linspace(0, 20, 11)

    def states(rtol):
        return flat(oo.simulate(circuit, x, ts, stepsize_controller=tolerance(rtol)).states)

    reference = states(1e-12)
    rtols = [1e-4, 1e-6, 1e-8, 1e-10]
    errors = [np.abs(states(rtol) - reference).max() for rtol in rtols]
    assert all(error < 100 * rtol for error, rtol in zip(errors, rtols, strict=True))
    # A factor of 100 in the tolerance is at least one of 10 in the error.
    assert all(finer < coarser / 10 for coarser, finer in itertools.pairwise(errors))


def test_the_first_state_is_the_start_and_the_times_are_those_asked_for():
    circuit, ts = zoo.gated(), np.array([3.0, 3.5, 7.0])
    start = zoo.state_of(circuit)
    run = oo.simulate(circuit, zoo.input_of(circuit), ts, state0=start)
    np.testing.assert_array_equal(run.ts, ts)
    assert isinstance(run.states, oo.GatedORGaNICsState)
    for leaf, value in zip(run.states, start, strict=True):
        np.testing.assert_array_equal(leaf[0], value)


# Gradients. Without rectification: a step across a kink makes the gradients of the discrete steps
# and of the differential equation differ by the order of the step.

KINDS = {
    "constant": lambda values: values[0],
    "hold": lambda values: oo.ZeroOrderHold(2.0 * np.arange(4), values),
    "linear": lambda values: oo.LinearInput(2.0 * np.arange(4), values),
}


TIGHT = diffrax.PIDController(rtol=1e-11, atol=1e-13)


def loss(parameters, kind, adjoint, dt0=None):
    """Weighs states at the switches and at the end; with fixed steps where dt0 is given."""
    circuit, values = parameters
    run = oo.simulate(
        circuit,
        KINDS[kind](values),
        2.0 * np.arange(5),
        stepsize_controller=TIGHT if dt0 is None else diffrax.ConstantStepSize(),
        dt0=dt0,
        adjoint=adjoint,
        max_steps=256,
    )
    weights = np.random.default_rng(2).normal(size=(5, 2 * zoo.N))
    return jnp.sum(weights * jnp.concatenate(run.states, axis=1))


@eqx.filter_jit
def value_and_gradient(parameters, kind, adjoint, dt0=None):
    return eqx.filter_value_and_grad(loss)(parameters, kind, adjoint, dt0)


@eqx.filter_jit
def forward(parameters, direction, kind, adjoint):
    return eqx.filter_jvp(lambda p: loss(p, kind, adjoint), (parameters,), (direction,))[1]


def shifted(parameters, direction, h):
    return jax.tree.map(
        lambda p, d: p if d is None else p + h * d,
        parameters,
        direction,
        is_leaf=lambda leaf: leaf is None,
    )


def assert_same_leaves(gradient, expected, tolerance):
    for leaf, value in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        assert jnp.any(value != 0), "nothing is tested"
        np.testing.assert_allclose(leaf, value, rtol=tolerance, atol=tolerance)


# One test for all routes: they share what takes long, the compiled gradient.
@pytest.mark.parametrize("kind", [slow("constant"), slow("hold"), slow("linear")])
def test_gradients_agree_by_every_route(kind):
    circuit = oo.resolve(zoo.organics(NONE))
    parameters = circuit, zoo.input_of(circuit, length=4)
    rng = np.random.default_rng(3)
    direction = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)) if eqx.is_array(leaf) else None,
        parameters,
    )
    stored = diffrax.RecursiveCheckpointAdjoint()
    _, gradient = value_and_gradient(parameters, kind, stored)
    slope = float(sum(jax.tree.leaves(jax.tree.map(jnp.vdot, gradient, direction))))

    h = 1e-5
    up, down = (
        value_and_gradient(shifted(parameters, direction, s), kind, stored)[0] for s in (h, -h)
    )
    # The error of the difference is of the order of h² and of rounding, 1e-15/h.
    assert (up - down) / (2 * h) == pytest.approx(slope, abs=1e-7)

    # The same steps, so up to rounding.
    tangent = forward(parameters, direction, kind, diffrax.ForwardMode())
    assert tangent == pytest.approx(slope, abs=1e-12)
    if kind == "hold":
        _, direct = value_and_gradient(parameters, kind, diffrax.DirectAdjoint())
        assert_same_leaves(direct, gradient, 1e-12)

    # Other steps: a hundred times the tolerance of the solver, 1e-11.
    backward = diffrax.BacksolveAdjoint()
    _, backsolved = value_and_gradient(parameters, kind, backward)
    assert_same_leaves(backsolved, gradient, 1e-9)
    if kind == "hold":
        # Fixed steps reject nothing: one stage that sees the value of the neighbouring hold, at
        # either end of a backward solve, would leave an error of the order of the step.
        _, backsolved = value_and_gradient(parameters, kind, backward, jnp.asarray(0.125))
        assert_same_leaves(backsolved, gradient, 1e-9)


class Leak(oo.AbstractCircuit):
    """τ v̇ = x − v."""

    tau: jax.Array
    input_size = 1

    def vector_field(self, t, state, x):
        return ((x - state[0]) / self.tau,)

    def initial_state(self):
        return (jnp.zeros(1),)


def leaked(tau, values):
    """v at 0, 2, …, 8 for a value held in each interval, in closed form."""
    v, decay = [0.0], np.exp(-2 / tau)
    for value in values:
        v.append(value + (v[-1] - value) * decay)
    return np.array(v)


def test_a_backward_solve_sees_the_value_that_was_held_before_each_switch():
    weights, values = np.array([0.7, -1.0, 0.4, 1.3, -0.2]), np.array([1.0, -2.0, 0.5, 3.0])

    def weighed(tau, values):
        hold, ts = oo.ZeroOrderHold(2.0 * np.arange(4), values[:, None]), 2.0 * np.arange(5)
        options = {"stepsize_controller": diffrax.ConstantStepSize(), "dt0": 0.125}
        options |= {"solver": diffrax.Heun(), "adjoint": diffrax.BacksolveAdjoint()}
        return weights @ oo.simulate(Leak(tau), hold, ts, **options, max_steps=99).states[0][:, 0]

    slopes = jax.jit(jax.grad(weighed, (0, 1)))(jnp.array(3.0), jnp.asarray(values))
    exact = lambda tau, values: weights @ leaked(tau, values)  # noqa: E731
    h, each = 1e-5, 1e-5 * np.eye(4)
    by_tau = exact(3 + h, values) - exact(3 - h, values)
    by_values = [exact(3, values + d) - exact(3, values - d) for d in each]
    # Steps of τ/24 are right to .1 %. One that saw the value on the other side of a switch would
    # leave a tenth.
    np.testing.assert_allclose(slopes[0], by_tau / (2 * h), rtol=2e-3)
    np.testing.assert_allclose(slopes[1], np.array(by_values) / (2 * h), rtol=2e-3)


def test_only_times_at_a_switch_are_moved_and_by_less_than_anything_else():
    ts, switches = jnp.array([2.0, 3.0, 5.0, 7.0, 8.0]), jnp.array([0.0, 2.0, 5.0, 6.0, 8.0])
    assert _before_switches(ts, None) is ts
    for dtype in (np.float32, np.float64):
        at = ts.astype(dtype)
        moved = np.asarray(jax.jit(_before_switches)(at, switches.astype(dtype)))
        assert moved.dtype == dtype
        # Never the start, which is no save time of the backward solve.
        np.testing.assert_array_equal(moved[[0, 1, 3]], [2, 3, 7])
        floats = (np.asarray(at) - moved)[[2, 4]] / np.spacing(dtype(8))
        # diffrax takes times within 100 floats for one.
        assert np.all(floats > 100) and np.all(floats < 1000)


# Transformations and types


def test_many_under_jit_are_the_loop_over_each():
    circuit, start = zoo.gated(), zoo.state_of(zoo.gated())
    xs, ts = zoo.input_of(circuit, length=3), jnp.linspace(0, 10, 3)
    many = jax.jit(jax.vmap(lambda x: oo.simulate(circuit, x, ts, state0=start)))(xs)
    assert many.succeeded.all()
    for index, x in enumerate(xs):
        one = oo.simulate(circuit, x, ts, state0=start)
        assert one.stats["num_steps"] == many.stats["num_steps"][index]
        np.testing.assert_allclose(flat(many.states)[index], flat(one.states), rtol=0, atol=1e-12)


def test_new_values_and_tolerances_share_a_program_and_each_is_described(compiled):
    runs = []
    for seed, rtol in enumerate((1e-3, 1e-8)):
        circuit = zoo.organics(seed=seed)
        x, ts = zoo.input_of(circuit, seed=seed), np.linspace(0, 20 + seed, 3)
        compiled()
        runs.append(oo.simulate(circuit, x, ts, stepsize_controller=tolerance(rtol)))
    assert compiled() == 0
    assert runs[1].stats["num_steps"] > 2 * runs[0].stats["num_steps"]
    assert [run.solver for run in runs] == [
        "Tsit5, rtol 0.001, atol 1e-05",
        "Tsit5, rtol 1e-08, atol 1e-10",
    ]


@pytest.mark.slow
def test_new_values_do_not_compile_again():
    traced = eqx.debug.assert_max_traces(oo.simulate, max_traces=1)
    run = eqx.filter_jit(traced)
    for seed in range(3):
        circuit = zoo.organics(seed=seed)
        hold = oo.ZeroOrderHold(np.arange(3.0) + seed, zoo.input_of(circuit, length=3, seed=seed))
        run(circuit, hold, jnp.arange(3.0) + seed, state0=zoo.state_of(circuit, seed=seed))


@pytest.mark.slow
def test_float32_has_its_own_tolerance_and_a_warning_for_finer_ones():
    circuit = zoo.organics(dtype=np.float32)
    arguments = circuit, zoo.input_of(circuit), [0.0, 0.1]
    assert "rtol 0.0001, atol 1e-05" in repr(oo.simulate(*arguments))
    with pytest.warns(UserWarning, match="rtol = 1e-07 is finer than float32 resolves"):
        oo.simulate(*arguments, stepsize_controller=diffrax.PIDController(rtol=1e-7, atol=1e-6))


# Bad arguments

BAD_ARGUMENTS = {
    "circuit": [{"circuit": "circuit"}, {"circuit": oo.ORGaNICs}],
    "ts": [{"ts": ts} for ts in ([1.0, 0.0], [0.0, 0.0], [1.0], 1.0, [[0.0, 1.0]], [0.0, np.nan])],
    "state0": [{"state0": np.ones(8)}, {"state0": 3 * (np.ones(4),)}],
    "state0.y": [{"state0": oo.ORGaNICsState(np.ones(3), np.ones(4))}],
    "state0.a": [{"state0": oo.ORGaNICsState(np.ones(4), np.full(4, np.nan))}],
    "dt0": [{"dt0": dt0} for dt0 in (0, -1.0, np.nan, np.inf, True, np.ones(2), "dt0")],
    "max_steps": [{"max_steps": steps} for steps in (0, -1, 2.5, True, "many")],
}
BAD_CASES = [(name, case) for name, cases in BAD_ARGUMENTS.items() for case in cases]


@pytest.mark.parametrize(("name", "case"), BAD_CASES)
def test_bad_arguments_are_refused_by_name(unchecked, name, case):
    circuit = zoo.organics()
    arguments = {"circuit": circuit, "inputs": zoo.input_of(circuit), "ts": [0.0, 1.0]} | case
    with pytest.raises(ValueError, match=f"Argument `{name}` must .*, but "):
        oo.simulate(**arguments)
