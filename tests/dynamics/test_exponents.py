"""Lyapunov exponents: fixed points, plain numpy, volumes, and a chaotic system."""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from gates import constant, settled_gates
from jax.flatten_util import ravel_pytree

import organics_ode as oo
from organics_ode import RungeKutta, lyapunov
from organics_ode.facts import closed_form
from organics_ode.linear import jacobian


class Point(NamedTuple):
    """The state of Lorenz's system."""

    y: jax.Array


class Lorenz(oo.AbstractCircuit):
    """Lorenz's equations, σ = 10, ρ = 28, β = 8/3; the input is not used."""

    rho: float

    @property
    def input_size(self):
        """m."""
        return 1

    def vector_field(self, t, state, x):
        """The three velocities."""
        u, v, w = state.y
        return Point(jnp.stack([10 * (v - u), u * (self.rho - w) - v, u * v - 8 / 3 * w]))

    def initial_state(self):
        """On the attractor, about."""
        return Point(jnp.array([1.0, 2.0, 20.0]))


def held(circuit, steps):
    x = zoo.input_of(circuit)
    return x, jnp.broadcast_to(x, (steps, x.size))


def step_matrices(cell, state, xs):
    """The Jacobian of every step along the trajectory, (T, d, d), by numpy's loop."""
    _, unravel = ravel_pytree(state)
    step = lambda v, x: ravel_pytree(cell.step(unravel(v), x))[0]  # noqa: E731
    states = jax.vmap(lambda s: ravel_pytree(s)[0])(oo.unroll(cell, xs, state0=state))
    before = jnp.concatenate([ravel_pytree(state)[0][None], states[:-1]])
    return np.asarray(jax.jit(jax.vmap(jax.jacfwd(step)))(before, xs))


@functools.cache
def driven():
    """A gated circuit with feedback to its gains under an input that never rests, and F_t."""
    circuit = zoo.gated(zoo.AFTER, n=3, m=2)
    cell = oo.Euler(circuit, 0.2)
    state, xs = zoo.state_of(circuit), zoo.input_of(circuit, length=400)
    return cell, state, xs, step_matrices(cell, state, xs)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("build", (constant, settled_gates))
