"""The one-unit circuit: its fixed points by two routes, its plane, and what changes in it."""

import functools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from scipy.spatial import cKDTree

import organics_ode as oo
from organics_ode import planar
from organics_ode.linear import spectrum_of
from organics_ode.planar._results import kind_of
from organics_ode.planar.one_unit._basins import _arrivals
from organics_ode.planar.one_unit._equations import Scalars, residual_at

# math: (w_r, b0, σ) → rows (y, a, eigenvalue or None), with b1 = .5, τ = 2 ms, w = z = 1.
WORKED = {
    (0.5, 0.5, 0.1): [(0.8980, 0.01291, -0.1876 + 0.0567j)],
    (2.0, 0.5, 0.1): [
        (-0.979, 0.0598, None),
        (-0.569, 0.0037, None),
        (0.9978, 0.5633, -0.1264 + 0.5985j),
    ],
    (2.0, 1.0, 1.0): [(0.4166, 1.2101, -0.5066 + 0.2945j)],
}
DIGITS = {(0.5, 0.5, 0.1): (4, 5), (2.0, 0.5, 0.1): (4, 4), (2.0, 1.0, 1.0): (4, 4)}
ONE = np.ones(1)
# Two stable points and a saddle: a faint input to a circuit that remembers.
MEMORY = {"w_r": 2.0, "w": 1.0, "sigma": 0.1, "b0": 0.5, "b1": 0.5, "tau_y": 2.0, "tau_a": 2.0}
FAINT = 0.05 * ONE


def circuit_of(w_r, w, sigma, b0, b1, tau_y, tau_a, exponent=2.0, **options):
    W_r, W = np.array([[float(w_r)]]), np.array([[float(w)]])
    arguments = (np.ones((1, 1)), W_r, W, sigma, b0, b1, tau_y, tau_a)
    return oo.ORGaNICs(*arguments, exponent=exponent, **options)


def worked(w_r, b0, sigma):
    return circuit_of(**MEMORY | {"w_r": w_r, "b0": b0, "sigma": sigma})


vector_field = eqx.filter_jit(planar.vector_field)
nullclines = eqx.filter_jit(planar.nullclines)


def draw(rng, **given):
    values = {
        "w_r": rng.choice([-1, 1]) * 10 ** rng.uniform(-1, 1),
        "w": 10 ** rng.uniform(-1, 1),
        "sigma": 10 ** rng.uniform(-1.5, 0.5),
        "b0": rng.uniform(0.3, 1),
        "b1": rng.uniform(0.3, 1),
        "tau_y": 10 ** rng.uniform(0, 2),
        "tau_a": 10 ** rng.uniform(0, 2),
    }
    return values | given


@functools.cache
def cases(exponent):
    rng = np.random.default_rng(0)
    return [(draw(rng), rng.normal(size=1)) for _ in range(60)], exponent


def by_grid(v, x, p):
    """The number of fixed points, from sign changes of the scalar equation on a fine grid of s."""
    c, beta = v["b1"] * x[0], (v["sigma"] * v["b0"]) ** p
    s = np.geomspace(1e-6, 1e6, 200_001)
    u = np.abs(1 - v["w_r"] + v["w_r"] * s) ** p
    excess = s**p * (u - v["w"] * abs(c) ** p) - beta * u
    return np.sum(np.sign(excess[1:]) != np.sign(excess[:-1]))


@pytest.mark.parametrize("case", WORKED)
def test_the_worked_values_to_all_printed_digits(case):
    found = planar.fixed_points(worked(*case), ONE)
    assert len(found) == len(WORKED[case])
    for i, (y, a, value) in enumerate(WORKED[case]):
        digits = (3, 4) if value is None else DIGITS[case]
        assert round(float(found.states.y[i, 0]), digits[0]) == y
        assert round(float(found.states.a[i, 0]), digits[1]) == a
        assert bool(found.is_stable[i]) == (value is not None)
        if value is not None:
            pair = np.asarray(found.eigenvalues[i])
            np.testing.assert_allclose(
                np.round(pair, 4), [value, np.conj(value)], rtol=0, atol=1e-12
            )


