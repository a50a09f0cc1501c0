"""Steps where the error estimate says nothing: derivatives at rest, inputs between two stages."""

from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import zoo
from jax.flatten_util import ravel_pytree
from marks import slow

import organics_ode as oo
from organics_ode.dynamics._step_limits import step_limits
from organics_ode.dynamics._tangent_limits import _faithful, _living_rate, _reach
from organics_ode.dynamics._within_switches import Driven

FORWARD = diffrax.ForwardMode()
EXPLICIT = (diffrax.Tsit5(), diffrax.Dopri8(), diffrax.Heun())
NONE = oo.Rectification.NONE


def filtering(tau=2.0):
    """τ ẏ = −y + x / 2: every derivative in closed form."""
    one = np.ones((1, 1))
    return oo.resolve(oo.ORGaNICs(one, 0 * one, 0 * one, 1.0, 1.0, 0.5, tau, tau))


def normalizing(sigma=0.1):
    eye = jnp.eye(2)
    circuit = oo.resolve(oo.ORGaNICs(eye, eye, jnp.ones((2, 2)), 0.1, 0.5, 0.5, 2.0, 2.0))
    return eqx.tree_at(lambda c: c.sigma, circuit, sigma)


X = np.array([0.8, 0.3])


# Derivatives


@pytest.mark.slow
@pytest.mark.parametrize("solver", EXPLICIT, ids=lambda s: type(s).__name__)
def test_a_unit_that_rests_keeps_its_derivatives(solver):
    circuit = filtering()

    def last(x):
        options = {"solver": solver, "adjoint": FORWARD}
        return oo.simulate(circuit, x, [0.0, 100.0], **options).states.y[-1, 0]

    tangent = jax.jvp(last, (jnp.zeros(1),), (jnp.ones(1),))[1]
    # 1 − e⁻⁵⁰, and a solver of order 2 settles there too.
    assert tangent == pytest.approx(0.5, rel=1e-4)


@pytest.mark.slow
def test_a_unit_that_rests_keeps_its_derivatives_in_reverse_mode():
    def last(x):
        return oo.simulate(filtering(), x, [0.0, 100.0]).states.y[-1, 0]

    assert jax.grad(last)(jnp.zeros(1))[0] == pytest.approx(0.5, rel=1e-4)


@pytest.mark.slow
def test_from_a_fixed_point_the_derivative_is_that_of_the_implicit_function_theorem():
    circuit = normalizing()
    start = oo.fixed_point(circuit, X).state
    with_pool = lambda W: eqx.tree_at(lambda c: c.W, circuit, W)  # noqa: E731

    def later(W):
        run = oo.simulate(with_pool(W), X, [0.0, 100.0], state0=start)
        return run.states.y[-1].sum()

    solved = jax.grad(lambda W: oo.fixed_point(with_pool(W), X).state.y.sum())(circuit.W)
    np.testing.assert_allclose(jax.grad(later)(circuit.W), solved, rtol=1e-4)


def trial(sigma, solver, **options):
    """A second of blank, then 20 ms of a stimulus."""
    hold = oo.ZeroOrderHold([0.0, 1000.0], np.stack([0 * X, X]))
    options = {"solver": solver, "throw": False} | options
    return oo.simulate(normalizing(sigma), hold, [0.0, 1020.0], **options).states.y[-1].sum()


