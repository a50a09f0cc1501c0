"""Where a circuit comes to rest: against theory, numpy, long runs and finite differences."""

import functools
import itertools
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from jax.flatten_util import ravel_pytree
from oscillators import unit, unit_points
from random_circuits import (
    NOTHING,
    ZERO,
    Cubic,
    blow_up,
    draw,
    eigenvalues,
    excitable,
    side_by_side,
    stack,
    velocity,
)

import organics_ode as oo
from organics_ode.facts import closed_form

NONE, BEFORE, AFTER = oo.Rectification.NONE, oo.Rectification.BEFORE, oo.Rectification.AFTER
CLOSED, _, SETTLED, _ = range(4)


# Compiling takes most of the time here, and what is compiled runs for milliseconds.
QUICKLY = {"xla_backend_optimization_level": 0}


def _solve(circuits, xs, starts=None):
    def one(circuit, x, start):
        return oo.fixed_point(circuit, x, state0=start, throw=False)

    return eqx.filter_vmap(one)(circuits, xs, starts)


filter_jit: Any = eqx.filter_jit
solve = filter_jit(_solve, compiler_options=QUICKLY)


def residual(values, z, y, a, p=2.0):
    """The relative residual of both equations, in numpy: the one `fixed_point` promises."""
    c, s = values, a ** (1 / p)
    recurrent, pooled = (1 - s) * (c["W_r"] @ y), c["W"] @ (a * np.abs(y) ** p)
    offset = (c["sigma"] * c["b0"]) ** p
    terms_y = np.max([np.abs(y), np.abs(c["b1"] * z), np.abs(1 - s) * (np.abs(c["W_r"] @ y))], 0)
    terms_a = np.max([np.abs(a), offset, pooled], 0)
    errors = (-y + c["b1"] * z + recurrent) / terms_y, (-a + offset + pooled) / terms_a
    return np.max(np.abs(errors))


# ---- The box, and beyond it -------------------------------------------------------------------


EXPONENTS = (1.0, 1.5, 2.0, 3.5, 5.0)


def wide(n, seed) -> tuple[dict[str, Any], Any]:
    """A circuit with W_r = I and time constants over four decades."""
    values, z = draw(n, 3.0, seed, identity=True)
    tau = 10 ** np.random.default_rng(seed).uniform(-1, 3, (2, n))
    return values | {"tau_y": tau[0], "tau_a": tau[1]}, z


def flat(values, z, p=2.0) -> Any:
    """A circuit with n = 2 and its input as one vector, and the way back."""
    positive = values | {"W": oo.Positive(np.maximum(values["W"], 1e-300))}  # 0 has no logarithm
    return ravel_pytree((oo.ORGaNICs(**positive, exponent=jnp.asarray(p)), jnp.asarray(z)))


UNRAVEL = flat(*draw(2, 1.0, 5))[1]


def numbers_of(state):
    """A scalar that every entry of the state enters."""
    return jnp.sum(jnp.sin(state.y)) + jnp.sum(state.a * state.y) + jnp.sum(state.a**2)


def outputs(theta):
    circuit, x = UNRAVEL(theta)
    point = oo.fixed_point(circuit, x, throw=False)
    return (numbers_of(point.state), point.abscissa), point


def reverse(theta):
    """(the outputs, their gradients in reverse mode), and these with the point."""
    found, back, point = jax.vjp(outputs, theta, has_aux=True)
    both = found, jnp.stack([back((1.0, 0.0))[0], back((0.0, 1.0))[0]])
    return both, (*both, point)


@functools.partial(jax.jit, compiler_options=QUICKLY)
def everything(theta):
    """Of each θ: point and outputs, and derivatives in reverse, forward, and forward over reverse
    mode."""

    def one(theta):
        (forward, second), (found, gradient, point) = jax.jacfwd(reverse, has_aux=True)(theta)
        return Derivatives(point, jnp.stack(found), gradient, jnp.stack(forward), second)

    return jax.vmap(one)(theta)


STEP = 1e-5


class Derivatives(NamedTuple):
    point: Any
    outputs: jax.Array
    gradient: jax.Array
    forward: jax.Array
    second: jax.Array