def test_for_the_exponent_2_they_are_the_positive_roots_of_the_quartic():
    several = 0
    for values, x in cases(2.0)[0]:
        circuit = circuit_of(**values)
        found = planar.fixed_points(circuit, x)
        roots = np.roots(np.asarray(planar.quartic(circuit, x)))
        s = np.sort(roots[(np.abs(roots.imag) < 1e-9 * np.abs(roots)) & (roots.real > 0)].real)
        # Roots of a quartic of which two are close lose half of the digits.
        np.testing.assert_allclose(np.sort(np.sqrt(found.states.a[:, 0])), s, rtol=1e-6)
        several += len(found) == 3
    assert several > 5


@pytest.mark.slow_but_first
@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0, 3.7])
def test_as_many_as_brute_force_finds_and_each_solves_the_circuit(exponent):
    for values, x in cases(exponent)[0]:
        circuit = circuit_of(**values, exponent=exponent)
        found = planar.fixed_points(circuit, x)
        assert len(found) == by_grid(values, x, exponent)
        assert np.all(np.diff(found.states.y[:, 0]) > 0)
        velocity = vector_field(circuit, x, found.states.y[:, 0], found.states.a[:, 0])
        scale = 1 + np.abs(found.states.y[:, 0]) * np.sqrt(1 + found.states.a[:, 0] ** 2)
        for leaf, tau in zip(velocity, (values["tau_y"], values["tau_a"]), strict=True):
            assert np.all(np.abs(leaf) * tau < 1e-9 * scale * abs(values["w_r"]).clip(1))


def test_the_eigenvalues_are_those_of_the_jacobian_by_autodiff():
    @jax.jit
    def autodiff(circuit, state, x):
        J = jax.jacfwd(lambda s: circuit.vector_field(None, s, x))(state)
        return jnp.block([[J.y.y, J.y.a], [J.a.y, J.a.a]])

    for values, x in cases(2.0)[0][:20]:
        circuit = oo.resolve(circuit_of(**values, exponent=np.asarray(2.0)))
        found = planar.fixed_points(circuit, x)
        for i in range(len(found)):
            J = autodiff(circuit, jax.tree.map(lambda leaf, i=i: leaf[i], found.states), x)
            ours = np.asarray(found.eigenvalues[i])
            # Sum and product: eigenvalues themselves are ill-conditioned where two meet.
            np.testing.assert_allclose(ours.sum().real, np.trace(J), atol=1e-9 * np.abs(J).max())
            np.testing.assert_allclose(ours.prod().real, np.linalg.det(J), rtol=1e-7)
            assert bool(found.is_stable[i]) == (np.linalg.eigvals(J).real.max() < 0)


def test_one_unit_with_a_positive_weight_has_one_stable_point_with_the_sign_of_the_input():
    for values, x in cases(2.0)[0]:
        if values["w_r"] < 0:
            continue
        found = planar.fixed_points(circuit_of(**values), x)
        same = np.sign(found.states.y[:, 0]) == np.sign(x[0])
        assert np.sum(same) == 1 and np.all(np.asarray(found.is_stable)[same])
        assert len(found) == 1 if values["w_r"] <= 1 else len(found) in (1, 3)


@pytest.mark.parametrize(
    ("w_r", "expected"), [(0.5, [0]), (1.0, [0]), (0.0, [0]), (2.0, [-1, 0, 1]), (-1.0, [-1, 0, 1])]
)
def test_without_input_the_pitchfork_pair_appears_where_u_is_0(w_r, expected):
    found = planar.fixed_points(circuit_of(**MEMORY | {"w_r": w_r}), 0 * ONE)
    y, s = 0.0, 0.05
    if w_r not in (0.0, 0.5, 1.0):
        s = 1 - 1 / w_r
        y = np.sqrt(1 - 0.05**2 / s**2)
    np.testing.assert_allclose(found.states.y[:, 0], y * np.array(expected), rtol=1e-14)
    np.testing.assert_allclose(found.states.a[:, 0][-1], s**2, rtol=1e-14)


