"""Each route to a fixed point on its own, against linear algebra and long runs."""

import functools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oscillators import Linear
from random_circuits import blow_up, draw, side_by_side, stack

import organics_ode as oo
from organics_ode.equilibria._loops import ended, queued
from organics_ode.equilibria._routes import (
    _mixing,
    _newton,
    accelerate,
    downhill,
    settle,
    substituted,
)
from organics_ode.linear import Equations, ravel, target, tolerance
from organics_ode.programs import lazily

GOAL = target(np.float64)
TRUE = jnp.asarray(True)


def equations(values, x):
    circuit = oo.resolve(oo.ORGaNICs(**values))
    return Equations(circuit, jnp.asarray(x), circuit.initial_state())


def box():
    """20 circuits of the tested box as one, and a start for each."""
    drawn = [draw(2, 1.0, seed) for seed in range(20)]
    rng = np.random.default_rng(0)
    starts = [np.concatenate([rng.normal(size=2), rng.uniform(0.05, 2, 2)]) for _ in drawn]
    return stack([equations(*each) for each in drawn]), jnp.asarray(np.stack(starts))


@functools.partial(eqx.filter_jit)
def run(route, e, v, needed):
    """The start and the end of a route, for a batch."""

    def one(e, v):
        start = e.point(v)
        return start, ended(route(e), start, needed)

    return eqx.filter_vmap(one)(e, v)


ROUTES = (accelerate, settle, substituted, downhill)


@pytest.fixture(scope="module", params=ROUTES, ids=lambda route: route.__name__)
def ends(request):
    """Starts, ends where needed, and ends where not."""
    e, v = box()
    start, end = run(request.param, e, v, TRUE)
    return request.param, e, start, end, run(request.param, e, v, ~TRUE)[1]


@pytest.mark.slow_but_first
def test_a_route_that_is_not_needed_stays_where_it_is(ends):
    _, _, start, _, idle = ends
    np.testing.assert_array_equal(idle.v, start.v)
    np.testing.assert_array_equal(idle.residual, start.residual)
    assert np.all(idle.steps == 0)


@pytest.mark.slow_but_first
def test_a_route_comes_to_rest_and_reports_its_residual(ends):
    route, e, start, end, _ = ends
    again = eqx.filter_vmap(lambda e, v: e.residual(v))(e, end.v)
    # Computed once inside a fused loop, once alone.
    np.testing.assert_allclose(end.residual, again, rtol=1e-6, atol=1e-15)
    goal = 1e-6 if route in (substituted, downhill) else GOAL
    assert np.all(start.residual > 1e-3)
    arrived = np.asarray(end.residual) <= goal
    # A descent may end in a valley without a fixed point, a substitution may run away, and the flow
    # itself blows up from some starts.
    assert arrived.mean() >= 0.75
    if route is settle:
        assert np.all(np.abs(end.v[~arrived]).max(1, initial=np.inf) > 1e6)
    assert np.all(end.steps >= 1)


@pytest.mark.parametrize("ends", [downhill], indirect=True, ids=["downhill"])
def test_descent_goes_downhill(ends):
    _, e, start, end, _ = ends
    force = eqx.filter_vmap(lambda e, v: jnp.linalg.norm(e.times(v) * e.velocity(v)))
    assert np.all(force(e, end.v) < force(e, start.v))


def test_newton_steps_never_raise_the_residual():
    e, v = box()
    _, near = run(settle, e, v, TRUE)
    settled = near.residual <= GOAL
    rng = np.random.default_rng(1)
    for size in (1e-4, 1e-2, 0.3):
        shifted = near.v * (1 + size * rng.normal(size=v.shape))
        start, end = run(_newton, e, shifted, TRUE)
        assert np.all(end.residual <= start.residual)
        # Where the residual is large nothing is done: Newton's method goes astray from afar.
        far = np.asarray(start.residual) >= 0.1
        np.testing.assert_array_equal(end.v[far], start.v[far])
        if size == 1e-4:
            assert np.all(end.residual[settled] <= GOAL) and np.all(end.steps <= 4)


def test_a_linear_circuit_is_solved_in_as_many_steps_as_it_has_variables():
    """Anderson's method is GMRES there; it does not care that the point is not stable."""
    A, x = jnp.array([[-1.0, 2.0], [3.0, -0.5]]), jnp.array([0.3, -0.7])
    e = Equations(Linear(A), x, Linear(A).initial_state())
    assert np.max(np.linalg.eigvals(A).real) > 1
    end = ended(accelerate(e), e.point(jnp.array([5.0, -4.0])))
    np.testing.assert_allclose(end.v, -np.linalg.solve(A, x), rtol=1e-10)
    assert end.steps <= 6