@pytest.fixture(scope="module")
def solved():
    """Everything with n = 2, by one program: name → (values, z, p) of the small circuits, what was
    found of each, and what of the θ of two circuits, at θ, θ + h and θ − h."""
    cases = {f"box {i}": (*draw(2, 1.0, i), 2.0) for i in range(40)}
    ones = np.ones(2)
    cases["worked 1"] = side_by_side((0.5, 0.5, 0.1), (2, 1, 1)), ones, 2.0
    cases["worked 2"] = side_by_side((2, 0.5, 0.1), (0.5, 0.5, 0.1)), ones, 2.0
    cases["blow up"] = *blow_up(), 2.0
    for i, p in enumerate(EXPONENTS * 2):
        cases[f"identity {i}"] = *wide(2, i), p
    thetas = [jnp.stack([flat(*case)[0] for case in cases.values()])]
    for identity in (False, True):
        theta = flat(*draw(2, 1.0, 5, identity=identity))[0]
        steps = STEP * jnp.eye(theta.size)
        thetas.append(jnp.concatenate([theta[None], theta[None] + steps, theta[None] - steps]))
    ends = np.cumsum([len(theta) for theta in thetas])
    found = in_parts(everything, np.concatenate(thetas))
    whole, *parts = (at(found, slice(*span)) for span in itertools.pairwise([0, *ends]))
    return cases, whole.point, list(zip(thetas[1:], parts, strict=True))


# Calls into LAPACK of larger batches of derivatives are spread over XLA's threads, and two at once
# may wait for each other forever.
PART = 51


def in_parts(function, batch):
    """One program for all parts; the last one is filled up."""
    parts = -(-len(batch) // PART)
    filled = np.concatenate([batch, np.repeat(batch[-1:], parts * PART - len(batch), axis=0)])
    found = [function(jnp.asarray(part)) for part in np.split(filled, parts)]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(batch)], *found)


def at(tree, i):
    """A part of a batch; no program is compiled for it."""
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[i]), tree)


@pytest.fixture(scope="module")
def small(solved):
    """Circuits with n = 2: name → (values, z, p), and their points by name."""
    cases, points, _ = solved
    return cases, {name: at(points, i) for i, name in enumerate(cases)}


@pytest.fixture(scope="module")
def large():
    """60 circuits with n = 10 at ‖z‖ = 1 and at ‖z‖ = 3, and the points of both."""
    found = []
    for norm in (1.0, 3.0):
        drawn = [draw(10, norm, seed) for seed in range(60)]
        circuits = stack([oo.ORGaNICs(**values) for values, _ in drawn])
        points = solve(circuits, jnp.asarray(np.stack([z for _, z in drawn])))
        found.append((drawn, circuits, points))
    return found


def check_solved(values, z, point, p=2.0):
    y, a = map(np.asarray, point.state)
    assert residual(values, z, y, a, p) <= 1e-10
    assert float(point.residual) <= 1e-10


@pytest.mark.slow
def test_every_small_circuit_of_the_box_is_solved_and_stable(small):
    cases, points = small
    for name in (name for name in cases if name.startswith("box")):
        values, z, _ = cases[name]
        check_solved(values, z, points[name])
        v = np.concatenate(points[name].state)
        largest = np.max(eigenvalues(velocity(values, z), v).real)
        assert points[name].succeeded and largest < 0
        # Central differences with step 1e-6, and eigenvalues that may be close to double.
        np.testing.assert_allclose(points[name].abscissa, largest, rtol=1e-4)


@pytest.mark.slow
def test_every_larger_circuit_of_the_box_is_solved_and_stable(large):
    (drawn, _, points), _ = large
    assert np.all(points.succeeded) and np.all(points.abscissa < 0)
    for i, (values, z) in enumerate(drawn):
        y, a = (np.asarray(leaf[i]) for leaf in points.state)
        assert residual(values, z, y, a) <= 1e-10


def plain_iteration(values, z):
    """y ← solve(I − diag(1 − √a) W_r, b1 z); a ← (σb0)² + W (a y²), from W_r = I."""
    c, eye = values, np.eye(z.size)
    offset = (c["sigma"] * c["b0"]) ** 2
    a = offset + c["W"] @ (c["b1"] * z) ** 2
    y = np.zeros_like(z)
    for _ in range(300):
        y = np.linalg.solve(eye - (1 - np.sqrt(a))[:, None] * c["W_r"], c["b1"] * z)
        a = offset + c["W"] @ (a * y**2)
        if not np.all(a < 1e12):
            return False
    return residual(values, z, y, a) <= 1e-10


