"""Planes of circuits of any kind: against closed forms, scipy, and one unit by both routes."""

import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import zoo
from jax.nn import sigmoid

import organics_ode as oo
from organics_ode import planar
from organics_ode.planar._contours import contours
from organics_ode.planar._reduced import Others, OthersState

ONE = np.ones(1)


class Recovering(NamedTuple):
    v: jax.Array
    w: jax.Array


class FitzHughNagumo(oo.AbstractCircuit[Recovering]):
    a: float = 0.7
    b: float = 0.8
    tau: float = 12.5
    input_size = 1

    def vector_field(self, t, state, x):
        v, w = state
        return Recovering(v - v**3 / 3 - w + x[0], (v + self.a - self.b * w) / self.tau)

    def initial_state(self):
        return Recovering(jnp.zeros(()), jnp.zeros(()))


class Populations(NamedTuple):
    E: jax.Array
    I: jax.Array


class Pair(oo.AbstractCircuit[Populations]):
    """Wilson and Cowan's (1972), as a user writes it."""

    weights: jax.Array  # E to E, I to E, E to I, I to I
    slopes: jax.Array
    thresholds: jax.Array
    input_size = 1

    def vector_field(self, t, state, x):
        E, I = state
        (a, b), (theta, phi), (ee, ei, ie, ii) = self.slopes, self.thresholds, self.weights
        drive_E, drive_I = ee * E - ei * I + x[0], ie * E - ii * I
        to_E = sigmoid(a * (drive_E - theta)) - sigmoid(-a * theta)
        to_I = sigmoid(b * (drive_I - phi)) - sigmoid(-b * phi)
        return Populations((-E + (1 - E) * to_E) / 10, (-I + (1 - I) * to_I) / 10)

    def initial_state(self):
        return Populations(jnp.zeros(()), jnp.zeros(()))


def pair(*numbers):
    return Pair(*(jnp.array(row) for row in (numbers[:4], numbers[4:6], numbers[6:])))


OSCILLATING = pair(16.0, 12.0, 15.0, 3.0, 1.3, 2.0, 4.0, 3.7)


@jax.jit
def compiled_velocity(E, I, x):
    return jnp.stack(OSCILLATING.vector_field(None, Populations(E, I), x[None]))


def velocity(E, I, x):
    """Of `OSCILLATING`, for numpy and scipy."""
    return np.asarray(compiled_velocity(float(E), float(I), float(x)))


NERVE = FitzHughNagumo(*(jnp.array(v) for v in (0.7, 0.8, 12.5)))


class Unknown(oo.ORGaNICs):
    """One unit of which nothing is known: a subclass with a field of its own is another circuit."""

    def vector_field(self, t, state, x):
        return super().vector_field(t, state, x)


def units(w_r, sigma=0.1, b0=0.5, tau_a=2.0):
    """The same unit, for the closed forms and for the search."""
    one = np.ones((1, 1))
    arguments = one, w_r * one, one, sigma, b0, 0.5, 2.0, tau_a
    return oo.ORGaNICs(*arguments), Unknown(*arguments)


# One unit by both routes

WINDOW = {"y_range": (-1.5, 1.5), "a_range": (1e-4, 1.2)}
# w_r, sigma, b0, tau_a, x: one point; three, two of them unstable; memory; and a draw.
UNITS = [(0.5, 0.1, 0.5, 2.0, 1.0), (2.0, 0.1, 0.5, 2.0, 1.0), (2.0, 0.5, 0.5, 2.0, 0.05)]
UNITS += [(3.1, 0.17, 0.8, 5.0, -0.3)]


@pytest.mark.slow_but_first
@pytest.mark.parametrize("unit", UNITS)
def test_one_unit_has_the_same_fixed_points_by_search_as_in_closed_form(unit):
    known, unknown = units(*unit[:-1])
    x = unit[-1:]
    exact, found = planar.fixed_points(known, x), planar.fixed_points(unknown, x, **WINDOW)
    inside = np.all(np.abs(exact.pairs - [0, 0.6]) <= [1.5, 0.6], axis=1)
    assert inside.all() and found.kinds == exact.kinds
    np.testing.assert_allclose(found.pairs, exact.pairs, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.eigenvalues, exact.eigenvalues, rtol=1e-6, atol=1e-9)
    assert "may be more" in repr(found) and "all there are" in repr(exact)