@pytest.mark.slow_but_first
@pytest.mark.parametrize("count", (50, 3), ids=("more than places", "fewer"))
def test_a_queue_ends_where_each_start_ends_alone(count):
    """Also for starts that rest already, and for ones that fail."""
    e = equations(side_by_side((2, 0.5, 0.1), (2, 0.3, 0.1)), np.ones(2))
    v = jnp.asarray(np.exp(2 * np.random.default_rng(0).normal(size=(count, 4))))
    alone = eqx.filter_jit(jax.vmap(lambda v: ended(accelerate(e), e.point(v))))
    v = v.at[1].set(alone(v).v[0]).at[2].set(jnp.nan)
    one, other = alone(v), eqx.filter_jit(lambda v: queued(accelerate(e), jax.vmap(e.point)(v)))(v)
    np.testing.assert_array_equal(one.steps, other.steps)
    assert len(np.unique(one.steps)) > min(count, 5) - 2 and np.min(one.steps) == 0
    np.testing.assert_allclose(one.v, other.v, rtol=1e-9)
    # The accelerated iteration runs away from some starts.
    is_found = np.isfinite(one.residual)
    np.testing.assert_array_equal(is_found, np.isfinite(other.residual))
    assert not is_found[2] and is_found.mean() > 0.6


def test_a_state_goes_to_a_vector_and_back():
    e = equations(*draw(2, 1.0, 0))
    v = jnp.arange(1.0, 5.0)
    state = e.unravel(v)
    np.testing.assert_array_equal(state.a, [3, 4])
    np.testing.assert_array_equal(ravel(state), v)
    velocity = e.circuit.vector_field(None, state, e.x)
    np.testing.assert_array_equal(e.velocity(v), jnp.concatenate(velocity))
    assert np.isinf(e.residual(v.at[0].set(jnp.nan)))


@pytest.mark.slow
def test_settling_ends_where_a_long_run_ends():
    """Two units with three fixed points each, from far and from beside an unstable point."""
    values = side_by_side((2, 0.5, 0.1), (2, 0.3, 0.1))
    e = equations(values, np.ones(2))
    starts = jnp.array([[-0.98, 2.0, 0.06, 0.5], [0.01, -3.0, 0.01, 0.01]])
    _, ends = run(settle, stack([e, e]), starts, TRUE)
    for start, end in zip(starts, ends.v, strict=True):
        trajectory = oo.simulate(
            e.circuit,
            e.x,
            jnp.array([0.0, 1000.0]),
            state0=e.unravel(start),
            solver=diffrax.Kvaerno5(),
            stepsize_controller=diffrax.PIDController(rtol=1e-8, atol=1e-10),
        )
        ran = jnp.concatenate([leaf[-1] for leaf in trajectory.states])
        # The solver's tolerance, and what is left of the slowest mode, exp(−.1 · 1000).
        np.testing.assert_allclose(end, ran, rtol=1e-6)
    assert np.all(ends.residual <= GOAL)


def test_where_the_flow_blows_up_settling_stops_and_substitution_does_not():
    values, z = blow_up()
    e, start = equations(values, z), jnp.full((2, 4), 0.01)
    _, settled = run(settle, stack([e, e]), start, TRUE)
    assert np.all(settled.residual > 1e-3) and np.all(settled.steps <= 400)
    _, end = run(substituted, stack([e, e]), start, TRUE)
    assert np.all(end.residual <= 1e-6)
    np.testing.assert_allclose(end.v[0], [0.819, 0.799, 1.048, 0.618], atol=1e-3)


def test_substitution_reaches_points_that_are_not_stable():
    e = equations(side_by_side((2, 0.5, 0.1), (2, 0.3, 0.1)), np.ones(2))
    rest = ravel(e.like)
    _, end = run(substituted, stack([e, e]), jnp.stack([rest, rest]), TRUE)
    assert np.all(end.residual <= 1e-6)
    # The lowest of the three points of each unit, -.569 in math.md §3.
    np.testing.assert_allclose(end.v[0, 0], -0.569, atol=5.1e-4)
    assert np.max(np.linalg.eigvals(e.jacobian(end.v[0])).real) > 0.1


def test_least_squares_are_those_of_numpy():
    rng = np.random.default_rng(0)
    rows, r = rng.normal(size=(8, 12)), rng.normal(size=12)
    exact = np.linalg.lstsq(rows.T, r, rcond=None)[0]
    # The normal equations square the condition number, about 10, and a ridge of 100 ε is added.
    np.testing.assert_allclose(_mixing(jnp.asarray(rows), jnp.asarray(r)), exact, rtol=1e-9)
    rows[5:] = 0  # A memory that is not full yet.
    exact[:5], exact[5:] = np.linalg.lstsq(rows[:5].T, r, rcond=None)[0], 0
    mix = _mixing(jnp.asarray(rows), jnp.asarray(r))
    np.testing.assert_allclose(mix, exact, rtol=1e-9)
    np.testing.assert_array_equal(mix[5:], 0)


def test_what_is_not_needed_is_not_computed_under_vmap():
    calls = []

    def compute(v):
        jax.debug.callback(lambda: calls.append(1))
        return 2 * v

    @jax.jit
    def many(needed, v):
        return jax.vmap(lambda n, v: lazily(n, compute, v, -v))(needed, v)

    v = jnp.arange(4.0)
    none, some = jnp.zeros(4, bool), jnp.array([False, True, False, True])
    np.testing.assert_array_equal(many(none, v), -v)
    jax.effects_barrier()
    assert not calls
    np.testing.assert_array_equal(many(some, v), [0, 2, -2, 6])
    jax.effects_barrier()
    assert calls


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_what_routes_aim_at_counts_as_solved(dtype):
    # A route that stops at its aim must not be told that it failed.
    assert 8 * jnp.finfo(dtype).eps < target(dtype) < tolerance(dtype) / 2