@pytest.mark.parametrize("step", (0.05, 1.0))
def test_at_a_fixed_point_they_are_those_of_the_euler_step(build, step):
    circuit = build()
    x, xs = held(circuit, 200)
    state = closed_form(circuit, x)
    factors = np.abs(1 + step * np.linalg.eigvals(jacobian(circuit, state, x)))
    expected = np.sort(np.log(factors))[::-1] / step
    found = lyapunov(oo.Euler(circuit, step), xs, state0=state)
    # Rounding alone: there is no transient. The issue asks for 1e-6.
    np.testing.assert_allclose(found, expected, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("n", (1, 3))
def test_at_a_fixed_point_there_is_no_transient_even_after_one_step(n):
    """Real and complex pairs, from the first step on, in any number of units."""
    kinds = set()
    for seed in range(4):
        arrays = zoo.values(n, 2, seed=seed, identity=True)
        arrays["tau_y"] = np.geomspace(0.2, 30, 4)[seed] * arrays["tau_y"]
        circuit = oo.resolve(oo.ORGaNICs(**arrays))
        x, xs = held(circuit, 1)
        state = closed_form(circuit, x)
        values = np.linalg.eigvals(jacobian(circuit, state, x))
        kinds |= set((np.abs(values.imag) > 0).tolist())
        step = 0.1 * float(np.min(arrays["tau_y"]))
        expected = np.sort(np.log(np.abs(1 + step * values)))[::-1] / step
        found = lyapunov(oo.Euler(circuit, jnp.asarray(step)), xs, state0=state)
        np.testing.assert_allclose(found, expected, atol=1e-10)
    assert kinds == {True, False}


@pytest.mark.slow_but_first
@pytest.mark.parametrize(("make", "order"), ((RungeKutta, 4), (oo.Euler, 1)))
def test_they_tend_to_the_real_parts_as_the_step_falls(make, order):
    circuit = constant()
    x, xs = held(circuit, 5)
    state = closed_form(circuit, x)
    real = np.sort(np.linalg.eigvals(jacobian(circuit, state, x)).real)[::-1]
    steps = (0.2, 0.1)
    errors = [np.abs(lyapunov(make(circuit, h), xs, state0=state) - real).max() for h in steps]
    assert errors[1] < 1e-2
    np.testing.assert_allclose(np.log2(errors[0] / errors[1]), order, atol=0.15)


def test_the_sum_is_the_mean_log_determinant_of_the_step():
    cell, state, xs, matrices = driven()
    determinants = np.linalg.slogdet(matrices)[1]
    found = lyapunov(cell, xs, state0=state)
    np.testing.assert_allclose(jnp.sum(found), determinants.mean() / cell.dt, rtol=1e-10)
    late = lyapunov(cell, xs, state0=state, burn_in=200)
    np.testing.assert_allclose(jnp.sum(late), determinants[200:].mean() / cell.dt, rtol=1e-10)


def test_a_driven_circuit_agrees_with_plain_numpy():
    cell, state, xs, matrices = driven()
    frame, growth = np.eye(12), []
    for F in matrices:
        frame, R = np.linalg.qr(F @ frame)
        growth.append(np.log(np.abs(np.diag(R))))
    # After 200 steps the frame has forgotten how it started, up to the metric: 1/200 of the
    # logarithm of its conditioning, a few units.
    expected = np.sort(np.mean(growth[200:], axis=0))[::-1] / cell.dt
    found = lyapunov(cell, xs, state0=state, burn_in=200)
    np.testing.assert_allclose(found, expected, atol=5 / (200 * cell.dt) * 0.2)
    assert np.all(np.diff(found) <= 0) and found[0] < 0
    largest = lyapunov(cell, xs, 3, state0=state, burn_in=200)
    assert largest.shape == (3,)
    np.testing.assert_allclose(largest, found[:3], atol=5 / (200 * cell.dt) * 0.2)


def test_a_chaotic_system_has_its_known_exponents():
    # Literature: .906, 0, −14.57 per unit of time; a window of 400 units leaves about 1 %.
    cell = RungeKutta(Lorenz(28.0), 0.01)
    xs = jnp.zeros((45_000, 1))
    found = lyapunov(cell, xs, burn_in=5_000)
    np.testing.assert_allclose(found, [0.906, 0, -14.57], atol=0.03)
    # The divergence is −41/3 everywhere; the step's own error is about 1e-5.
    np.testing.assert_allclose(jnp.sum(found), -41 / 3, rtol=1e-4)


@pytest.mark.slow
def test_vmap_over_sequences_and_jit_are_a_loop():
    cell, state, _, _ = driven()
    xs = jnp.stack([zoo.input_of(cell.circuit, seed=s, length=20) for s in range(3)])
    many = jax.jit(jax.vmap(lambda xs: lyapunov(cell, xs, 4, state0=state)))(xs)
    assert many.shape == (3, 4)
    for i in range(3):
        one = lyapunov(cell, xs[i], 4, state0=state)
        np.testing.assert_allclose(many[i], one, rtol=1e-8, atol=1e-12)


@pytest.mark.slow
def test_a_degenerate_first_step_is_no_trouble():
    """Equal units without coupling: every eigenvalue is double."""
    eye = np.eye(2)
    circuit = oo.resolve(oo.ORGaNICs(eye, eye, eye, 0.1, 0.5, 0.5, 2.0, 3.0))
    xs = jnp.ones((10, 2))
    state = closed_form(circuit, xs[0])
    values = np.linalg.eigvals(jacobian(circuit, state, xs[0]))
    expected = np.sort(np.log(np.abs(1 + 0.1 * values)))[::-1] / 0.1
    np.testing.assert_allclose(lyapunov(oo.Euler(circuit, 0.1), xs, state0=state), expected)


@pytest.mark.slow
def test_a_start_of_zero_and_float32():
    cell = oo.Euler(zoo.CIRCUITS["gated float32"](), 0.1)
    xs = zoo.input_of(cell.circuit, length=30)
    found = lyapunov(cell, xs, 5)
    assert found.dtype == np.float32 and found.shape == (5,)
    double = oo.Euler(zoo.gated(), 0.1)
    expected = lyapunov(double, zoo.input_of(double.circuit, length=30), 5)
    np.testing.assert_allclose(found, expected, atol=1e-4)


class Linear(oo.AbstractCircuit):
    """ẏ = (A + x B) y, with one input x."""

    A: jax.Array
    B: jax.Array

    @property
    def input_size(self):
        """m."""
        return 1

    def vector_field(self, t, state, x):
        """The velocity."""
        return Point(self.A @ state.y + x[0] * (self.B @ state.y))

    def initial_state(self):
        """All 1."""
        return Point(jnp.ones_like(self.A[0]))


@pytest.mark.slow_but_first
@pytest.mark.parametrize(("n", "k"), ((30, 30), (20, 3)))
def test_a_feedforward_chain_does_not_show_its_transient(n, k):
    """All multipliers are .9, and a product of them first grows by many orders of magnitude."""
    A = jnp.asarray(-np.eye(n) + 10 * np.eye(n, k=1))
    found = lyapunov(oo.Euler(Linear(A, 0 * A), 0.1), np.zeros((300, 1)), k)
    np.testing.assert_allclose(found, np.full(k, np.log(0.9) / 0.1), rtol=1e-12)


def test_a_driven_chain_has_the_mean_logarithms_of_its_multipliers_in_float32_too():
    rng = np.random.default_rng(0)
    rates, gains, xs = rng.uniform(-3, -1, 8), rng.uniform(-1, 1, 8), rng.normal(size=(100, 1))
    order = rng.permutation(8)
    A = (np.diag(rates) + 5 * np.eye(8, k=-1))[order][:, order]
    B = np.diag(gains[order])
    expected = np.mean(np.log(np.abs(1 + 0.1 * (rates + xs * gains))), axis=0) / 0.1
    expected = np.sort(expected)[::-1]
    for dtype, rtol in ((np.float64, 1e-12), (np.float32, 1e-4)):
        cell = oo.Euler(Linear(jnp.asarray(A, dtype), jnp.asarray(B, dtype)), 0.1)
        found = lyapunov(cell, xs.astype(dtype))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=rtol)
        # Not the two that are largest in the first step.
        np.testing.assert_allclose(lyapunov(cell, xs.astype(dtype), 2), expected[:2], rtol=rtol)