# Derivatives in forward mode by explicit solvers are tested above.
@pytest.mark.slow
def test_a_stimulus_after_a_blank_has_its_derivative_by_three_routes():
    solver = diffrax.Tsit5()
    precise = {"stepsize_controller": diffrax.PIDController(rtol=1e-9, atol=1e-12)}
    value = jax.jit(lambda s: trial(s, solver, **precise))
    sigma, h = jnp.asarray(0.1), 1e-4
    quotient = float((value(0.1 + h) - value(0.1 - h)) / (2 * h))
    gradient = jax.grad(lambda s: trial(s, solver))(sigma)
    assert gradient == pytest.approx(quotient, rel=2e-4)
    f = lambda s: trial(s, diffrax.Kvaerno5(), adjoint=FORWARD)  # noqa: E731
    assert jax.jvp(f, (sigma,), (jnp.ones(()),))[1] == pytest.approx(quotient, rel=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("solver", [slow(diffrax.Kvaerno4()), diffrax.Kvaerno5()])
def test_a_stage_behind_the_end_of_a_hold_does_not_see_the_next(solver):
    """Both values are 1, so only the derivatives know which of them a stage has seen."""
    circuit = filtering(5.0)
    start = oo.ORGaNICsState(np.full(1, 0.5), np.ones(1))

    def last(values):
        hold = oo.ZeroOrderHold([0.0, 10.0], values[:, None])
        options = {"solver": solver, "adjoint": FORWARD, "dtmax": 1.0}
        return oo.simulate(circuit, hold, [0.0, 20.0], state0=start, **options).states.y[-1, 0]

    expected = 0.5 * np.array([np.exp(-2) - np.exp(-4), 1 - np.exp(-2)])
    # Steps of a fifth of the time constant, by order 4. Off by .001 without.
    np.testing.assert_allclose(jax.jacfwd(last)(jnp.ones(2)), expected, atol=2e-5)


@pytest.mark.slow
def test_implicit_solvers_take_a_step_a_hold_too():
    times = dict.fromkeys(("tau_y", "tau_a", "tau_b0", "tau_b1"), 10.0)
    circuit = oo.GatedORGaNICs.random(2, 4, key=jax.random.key(0), sigma=0.5, **times)
    hold = oo.ZeroOrderHold(np.arange(784.0), np.random.default_rng(1).uniform(size=(784, 2)))
    run = oo.simulate(circuit, hold, [0.0, 784.0], solver=diffrax.Kvaerno5())
    assert run.stats["num_steps"] <= 1.5 * 784


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver", [diffrax.Tsit5(), diffrax.Bosh3(), diffrax.Kvaerno3(), diffrax.Kvaerno5()]
)
def test_derivatives_grow_at_an_unstable_point_of_rest(solver):
    """r = 0 rests, and ∂r(T)/∂x = A⁻¹ (exp(A T) − 1)/τ, whose largest mode grows in 50 ms."""
    W, tau, T = np.array([[1.2, 0.3], [0.1, -0.4]]), np.array([10.0, 20.0]), 500.0
    network = oo.resolve(oo.RateNetwork(W, np.eye(2), np.zeros(2), tau, f=jnp.tanh))
    A = (W - np.eye(2)) / tau[:, None]
    right = np.linalg.solve(A, scipy.linalg.expm(A * T) - np.eye(2)) / tau

    def last(x):
        run = oo.simulate(network, x, [0.0, T], solver=solver, adjoint=FORWARD)
        return run.states.r[-1]

    found = jax.jacfwd(last)(jnp.zeros(2))
    np.testing.assert_allclose(found, right, atol=0.005 * np.abs(right).max())


class PendulumState(NamedTuple):
    angle: jax.Array
    speed: jax.Array


class Pendulum(oo.AbstractCircuit[PendulumState]):
    """q″ = −ω² sin q − 2 ε q′ + x, at rest for x = 0."""

    omega: float = 1.0
    damping: float = 0.005

    @property
    def input_size(self) -> int:
        return 1

    def vector_field(self, t, state, x):
        q, p = state
        return PendulumState(p, -(self.omega**2) * jnp.sin(q) - 2 * self.damping * p + x[0])

    def initial_state(self):
        return PendulumState(jnp.zeros(()), jnp.zeros(()))


@pytest.mark.parametrize("solver", [diffrax.Tsit5(), slow(diffrax.Kvaerno5())])
def test_derivatives_ring_where_the_state_rests(solver):
    """At 100 ms a mode of quality 100 has lost a third, of its 16 turns none may be lost."""
    pendulum = Pendulum()

    def last(start):
        options = {"solver": solver, "adjoint": FORWARD, "state0": start}
        return oo.simulate(pendulum, jnp.zeros(1), [0.0, 100.0], **options).states

    found = jax.jacfwd(lambda q, p: last(PendulumState(q, p))[0][-1], (0, 1))(0.0, 0.0)
    right = scipy.linalg.expm(100 * np.array([[0.0, 1.0], [-1.0, -0.01]]))[0]
    np.testing.assert_allclose(found, right, atol=0.03)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("since", [0.0, 0.3, 10.0, 3000.0])