def test_special_weights():
    one = circuit_of(**MEMORY | {"w_r": 1.0})
    y, a = zoo.closed_form(one, ONE)
    np.testing.assert_allclose(planar.fixed_points(one, ONE).states.y[0], y, rtol=1e-14)
    np.testing.assert_allclose(planar.fixed_points(one, ONE).states.a[0], a, rtol=1e-14)
    alone = planar.fixed_points(circuit_of(**MEMORY | {"w_r": 0.0}), ONE)
    np.testing.assert_allclose(alone.states.y, [[0.5]])
    np.testing.assert_allclose(alone.states.a, [[0.05**2 / (1 - 0.25)]])
    assert len(planar.fixed_points(circuit_of(**MEMORY | {"w_r": 0.0}), 2.1 * ONE)) == 0
    unpooled = planar.fixed_points(circuit_of(**MEMORY | {"w": 0.0}), ONE)
    np.testing.assert_allclose(unpooled.states.y, [[0.5 / (1 - 2 + 2 * 0.05)]])
    # u = 0 at rest, and a drive that nothing balances.
    assert len(planar.fixed_points(circuit_of(**MEMORY | {"w": 0.0, "sigma": 1.0}), ONE)) == 0


def test_a_double_point_is_found_on_both_of_its_sides():
    circuit = circuit_of(**MEMORY)
    branch = planar.bifurcation(circuit, ONE, "x", np.linspace(0.5, 2, 4))
    (event,) = branch.events
    assert event.kind == "saddle-node" and event.high - event.low < 1e-8
    assert len(planar.fixed_points(circuit, event.low * ONE)) == 3
    assert len(planar.fixed_points(circuit, event.high * ONE)) == 1


@pytest.mark.parametrize("x", [1e-12, 1e-3, 1e4])
def test_faint_and_strong_inputs_keep_their_digits(x):
    found = planar.fixed_points(circuit_of(**MEMORY), x * ONE)
    assert np.all(found.residuals < 1e-13)
    i = int(np.argmin(np.abs(found.states.y[:, 0])))
    if x < 1e-2:  # the middle point is c/u at rest, to second order
        np.testing.assert_allclose(found.states.y[i, 0], 0.5 * x / (-1 + 2 * 0.05), rtol=x)


def test_single_precision_gives_single_precision():
    one = np.ones((1, 1), np.float32)
    circuit = oo.ORGaNICs(one, 2 * one, one, 0.1, 0.5, 0.5, 2.0, 2.0)
    assert circuit.initial_state().y.dtype == jnp.float32
    found = planar.fixed_points(circuit, ONE)
    assert found.states.y.dtype == found.residuals.dtype == jnp.float32
    assert found.eigenvalues.dtype == jnp.complex64
    np.testing.assert_allclose(found.states.y[-1, 0], 0.9978, atol=5e-5)


def test_the_vector_field_is_the_circuits():
    circuit = circuit_of(**MEMORY, exponent=2.5)
    y, a = jnp.meshgrid(jnp.linspace(-1, 1, 3), jnp.linspace(-0.5, 1, 4))
    velocity = planar.vector_field(circuit, ONE, y, a)
    assert velocity.y.shape == (4, 3)
    for i in np.ndindex(4, 3):
        state = oo.ORGaNICsState(y[i][None], a[i][None])
        expected = circuit.vector_field(None, state, jnp.asarray(ONE))
        np.testing.assert_allclose([velocity.y[i], velocity.a[i]], np.ravel(expected), rtol=1e-14)