def test_parts_that_share_their_vectors_have_the_exponents_of_all_of_them():
    """Blocks of 5 and 4 units and 12 single ones on three levels, mixed, against all d vectors."""
    rng = np.random.default_rng(1)
    ends = np.cumsum([5, 4, *[1] * 12])
    block = np.searchsorted(ends, np.arange(21), side="right")
    level = np.array([0, 1, *[0] * 5, *[2] * 7])[block]
    mixed = rng.permutation(21)
    hears = (block[:, None] == block) | (level[:, None] > level)
    A, B = (np.where(hears, rng.normal(size=(21, 21)), 0)[mixed][:, mixed] for _ in range(2))
    xs = rng.normal(size=(60, 1))
    for dtype, rtol in ((np.float64, 1e-9), (np.float32, 1e-3)):
        matrices = (jnp.asarray(M, dtype) for M in (A - 2 * np.eye(21), 0.5 * B))
        cell = oo.Euler(Linear(*matrices), 0.05)
        expected = lyapunov(cell, xs.astype(dtype))
        found = lyapunov(cell, xs.astype(dtype), 4)
        np.testing.assert_allclose(found, expected[:4], rtol=rtol)


def test_over_a_batch_of_sequences_they_are_those_of_each():
    circuit = oo.RotationalORGaNICs.random(2, 6, key=0)
    cell, xs = oo.Euler(circuit, 0.5), np.random.default_rng(0).normal(size=(3, 40, 2))
    found = jax.vmap(lambda each: lyapunov(cell, each, 1))(jnp.asarray(xs))
    np.testing.assert_allclose(found, [lyapunov(cell, each, 1) for each in xs], rtol=1e-10)


class Late(oo.AbstractCircuit):
    """Units 0 and `other` of n, which hear each other only at states that nothing has looked at."""

    n: int = eqx.field(static=True, default=2)
    other: int = eqx.field(static=True, default=1)

    @property
    def input_size(self):
        """m."""
        return 1

    def vector_field(self, t, state, x):
        """A rotation by the input, behind a step that is far away."""
        far = jax.nn.relu(state.y[0] - 5e5)
        pair = np.array([0, self.other])
        heard = jnp.zeros_like(state.y).at[pair].set(state.y[pair[::-1]])
        return Point(-state.y + x[0] + 1e-3 * far * heard)

    def initial_state(self):
        """0."""
        return Point(jnp.zeros(self.n))


# All vectors, and shared ones.
@pytest.mark.parametrize(("n", "k", "other"), ((2, 2, 1), *((10, 1, i) for i in (1, 2, 3, 9))))
def test_what_is_heard_after_all_is_not_lost(n, k, other):
    cell = oo.Euler(Late(n, other), 0.01)
    xs = np.full((3, 1), 1e8)
    rest = cell.initial_state()
    frame, growth = np.eye(n, k), []
    for F in step_matrices(cell, rest, jnp.asarray(xs)):
        frame, R = np.linalg.qr(F @ frame)
        growth.append(np.log(np.abs(np.diag(R))))
    expected = np.sort(np.mean(growth, axis=0))[::-1] / cell.dt
    found = lyapunov(cell, xs, k)
    assert abs(growth[-1][0] - growth[0][0]) > 1
    np.testing.assert_allclose(found, expected, rtol=1e-8)