@pytest.mark.slow
def test_far_outside_the_box_every_answer_is_right_or_says_that_it_failed(large):
    _, (drawn, _, points) = large
    solved = np.asarray(points.succeeded)
    for i in np.flatnonzero(solved):
        y, a = (np.asarray(leaf[i]) for leaf in points.state)
        values, z = drawn[i]
        assert residual(values, z, y, a) <= 1e-10
    assert np.all(np.asarray(points.residual)[~solved] > 1e-10)
    plain = sum(plain_iteration(*each) for each in drawn)
    assert 0 < plain < solved.sum()
    assert solved.mean() > 0.9


@pytest.mark.slow
def test_the_worked_values_are_the_stable_points(small):
    _, points = small
    # math.md §3, one column per unit; (2, .5, .1) has two unstable points besides.
    expected = {
        "worked 1": ([0.8980, 0.4166], [0.01291, 1.2101], -0.1876),
        "worked 2": ([0.9978, 0.8980], [0.5633, 0.01291], -0.1264),
    }
    for name, (y, a, abscissa) in expected.items():
        point = points[name]
        assert point.succeeded
        np.testing.assert_allclose(point.state.y, y, atol=5.1e-5)
        np.testing.assert_allclose(point.state.a, a, atol=5.1e-5)
        np.testing.assert_allclose(point.abscissa, abscissa, atol=5.1e-5)


def run(values, z, length):
    """From y = a = .01, by a solver that knows nothing of fixed points."""
    start = oo.ORGaNICsState(jnp.full(2, 0.01), jnp.full(2, 0.01))
    return oo.simulate(
        oo.ORGaNICs(**values, exponent=jnp.asarray(2.0)),
        z,
        np.array([0.0, length]),
        state0=start,
        stepsize_controller=diffrax.PIDController(rtol=1e-9, atol=1e-11),
        throw=False,
    )


@pytest.mark.parametrize("name", ("box 0", "box 1", "worked 1"))
def test_a_long_run_ends_at_the_fixed_point(small, name):
    cases, points = small
    values, z, _ = cases[name]
    trajectory = run(values, z, 2000.0)
    assert trajectory.succeeded
    for ran, found in zip(trajectory.states, points[name].state, strict=True):
        # At rest the solver's error is its tolerance, and the flow contracts it.
        np.testing.assert_allclose(ran[-1], found, rtol=1e-7, atol=1e-8)


def test_where_a_run_blows_up_the_stable_point_is_found(small):
    cases, points = small
    values, z, _ = cases["blow up"]
    trajectory = run(values, z, 200.0)
    assert not trajectory.succeeded and trajectory.stats["t_reached"] < 200
    assert not np.all(np.isfinite(trajectory.states.y[-1]))
    point = points["blow up"]
    check_solved(values, z, point)
    assert point.succeeded and point.abscissa < 0
    # Three digits are given, cut off and not rounded.
    np.testing.assert_allclose(point.state.y, [0.819, 0.799], atol=1e-3)
    np.testing.assert_allclose(point.state.a, [1.048, 0.618], atol=1e-3)


# ---- W_r = I ------------------------------------------------------------------------------------