@pytest.mark.parametrize("n", [1, 2, 8, 32])
def test_the_living_rate_is_that_of_the_propagator(n, since):
    rng = np.random.default_rng(n)
    for shift in (0.2, 1.0, 3.0):  # Some grow, some decay; their modes are far from orthogonal.
        J = 0.3 * (rng.normal(size=(n, n)) / np.sqrt(n) + np.triu(rng.normal(size=(n, n)), 1))
        J = J - 0.3 * shift * np.eye(n)
        abscissa = np.linalg.eigvals(J).real.max()
        # The propagator itself would overflow.
        E = scipy.linalg.expm(since * (J - max(abscissa, 0) * np.eye(n)))
        scale = np.exp(-since * max(abscissa, 0))
        right = np.linalg.norm(J @ E, 2) / max(scale, np.linalg.norm(E, 2))
        found = _living_rate(jnp.asarray(J), jnp.asarray(since))
        # Both norms are of a few turns.
        assert 0.7 * right - 1e-12 <= found <= 1.3 * right + 1e-12


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver", [slow(diffrax.Kvaerno3()), slow(diffrax.Kvaerno4()), diffrax.Kvaerno5()]
)
def test_an_implicit_step_is_faithful_to_what_it_follows(solver):
    """ẏ = λ y in two real variables, by one step of length 1."""

    def step(z):
        matrix = jnp.array([[z.real, -z.imag], [z.imag, z.real]])
        run = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: matrix @ y),
            type(solver)(root_finder=diffrax.VeryChord(rtol=1e-10, atol=1e-10)),
            *(0.0, 1.0, 1.0, jnp.array([1.0, 0.0])),
            stepsize_controller=diffrax.ConstantStepSize(),
        )
        return complex(*run.ys[0])

    for angle in (0, 45, 90, 135, 180):
        z = _faithful(solver, 1e-4) * np.exp(1j * np.deg2rad(angle))
        assert step(jnp.asarray(z)) == pytest.approx(np.exp(z), rel=2e-4, abs=1e-4)


# Inputs that are functions


@pytest.mark.parametrize("solver", [diffrax.Tsit5(), slow(diffrax.Kvaerno5())])
def test_a_short_pulse_is_not_stepped_over(solver):
    pulse = lambda t: jnp.exp(-0.5 * ((t - 500) / 2) ** 2)[None]  # noqa: E731
    run = oo.simulate(filtering(), pulse, [0.0, 503.0, 1000.0], solver=solver)
    s = np.linspace(400, 503, 200_001)
    kernel = 0.25 * np.exp(-(503 - s) / 2) * np.exp(-0.5 * ((s - 500) / 2) ** 2)
    assert run.states.y[1, 0] == pytest.approx(np.trapezoid(kernel, s), rel=1e-4)


def test_the_longest_step_ends_where_the_input_has_moved_by_a_quarter_of_its_range():
    ramp = oo.FunctionInput(lambda t: jnp.clip(t - 60.0, 0, 20.0)[None])
    ts = jnp.array([0.0, 100.0])
    limits = step_limits(diffrax.Tsit5(), ramp, ts, None, is_backsolve=True)
    for t, end in ((0.0, 65.0), (62.0, 67.0), (79.0, np.inf), (90.0, np.inf)):
        # To the spacing of the samples, 100 / 4095.
        assert t + limits.step(None, jnp.asarray(t)) == pytest.approx(end, abs=0.05)
    back = limits.wrap(-1)
    assert -90.0 + back.step(None, jnp.asarray(-90.0)) == pytest.approx(-75.0, abs=0.05)