@pytest.mark.parametrize("exponent", [2.0, 3.0])
def test_the_nullclines_solve_their_equations_and_leave_gaps_where_there_is_no_point(exponent):
    circuit = circuit_of(**MEMORY, exponent=exponent)
    curves = nullclines(circuit, ONE, jnp.linspace(-1.5, 1.5, 61).at[30].set(0.0))
    for i, curve in enumerate((curves.y_nullcline, curves.a_nullcline)):
        valid = jnp.isfinite(curve)
        assert 5 < valid.sum() < 61
        velocity = vector_field(circuit, ONE, curves.y, jnp.where(valid, curve, 0))
        largest = 1e-13 * float(curve[valid].max())
        np.testing.assert_allclose(velocity[i][valid], 0, atol=largest)
    assert np.all(np.isnan(curves.a_nullcline[jnp.abs(curves.y) >= 1]))
    # With w_r = 2: s = (.5 + y)/(2y) < 0 for −.5 < y < 0.
    expected = (curves.y <= -0.5) | (curves.y > 0)
    np.testing.assert_array_equal(jnp.isfinite(curves.y_nullcline), expected)
    assert np.isnan(curves.vertical)


# (w_r, w, b0, exponent, x), and the window of y and of a.
WINDOWS = [
    ((1.0, 1.0, 0.5, 2.0, 1.0), (-1.2, 1.2), (0.0, 1.0)),  # ȧ = 0 ended at a = .78
    ((2.0, 1.0, 0.5, 2.0, 0.01), (-1.2, 1.2), (0.0, 1.0)),
    ((2.0, 1.0, 0.5, 2.0, 0.0), (-1.2, 1.2), (-0.1, 1.0)),
    ((2.0, 1.0, 1e-4, 3.0, 0.3), (-1.2, 1.2), (0.0, 1.0)),
    ((1.5, 1.0, 0.5, 1.0, -0.5), (-1.2, 1.2), (-0.2, 1.0)),
    ((-1.0, 4.0, 0.5, 2.0, 1.0), (-2.0, 3.0), (0.0, 30.0)),
    ((-3.0, 1.0, 0.9, 0.5, 0.7), (-3.0, 3.0), (0.0, 4.0)),
    ((0.0, 1.0, 0.5, 2.0, 1.0), (0.2, 1.2), (0.001, 0.5)),
    ((0.5, 0.0, 3.0, 2.0, 1.0), (-1.0, 2.0), (0.0, 0.3)),
    ((0.5, 1.0, 5.0, 2.0, 1.0), (-1.0, 2.0), (0.0, 0.2)),  # β is above the window
]


def velocity_over(window, y, a):
    """The terms of τ_y ẏ and of τ_a ȧ, written once more."""
    w_r, w, b0, p, x = window
    s = np.maximum(a, 0) ** (1 / p)
    dy = [0.5 * x, (1 - s) * w_r * y, -y]
    return dy, [-a, (0.1 * b0) ** p + 0 * a, w * np.maximum(a, 0) * np.abs(y) ** p]