class LateBelow(Late):
    """Unit 1 hears unit 2 always, and unit 0 only at states that nothing has looked at."""

    def vector_field(self, t, state, x):
        """All units decay at the same rate."""
        u, v, w = state.y
        far = jax.nn.relu(u - 1e6)
        return Point(jnp.stack([x[0] - u, far + w - v, x[0] - w]))


def test_what_a_higher_level_hears_after_all_changes_nothing():
    found = lyapunov(oo.Euler(LateBelow(3), 0.01), np.full((3, 1), 1e8))
    np.testing.assert_allclose(found, np.full(3, np.log(0.99) / 0.01), rtol=1e-10)


def test_divergence_is_an_error_and_inside_jit_nan():
    cell = oo.Euler(Lorenz(28.0), 1.0)
    xs = jnp.zeros((30, 1))
    with pytest.raises(RuntimeError, match="The state diverged"):
        lyapunov(cell, xs)
    assert np.all(np.isnan(jax.jit(lambda xs: lyapunov(cell, xs))(xs)))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "text"),
    (
        ({"cell": "cell"}, "Argument `cell` must be a cell"),
        ({"xs": np.zeros((5, 4))}, r"Argument `xs` must have shape \(time, m\) = \(time, 3\)"),
        ({"xs": np.zeros(3)}, "Argument `xs` must have shape"),
        ({"xs": np.zeros((0, 3))}, "Argument `xs` must have shape"),
        ({"xs": np.full((5, 3), np.nan)}, "Argument `xs` must be finite"),
        ({"k": 9}, "Argument `k` must be an integer from 1 to 8"),
        ({"k": 0}, "Argument `k` must be an integer from 1 to 8"),
        ({"k": True}, "Argument `k` must be an integer"),
        ({"burn_in": 5}, "Argument `burn_in` must be an integer from 0 to 4"),
        ({"burn_in": -1}, "Argument `burn_in` must be an integer from 0 to 4"),
        ({"state0": 1.0}, "Argument `state0` must be an ORGaNICsState"),
    ),
)
def test_bad_arguments_are_named(arguments, text):
    given = {"cell": oo.Euler(zoo.organics(), 0.1), "xs": np.zeros((5, 3))} | arguments
    with pytest.raises(ValueError, match=text):
        lyapunov(**given)


@pytest.mark.slow
@pytest.mark.parametrize("name", ("gated after p=2",))
def test_runge_kutta_steps_converge_at_order_four(name):
    """Against a run of the adaptive solver at a tolerance far below the error."""
    import diffrax

    circuit = zoo.CIRCUITS[name]()
    state, x = zoo.state_of(circuit), zoo.input_of(circuit)
    if "gated" in name:  # away from the kinks of the rectification
        state = state._replace(y=jnp.abs(state.y) + 1)
    controller = diffrax.PIDController(rtol=1e-12, atol=1e-14)
    ends = jnp.array([0.0, 0.8])
    run = oo.simulate(circuit, x, ends, state0=state, stepsize_controller=controller)
    exact = [leaf[-1] for leaf in run.states]
    errors = []
    for steps in (4, 8):
        cell = RungeKutta(circuit, 0.8 / steps)
        last = oo.unroll(cell, jnp.tile(x, (steps, 1)), state0=state, last_only=True)
        errors.append(max(float(jnp.abs(a - b).max()) for a, b in zip(last, exact, strict=True)))
    assert 1e-11 < errors[1] < 1e-4
    np.testing.assert_allclose(np.log2(errors[0] / errors[1]), 4, atol=0.4)


def test_runge_kutta_is_a_cell_with_the_dt_of_euler():
    circuit = zoo.CIRCUITS["gated float32"]()
    cell = RungeKutta(circuit, 1)
    assert cell.input_size == circuit.input_size and isinstance(cell.dt, float)
    new = cell.step(cell.initial_state(), zoo.input_of(circuit))
    assert {leaf.dtype for leaf in new} == {np.dtype("float32")}


@pytest.mark.usefixtures("unchecked")
def test_runge_kutta_names_bad_arguments():
    cell = RungeKutta(zoo.organics(), 1.0)
    with pytest.raises(ValueError, match="Argument `dt` must be a positive number"):
        RungeKutta(cell.circuit, 0.0)
    with pytest.raises(ValueError, match="Argument `circuit` must be a circuit"):
        RungeKutta(cell, 0.1)