@pytest.mark.slow
def test_a_rest_may_be_left_to_the_error_estimate():
    circuit, x, ts = filtering(), np.zeros(1), [0.0, 1000.0]
    free = oo.simulate(circuit, x, ts, dtmax=np.inf).stats["num_steps"]
    bound = oo.simulate(circuit, x, ts, dtmax=10.0).stats["num_steps"]
    default = oo.simulate(circuit, x, ts).stats["num_steps"]
    assert free < 20 and 100 <= bound < 120 and 150 < default < 300


@pytest.mark.parametrize("dtmax", [0.0, -1.0, np.nan, "long", True])
def test_a_bad_longest_step_is_refused_by_name(unchecked, dtmax):
    with pytest.raises(ValueError, match="Argument `dtmax` must be a positive number, but it is"):
        oo.simulate(filtering(), np.zeros(1), [0.0, 1.0], dtmax=dtmax)


# The parts


def rate(circuit, state, x):
    flat, unravel = ravel_pytree(state)
    driven = Driven(circuit, oo.Constant(x), unravel, None)
    ts = jnp.array([0.0, 1.0])
    limits = step_limits(diffrax.Tsit5(), driven.inputs, ts, None, is_backsolve=False)
    found = limits.init(ts[0], flat, driven)
    for _ in range(40):
        found = limits.turn(found, ts[0], flat, driven)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("n", [slow(1), slow(2), 8, slow(32)])
def test_the_rate_is_the_spectral_radius_of_the_jacobian(n):
    of_all = eqx.filter_jit(eqx.filter_vmap(lambda *each: rate(*each).radius))
    circuits = [oo.resolve(zoo.organics(NONE, n=n, m=n, seed=seed)) for seed in range(8)]
    xs = [np.random.default_rng(seed).normal(size=n) for seed in range(8)]
    states = [c.initial_state() for c in circuits]
    states = [s._replace(y=s.y + 0.3 * x) for s, x in zip(states, xs, strict=True)]
    stack = lambda *leaves: jnp.stack(leaves)  # noqa: E731
    found = of_all(*(jax.tree.map(stack, *many) for many in (circuits, states, xs)))
    matrices = [oo.jacobian(*each) for each in zip(circuits, states, xs, strict=True)]
    right = [np.abs(np.linalg.eigvals(np.asarray(J))).max() for J in matrices]
    # Of a pair that rotates the estimate swings around the radius.
    np.testing.assert_allclose(found, right, rtol=0.35)


class LinearState(NamedTuple):
    v: jax.Array


class Linear(oo.AbstractCircuit[LinearState]):
    """v′ = A v: the Jacobian is the same everywhere."""

    A: jax.Array

    @property
    def input_size(self) -> int:
        return 0

    def vector_field(self, t, state, x):
        return LinearState(self.A @ state.v)

    def initial_state(self):
        return LinearState(jnp.zeros(len(self.A)))


@pytest.mark.parametrize("mode", [-2, slow(2), -0.4 + 1j, slow(1j), slow(-1 + 0.1j)])
def test_the_damping_is_that_of_the_dominating_mode(mode):
    rng = np.random.default_rng(0)
    pair = np.array([[mode.real, -mode.imag], [mode.imag, mode.real]])
    block = pair if mode.imag else pair[:1, :1]
    parts = scipy.linalg.block_diag(block, -np.diag(rng.uniform(0, 0.3, size=4)))
    basis = np.linalg.qr(rng.normal(size=parts.shape))[0]
    circuit = Linear(jnp.asarray(basis @ parts @ basis.T))
    found = rate(circuit, circuit.initial_state(), jnp.zeros(0))
    assert found.radius == pytest.approx(abs(mode), rel=0.1)
    assert found.damping == pytest.approx(-mode.real / abs(mode), abs=0.1)


@pytest.mark.parametrize("slow_mode", [0.3, -0.3])
def test_growth_is_seen_beside_a_faster_decay(slow_mode):
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    circuit = Linear(jnp.asarray(basis @ np.diag([-1.0, -0.5, slow_mode]) @ basis.T))
    found = rate(circuit, circuit.initial_state(), jnp.zeros(0))
    assert found.growth == pytest.approx(max(slow_mode, 0), rel=0.2)