@pytest.mark.parametrize(("window", "y_range", "a_range"), WINDOWS)
def test_nullclines_are_drawn_wherever_the_velocity_changes_its_sign(window, y_range, a_range):
    w_r, w, b0, p, x = window
    circuit = circuit_of(**MEMORY | {"w_r": w_r, "w": w, "b0": b0}, exponent=p)
    found = planar.nullcline_curves(circuit, x * ONE, y_range, a_range)
    low, size = np.array([y_range[0], a_range[0]]), np.ptp([y_range, a_range], axis=1)
    cells = 60
    grid = np.meshgrid(*(np.linspace(*r, cells + 1) for r in (y_range, a_range)), indexing="ij")
    for i, curves in enumerate(found):
        for y, a in (curve.T for curve in curves):
            terms = velocity_over(window, y, a)[i]
            assert np.all(np.abs(sum(terms)) <= 1e-9 * sum(map(np.abs, terms)))
        field, edges = sum(velocity_over(window, *grid)[i]), []
        for axis in (0, 1):
            ends = [np.moveaxis(v, axis, 0) for v in (field, *grid)]
            changes = ends[0][1:] * ends[0][:-1] < 0
            edges.append(np.stack([((v[1:] + v[:-1]) / 2)[changes] for v in ends[1:]], axis=1))
        filled = [np.linspace(c[:-1], c[1:], 2000 // len(c) + 9).reshape(-1, 2) for c in curves]
        drawn = (np.concatenate([np.ones((0, 2)), *filled]) - low) / size
        edges = (np.concatenate(edges) - low) / size
        away, _ = cKDTree(drawn).query(edges, p=np.inf) if len(drawn) else (np.ones(len(edges)), 0)
        assert np.all(away < 0.6 / cells), edges[away >= 0.6 / cells]


@pytest.mark.parametrize(("w_r", "x", "y"), [(0.0, 1.0, 0.5), (2.0, 0.0, 0.0)])
def test_a_vertical_nullcline_is_named(w_r, x, y):
    circuit = circuit_of(**MEMORY | {"w_r": w_r})
    vertical = planar.nullclines(circuit, x * ONE, jnp.linspace(-1, 1, 4)).vertical
    assert vertical == y
    a = jnp.linspace(0, 2, 4)
    velocity = planar.vector_field(circuit, x * ONE, jnp.full(4, vertical), a)
    np.testing.assert_array_equal(velocity.y, 0)


def test_the_pure_functions_are_jittable_and_differentiable():
    circuit, y = circuit_of(**MEMORY), jnp.linspace(0.1, 0.9, 5)
    curves = nullclines(oo.resolve(circuit), ONE, y)
    np.testing.assert_allclose(
        curves.y_nullcline, planar.nullclines(circuit, ONE, y)[1], rtol=1e-14
    )

    def total(y, a):
        field = planar.vector_field(circuit, ONE, jnp.append(y, 0.0), jnp.append(a, 0.0))
        return field.y.sum() + field.a.sum() + planar.nullclines(circuit, ONE, y)[1].sum()

    slopes = jax.jit(jax.grad(total, argnums=(0, 1)))(y, jnp.linspace(0, 1, 5))
    assert all(np.all(np.isfinite(slope)) for slope in slopes)


@pytest.fixture(scope="module")
def memory():
    circuit = circuit_of(**MEMORY | {"sigma": 0.5})
    found = planar.fixed_points(circuit, FAINT)
    assert found.kinds == ("stable focus", "saddle", "stable focus")
    return circuit, found


def test_the_separatrix_separates(memory):
    circuit, found = memory
    curves = planar.separatrices(circuit, FAINT, (-1.5, 1.5), (0.0, 1.0), points=1000)
    assert curves.y.shape == curves.a.shape == (2, 1000)
    np.testing.assert_allclose(curves.y[:, 0], found.states.y[1, 0], atol=1e-5)
    up = int(np.argmax(np.isfinite(curves.y).sum(1)))
    upper = np.isfinite(curves.y[up])
    chosen = np.flatnonzero(upper)[150::10]
    y, a = curves.y[up][chosen], curves.a[up][chosen]
    assert len(chosen) > 3 and a.max() > 0.5
    along = np.stack([curves.y[up][chosen + 1] - y, curves.a[up][chosen + 1] - a])
    across = 1e-3 * along[::-1] * np.array([[1], [-1]]) / np.linalg.norm(along, axis=0)
    one = planar.basins(circuit, FAINT, y + across[0], a + across[1])
    other = planar.basins(circuit, FAINT, y - across[0], a - across[1])
    assert {tuple(set(one)), tuple(set(other))} == {(0,), (2,)}


def test_a_circuit_without_a_saddle_has_no_separatrix():
    curves = planar.separatrices(worked(0.5, 0.5, 0.1), ONE, (-1, 1), (0, 1), points=50)
    assert curves.y.shape == (0, 50)


def test_the_basins_are_where_the_solver_ends(memory):
    circuit, found = memory
    y, a = np.random.default_rng(1).uniform([[-2], [0]], [[2], [3]], (2, 40))
    states = oo.ORGaNICsState(jnp.asarray(y)[:, None], jnp.asarray(a)[:, None])
    # An Euler scan, as another method.
    field = jax.vmap(lambda s: circuit.vector_field(None, s, jnp.asarray(FAINT)))

    def step(s, _):
        return jax.tree.map(lambda v, rate: v + 0.002 * rate, s, field(s)), None

    ends = jax.jit(lambda s: jax.lax.scan(step, s, length=200_000)[0])(states).y
    distances = np.abs(np.asarray(ends) - np.asarray(found.states.y[:, 0])[None, :])
    assert np.all(distances.min(axis=1) < 1e-2)
    expected = np.argmin(distances, axis=1)
    reached = planar.basins(circuit, FAINT, y.reshape(4, 10), a.reshape(4, 10))
    np.testing.assert_array_equal(reached.ravel(), expected)
    assert reached.shape == (4, 10) and set(expected) == {0, 2}


def test_basins_tell_divergence_from_a_run_that_does_not_settle():
    # w_r < 0 with a large a: y grows by (s − 1)|w_r|, faster the larger a: blow-up.
    circuit = circuit_of(**MEMORY | {"w_r": -1.0})
    found = planar.fixed_points(circuit, FAINT)
    reached = planar.basins(circuit, FAINT, np.array([0.0, 3.0]), np.array([0.0025, 20.0]))
    assert found.kinds[reached[0]].startswith("stable") and reached[1] == -1
    assert planar.basins(circuit, FAINT, np.array([0.5]), np.array([0.5]), max_steps=2)[0] == -2


@pytest.mark.parametrize("seed", range(3))
def test_under_a_global_certificate_no_start_diverges(seed):
    rng = np.random.default_rng(seed)
    circuit = oo.ORGaNICs(
        *np.ones((2, 1, 1)), rng.uniform(0.2, 1, (1, 1)), *rng.uniform(0.1, 0.9, 3), 2.0, 3.0
    )
    x = rng.normal(size=1)
    assert oo.certify(circuit, x).holds
    # A modulator of 0 is the edge of what the theorem speaks of.
    reached = planar.basins(circuit, x, np.array([1.0, -1.0, 0.0]), np.zeros(3))
    assert np.all(reached == 0)


def test_basins_do_not_settle_on_a_limit_cycle():
    # Beyond the Hopf point at x = .0203 a cycle surrounds the left focus.
    circuit, x = circuit_of(**MEMORY), 0.03 * ONE
    found = planar.fixed_points(circuit, x)
    assert found.kinds == ("unstable focus", "saddle", "stable focus")
    y, a = found.states.y[:, 0], found.states.a[:, 0] * jnp.array([1.01, 1.0, 1.01])
    reached = planar.basins(circuit, x, y, a)
    assert reached[0] == -2 and reached[2] == 2


def test_without_input_memory_begins_at_the_pitchfork():
    """σ b0 = 1 − 1/w_r."""
    branch = planar.bifurcation(circuit_of(**MEMORY), 0 * ONE, "W_r", np.linspace(0.5, 2, 12))
    (event,) = branch.events
    assert event.kind == "pitchfork"
    np.testing.assert_allclose([event.low, event.high], 1 / (1 - 0.05), rtol=1e-8)
    branch = planar.bifurcation(circuit_of(**MEMORY), 0 * ONE, "sigma", np.linspace(0.1, 2, 12))
    np.testing.assert_allclose(branch.events[0].low, 0.5 / 0.5, rtol=1e-8)
    # and with c → 0 the saddle-node comes from there: it needs a little more.
    near = planar.bifurcation(circuit_of(**MEMORY), 1e-6 * ONE, "W_r", np.linspace(0.5, 2, 12))
    saddle_nodes = [e.low for e in near.events if e.kind == "saddle-node"]
    assert saddle_nodes[0] > event.low
    np.testing.assert_allclose(saddle_nodes[0], event.low, rtol=1e-3)


def test_at_a_saddle_node_and_at_a_hopf_point_the_spectrum_touches_the_axis():
    branch = planar.bifurcation(circuit_of(**MEMORY), ONE, "x", np.linspace(-2, 2, 160))
    kinds = [event.kind for event in branch.events]
    assert kinds == ["saddle-node", "Hopf", "Hopf", "saddle-node"]
    np.testing.assert_allclose(branch.events[0].low, -branch.events[3].high, rtol=1e-7)
    for event in branch.events:
        three = min(abs(event.low), abs(event.high)) * ONE
        pairs = np.asarray(planar.fixed_points(circuit_of(**MEMORY), three).eigenvalues)
        nearest = pairs[np.argmin(np.abs(pairs.real).min(axis=1))]
        assert np.abs(nearest.real).min() < 1e-3
        assert (np.abs(nearest.imag) > 0.1).all() == (event.kind == "Hopf")


@pytest.mark.parametrize("name", planar.PARAMETERS)
def test_a_bifurcation_is_the_fixed_points_at_each_value(name):
    values = MEMORY | {"b0": 0.7, "b1": 0.4, "tau_y": 3.0}
    branch = planar.bifurcation(circuit_of(**values, exponent=1.5), FAINT, name, [0.3, 0.9, 1.8])
    keys = {"W_r": "w_r", "W": "w"}
    for i, value in enumerate([0.3, 0.9, 1.8]):
        changed = values if name == "x" else values | {keys.get(name, name): value}
        x = value * FAINT if name == "x" else FAINT
        found = planar.fixed_points(circuit_of(**changed, exponent=1.5), x)
        k = branch.counts[i]
        assert k == len(found)
        for leaf, expected in zip(branch.states, found.states, strict=True):
            np.testing.assert_allclose(leaf[i, :k], expected[:, 0], rtol=1e-9)
            assert np.all(np.isnan(leaf[i, k:]))
        np.testing.assert_allclose(branch.eigenvalues[i, :k], found.eigenvalues, rtol=1e-7)
        np.testing.assert_array_equal(branch.is_stable[i, :k], found.is_stable)


def test_points_that_go_to_infinity_are_named_so():
    branch = planar.bifurcation(circuit_of(**MEMORY), ONE, "W_r", np.linspace(-1, 1.1, 4))
    assert [event.kind for event in branch.events] == ["infinity"]
    assert abs(branch.events[0].high) < 1e-8


def test_what_is_printed(memory):
    text = repr(memory[1])
    assert text.startswith("PlanarFixedPoints: 3") and text.count("stable focus") == 2
    branch = planar.bifurcation(memory[0], 0 * ONE, "W_r", [0.5, 2.0])
    assert "W_r from 0.5 to 2" in repr(branch) and "pitchfork" in repr(branch)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: zoo.organics(), r"`circuit` must be an ORGaNICs with one unit, n = 1"),
        (lambda: zoo.gated(n=1, m=1), r"`circuit` must be an ORGaNICs with one unit, n = 1"),
        (
            lambda: circuit_of(**MEMORY, rectification=zoo.BEFORE),
            r"`circuit` must have no rectification, but it has Rectification.BEFORE",
        ),
    ],
)
def test_the_polynomial_and_a_over_y_are_of_one_unit_alone(make, message):
    circuit = make()
    x = np.ones(circuit.input_size)
    for call in (planar.quartic, lambda c, x: planar.nullclines(c, x, x)):
        with pytest.raises(ValueError, match=message):
            call(circuit, x)


