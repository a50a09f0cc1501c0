"""Branches over a parameter: against closed forms, scipy, normal forms, and planes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
import scipy.optimize
from oscillators import unit, unit_points

import organics_ode as oo
from organics_ode import planar
from organics_ode.equilibria.branches import _continuation

matplotlib.use("agg")

UNIT = unit(2.0, 0.5, 0.1)


class Single(NamedTuple):
    u: jax.Array


class Cubic(oo.AbstractCircuit[Single]):
    """u̇ = c₀ + c₁u + c₂u² + c₃u³, and x² − u² + x₁ where that is asked for."""

    c: jax.Array
    input_size = 2

    def vector_field(self, t, state, x):
        (u,) = state
        c = self.c
        curves = (x[0] - u) * (x[0] + u) + x[1]
        return Single(c[0] + c[1] * u + c[2] * u**2 + c[3] * u**3 + c[4] * curves)

    def initial_state(self):
        return Single(jnp.zeros(()))


class Two(NamedTuple):
    u: jax.Array
    w: jax.Array


class Plane(oo.AbstractCircuit[Two]):
    """A rotation at ω, growth at μ, quadratic and cubic terms of u̇ and ẇ, and `kink`·u|u|."""

    mu: jax.Array
    quadratic: jax.Array  # (2, 3) of uu, uw, ww
    cubic: jax.Array  # (2, 4) of uuu, uuw, uww, www
    kink: jax.Array
    omega: float = 0.1
    input_size = 1

    def vector_field(self, t, state, x):
        u, w = state
        second = self.quadratic @ jnp.stack([u * u, u * w, w * w])
        third = self.cubic @ jnp.stack([u**3, u * u * w, u * w * w, w**3])
        du, dw = second + third
        turned = u * jnp.abs(u) * self.kink
        return Two(self.mu * u - self.omega * w + du + turned, self.omega * u + self.mu * w + dw)

    def initial_state(self):
        return Two(jnp.zeros(()), jnp.zeros(()))


ROUND = -0.1 * np.array([[1.0, 0, 1, 0], [0, 1, 0, 1]])


def hopf(quadratic, cubic, kink=0.0, **options):
    arrays = (jnp.asarray(v, float) for v in (-0.1, quadratic, cubic, kink))
    origin = Two(0.0, 0.0)
    return oo.continuation(
        Plane(*arrays), [0.0], "mu", np.linspace(-0.1, 0.1, 5), starts=origin, **options
    )


@pytest.fixture(scope="module")
def over_input():
    y, a = unit_points(2.0, 0.5, 0.1, c=-1.0)[0]
    start = oo.ORGaNICsState([y], [a])
    return oo.continuation(UNIT, [1.0], "x", np.linspace(-2, 2, 41), starts=start)


def test_one_unit_has_the_folds_and_hopf_points_of_its_quartic(over_input):
    exact = planar.bifurcation(UNIT, [1.0], "x", np.linspace(-2, 2, 41))
    assert [e.kind for e in over_input.events] == [e.kind for e in exact.events]
    for ours, theirs in zip(over_input.events, exact.events, strict=True):
        assert abs(ours.value - theirs.value) < 1e-8
    np.testing.assert_array_equal(over_input.counts, exact.counts)
    np.testing.assert_array_equal(over_input.is_stable, exact.is_stable)
    for ours, theirs in zip(over_input.states, exact.states, strict=True):
        np.testing.assert_allclose(np.squeeze(ours, -1), theirs, rtol=1e-9, atol=1e-12)
    fold, rise = over_input.events[:2]
    assert (fold.side, rise.side) == (1, -1)
    assert sorted(fold.unstable) == [1, 2] and sorted(rise.unstable) == [0, 2]
    assert over_input.succeeded and np.nanmax(over_input.residuals) < 1e-12
    np.testing.assert_allclose(np.min(np.abs(fold.eigenvalues)), 0, atol=1e-6)


def test_branches_are_solved_and_end_at_events(over_input):
    ends = {event.value for event in over_input.events} | {-2.0, 2.0}
    for branch in over_input.branches:
        assert np.all(branch.residuals < 1e-10)
        assert set(branch.values[[0, -1]]) <= ends
        y, a = branch.states
        x = branch.values
        np.testing.assert_allclose(
            -y[:, 0] + 0.5 * x + (1 - a[:, 0] ** 0.5) * 2 * y[:, 0], 0, atol=1e-12
        )
    assert "Hopf" in repr(over_input) and "4 events, 5 branches" in repr(over_input)


def test_branches_are_tables_and_pictures(over_input):
    frame = over_input.to_dataframe()
    assert len(frame) == 41 * 3 and {"x", "point", "y[0]", "a[0]", "is_stable"} <= set(frame)
    assert frame.attrs["event_criticality"] == [event.criticality for event in over_input.events]
    ax = oo.plot_result(over_input, name="a")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "a")
    drawn = np.concatenate(next(c.get_segments() for c in ax.collections))
    np.testing.assert_array_equal(
        drawn[:, 1],
        np.concatenate([b.states.a[:, 0] for b in over_input.branches if b.unstable == 0]),
    )


@pytest.mark.slow_but_first
@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6, 1e-8])
def test_a_branch_does_not_jump_to_one_that_nearly_touches_it(gap):
    circuit = Cubic(jnp.array([0, 0, 0, 0, 1.0]))
    starts = Single(jnp.array([1.0, -1.0]))
    found = oo.continuation(circuit, [0.0, gap], "x[0]", [-1.0, 0.0, 1.0], starts=starts)
    assert found.events == () and len(found.branches) == 2
    for branch, sign in zip(found.branches, (1, -1), strict=True):
        np.testing.assert_allclose(branch.states.u, sign * np.sqrt(branch.values**2 + gap))
    np.testing.assert_allclose(found.states.u[1], np.sqrt(gap) * np.array([-1, 1]), rtol=1e-6)


def test_branches_that_touch_cross_there():
    circuit = Cubic(jnp.array([0, 0, 0, 0, 1.0]))
    found = oo.continuation(circuit, np.zeros(2), "x[0]", [-1.0, 1.0], starts=Single(1.0))
    assert [event.kind for event in found.events] == ["transcritical"]
    np.testing.assert_allclose(found.events[0].value, 0, atol=1e-9)
    assert len(found.branches) == 4


def test_a_pitchfork_leads_to_branches_much_larger_than_the_start():
    circuit = Cubic(jnp.array([0, 0, 0, -1e-3, 0]))
    found = oo.continuation(circuit, np.zeros(2), "c[1]", np.linspace(-1, 1, 5), starts=Single(0.0))
    assert [event.kind for event in found.events] == ["pitchfork"]
    np.testing.assert_array_equal(found.counts, [1, 1, 1, 3, 3])
    np.testing.assert_allclose(found.states.u[-1], np.sqrt(1e3) * np.array([-1, 0, 1]), atol=1e-9)


# Hopf points

# Of u̇ and ẇ, in units in which ω = 1.
FORMS = [
    (np.zeros((2, 3)), ROUND),
    (np.array([[0.3, -0.2, 0.1], [0.25, 0.4, -0.3]]), np.zeros((2, 4))),
    (np.array([[-0.3, 0.2, 0.5], [0.1, -0.4, 0.2]]), 0.1 * np.arange(8).reshape(2, 4) - 0.3),
]


def radial_rate(quadratic, cubic, omega):
    """a of ṙ = a r³, by Guckenheimer and Holmes (1983), equation 3.4.11."""
    (fuu, fuw, fww), (guu, guw, gww) = quadratic * [2, 1, 2]
    (fuuu, _, fuww, _), (_, guuw, _, gwww) = cubic * [6, 2, 2, 6]
    mixed = fuw * (fuu + fww) - guw * (guu + gww) - fuu * guu + fww * gww
    return (fuuu + fuww + guuw + gwww + mixed / omega) / 16


@pytest.mark.parametrize("form", FORMS)
def test_the_criticality_is_that_of_the_formula_for_the_plane(form):
    quadratic, cubic = form
    (event,) = hopf(quadratic, cubic).events
    rate = radial_rate(quadratic, cubic, 0.1)
    assert event.kind == "Hopf" and event.side == 1 and event.unstable == (0, 2)
    assert event.criticality == ("supercritical" if rate < 0 else "subcritical")
    np.testing.assert_allclose(event.value, 0, atol=1e-9)
    np.testing.assert_allclose(event.frequency, 100 / 2 / np.pi)
    # u = z q₀ + z̄ q̄₀ with |q₀|² = 1/2: r² = 2|z|².
    np.testing.assert_allclose(event.lyapunov, 2 * rate / 0.1, rtol=1e-6)


def test_the_criticality_at_a_kink_or_without_a_third_order_is_not_known():
    for cubic, kink in ((ROUND, 5.0), (0 * ROUND, 0.0)):
        (event,) = hopf(np.zeros((2, 3)), cubic, kink).events
        assert event.criticality == "unknown" and np.isnan(event.lyapunov)


def test_cycles_near_a_hopf_point_have_the_radius_and_the_frequency_of_the_normal_form():
    found = hopf(np.zeros((2, 3)), ROUND, cycles=3)
    (cycle,) = found.cycles
    np.testing.assert_allclose(cycle.values, 0.02 * np.array([1, 4, 9]) / 9)
    np.testing.assert_allclose(cycle.frequencies, 100 / 2 / np.pi, rtol=1e-5)
    for radius in cycle.amplitudes:
        np.testing.assert_allclose(radius, np.sqrt(cycle.values / 0.1), rtol=1e-4)
    assert "3 of 3 runs became periodic" in repr(found)
    lines = oo.plot_bifurcation(found).get_lines()
    assert [line.get_label() for line in lines].count("limit cycle") == 1
    # From the lowest to the highest values on them.
    radii = np.sqrt(cycle.values / 0.1)
    drawn = [line.get_xydata() for line in lines if len(line.get_xydata()) == 3]
    for ends, sign in zip(drawn, (-1, 1), strict=True):
        np.testing.assert_allclose(ends, np.stack([cycle.values, sign * radii], 1), rtol=1e-3)
    # An unstable cycle is not reached: what is simulated leaves.
    (none,) = hopf(np.zeros((2, 3)), -ROUND, cycles=1).cycles
    assert np.all(np.isnan(none.frequencies)) and np.all(np.isnan(none.high.u))


def wilson_cowan(E, I, x):
    """The velocities of the pair below, times 10, and its Jacobian; by numpy."""

    def S(v, a, theta):
        s = 1 / (1 + np.exp(-a * (v - theta)))
        return s - 1 / (1 + np.exp(a * theta)), a * s * (1 - s), 1 / (1 + np.exp(-a * theta))

    SE, dE, kE = S(16 * E - 12 * I + x, 1.3, 4.0)
    SI, dI, kI = S(15 * E - 3 * I, 2.0, 3.7)
    f = np.array([-E + (kE - E) * SE, -I + (kI - I) * SI])
    J = [[-1 - SE + (kE - E) * dE * 16, -(kE - E) * dE * 12]]
    J += [[(kI - I) * dI * 15, -1 - SI - (kI - I) * dI * 3]]
    return f, np.array(J)


@pytest.fixture(scope="module")
def pair():
    weights = [[16.0]], [[12.0]], [[15.0]], [[3.0]], [[1.0]], [[0.0]]
    circuit = oo.WilsonCowan(*weights, 1.3, 2.0, 4.0, 3.7, 1.0, 1.0, 10.0, 10.0)
    rest = circuit.initial_state()
    return oo.continuation(circuit, [1.0], "x", np.linspace(0, 3, 13), starts=rest)


def test_the_hopf_point_of_two_populations_is_where_the_eigenvalues_cross(pair):
    def trace(x):
        point = scipy.optimize.fsolve(lambda v: wilson_cowan(*v, x)[0], [0.25, 0.2], xtol=1e-13)
        return np.trace(wilson_cowan(*point, x)[1])

    expected = scipy.optimize.brentq(trace, 1.7, 2.1, xtol=1e-11)
    low, high, event = pair.events
    assert event.kind == "Hopf" and abs(event.value - expected) < 1e-6
    np.testing.assert_allclose(event.eigenvalues.real, 0, atol=1e-9)
    assert event.side == -1
    for fold in (low, high):
        E, I = (leaf[0] for leaf in fold.state)

        def at_fold(z):
            f, J = wilson_cowan(*z)
            return [*f, np.linalg.det(J)]

        expected = scipy.optimize.fsolve(at_fold, [E + 1e-3, I, fold.value], xtol=1e-12)[2]
        assert fold.kind == "saddle-node" and abs(fold.value - expected) < 1e-8
    assert (low.side, high.side) == (1, -1)


@pytest.mark.slow
def test_a_scale_of_the_recurrent_weights_is_a_function():
    rng = np.random.default_rng(0)
    W_r = np.eye(3) + 0.2 * rng.normal(size=(3, 3))
    circuit = oo.ORGaNICs(np.eye(3), W_r, np.ones((3, 3)), 0.1, 0.5, 0.5, 2.0, 3.0)
    x = np.array([0.6, 0.3, -0.2])

    def gain(circuit, value):
        return oo.replace(circuit, W_r=value * circuit.W_r)

    values = np.array([0.2, 0.7, 1.0])
    scaled = lambda g: oo.replace(circuit, W_r=g * W_r)  # noqa: E731
    start = oo.fixed_point(scaled(0.2), x).state
    found = oo.continuation(circuit, x, gain, values, starts=start)
    assert found.parameter == "gain" and found.is_stable.all()
    for i, value in enumerate(values):
        point = oo.fixed_point(scaled(value), x).state
        np.testing.assert_allclose(found.states.y[i, 0], point.y, rtol=1e-9)
        np.testing.assert_allclose(found.states.a[i, 0], point.a, rtol=1e-9)


def test_two_directions_that_begin_to_grow_at_once_are_told():
    """At g = 1/(1 − σ b0) the rest of a memory ring loses its stability along a whole circle."""
    angle = 2 * np.pi * np.arange(4) / 4
    basis = np.stack([np.cos(angle), np.sin(angle)], axis=1) / np.sqrt(2)
    circuit = oo.ORGaNICs(np.eye(4), basis @ basis.T, np.ones((4, 4)), 0.1, 1.0, 0.5, 2.0, 2.0)

    def gain(circuit, value):
        return oo.replace(circuit, W_r=value * circuit.W_r)

    rest = circuit.initial_state()
    found = oo.continuation(circuit, np.zeros(4), gain, [0.5, 1.5], starts=rest)
    (event,) = found.events
    assert found.parameter == "gain" and event.kind == "branch point" and event.unstable == (0, 2)
    np.testing.assert_allclose(event.value, 1 / 0.9, rtol=1e-9)


def test_the_search_leads_to_a_branch_that_is_joined_to_no_other(monkeypatch):
    asked = []

    def by_hand(circuit, x, *, key, starts, rounds):
        """u² = x₀² + x₁, but the lower one not at the first value."""
        asked.append((float(x[0]), starts, rounds, jax.random.key_data(key).tolist()))
        u = float(jnp.sqrt(x[0] ** 2 + x[1]))
        return [Single(jnp.asarray(v)) for v in (u, -u)[: 1 if x[0] < 0 else 2]]

    # The search itself takes seconds to compile; a slow test has it find branches.
    monkeypatch.setattr(_continuation, "find_fixed_points", by_hand)
    circuit = Cubic(jnp.array([0, 0, 0, 0, 1.0]))
    found = oo.continuation(circuit, [0.0, 0.3], "x[0]", [-1.0, 0.5, 1.0], starts=7, key=3)
    assert asked == [(x, 7, 1, jax.random.key_data(jax.random.key(3)).tolist()) for x in (-1, 0, 1)]
    assert found.events == () and len(found.branches) == 2
    exact = np.sqrt(np.array([1.0, 0.25, 1.0]) + 0.3)
    np.testing.assert_allclose(found.states.u, np.stack([-exact, exact], axis=1), rtol=1e-9)
    # Its slope is −2u.
    np.testing.assert_array_equal(found.is_stable, [[False, True]] * 3)
    assert found.searched.startswith("branches through what 7 starts find at 3 values")
    monkeypatch.setattr(_continuation, "find_fixed_points", lambda *_, **__: [])
    with pytest.raises(ValueError, match="`starts` must lead to a fixed point to begin with"):
        oo.continuation(circuit, [0.0, 0.3], "x[0]", [-1.0, 1.0])


@pytest.mark.slow
def test_the_search_finds_branches_that_no_given_start_leads_to():
    found = oo.continuation(UNIT, [0.2], "b0", np.linspace(0.1, 6.0, 31))
    exact = planar.bifurcation(UNIT, [0.2], "b0", np.linspace(0.1, 6.0, 31))
    np.testing.assert_array_equal(found.counts, exact.counts)
    assert "32 starts find at 3 values" in repr(found)


START = {"starts": {"y": [0.0], "a": [0.0025]}}
WRONG = [
    (("tau",), {}, "`parameter` must be one of"),
    (("W[0, 1]",), {}, "`parameter` must be an entry of W"),
    (("sigma", [-1.0, 1.0]), {}, "`values` must be positive"),
    (("x", [1.0, 0.5]), {}, "`values` must be at least two increasing"),
    (("x", [0.0, 1.0]), {"starts": 0}, "`starts` must be a positive integer"),
    (("x", [0.0, 1.0]), {"starts": {"y": [9.0], "a": [1.0]}}, "`starts` must be near fixed points"),
    (("x", [0.0, 1.0]), {"cycles": -1}, "`cycles` must be an integer of at least 0"),
    ((lambda c, v: v,), {}, "`parameter` must make a circuit of a circuit and a number"),
    ((lambda c: c,), {}, "`parameter` must make a circuit of a circuit and a number"),
]


@pytest.mark.parametrize(("arguments", "options", "message"), WRONG)
def test_what_is_wrong_is_named(arguments, options, message):
    name, values = (*arguments, [0.0, 1.0])[:2]
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        oo.continuation(UNIT, [1.0], name, values, **START | options)