def check_closed(circuit, x, point):
    y, a = zoo.closed_form(circuit, x)
    assert int(point.route) == CLOSED and int(point.iterations) == 0
    assert point.succeeded and point.abscissa < 0
    # Both are the same few operations, in another order.
    np.testing.assert_allclose(point.state.y, y, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(point.state.a, a, rtol=1e-13)


def test_the_closed_form_is_taken_as_it_is(small):
    cases, points = small
    for name in (name for name in cases if name.startswith("identity")):
        values, z, p = cases[name]
        check_closed(oo.ORGaNICs(**values, exponent=p), z, points[name])
        check_solved(values, z, points[name], p)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("rectification", (BEFORE, AFTER))
def test_the_closed_form_is_taken_as_it_is_with_rectification(rectification):
    for i, p in enumerate(EXPONENTS):
        values, z = wide(2, 50 + i)
        circuit = oo.ORGaNICs(**values, rectification=rectification, exponent=jnp.asarray(p))
        check_closed(circuit, z, oo.fixed_point(circuit, z))


def gated(values, seed, feedback):
    rng = np.random.default_rng(seed)
    kept = {k: v for k, v in values.items() if k not in ("b0", "b1")}
    gates: dict[str, Any] = {name: rng.normal(size=(2, 2)) for name in zoo.GATES}
    for name in ("W_by0", "W_ba0", "W_by1", "W_ba1"):
        gates[name] = feedback * gates[name]
    taus = 10 ** rng.uniform(-1, 3, (2, 2))
    return oo.GatedORGaNICs(**kept, **gates, tau_b0=taus[0], tau_b1=taus[1], exponent=2.0)


@pytest.mark.slow_but_first
@pytest.mark.parametrize(("seed", "feedback"), [(0, 0.0), (1, 0.0), (2, 0.0), (3, 1.0)])
def test_gated_circuits_are_closed_where_their_gains_do_not_depend_on_the_state(seed, feedback):
    """In the last one they do: its gains are part of the problem, and nothing is closed."""
    values, z = wide(2, 70 + seed)
    circuit = gated(values, seed, feedback)
    point = oo.fixed_point(circuit, z)
    y, a, b0, b1 = map(np.asarray, point.state)
    c = oo.resolve(circuit)
    for k, b in ((0, b0), (1, b1)):
        W_bx, W_by, W_ba = (np.asarray(getattr(c, f"W_b{v}{k}")) for v in "xya")
        gain = 1 / (1 + np.exp(-(W_bx @ z + W_by @ y + W_ba @ a)))
        np.testing.assert_allclose(b, gain, rtol=1e-9)
    constant: dict[str, Any] = values | {"b0": b0, "b1": b1}
    at_gains = oo.ORGaNICs(**constant, rectification=AFTER)
    exact = zoo.closed_form(at_gains, z)
    # At the gains it has, the point is normalization; solved to 1e-10 of the largest term.
    np.testing.assert_allclose(y, exact[0], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(a, exact[1], rtol=1e-8)
    assert (int(point.route) == CLOSED and int(point.iterations) == 0) == (feedback == 0)


# ---- Derivatives --------------------------------------------------------------------------------


@pytest.fixture(params=(0, 1), ids=("general W_r", "W_r = I"))
def derivatives(request, solved):
    """θ, and everything at θ, θ + h and θ − h."""
    theta, found = solved[2][request.param]
    return theta[0], jax.tree.map(np.asarray, found)


def differences(values):
    """Central differences of what was computed at θ, θ + h and θ − h."""
    up, down = np.split(values[1:], 2)
    return (up - down) / (2 * STEP)


@pytest.mark.slow_but_first
def test_gradients_equal_finite_differences(derivatives):
    _, found = derivatives
    # Differences are off by h² = 1e-10 of the third derivative, and by the residual, 1e-13, over h.
    np.testing.assert_allclose(
        found.gradient[0].T, differences(found.outputs), rtol=1e-6, atol=1e-7
    )
    assert np.abs(found.gradient[0][1]).max() > 1e-3


def test_reverse_mode_is_forward_mode(derivatives):
    _, found = derivatives
    np.testing.assert_allclose(found.gradient[0], found.forward[0], rtol=1e-11, atol=1e-13)


def test_second_derivatives_equal_finite_differences_of_the_first(derivatives):
    _, found = derivatives
    second = np.moveaxis(found.second[0], -1, 0)
    np.testing.assert_allclose(second, differences(found.gradient), rtol=1e-6, atol=1e-6)


def test_gradients_reach_every_leaf_also_where_the_closed_form_holds(derivatives):
    """The closed form does not see W_r; the derivative with respect to it is not 0."""
    _, found = derivatives
    circuit, x = UNRAVEL(found.gradient[0, 0])
    for path, leaf in jax.tree_util.tree_leaves_with_path(circuit):
        # Where a circuit rests does not depend on how fast it moves.
        is_time = "tau" in jax.tree_util.keystr(path)
        assert np.all(np.abs(leaf) < 1e-14) if is_time else np.all(np.abs(leaf) > 1e-9), (
            path,
            leaf,
        )
    assert np.all(x != 0)


@pytest.mark.slow_but_first
def test_gradients_equal_those_of_a_long_unrolled_settling(derivatives):
    theta, found = derivatives

    def settled(theta):
        circuit, x = UNRAVEL(theta)
        xs = jnp.broadcast_to(x, (4000, 2))
        return numbers_of(oo.unroll(oo.Euler(circuit, 0.5), xs, last_only=True))

    np.testing.assert_allclose(found.gradient[0, 0], jax.grad(settled)(theta), rtol=1e-8, atol=1e-9)


@pytest.mark.slow
def test_gradients_of_gated_circuits_equal_finite_differences():
    """Along one direction in all parameters and the input at once, which every leaf enters."""
    values, z = wide(2, 73)
    # Both inputs positive: a unit driven below 0 rests on the kink of ⌊y⌋.
    theta, unravel = ravel_pytree((gated(values, 3, 1.0), jnp.abs(jnp.asarray(z))))
    direction = jnp.asarray(np.random.default_rng(0).normal(size=theta.size)) / 10

    def output(theta):
        state = oo.fixed_point(*unravel(theta), throw=False).state
        return numbers_of(state) + jnp.sum(state.b0 * state.b1)

    thetas = jnp.stack([theta, theta + 1e-5 * direction, theta - 1e-5 * direction])
    run = jax.jit(jax.vmap(jax.value_and_grad(output)), compiler_options=QUICKLY)
    (_, up, down), (gradient, *_) = run(thetas)
    np.testing.assert_allclose(gradient @ direction, (up - down) / 2e-5, rtol=1e-6)


# ---- Circuits of one's own, and failure ---------------------------------------------------------


OSCILLATING = excitable(0.0, 1.0, 0.0, -1 / 3)
RESTING = excitable(0.0, -1.0, 0.0, -1 / 3)


@pytest.mark.slow
def test_a_circuit_of_ones_own_comes_to_rest():
    point = oo.fixed_point(RESTING, jnp.ones(1))
    v = np.roots([-1 / 3, 0, -2.5, 1])
    v = v[np.isreal(v)].real
    np.testing.assert_allclose(point.state.v, v, rtol=1e-9)
    np.testing.assert_allclose(point.state.w, 1.5 * v, rtol=1e-9)
    assert point.succeeded and point.abscissa < 0


@pytest.mark.slow_but_first
@pytest.mark.parametrize("c1", (-1.0, 1.0))
def test_a_point_at_zero_is_found_from_elsewhere(c1):
    """Where all terms vanish, the residual is relative to what they are at the circuit's start."""
    point = oo.fixed_point(excitable(0.0, c1, 0.0, -1 / 3, v0=1.0), ZERO)
    np.testing.assert_allclose([*point.state.v, *point.state.w], 0, atol=1e-16)
    J = np.array([[c1, -1], [0.08 * 1.5, -0.08]])
    np.testing.assert_allclose(point.abscissa, np.max(np.linalg.eigvals(J).real), rtol=1e-9)


def test_the_point_inside_a_limit_cycle_is_not_called_stable():
    point = oo.fixed_point(OSCILLATING, jnp.full(1, 0.2))
    (v,) = np.roots([-1 / 3, 0, -0.5, 0.2])[-1:].real
    np.testing.assert_allclose(point.state.v[0], v, rtol=1e-9)
    J = np.array([[1 - v**2, -1], [0.08 * 1.5, -0.08]])
    np.testing.assert_allclose(point.abscissa, np.max(np.linalg.eigvals(J).real), rtol=1e-6)
    assert point.succeeded and point.abscissa > 0
    assert "not stable" in repr(point)


def test_a_circuit_without_a_fixed_point_fails_and_says_so():
    point = oo.fixed_point(NOTHING, ZERO, throw=False)
    assert not point.succeeded and point.residual > 1e-10
    assert repr(point).startswith("FixedPoint: not found")
    with pytest.raises(RuntimeError, match=r"No fixed point was found.*`state0`.*find_fixed_poi"):
        oo.fixed_point(NOTHING, ZERO)


def test_inside_jit_a_failure_raises_when_it_runs():
    found = jax.jit(lambda x: oo.fixed_point(NOTHING, x).state)
    with pytest.raises(Exception, match="No fixed point was found"):
        jax.block_until_ready(found(ZERO))


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((3.0, ZERO), {}, "Argument `circuit` must be a circuit, but it is a float; the call is"),
        ((RESTING, jnp.ones(2)), {}, r"Argument `x` must have shape \(m,\) = \(1,\), but it has"),
        ((RESTING, jnp.full(1, jnp.nan)), {}, "Argument `x` must be finite, but it holds NaN"),
        ((RESTING, ZERO), {"state0": ZERO}, "Argument `state0` must be a Cubic like `initial_"),
        (
            (RESTING, ZERO),
            {"state0": Cubic(jnp.ones(2), ZERO)},
            r"Argument `state0.v` must have shape",
        ),
    ],
)
def test_bad_arguments_are_refused(arguments, options, text, unchecked):
    with pytest.raises(ValueError, match=text):
        oo.fixed_point(*arguments, **options)