@pytest.mark.parametrize("make", [zoo.organics, lambda: zoo.gated(n=1, m=1)])
def test_of_more_than_two_variables_two_must_be_named(make):
    circuit = make()
    with pytest.raises(ValueError, match=r"`variables` must name two of y.*, but the circuit has"):
        planar.fixed_points(circuit, np.ones(circuit.input_size))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: planar.fixed_points(c, np.ones(2)), r"`x` must have shape \(m,\) = \(1,\)"),
        (lambda c: planar.fixed_points(c, [np.nan]), r"`x` must be finite"),
        (lambda c: planar.vector_field(c, ONE, np.ones(3), np.ones(2)), r"`a` must have the shape"),
        (lambda c: planar.nullclines(c, ONE, np.ones((2, 2))), r"`y` must have shape \(points,\)"),
        (lambda c: planar.separatrices(c, ONE, (1, 0), (0, 1)), r"`y_range` must be \(low, high\)"),
        (lambda c: planar.separatrices(c, ONE, (0, 1), 3), r"`a_range` must be \(low, high\), two"),
        (
            lambda c: planar.nullcline_curves(c, ONE, (0, np.inf), (0, 1)),
            r"`y_range` must be finite",
        ),
        (lambda c: planar.basins(c, ONE, ONE, ONE, max_steps=0), r"`max_steps` must be a positive"),
        (lambda c: planar.bifurcation(c, ONE, "p", [1, 2]), r"`name` must be one of W_r, W,"),
        (lambda c: planar.bifurcation(c, ONE, "W", [2, 1]), r"`values` must be at least two incr"),
        (lambda c: planar.bifurcation(c, ONE, "b0", [0, 1]), r"`values` must be legal for b0"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(circuit_of(**MEMORY))


def test_the_quartic_is_for_the_exponent_2():
    with pytest.raises(ValueError, match=r"`circuit` must have the exponent 2, but it is 3"):
        planar.quartic(circuit_of(**MEMORY, exponent=3.0), ONE)


def test_a_run_that_is_no_longer_finite_has_diverged():
    v = np.stack([np.full(1000, np.nan), np.linspace(0, 1, 1000)])
    targets, radii = jnp.asarray([[5.0, 5.0]]), jnp.asarray([0.1])
    for rows in (v, np.full((2, 1000), np.nan), np.full((2, 1000), np.inf)):
        ends = jax.jit(_arrivals)(jnp.asarray(rows), targets, radii, jnp.asarray(1e6))
        np.testing.assert_array_equal(ends, -1)


def test_what_cannot_be_told_from_zero_is_marginal_by_the_rule_of_the_spectrum():
    J = np.array([[-1e-17, 1e3], [0.0, -1.0]])
    resolution = float(spectrum_of(jnp.asarray(J)).resolution)
    assert kind_of((-1e-17 + 0j, -1 + 0j), resolution) == "marginal"
    assert kind_of((-3 * resolution + 0j, -1 + 0j), resolution) == "stable node"


def test_a_residual_that_is_not_a_number_is_infinite():
    q = Scalars(0.5, 1.0, 1.0, 0.01, 2.0, 2.0, 2.0)
    assert residual_at(q, 1e160, math.inf) == math.inf


@pytest.mark.parametrize("w_r", [0.01, 1.0, 3.0])
def test_what_comes_back_from_afar_has_not_diverged(w_r):
    """a rises to about (y²/4w_r)² on the way: beyond any bound, and back."""
    circuit = circuit_of(**MEMORY | {"w_r": w_r})
    stable = np.flatnonzero(planar.fixed_points(circuit, ONE).is_stable)
    y = jnp.array([100.0, -100.0, 1e3, 1e5])
    found = planar.basins(circuit, ONE, y, jnp.full(4, 0.1), max_steps=30_000)
    assert not np.any(found == -1) and np.all(np.isin(found[:2], stable))


def test_without_a_stable_point_no_start_reaches_one():
    circuit = circuit_of(**MEMORY | {"w_r": 3.0, "w": 0.0})  # y grows at 2 − 3 s
    assert planar.basins(circuit, ONE, jnp.array([1.0, -1.0]), jnp.ones(2)).tolist() == [-1, -1]