@pytest.mark.parametrize("solver", [*EXPLICIT, diffrax.Bosh3(), diffrax.Dopri5()])
def test_within_its_reach_a_solver_damps_what_a_circuit_damps(solver):
    """ẏ = λ y in two real variables, by the solver's own steps of length 1."""

    @jax.jit
    def growth(z):
        matrix = jnp.array([[z.real, -z.imag], [z.imag, z.real]])
        term = diffrax.ODETerm(lambda t, y, args: matrix @ y)
        zero, one, y = jnp.zeros(()), jnp.ones(()), jnp.array([1.0, 0.0])
        state = solver.init(term, zero, one, y, None)
        return jnp.linalg.norm(solver.step(term, zero, one, y, None, state, False)[0])

    for angle in (100, 120, 150, 180):
        for part in (0.1, 0.5, 1.0):
            z = part * _reach(solver) * np.exp(1j * np.deg2rad(angle))
            assert growth(jnp.asarray(z)) < 1


# What float32 does not resolve


@pytest.mark.slow
def test_a_long_run_may_begin_with_short_steps():
    circuit = zoo.organics(NONE, identity=True, dtype=np.float32)
    x = zoo.input_of(circuit)
    run = oo.simulate(circuit, x, np.array([0.0, 6e5]), solver=diffrax.Kvaerno5())
    expected = zoo.closed_form(circuit, x)
    np.testing.assert_allclose(run.states.y[-1], expected[0], rtol=1e-3)


@pytest.mark.slow
def test_a_solver_that_float32_stops_is_no_divergence():
    eye = np.eye(2, dtype=np.float32)
    circuit = oo.ORGaNICs(eye, eye, np.ones_like(eye), 0.1, 0.5, 0.5, 2.0, 2.0)
    x = np.full(2, 3000.0, np.float32)
    assert oo.certify(circuit, x).holds
    # Tolerances of one's own: those of the default are relative to the state, and hold.
    absolute = diffrax.PIDController(rtol=1e-4, atol=1e-5)
    options = {"solver": diffrax.Kvaerno3(), "stepsize_controller": absolute, "throw": False}
    run = oo.simulate(circuit, x, [0.0, 100.0], **options)
    assert not run.succeeded and run.result != diffrax.RESULTS.nonfinite
    assert "compute in float64" in repr(run) and "Tsit5" in repr(run)


COLLIDING = np.array([0.0, 1.0, 1.0 + 1e-12])


def test_times_that_only_float32_makes_one_say_so(unchecked):
    circuit = zoo.organics(dtype=np.float32)
    message = (
        r"increase strictly in float32, but its entries 1 and 2, 1\.0 and 1\.000000000001, are"
    )
    with pytest.raises(ValueError, match=f"Argument `ts` must {message}"):
        oo.simulate(circuit, zoo.input_of(circuit), COLLIDING)
    hold = oo.ZeroOrderHold(COLLIDING, np.ones((3, 3)))
    with pytest.raises(ValueError, match=f"Argument `inputs.ts` must {message}"):
        oo.simulate(circuit, hold, [0.0, 2.0])


@pytest.mark.parametrize(("sigma", "there"), [(1e-60, "0"), (1e60, "inf"), (2**200, "inf")])
def test_numbers_that_float32_cannot_hold_are_told(unchecked, sigma, there):
    with (
        jax.enable_x64(False),
        pytest.raises(ValueError, match=f"`sigma` must hold .* float32, but .* is {there} there"),
    ):
        oo.ORGaNICs(np.eye(2), np.eye(2), np.eye(2), sigma, 0.5, 0.5, 2.0, 2.0)


def test_float64_arrays_and_large_integers_are_read_without_a_warning():
    # Warnings are errors in these tests.
    with jax.enable_x64(False):
        eye, ones = np.eye(2), np.ones(2)
        circuit = oo.ORGaNICs(eye, eye, eye, ones, 0.5, ones, [2, 3], 2**40)
        assert oo.resolve(circuit).tau_a == pytest.approx(2.0**40, rel=1e-5)
        assert oo.resolve(circuit).W_r.dtype == np.float32