# ---- Large circuits, and single precision -------------------------------------------------------


def pooled_weakly(n):
    values, z = draw(n, 1.0, 3)
    return values | {"W": values["W"] / 10}, z


def alone(n):
    """Units that do not see each other; those with w_r = 2 have two unstable points besides."""
    w_r = np.where(np.arange(n) == 7, 2.0, 0.5)
    numbers = {"sigma": 0.1, "b0": 0.5, "b1": 0.5, "tau_y": 2.0, "tau_a": 2.0}
    weights = {"W_zx": np.eye(n), "W_r": np.diag(w_r), "W": np.eye(n)}
    return weights | {name: np.full(n, value) for name, value in numbers.items()}, np.ones(n)


@pytest.fixture(scope="module")
def wholes():
    """d = 98 > 96, where stability is read from a few eigenvalues. From the closed form, and last
    from the fixed point with one unit at an unstable one."""
    cases = [pooled_weakly(49), alone(49), alone(49)]
    circuits = [oo.ORGaNICs(**values) for values, _ in cases]
    starts = [
        closed_form(oo.resolve(c), jnp.asarray(z))
        for c, (_, z) in zip(circuits, cases, strict=True)
    ]
    y, a = np.full(49, 0.897966), np.full(49, 0.0129075)
    y[7], a[7] = -0.979, 0.0598
    starts[2] = oo.ORGaNICsState(jnp.asarray(y), jnp.asarray(a))
    xs = jnp.asarray(np.stack([z for _, z in cases]))
    return cases, solve(stack(circuits), xs, stack(starts))


