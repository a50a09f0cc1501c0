"""Feedback networks of many units: theory against printed numbers and independent routes."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from organics_ode import mean_field
from organics_ode.mean_field._averages import averages_at
from organics_ode.mean_field._chaos import hermite
from organics_ode.mean_field._pairs import pair_averages

# σ_m, σ_I, ρ; then p, p_m, p_I for each class of readout, and the paper's Fig. 1e.
SHAPE = (1.2, 0.5, 0.5)
CLASSES = {
    mean_field.ReadoutClass.INPUT: (0, 0, 1),
    mean_field.ReadoutClass.FEEDBACK: (0, 1, 0),
    mean_field.ReadoutClass.OVERLAP: (1, 0, 0),
    mean_field.ReadoutClass.MIXTURE: (1, 1, 0.3),
}
FIG1E = mean_field.Geometry(*SHAPE, 1, 1, 0.3)


def at_target(geometry, g, target):
    return mean_field.solutions(geometry, g, mean_field.calibrate(geometry, g, target))


def digits(values, places):
    return np.round(np.real(values), places).tolist()


# The theory's column of the project's table, to all printed digits.


def test_figure_1e_at_target_2():
    found = at_target(FIG1E, 0.3, 2.0)
    assert digits(found.z, 3) == [-1.627, -0.403, 2.0]
    assert digits(found.outlier[:2], 4) == [0.3415, 2.1786]
    assert found.kinds == ("stable", "saddle", "stable")
    # At the target both roots lie inside the bulk: they are no eigenvalues.
    assert np.isnan(found.outlier[2]) and np.all(np.abs(found.outliers[2]) < found.radius[2])
    assert "saddle" in repr(found) and len(found) == 3


def test_figure_1e_at_a_target_that_is_not_alone():
    assert digits(at_target(FIG1E, 0.3, -1.15).z, 3) == [-1.15, -0.503, 1.619]


def test_the_outlier_holds_the_correlations_with_the_random_connections():
    geometry = mean_field.Geometry(1.2, 0.5, 0.9, 1, 1, 0.3)
    found = at_target(geometry, 0.95, -1.0)
    (i,) = np.flatnonzero(np.abs(found.z + 1) < 1e-9)
    assert digits(found.outlier[i], 3) == 0.806
    # Without them k does not feed back on itself, and G is gone from its equation.
    o = geometry.overlaps(mean_field.calibrate(geometry, 0.95, -1.0))
    a = averages_at(jnp.tanh, jnp.asarray(found.delta0[i]), 128)
    F = 2 * (o.sigma_mI - o.sigma_m2)
    assert digits(o.n_m * a.slope + (o.n_I - o.n_m) * a.third / 2 * F, 3) == 0.932


def test_least_squares():
    found = mean_field.least_squares(FIG1E, 0.3, 2.0)
    assert digits(found.rest.outlier, 3) == [0.433, 1.870, 0.169]
    assert digits(found.rest.z[found.rest.is_stable], 1) == [-1.6, 2.0]
    # The closed form of the target's outlier; its other root is r².
    target = mean_field.Geometry(*SHAPE, 1, 1, 0.3)
    q, bend = (mean_field.average(f, found.delta_star) for f in (_square, _bend))
    expected = bend / q * (found.delta_star - target.sigma_mI * 2 - 0.25)
    assert abs(found.rest.outlier[2] - expected) < 1e-8
    assert abs(found.rest.outliers[2, 1] - found.rest.radius[2] ** 2) < 1e-8
    assert abs(found.output - 2) < 1e-12 and abs(found.norm - 2 / q**0.5) < 1e-9


def test_chaos():
    # ρ = 0 and n along η_I: n_I = c σ_I = 1.5.
    found = mean_field.chaos(mean_field.Geometry(1, 0.6, 0, 0, 0, 1), 2.5, 2.5)
    assert digits(found.delta0, 3) == [4.573]
    assert digits(found.delta_inf, 3) == [2.923]
    assert digits(found.z, 3) == [0.517]


# Gaussian averages.


def _square(x):
    return jnp.tanh(x) ** 2


def _bend(x):
    t = jnp.tanh(x)
    return (1 - t * t) ** 2 - 2 * t * t * (1 - t * t)


@pytest.mark.parametrize("variance", [0.0, 0.3, 40.0, 1e5])
def test_averages_with_closed_forms(variance):
    # ⟨cos x⟩ = exp(−Δ/2) and ⟨erf²⟩ = (2/π) asin(2Δ/(1 + 2Δ)).
    if variance < 10:
        assert abs(mean_field.average(jnp.cos, variance) - math.exp(-variance / 2)) < 1e-12
    expected = 2 / math.pi * math.asin(2 * variance / (1 + 2 * variance))
    assert abs(mean_field.average(_erf2, variance) - expected) < 1e-10


def _erf2(x):
    return jax.scipy.special.erf(x) ** 2


def test_averages_at_large_variance_and_their_derivatives():
    # A dense rule in equal steps of x, where 200 nodes of Gauss and Hermite are wrong by 30 %.
    x = np.linspace(-10, 10, 200_001) * 50.0
    weights = np.exp(-((x / 50) ** 2) / 2) * (x[1] - x[0]) / (50 * math.sqrt(2 * math.pi))
    slope2 = np.sum(weights / np.cosh(np.clip(x, -100, 100)) ** 4)
    assert (
        abs(mean_field.average(lambda x: (1 - jnp.tanh(x) ** 2) ** 2, 2500.0) / slope2 - 1) < 1e-10
    )
    # ∂⟨φ²⟩/∂Δ = ⟨φ′² + φφ″⟩, ∂⟨φ′⟩/∂Δ = ½⟨φ‴⟩; by jax and by finite differences.
    at = jax.jit(lambda d: averages_at(jnp.tanh, d, 128))
    a, tangent = jax.jvp(at, (2.0,), (1.0,))
    high, low = at(2.0 + 1e-4), at(2.0 - 1e-4)
    for own, difference in ((a.bend, "phi2"), (a.third / 2, "slope")):
        step = (getattr(high, difference) - getattr(low, difference)) / 2e-4
        assert abs(own - step) < 1e-8 and abs(own - getattr(tangent, difference)) < 1e-12


def test_pairs_by_quadrature_and_by_hermite_polynomials():
    a, b = hermite(jnp.tanh, 3.0), hermite(jnp.tanh, 1.2)
    for C in (-1.0, 0.4, 1.8):
        k = min(a.size, b.size)
        series = np.sum(a[:k] * b[:k] * (C / math.sqrt(3.6)) ** np.arange(k))
        arguments = (jnp.array([v]) for v in (3.0, 1.2, C))
        got = pair_averages(((jnp.tanh, jnp.tanh),), *arguments, 128)[0, 0]
        assert abs(got - series) < 1e-10


@pytest.mark.slow
def test_chaos_solves_the_equations_with_the_antiderivative():
    # Without input: Δ∞ = 0. With it: the equations as printed, Φ = ln cosh, by another quadrature.
    found = mean_field.chaos(mean_field.Geometry(1, 0.6, 0.5, 1, 0.5, 1), 2.5, 1.0)
    assert len(found) >= 1
    for z, delta0, delta_inf in zip(found.z, found.delta0, found.delta_inf, strict=True):
        S = z * z + 2 * 0.25 * 0.6 * z + 0.36
        pairs = ((jnp.tanh, jnp.tanh), (_log_cosh, _log_cosh))
        rows = (jnp.array([delta0, delta0]), jnp.array([delta0, delta0]))
        got = pair_averages(pairs, *rows, jnp.array([delta_inf, delta0]), 192)
        assert abs(6.25 * got[0, 0] + S - delta_inf) < 1e-8
        energy = 6.25 * (got[1, 1] - got[0, 1]) + S * (delta0 - delta_inf)
        assert abs((delta0**2 - delta_inf**2) / 2 - energy) < 1e-7
    assert len(mean_field.chaos(FIG1E, 0.9, 1.0)) == 0


def _log_cosh(x):
    return jnp.logaddexp(x, -x) - jnp.log(2.0)


# All states at rest, by a dense scan that shares no code.


@functools.cache
def _tables():
    """⟨φ²⟩, ⟨φ′⟩ and ⟨φ′²⟩ on a dense grid of Δ0, in equal steps of x."""
    delta = np.linspace(1e-6, 4, 1500)[:, None] ** 2
    x = np.linspace(-32, 32, 641)[None]
    w = np.exp(-x * x / (2 * delta))
    w = w / w.sum(1, keepdims=True)
    t = np.tanh(x)
    d = 1 - t * t
    functions = (t * t, d, d * d)
    small = delta[:, 0] < 0.01  # too narrow for these steps: a series
    rows = [np.sum(w * f, axis=1) for f in functions]
    v = delta[:, 0]
    series = (v - 2 * v**2, 1 - v + 2 * v * v, 1 - 2 * v)
    return v, [np.where(small, s, r) for s, r in zip(series, rows, strict=True)]


def _scan(o, g):
    """z and stability from the signs of the slope of the gap: a third route for the saddles."""
    delta, (q, f, f2) = _tables()
    z = np.linspace(-3, 3, 60_000)  # 0 is not among them
    S = o.sigma_m2 * z * z + 2 * o.sigma_mI * z + o.sigma_I2
    own = np.interp(S, delta - g * g * q, delta)
    assert own.max() < delta.max()
    gap = np.interp(own, delta, f) * (o.n_m * z + o.n_I) - z
    at = np.flatnonzero(np.sign(gap[1:]) != np.sign(gap[:-1]))
    return z[at], gap[at] > 0, g * np.sqrt(np.interp(own[at], delta, f2)) < 1


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.value)
def test_the_class_of_a_readout_is_seen_in_its_overlaps(kind):
    for scale in (1.0, -1e-3):
        geometry = mean_field.Geometry(*SHAPE, *(scale * v for v in CLASSES[kind]))
        o = geometry.overlaps(1.0)
        # With m and I of unit variance: one alone, or as much of both, which have ρξ in common.
        with_m, with_I = abs(o.n_m / 1.2), abs(o.n_I / 0.5)
        seen = mean_field.ReadoutClass.MIXTURE
        if with_m == 0 or with_I == 0:
            seen = mean_field.ReadoutClass("input" if with_m == 0 else "feedback")
        elif np.isclose(with_m, with_I):
            seen = mean_field.ReadoutClass.OVERLAP
        assert geometry.readout_class is seen is kind


@pytest.mark.slow
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.value)
def test_all_states_at_rest_of_every_class(kind):
    geometry = mean_field.Geometry(*SHAPE, *CLASSES[kind])
    assert geometry.readout_class is kind
    singular, seen = float(geometry.singular_target), set()
    # |n| bounds |z| by 3 of the scan for these targets: away from A*.
    for target in np.linspace(-2, 2, 200):
        if abs(target - singular) < 0.1:
            continue
        c = mean_field.calibrate(geometry, 0.3, target)
        found = mean_field.solutions(geometry, 0.3, c)
        z, falls, is_quiet = _scan(geometry.overlaps(c), 0.3)
        inside = np.abs(found.z) < 2.99
        assert np.sum(inside) == z.size
        assert np.allclose(found.z[inside], z, atol=2e-4)
        # For real outliers below 1 the gap falls through zero; these g have none but real ones > 1.
        assert np.array_equal(found.is_stable[inside], falls & is_quiet)
        assert np.min(np.abs(found.z - target)) < 1e-9
        seen.add(len(found))
    alone = {mean_field.ReadoutClass.INPUT: {1}, mean_field.ReadoutClass.FEEDBACK: {3}}
    assert seen == alone.get(kind, {1, 3})


@pytest.mark.slow
def test_feedback_alone_has_three_states_in_closed_form():
    found = at_target(mean_field.Geometry(*SHAPE, 0, 1, 0), 0.3, 1.0)
    mirrored = -1 - 2 * 0.25 * 0.6 / 1.44
    assert np.allclose(found.z, [mirrored, 0, 1], atol=1e-9)
    assert found.is_stable.tolist() == [True, False, True]


@pytest.mark.parametrize("target", [-1.6, -0.7, 0.4, 1.7])
def test_the_criterion_for_the_target(target):
    # (1 − G) n_I/(n_m A + n_I) > A(σ_m²A + σ_mI)⟨φ‴⟩/⟨φ′⟩
    found = at_target(FIG1E, 0.3, target)
    (i,) = np.flatnonzero(np.abs(found.z - target) < 1e-9)
    o = FIG1E.overlaps(1.0)
    a = averages_at(jnp.tanh, jnp.asarray(found.delta0[i]), 128)
    left = (1 - 0.09 * a.bend) * o.n_I / (o.n_m * target + o.n_I)
    right = target * (o.sigma_m2 * target + o.sigma_mI) * a.third / a.slope
    assert found.is_stable[i] == (left > right)


def test_strong_random_connections_leave_nothing_stable():
    found = mean_field.solutions(FIG1E, 3.0, 0.5)
    assert set(found.kinds) == {"chaotic"} and not found.is_stable.any()


@pytest.mark.slow
def test_another_nonlinearity():
    # φ = erf(√π x/2): ⟨φ′⟩ = 1/√(1 + πΔ/2) in closed form.
    target, g = 0.6, 0.3
    c = mean_field.calibrate(FIG1E, g, target, phi=_erf)
    found = mean_field.solutions(FIG1E, g, c, phi=_erf)
    o = FIG1E.overlaps(c)
    slope = (1 + math.pi * found.delta0 / 2) ** -0.5
    assert np.allclose(slope * (o.n_m * found.z + o.n_I), found.z, atol=1e-10)
    assert np.min(np.abs(found.z - target)) < 1e-9


def _erf(x):
    return jax.scipy.special.erf(math.sqrt(math.pi) / 2 * x)


# Arrays of one shape.


@jax.jit
def padded(geometry, c):
    return mean_field.padded_solutions(geometry, 0.3, c)


def shaped(sigma_m):
    return mean_field.Geometry(sigma_m, *SHAPE[1:], 1.0, 1.0, 0.3)


@pytest.mark.slow
def test_the_padded_form_agrees_and_is_differentiable():
    for target in (2.0, -1.15, 0.5):
        c = mean_field.calibrate(FIG1E, 0.3, target)
        host, ours = mean_field.solutions(FIG1E, 0.3, c), padded(FIG1E, c)
        k = int(ours.count)
        assert k == len(host) and np.all(np.isnan(ours.z[k:])) and not np.any(ours.is_stable[k:])
        for name in ("z", "delta0", "radius", "outlier", "outliers", "is_stable"):
            got = np.asarray(getattr(ours, name)[:k])
            assert np.allclose(got, getattr(host, name), atol=1e-9, equal_nan=True), name
    # c of the last target has one state: the padding must not spoil its derivatives.
    derivative = jax.jit(jax.jacrev(lambda s, c: padded(shaped(s), c).z[0], (0, 1)))(1.2, c)
    for i, value in enumerate(derivative):
        step = 1e-5 * np.eye(2)[i]
        steps = (np.array([1.2, c]) + sign * step for sign in (1, -1))
        high, low = (padded(shaped(s), c).z[0] for s, c in steps)
        assert abs(value - (high - low) / 2e-5) < 1e-7


def test_a_small_phase_map_has_the_states_that_are_known_of_its_rows():
    """Of a readout along the input, and of one along the feedback."""
    rows = [mean_field.Geometry(*SHAPE, *CLASSES[kind]) for kind in list(CLASSES)[:2]]
    assert [one.readout_class.value for one in rows] == ["input", "feedback"]
    targets = [-1.0, 0.0, 0.5, 1.0]
    both = mean_field.Geometry(*SHAPE, 0.0, [0.0, 1.0], [1.0, 0.0])
    found = mean_field.phase_map(both, 0.3, targets)
    # Along the feedback they are 0, A, and −A − 2σ_mI/σ_m². There A* = 0.
    assert found.counts.tolist() == [[1, 1, 1, 1], [3, 0, 3, 3]]
    assert rows[1].singular_target == 0 and not found.target_is_chaotic.any()
    for i, j in np.argwhere(found.counts):
        host = at_target(rows[i], 0.3, targets[j])
        nearest = np.argmin(np.abs(host.z - targets[j]))
        assert found.target_is_stable[i, j] == host.is_stable[nearest]
        assert abs(found.target_radius[i, j] - host.radius[nearest]) < 1e-9
        assert found.globally_stable[i, j] == (host.kinds == ("stable",))
    text = repr(found)
    assert "2 geometries, 4 targets" in text and "0 states: 1; 1 state: 4; 3 states: 3" in text
    # Strong random connections leave small targets chaotic, though nothing else is at rest.
    strong = mean_field.phase_map(both, 2.0, targets)
    assert strong.counts[0].tolist() == [1, 1, 1, 1]
    radii = [_radius_at_rest(rows[0], 2.0, target) for target in targets]
    assert radii[0] > 1 > radii[3]
    np.testing.assert_allclose(strong.target_radius[0], radii, rtol=1e-8)
    np.testing.assert_array_equal(strong.target_is_chaotic[0], np.array(radii) >= 1)
    np.testing.assert_array_equal(strong.globally_stable[0], np.array(radii) < 1)


def _radius_at_rest(geometry, g, z):
    """g√⟨φ′²⟩ with Δ₀ = σ_m²z² + 2σ_mI z + σ_I² + g²⟨φ²⟩, iterated, for φ = tanh."""
    nodes, o = np.linspace(-9, 9, 1001), geometry.overlaps(1.0)
    weights = np.exp(-(nodes**2) / 2) * 0.018 / np.sqrt(2 * np.pi)
    start = delta = o.sigma_m2 * z * z + 2 * o.sigma_mI * z + o.sigma_I2
    for _ in range(500):
        delta = start + g * g * weights @ np.tanh(np.sqrt(delta) * nodes) ** 2
    return g * np.sqrt(weights @ np.cosh(np.sqrt(delta) * nodes) ** -4.0)


@pytest.mark.slow
def test_a_phase_map_agrees_with_the_host():
    shares = np.linspace(0, 1, 7)
    targets = np.linspace(-1.9, 1.95, 8)
    geometries = mean_field.Geometry(*SHAPE, shares, 0.0, 1 - shares)
    found = mean_field.phase_map(geometries, 0.3, targets)
    assert {1, 3} == set(found.counts.ravel().tolist())
    for i, share in enumerate(shares):
        for j, target in enumerate(targets):
            host = at_target(mean_field.Geometry(*SHAPE, share, 0, 1 - share), 0.3, target)
            nearest = np.argmin(np.abs(host.z - target))
            assert found.counts[i, j] == len(host)
            assert found.target_is_stable[i, j] == host.is_stable[nearest]
            assert abs(found.target_radius[i, j] - host.radius[nearest]) < 1e-9
            assert found.globally_stable[i, j] == (host.kinds == ("stable",))
    assert np.array_equal(found.globally_stable, found.target_is_stable & (found.counts == 1))


@pytest.mark.slow
def test_the_only_state_at_rest_is_not_globally_stable_where_it_is_chaotic():
    # A readout along the input: always one state at rest, also where its radius exceeds 1.
    row = mean_field.Geometry(*SHAPE, [0.0], [0.0], [1.0])
    found = mean_field.phase_map(row, 2.0, [0.5, 1.0])
    assert found.counts.tolist() == [[1, 1]] and found.target_radius[0, 0] > 1.06
    assert found.target_is_chaotic.tolist() == [[True, False]]
    assert found.globally_stable.tolist() == [[False, True]]
    # By the other route: the equations of the chaotic phase have a solution.
    one = mean_field.Geometry(*SHAPE, 0.0, 0.0, 1.0)
    assert len(mean_field.chaos(one, 2.0, mean_field.calibrate(one, 2.0, 0.5))) == 1


# Readouts (p, p_m, p_I) and targets of maps of 200 x 200 whose target is closer than 5e-4 to the
# saddle: two roots between the same two nodes of the table.
CLOSE = [
    ((0, 0.98995, 0.01005), -0.179),
    ((0, 0.65327, 0.34673), -0.719),
    ((0.59799, 0, 0.40201), -1.939),
    ((0.92965, 0, 0.07035), -1.159),
]


@pytest.mark.parametrize(("readout", "target"), CLOSE)
def test_a_close_pair_between_two_nodes_is_counted(readout, target):
    geometry = mean_field.Geometry(*SHAPE, *readout)
    c = mean_field.calibrate(geometry, 0.3, target)
    host, ours = mean_field.solutions(geometry, 0.3, c), padded(geometry, c)
    assert np.min(np.diff(host.z)) < 5e-4
    assert int(ours.count) == len(host) == 3
    assert np.allclose(ours.z, host.z, atol=1e-9)
    assert np.array_equal(ours.is_stable, host.is_stable)


def _edge(low, high, is_low):
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if is_low(middle) else (low, middle)
    return low


@pytest.mark.slow
def test_both_bifurcations_of_figure_1e_are_seen_from_a_millionth_away():
    # A saddle-node, where two other states appear, and where the target meets the saddle.
    fold = _edge(1.3, 1.6, lambda A: len(at_target(FIG1E, 0.3, A)) == 1)
    meets = _edge(-0.8, -0.6, lambda A: at_target(FIG1E, 0.3, A).is_stable[0])
    for edge in (fold, meets):
        for step in 10.0 ** -np.arange(2, 7):
            for target in (edge - step, edge + step):
                c = mean_field.calibrate(FIG1E, 0.3, target)
                host, ours = mean_field.solutions(FIG1E, 0.3, c), padded(FIG1E, c)
                k = len(host)
                assert k == (1 if target < fold and edge == fold else 3) == int(ours.count)
                assert np.allclose(ours.z[:k], host.z, atol=1e-8)


# What is refused.

BAD = {
    "rho` must lie between 0 and 1": lambda: mean_field.Geometry(1.2, 0.5, 1.1, 1, 1, 0),
    "sigma_m` must not be negative": lambda: mean_field.Geometry(-1, 0.5, 0.5, 1, 1, 0),
    "sigma_I` must be finite": lambda: mean_field.Geometry(1, math.nan, 0.5, 1, 1, 0),
    "p_m` must be a real number": lambda: mean_field.Geometry(1, 1, 0.5, 1, "one", 0),
    "p` must not be 0 together": lambda: mean_field.Geometry(1, 1, 0.5, 0, 0, 0),
    "target` must differ from A": lambda: mean_field.calibrate(FIG1E, 0.3, FIG1E.singular_target),
    "target` must be finite": lambda: mean_field.calibrate(FIG1E, 0.3, math.inf),
    "target` must be a number": lambda: mean_field.calibrate(FIG1E, 0.3, np.ones(2)),
    "overlap with m or I": lambda: mean_field.calibrate(
        mean_field.Geometry(1, 1, 0, 1, 0, 0), 0.3, 1.0
    ),
    "g` must be at least 0": lambda: mean_field.solutions(FIG1E, -0.1, 1.0),
    "c` must be finite": lambda: mean_field.solutions(FIG1E, 0.3, math.nan),
    "geometry` must be a Geometry": lambda: mean_field.solutions((1, 2), 0.3, 1.0),
    "geometry` must be one geometry": lambda: mean_field.solutions(
        mean_field.Geometry(*SHAPE, np.ones(2), 0, 1), 0.3, 1.0
    ),
    "phi` must be bounded": lambda: mean_field.solutions(FIG1E, 0.3, 1.0, phi=lambda x: x),
    "phi` must be smooth": lambda: mean_field.solutions(
        FIG1E, 0.3, 1.0, phi=lambda x: jnp.clip(x, -1, 1)
    ),
    "phi` must be an elementwise": lambda: mean_field.chaos(FIG1E, 0.3, 1.0, phi="tanh"),
    "target` must not be 0": lambda: mean_field.least_squares(FIG1E, 0.3, 0.0),
    "g` must leave a state at rest": lambda: mean_field.least_squares(FIG1E, 3.0, 0.1),
    "geometry` must let m A": lambda: mean_field.least_squares(
        mean_field.Geometry(0, 0, 0.5, 1, 1, 0.3), 0.3, 1.0
    ),
    "it is 0, and all activities": lambda: mean_field.least_squares(
        mean_field.Geometry(1, 1, 1, 1, 1, 0.3), 0.3, -1.0
    ),
    "targets` must be finite": lambda: mean_field.phase_map(
        mean_field.Geometry(*SHAPE, np.ones(2), 0, 1), 0.3, [math.nan]
    ),
    "geometries` must be": lambda: mean_field.phase_map(FIG1E, 0.3, [1.0]),
    "geometries` must be known: this is a host function": lambda: jax.eval_shape(
        lambda s: mean_field.phase_map(shaped(s), 0.3, [1.0]).counts, jnp.ones(2)
    ),
    "variance` must be at least 0": lambda: mean_field.average(jnp.tanh, -1.0),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()


def test_a_target_of_zero_needs_no_readout():
    assert mean_field.calibrate(FIG1E, 0.3, 0.0) == 0.0
    assert mean_field.solutions(FIG1E, 0.3, 0.0).z.tolist() == [0.0]