@pytest.mark.parametrize("unit", UNITS)
def test_one_unit_has_the_same_nullclines_by_contours_as_in_closed_form(unit):
    known, unknown = units(*unit[:-1])
    windows = WINDOW["y_range"], WINDOW["a_range"]
    exact = planar.nullcline_curves(known, unit[-1:], *windows, points=4000)
    found = planar.nullcline_curves(unknown, unit[-1:], *windows, points=200)
    size = np.array([3.0, 1.2])
    for i in range(2):
        velocity = planar.vector_field(known, unit[-1:], *np.concatenate(found[i]).T)
        assert np.max(np.abs(velocity[i])) < 1e-9
        ours, theirs = (np.concatenate(curves[i]) / size for curves in (found, exact))
        inside = np.all((theirs * size >= [-1.5, 1e-4]) & (theirs * size <= [1.5, 1.2]), axis=1)
        for a in theirs[inside][::40]:  # each point of the closed form lies on a contour
            assert np.min(np.max(np.abs(ours - a), axis=1)) < 0.02


@pytest.mark.slow
def test_one_unit_has_the_same_separatrix_and_basins_by_both_routes():
    known, unknown = units(2.0, 0.5)
    ranges = (-1.2, 1.2), (1e-3, 1.0)
    x = 0.05 * ONE
    exact, found = (planar.separatrices(c, x, *ranges, points=500) for c in (known, unknown))
    # The two branches may come in either order.
    ends = [np.sort(np.nan_to_num(np.asarray(c.y)), axis=0) for c in (exact, found)]
    np.testing.assert_allclose(ends[0][:, :100], ends[1][:, :100], atol=1e-6)
    grid = np.meshgrid(np.linspace(*ranges[0], 16), np.linspace(*ranges[1], 16))
    np.testing.assert_array_equal(*(planar.basins(c, x, *grid) for c in (known, unknown)))


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    ("w_r", "x", "name", "values"),
    [(2.0, 1.0, "x", (-2, 2)), (2.0, 0.0, "W_r", (0.5, 2)), (2.0, 0.2, "b0", (0.1, 6.0))],
)
def test_one_unit_has_the_same_bifurcations_by_both_routes(w_r, x, name, values):
    known, unknown = units(w_r)
    values = np.linspace(*values, 41)
    exact = planar.bifurcation(known, x * ONE, name, values)
    found = planar.bifurcation(unknown, x * ONE, name, values, **WINDOW)
    assert [e.kind for e in found.events] == [e.kind for e in exact.events]
    for ours, theirs in zip(found.events, exact.events, strict=True):
        np.testing.assert_allclose(ours.value, theirs.value, rtol=1e-7)
        np.testing.assert_allclose(ours.pair, theirs.pair, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(found.counts, exact.counts)
    most = found.counts.max()
    np.testing.assert_array_equal(found.is_stable, exact.is_stable[:, :most])
    for ours, theirs in zip(found.states, exact.states, strict=True):
        np.testing.assert_allclose(ours, theirs[:, :most], rtol=1e-7, atol=1e-8)
    assert not exact.is_stable[:, most:].any()


# Branches


@pytest.mark.parametrize("route", [0, 1])
def test_branches_end_at_events_which_others_share(route):
    circuit = units(2.0)[route]
    diagram = planar.bifurcation(circuit, ONE, "x", np.linspace(-2, 2, 41), **WINDOW)
    for event in diagram.events:
        here = np.array([event.value, *event.pair])
        ends = [
            (branch.unstable, end)
            for branch in diagram.branches
            for end in (0, -1)
            if np.allclose([branch.values[end], *branch.pairs[end]], here, rtol=0, atol=1e-3)
        ]
        # Here a fold joins a saddle and an unstable focus.
        expected = [0, 2] if event.kind == "Hopf" else [1, 2]
        assert sorted(count for count, _ in ends) == expected
    lowest, highest = diagram.values[[0, -1]]
    for branch in diagram.branches:
        for value in branch.values[[0, -1]]:
            assert (
                value in (lowest, highest)
                or min(abs(value - event.value) for event in diagram.events) < 1e-6
            )


def residual_of_a_fold(z):
    """f = 0 and det J = 0 of the oscillating pair, by finite differences of numpy."""
    field = lambda *z: 10 * velocity(*z)  # noqa: E731
    h = 1e-6
    E, I, x = z
    J = np.stack(
        [
            (field(E + h, I, x) - field(E - h, I, x)) / (2 * h),
            (field(E, I + h, x) - field(E, I - h, x)) / (2 * h),
        ],
        axis=1,
    )
    return [*field(E, I, x), np.linalg.det(J)]


@pytest.fixture(scope="module")
def over_input():
    return planar.bifurcation(OSCILLATING, ONE, "x[0]", np.linspace(-1, 5, 61))


def test_the_folds_of_wilson_and_cowan_are_where_scipy_finds_them(over_input):
    folds = [event for event in over_input.events if event.kind == "saddle-node"]
    assert [event.kind for event in over_input.events] == ["saddle-node", "saddle-node", "Hopf"]
    for event in folds:
        exact = scipy.optimize.fsolve(residual_of_a_fold, [*event.pair, event.value], xtol=1e-13)
        assert event.low - 1e-9 <= exact[2] <= event.high + 1e-9
        np.testing.assert_allclose(event.pair, exact[:2], atol=1e-6)
    # Two of the curves end in each fold, and one curve goes through both.
    middle = [b for b in over_input.branches if b.unstable == 1]
    assert len(middle) == 1
    np.testing.assert_allclose(
        sorted(middle[0].values[[0, -1]]), [e.value for e in folds], atol=1e-8
    )


def test_no_point_is_found_where_two_have_vanished_in_single_precision():
    weights = map(np.float32, ([[16]], [[12]], [[15]], [[3]], [[1]], [[0]]))
    pair = oo.WilsonCowan(*weights, 1.3, 2.0, 4.0, 3.7, 1.0, 1.0, 10.0, 10.0)
    found = planar.fixed_points(pair, np.float32([1.25]))  # the fold is at 1.09
    assert found.states.E.dtype == jnp.float32 and list(found.kinds) == ["unstable focus"]


@pytest.mark.slow
def test_the_hopf_points_of_a_nerve_are_where_the_trace_is_0():
    a, b, tau = 0.7, 0.8, 12.5
    v = np.sqrt(1 - b / tau) * np.array([-1, 1])
    currents = v**3 / 3 - v + (v + a) / b
    diagram = planar.bifurcation(NERVE, ONE, "x", np.linspace(0, 2, 21))
    assert [event.kind for event in diagram.events] == ["Hopf", "Hopf"]
    np.testing.assert_allclose([e.value for e in diagram.events], currents, rtol=1e-9)
    np.testing.assert_allclose([e.pair[0] for e in diagram.events], v, rtol=1e-7)
    # The fixed points are the roots of a cubic, v³/3 − v + (v + a)/b = x, of which one is real.
    for x, value in zip(diagram.values, diagram.states.v[:, 0], strict=True):
        roots = np.roots([1 / 3, 0, 1 / b - 1, a / b - x])
        np.testing.assert_allclose(value, roots[np.abs(roots.imag) < 1e-9].real, rtol=1e-9)
    # In another parameter, by its field's name.
    branch = planar.bifurcation(NERVE, 0.5 * ONE, "a", np.linspace(-1.5, 1.5, 11))
    assert [event.kind for event in branch.events] == ["Hopf", "Hopf"]
    exact = np.sort(b * (v - v**3 / 3 + 0.5) - v)
    np.testing.assert_allclose([e.value for e in branch.events], exact, rtol=1e-8)


def test_a_saddle_node_and_a_transcritical_point_of_normal_forms():
    class Line(oo.AbstractCircuit[Recovering]):
        r: jax.Array
        input_size = 1

        def vector_field(self, t, state, x):
            v, w = state
            return Recovering(self.r * v - v**2, -w)

        def initial_state(self):
            return Recovering(jnp.ones(()), jnp.zeros(()))

    window = {"y_range": (-1.0, 1.2), "a_range": (-1.0, 1.0)}
    diagram = planar.bifurcation(Line(jnp.array(0.5)), ONE, "r", np.linspace(-0.77, 1, 9), **window)
    (event,) = diagram.events
    assert event.kind == "transcritical" and abs(event.value) < 1e-8
    np.testing.assert_allclose(event.pair, 0, atol=1e-8)
    assert np.all(diagram.counts == 2)
    assert sorted(b.unstable for b in diagram.branches) == [0, 0, 1, 1]


# Limit cycles


def orbit_of(field, start, time):
    return scipy.integrate.solve_ivp(field, (0, time), start, rtol=1e-11, atol=1e-12)


def section_period(field, start):
    """The time between crossings of v = start[0], upward, after the orbit has settled."""
    settled = orbit_of(field, start, 1000).y[:, -1]

    def crossed(t, v):
        return v[0] - settled[0]

    crossed.direction = np.sign(field(0, settled)[0])
    run = scipy.integrate.solve_ivp(
        field, (0, 300), settled, rtol=1e-11, atol=1e-12, events=crossed, dense_output=True
    )
    return np.diff(run.t_events[0])[1], settled, run


@pytest.mark.slow
def test_the_period_and_the_multiplier_of_a_nerve_are_scipys():
    def field(t, z):
        return [z[0] - z[0] ** 3 / 3 - z[1] + 0.5, (z[0] + 0.7 - 0.8 * z[1]) / 12.5]

    (cycle,) = planar.limit_cycles(NERVE, 0.5 * ONE)
    period, _, run = section_period(field, [0.0, 0.0])
    np.testing.assert_allclose(cycle.period, period, rtol=1e-7)
    assert cycle.is_stable and re.search(r"stable\n  period +39.47", repr(cycle))
    orbit = run.sol(np.linspace(0, period, 4000))
    np.testing.assert_allclose(cycle.pairs.max(0), orbit.max(1), rtol=1e-2)
    # Liouville: the product of the multipliers is the exponential of the divergence's integral.
    divergence = 1 - orbit[0] ** 2 - 0.8 / 12.5
    total = scipy.integrate.simpson(divergence, x=np.linspace(0, period, 4000))
    if total > -20:  # else it is beyond the rounding of eigenvalues
        np.testing.assert_allclose(np.prod(cycle.multipliers).real, np.exp(total), rtol=1e-5)
    assert np.min(np.abs(cycle.multipliers - 1)) < 1e-6


def test_the_cycle_of_wilson_and_cowan_and_its_multiplier():
    field = lambda t, z: velocity(*z, 1.25)  # noqa: E731
    (cycle,) = planar.limit_cycles(OSCILLATING, 1.25 * ONE)
    start = np.asarray(cycle.pairs[0])
    run = scipy.integrate.solve_ivp(field, (0, cycle.period), start, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(run.y[:, -1], start, atol=1e-6)
    # A small deviation along E after one period, twice.
    assert cycle.is_stable and 0.1 < np.sort(np.abs(cycle.multipliers))[0] < 0.6


def test_an_unstable_cycle_is_found_backward_in_time():
    """ṙ = r(r² − 1), φ̇ = 1 in Cartesian coordinates: r = 1 repels, with the multiplier e^{2·2π}."""

    class Turning(oo.AbstractCircuit[Recovering]):
        input_size = 1

        def vector_field(self, t, state, x):
            v, w = state
            grow = v**2 + w**2 - 1
            return Recovering(grow * v - w, grow * w + v)

        def initial_state(self):
            return Recovering(jnp.full((), 0.5), jnp.zeros(()))

    window = {"y_range": (-2.0, 2.0), "a_range": (-2.0, 2.0)}
    (cycle,) = planar.limit_cycles(Turning(), ONE, **window)
    np.testing.assert_allclose(cycle.period, 2 * np.pi, rtol=1e-8)
    np.testing.assert_allclose(np.hypot(*cycle.pairs.T), 1, rtol=1e-7)
    assert not cycle.is_stable
    np.testing.assert_allclose(np.max(np.abs(cycle.multipliers)), np.exp(4 * np.pi), rtol=1e-5)
    # It is the border of the basin of 0: what is inside comes to rest, what is outside blows up.
    reached = planar.basins(Turning(), ONE, np.array([0.97, 1.03]), np.array([0.0, 0.01]))
    assert reached.tolist() == [0, -1]


@pytest.mark.parametrize("w_r", [1.0, 3.0])
def test_what_comes_back_from_afar_has_not_diverged(w_r):
    """a rises to about (y²/4w_r)² on the way, which only the closed form knows to come back."""
    unknown, y = units(w_r)[1], np.array([100.0, -100.0, 1e4])
    found = planar.basins(unknown, ONE, y, np.full(3, 0.1), max_steps=2000)
    assert not np.any(found == -1)


# Contours


def test_contours_lie_on_the_zero_and_close():
    u, v = np.linspace(-2, 2, 41), np.linspace(-1.5, 1.5, 31)

    def circle(p):
        return p[:, 0] ** 2 + p[:, 1] ** 2 - 1, 2 * p

    grid = np.stack(np.meshgrid(u, v, indexing="ij"), axis=-1)
    values = circle(grid.reshape(-1, 2))[0].reshape(41, 31)
    (curve,) = contours(u, v, values, circle)
    np.testing.assert_allclose(np.hypot(*curve.T), 1, rtol=1e-12)
    np.testing.assert_array_equal(curve[0], curve[-1])
    angles = np.unwrap(np.arctan2(*curve.T))
    np.testing.assert_allclose(abs(angles[-1] - angles[0]), 2 * np.pi, rtol=1e-12)


def test_contours_in_single_precision_have_no_gaps():
    u = np.linspace(-2.5, 2.5, 201)
    grid = np.stack(np.meshgrid(u, u, indexing="ij"), axis=-1).astype(np.float32)

    def line(p):
        v, w = p.astype(np.float32).T
        field = np.float32(0.08) * (v + np.float32(0.7) - np.float32(0.8) * w)
        return field.astype(float), np.tile([0.08, -0.064], (len(p), 1))

    values = line(grid.reshape(-1, 2))[0].reshape(201, 201)
    (curve,) = contours(u, u, values, line, float(np.finfo(np.float32).eps))
    np.testing.assert_allclose(curve[:, 0], 0.8 * curve[:, 1] - 0.7, atol=1e-6)
    assert np.ptp(curve[:, 1]) > 3.9


def test_contours_are_not_drawn_along_a_pole_or_where_nothing_is_known():
    u = v = np.linspace(-1, 1, 20)

    def pole(p):
        return 1 / p[:, 0], np.stack([-1 / p[:, 0] ** 2, 0 * p[:, 0]], axis=1)

    values = np.repeat((1 / u)[:, None], 20, axis=1)
    assert contours(u, v, values, pole) == ()
    assert contours(u, v, np.full((20, 20), np.nan), pole) == ()


# Pairs of a larger circuit


def test_variables_are_named_as_the_fields_and_may_be_in_either_order():
    network = oo.RateNetwork(np.array([[0.0, 1.5], [1.5, 0.0]]), np.ones((2, 1)), np.zeros(2), 10.0)
    r = np.array([0.3, 0.5]), np.array([0.1, 0.9])
    both = planar.vector_field(network, ONE, *r)
    turned = planar.vector_field(network, ONE, *r[::-1], variables=("r[1]", "r[0]"))
    np.testing.assert_allclose(both.first, turned.second, rtol=1e-14)
    state = network.vector_field(None, oo.RateNetworkState(jnp.array([0.3, 0.1])), jnp.ones(1))
    np.testing.assert_allclose([both.first[0], both.second[0]], state.r, rtol=1e-14)
    unit = units(2.0)[0]
    u, v = (
        planar.vector_field(unit, ONE, *r),
        planar.vector_field(unit, ONE, *r[::-1], variables=("a", "y")),
    )
    np.testing.assert_array_equal(u.y, v.y)


@pytest.mark.slow
def test_with_the_others_held_two_variables_are_a_circuit_of_two():
    """A gated unit whose gains are held is the unit of constant gains."""
    gated, x = zoo.gated(n=1, m=1), ONE
    c = oo.resolve(gated)
    held = gated.initial_state()._replace(b0=jnp.array([0.5]), b1=jnp.array([0.7]))
    constant = Unknown(
        c.W_zx, c.W_r, c.W, c.sigma, 0.5, 0.7, c.tau_y, c.tau_a,
        rectification=gated.rectification, exponent=gated.exponent,
    )  # fmt: skip
    y, a = np.array([0.2, 0.9]), np.array([0.5, 0.1])
    ours = planar.vector_field(gated, x, y, a, variables=("y", "a[0]"), others=held)
    theirs = planar.vector_field(constant, x, y, a)
    np.testing.assert_allclose([*ours], [*theirs], rtol=1e-12)
    window = {"y_range": (-1.0, 3.0), "a_range": (0.001, 3.0)}
    found = planar.fixed_points(gated, x, variables=("y", "a"), others=held, **window)
    exact = planar.fixed_points(constant, x, **window)
    np.testing.assert_allclose(found.pairs, exact.pairs, rtol=1e-8)
    assert found.names == ("y", "a") and "the others held" in repr(found)


class Three(NamedTuple):
    v: jax.Array
    z: jax.Array


class Adapting(oo.AbstractCircuit[Three]):
    """A nerve (v, w) whose z follows v: at rest z = v."""

    k: jax.Array
    input_size = 1

    def vector_field(self, t, state, x):
        (v, w), z = state.v, state.z
        moved = jnp.stack([v - v**3 / 3 - w + x[0] - self.k * z, (v + 0.7 - 0.8 * w) / 12.5])
        return Three(moved, v - z)

    def initial_state(self):
        return Three(jnp.zeros(2), jnp.zeros(()))


NERVOUS = Adapting(jnp.array(0.3))


def nervous(v, w, z, x):
    """Its velocities by numpy."""
    return v - v**3 / 3 - w + x - 0.3 * z, (v + 0.7 - 0.8 * w) / 12.5, v - z


@pytest.mark.parametrize(
    ("variables", "at"), [(("v[0]", "v[1]"), (0, 1)), (("z", "v[0]"), (2, 0))], ids=["v, w", "z, v"]
)
def test_the_field_of_two_variables_is_theirs_with_the_others_held(variables, at):
    first, second = np.array([[0.5, -1.0], [2.0, 0.1]]), np.array([[0.3, 0.7], [-0.4, 0.0]])
    held = [np.full((2, 2), value) for value in (0.25, -0.5, 0.75)]
    state = Three(jnp.array([0.25, -0.5]), jnp.array(0.75))
    found = planar.vector_field(
        NERVOUS, 0.2 * ONE, first, second, variables=variables, others=state
    )
    held[at[0]], held[at[1]] = first, second
    moved = nervous(*held, 0.2)
    np.testing.assert_allclose(found, [moved[at[0]], moved[at[1]]], rtol=1e-13)


@pytest.mark.parametrize("at", [(0, 1), (2, 0)])
def test_the_others_are_a_circuit_that_two_variables_drive(at):
    others = Others(NERVOUS, at)
    (left,) = {0, 1, 2} - {*at}
    v = np.array([0.5, -1.2, 0.9])
    assert others.input_size == 3 and others.initial_state().rest.shape == (1,)
    np.testing.assert_array_equal(others.whole(jnp.asarray(v[[left]]), jnp.asarray(v[[*at]])), v)
    driven = jnp.concatenate([0.2 * ONE, v[[*at]]])
    (moved,) = others.vector_field(None, OthersState(jnp.asarray(v[[left]])), driven)
    np.testing.assert_allclose(moved, [nervous(*v, 0.2)[left]], rtol=1e-13)


@pytest.mark.slow
def test_with_the_others_at_rest_fixed_points_and_kinds_are_the_whole_circuits():
    circuit, x = Adapting(jnp.array(0.3)), 0.2 * ONE
    both = {"variables": ("v[0]", "v[1]")}
    window = (-2.0, 2.0), (-1.0, 1.0)
    found = planar.fixed_points(circuit, x, y_range=window[0], a_range=window[1], **both)
    roots = np.roots([1 / 3, 0, 1 / 0.8 - 1 + 0.3, 0.7 / 0.8 - 0.2])
    v = roots[np.abs(roots.imag) < 1e-9].real
    np.testing.assert_allclose(found.pairs[:, 0], v, rtol=1e-9)
    np.testing.assert_allclose(found.states.z, v, rtol=1e-9)
    assert found.eigenvalues.shape == (1, 3) and "all 3 variables" in repr(found)
    J = [[1 - v[0] ** 2, -1, -0.3], [1 / 12.5, -0.8 / 12.5, 0], [1, 0, -1]]
    np.testing.assert_allclose(
        np.sort_complex(found.eigenvalues[0]), np.sort_complex(np.linalg.eigvals(J)), rtol=1e-7
    )
    curves = planar.nullcline_curves(circuit, x, *window, points=24, **both)
    for v, w in np.concatenate(curves.y_nullcline):
        np.testing.assert_allclose(w, v - v**3 / 3 + 0.2 - 0.3 * v, atol=1e-8)
    reached = planar.basins(circuit, x, np.array([0.5, -1.0]), np.array([0.0, 0.5]), **both)
    assert set(reached.tolist()) == ({0} if found.is_stable[0] else {-2})
    with pytest.raises(ValueError, match=r"`others` must be a state at which the other"):
        planar.separatrices(circuit, x, *window, **both)
    diagram = planar.bifurcation(circuit, x, "k", np.linspace(0, 1, 11), **both)
    assert diagram.eigenvalues.shape == (11, 1, 3) and diagram.counts.tolist() == [1] * 11


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: planar.fixed_points(c, ONE, variables=("v", "u")), r"there is no 'u'"),
        (lambda c: planar.fixed_points(c, ONE, variables=("v", "v")), r"both are v"),
        (lambda c: planar.fixed_points(c, ONE, variables="vw"), r"`variables` must name two of v"),
        (lambda c: planar.fixed_points(c, ONE, y_range=(0, 1)), r"`a_range` must be given where"),
        (lambda c: planar.bifurcation(c, ONE, "q", [0, 1]), r"`name` must be one of a, b, tau, x"),
        (lambda c: planar.bifurcation(c, ONE, "x[3]", [0, 1]), r"`name` must be an entry of x, wh"),
        (lambda c: planar.bifurcation(c, ONE, "b", [1, 0]), r"`values` must be at least two incre"),
        (lambda c: planar.limit_cycles(c, ONE, others=3), r"`others` must be a Recovering whose"),
        (lambda c: planar.quartic(c, ONE), r"`circuit` must be an ORGaNICs with one unit"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(NERVE)


def test_a_time_constant_may_not_be_negative_on_the_way():
    network = oo.RateNetwork(np.eye(2), np.ones((2, 1)), np.zeros(2), 10.0)
    with pytest.raises(ValueError, match=r"`values` must be positive"):
        planar.bifurcation(network, ONE, "tau", [-1.0, 1.0])
    with pytest.raises(ValueError, match=r"`name` must be one number, such as W\[0, 0\]"):
        planar.bifurcation(network, ONE, "W", [0.5, 1.0])