@pytest.mark.parametrize("i", range(3))
def test_large_circuits_are_solved_to_a_stable_point(wholes, i):
    cases, points = wholes
    values, z = cases[i]
    y, a = (np.asarray(leaf[i]) for leaf in points.state)
    assert residual(values, z, y, a) <= 1e-10
    largest = np.max(eigenvalues(velocity(values, z), np.concatenate([y, a])).real)
    assert largest < 0
    np.testing.assert_allclose(points.abscissa[i], largest, rtol=1e-4)


def test_one_isolated_unstable_mode_among_many_is_seen(wholes):
    """The iteration stays at the unstable point it starts from: it is not believed."""
    _, points = wholes
    np.testing.assert_allclose(points.state.y[2, 7], 0.9978, atol=5.1e-5)
    assert int(points.route[2]) == SETTLED


@pytest.mark.slow
def test_single_precision_is_kept_and_solved():
    drawn = [draw(2, 1.0, seed) for seed in range(10)]
    single = [{k: v.astype(np.float32) for k, v in values.items()} for values, _ in drawn]
    xs = jnp.asarray(np.stack([z for _, z in drawn]), jnp.float32)
    points = solve(stack([oo.ORGaNICs(**values) for values in single]), xs)
    assert np.all(points.succeeded)
    for leaf in (*points.state, points.residual, points.abscissa):
        assert leaf.dtype == np.float32
    for i, (values, z) in enumerate(drawn):
        y, a = (np.asarray(leaf[i], float) for leaf in points.state)
        # Rounding the parameters moves the residual by another 1e-7.
        assert residual(values, z, y, a) <= 2.1e-5


def test_a_point_prints_its_route_and_residual(solved, small):
    _, points = small
    assert repr(solved[1]).startswith("FixedPoint: a batch of ")
    text = repr(points["identity 0"])
    assert "FixedPoint: stable" in text and "closed form, 0 iterations" in text
    assert oo.FixedPoint.routes[0] == "closed form"


class Ring(oo.AbstractCircuit):
    """v̇ = v(1 − |v|²): a circle of fixed points, of eigenvalues 0 and −2."""

    @property
    def input_size(self):
        return 1

    def vector_field(self, t, state, x):
        return Plane(state.v * (1 - state.v @ state.v))

    def initial_state(self):
        return Plane(jnp.zeros(2))


class Plane(NamedTuple):
    v: Any


@pytest.mark.slow
def test_a_point_of_a_continuum_is_marginal_wherever_it_is_asked():
    circuit, start = Ring(), Plane(jnp.array([0.61, 0.83]))
    point = oo.fixed_point(circuit, np.zeros(1), state0=start)
    np.testing.assert_allclose(np.linalg.norm(point.state.v), 1, rtol=1e-10)
    # A zero eigenvalue comes out as any number of the order of rounding, also below 0.
    for exactly in (-1e-17, 0.0, 1e-17):
        here = eqx.tree_at(lambda p: p.abscissa, point, jnp.asarray(exactly))
        assert here.is_marginal and not here.is_stable
        assert repr(here).startswith("FixedPoint: marginal")
    there = oo.spectrum(circuit, point.state, np.zeros(1))
    assert there.is_marginal and point.is_marginal and not point.is_stable
    certificate = oo.certify(circuit, np.zeros(1), state0=start)
    assert "the eigenvalues at this fixed point are marginal" in str(certificate.evidence)
    with pytest.raises(ValueError, match="must have a stable fixed point for this input"):
        oo.energy(circuit, np.zeros(1), state0=start)
    failed = eqx.tree_at(lambda p: p.abscissa, point, jnp.asarray(-1.0))
    assert failed.is_stable and not failed.is_marginal


def check_same(direct, searched):
    assert jax.tree.structure(direct) == jax.tree.structure(searched)
    for ours, theirs in zip(jax.tree.leaves(direct), jax.tree.leaves(searched), strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
    assert direct.succeeded and direct.is_stable


def test_what_is_known_is_not_searched_for(small):
    cases, points = small
    values, z, p = cases["identity 2"]
    check_same(oo.fixed_point(oo.ORGaNICs(**values, exponent=p), z), points["identity 2"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["organics identity", "gated identity"])
def test_what_is_known_is_not_searched_for_in_other_kinds(name):
    make = {"organics identity": zoo.organics, "gated identity": zoo.gated}[name]
    circuit = make(identity=True)
    if name == "gated identity":
        gates = [jnp.zeros_like(circuit.W_by0)] * 4
        where = lambda c: (c.W_by0, c.W_ba0, c.W_by1, c.W_ba1)  # noqa: E731
        circuit = eqx.tree_at(where, circuit, gates)
    x = zoo.input_of(circuit)
    check_same(oo.fixed_point(circuit, x), eqx.filter_jit(oo.fixed_point)(circuit, x))


# README's (w_r, b0, sigma) = (2, .5, .1): a stable point, and two unstable ones.
THREE, (STABLE, *UNSTABLE) = unit(2.0, 0.5, 0.1), unit_points(2.0, 0.5, 0.1)


def test_a_start_that_is_a_stable_point_is_taken_as_it_is():
    start = oo.ORGaNICsState(*(jnp.full(1, v) for v in STABLE))
    again = oo.fixed_point(THREE, [1.0], state0=start)
    assert again.iterations == 0 and again.succeeded and again.is_stable
    np.testing.assert_array_equal(ravel_pytree(again.state)[0], ravel_pytree(start)[0])
    off = jax.tree.map(lambda v: 1.001 * v, start)
    near = oo.fixed_point(THREE, [1.0], state0=off)
    assert near.iterations > 0
    np.testing.assert_allclose(near.state.y, start.y, rtol=1e-9)


def test_a_start_that_is_an_unstable_point_is_left():
    for point in UNSTABLE:
        start = oo.ORGaNICsState(*(jnp.full(1, v) for v in point))
        found = oo.fixed_point(THREE, [1.0], state0=start)
        assert found.is_stable
        np.testing.assert_allclose([*found.state.y, *found.state.a], STABLE, rtol=1e-9)
