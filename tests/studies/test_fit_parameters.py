"""Fits of parameters against scipy's, against closed forms, and by how often their errors hold."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot
from scipy.integrate import solve_ivp
from scipy.optimize import curve_fit

import organics_ode as oo
from organics_ode.studies import _least_squares as least_squares
from organics_ode.studies._fit import failure
from organics_ode.studies._free import read_free

ONE = np.ones((1, 1))
TS = np.linspace(0.0, 40.0, 81)
X = np.array([1.0])
TRUE = {"b1": 0.7, "tau_y": 3.0, "tau_a": 5.0}
SD = 0.01
FREE = tuple(TRUE)


class LeakyState(NamedTuple):
    v: jnp.ndarray


class Leaky(oo.AbstractCircuit):
    """τ v̇ = −v + gain x."""

    tau: oo.Positive
    gain: jnp.ndarray

    @property
    def input_size(self):
        return 1

    def initial_state(self):
        return LeakyState(jnp.zeros(1, self.gain.dtype))

    def vector_field(self, t, state, x):
        c = oo.resolve(self)
        return LeakyState((-state.v + c.gain @ x) / c.tau)


def unit(**given):
    values = {"W_zx": ONE, "W_r": ONE, "W": ONE, "sigma": 0.1, "b0": 0.5, "b1": 0.5}
    return oo.ORGaNICs(**values | {"tau_y": 2.0, "tau_a": 2.0} | given)


def solved(ts, b1, tau_y, tau_a):
    """y by scipy, from the equations."""

    def field(t, v):
        y, a = v
        return [
            (-y + b1 + (1 - np.sqrt(max(a, 0))) * y) / tau_y,
            (-a + 0.0025 + a * y**2) / tau_a,
        ]

    precise = {"method": "DOP853", "rtol": 1e-9, "atol": 1e-11}
    return solve_ivp(field, (0, ts[-1]), [0, 0.0025], t_eval=ts, **precise).y[0]


@pytest.fixture(scope="module")
def clean():
    return solved(TS, **TRUE)


def noisy(clean, seed=0):
    return clean + SD * np.random.default_rng(seed).normal(size=clean.shape)


@pytest.fixture(scope="module")
def fitted(clean):
    return oo.fit_parameters(unit(), X, TS, noisy(clean), free=FREE)


def test_estimates_errors_and_covariance_are_those_of_scipy(clean, fitted):
    data, found = noisy(clean), fitted
    start = list(TRUE.values())
    estimates, covariance = curve_fit(solved, TS, data, p0=start, xtol=1e-10, ftol=1e-10)
    errors = np.sqrt(np.diag(covariance))
    assert found.names == FREE and found.succeeded
    np.testing.assert_allclose(found.estimates, estimates, atol=0.01 * errors.min())
    # scipy differentiates by differences of 1e-8 of a solution that is right to 1e-9.
    np.testing.assert_allclose(found.covariance, covariance, rtol=0.02)
    np.testing.assert_allclose(found.residuals[:, 0], data - solved(TS, *estimates), atol=1e-4)
    np.testing.assert_allclose(found.noise, np.std(found.residuals, ddof=3), rtol=0.02)
    for name, value, error in zip(FREE, estimates, errors, strict=True):
        np.testing.assert_allclose(found.values[name], value, rtol=1e-4)
        np.testing.assert_allclose(found.standard_errors[name], error, rtol=0.01)
        assert isinstance(getattr(found.circuit, name), oo.Positive)
        np.testing.assert_allclose(getattr(oo.resolve(found.circuit), name), value, rtol=1e-4)
    assert "ParameterFit: minimum found" in repr(found) and " ms" in repr(found)


def test_a_fit_is_a_table_with_a_row_for_each_number_in_its_unit(fitted):
    frame = fitted.to_dataframe()
    assert frame["parameter"].tolist() == list(FREE)
    assert frame["unit"].tolist() == ["", "ms", "ms"]
    np.testing.assert_array_equal(frame["value"], [fitted.values[name] for name in FREE])
    errors = [fitted.standard_errors[name] for name in FREE]
    np.testing.assert_allclose(frame["standard_error"], errors, rtol=1e-14)
    columns = fitted.to_xarray()
    assert columns["value"].sel(parameter="tau_a") == fitted.values["tau_a"]


def test_a_search_that_ends_before_a_minimum_says_so(clean):
    # A positive b1 makes a positive y: what comes nearest to data below 0 is 0, as b1 goes to 0.
    arguments = unit(), X, TS, -noisy(clean)
    with pytest.raises(RuntimeError, match="No minimum was found within `steps` = 100: raise"):
        oo.fit_parameters(*arguments, free=FREE)
    found = oo.fit_parameters(*arguments, free=FREE, throw=False)
    assert not found.succeeded and found.steps == 100 and "no minimum found" in repr(found)
    assert 0 < found.values["b1"] < 1e-3
    np.testing.assert_allclose(found.residuals[:, 0], -noisy(clean), atol=1e-3)
    assert failure(7, 100).startswith("The search ended after 7 steps at a point that is not a min")


def test_a_start_from_which_the_circuit_diverges_is_told(clean):
    with pytest.raises(RuntimeError, match="does not come to the end of `ts` at the values that"):
        oo.fit_parameters(unit(b1=1e250), X, TS, noisy(clean), free=FREE)


@pytest.mark.slow
def test_an_input_that_changes_is_taken_in_every_form():
    # τ v̇ = −v + g x, x = 1 before t = 12 and 0.2 from then on.
    tau, gain, off = 4.0, 1.5, 12.0
    rise = lambda t: gain * (1 - np.exp(-np.maximum(t, 0) / tau))  # noqa: E731
    data = rise(TS) - 0.8 * rise(TS - off) + 1e-4 * np.cos(37 * TS)
    start = Leaky(oo.Positive(3.0), jnp.ones((1, 1)))
    pair = (np.array([0.0, off]), np.array([1.0, 0.2]))
    fits = [
        oo.fit_parameters(start, inputs, TS, data, free=("tau", "gain"))
        for inputs in (pair, oo.ZeroOrderHold(*pair))
    ]
    np.testing.assert_allclose(fits[0].estimates, [tau, gain], rtol=1e-3)
    np.testing.assert_array_equal(fits[0].estimates, fits[1].estimates)
    with pytest.raises(ValueError, match=r"Argument `inputs\.ts` must have shape"):
        oo.fit_parameters(start, (TS[:3], pair[1]), TS, data, free="tau")
    with pytest.raises(ValueError, match="Argument `inputs` must give m = 1 numbers"):
        oo.fit_parameters(start, [1.0, 2.0], TS, data, free="tau")


@pytest.mark.slow
def test_a_known_noise_is_taken_and_missing_data_do_not_count(clean):
    data = noisy(clean)
    known = oo.fit_parameters(unit(), X, TS, data, free=FREE, noise=SD)
    free = oo.fit_parameters(unit(), X, TS, data, free=FREE)
    np.testing.assert_allclose(known.estimates, free.estimates, rtol=1e-5)
    np.testing.assert_allclose(known.noise * SD, free.noise, rtol=1e-4)
    ratio = (SD / free.noise) ** 2
    np.testing.assert_allclose(known.covariance, ratio * free.covariance, rtol=1e-3)
    # A datum twice as noisy as the others, said twice, is four of weight 1/4: as once.
    noise, holes = np.where(np.arange(81) % 3 == 0, np.inf, SD), data.copy()
    holes[::3] = np.nan
    missing = oo.fit_parameters(unit(), X, TS, holes, free=FREE, noise=noise)
    kept = np.flatnonzero(np.isfinite(holes))
    alone, _ = curve_fit(
        lambda ts, *p: solved(TS, *p)[kept], TS[kept], data[kept], p0=list(TRUE.values())
    )
    np.testing.assert_allclose(missing.estimates, alone, rtol=1e-4)
    assert np.isnan(missing.residuals).sum() == 27


def coverage(clean, draws):
    """How many standard errors the estimates are from the truth, (draws, p)."""
    rows = []
    for seed in range(draws):
        found = oo.fit_parameters(unit(), X, TS, noisy(clean, seed), free=FREE)
        errors = np.sqrt(np.diag(found.covariance))
        rows.append((found.estimates - list(TRUE.values())) / errors)
    return np.array(rows)


@pytest.mark.slow
def test_errors_hold_in_95_of_100_draws(clean):
    z = coverage(clean, 100)
    assert np.sum(np.all(np.abs(z) < 3, axis=1)) >= 95
    # Not for being too large: they are standard errors. Of 100 draws a variance is known to 14 %.
    np.testing.assert_allclose(z.std(axis=0), 1, atol=0.35)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.35)


def test_what_the_data_do_not_tell_is_a_warning_that_names_it(clean):
    # Without an input nothing moves.
    text = "; ".join(f"`{name}` changes nothing that was observed" for name in ("b1", "tau_y"))
    with pytest.warns(oo.Unidentified, match=text):
        found = oo.fit_parameters(unit(), 0 * X, TS, noisy(0 * clean), free=FREE)
    assert np.isinf(np.diag(found.covariance)).all()


@pytest.mark.slow
def test_a_combination_that_the_data_do_not_tell_is_named(clean):
    # Only the product of sigma and b0 is in the equations.
    with pytest.warns(
        oo.Unidentified, match=r"\(log \w+, log \w+\) along .*changes nothing"
    ) as seen:
        found = oo.fit_parameters(unit(), X, TS, noisy(clean), free=("sigma", "b0", "tau_a"))
    assert all(name in str(seen[0].message) for name in ("log sigma", "log b0"))
    assert np.isinf(found.standard_errors["sigma"]) and np.isinf(found.standard_errors["b0"])
    assert 0 < found.standard_errors["tau_a"] < 0.1


@pytest.mark.slow
def test_several_courses_of_an_own_circuit_with_what_is_observed():
    """A leaky integrator, whose solution is known."""
    ts = [np.array([0.0, 1.0, 2.0, 4.0]), np.array([0.0, 2.0, 8.0, 9.0])]
    inputs = [np.array([1.0]), np.array([-2.0])]
    rng = np.random.default_rng(1)

    def solution(t, x, gain, tau):
        return gain * x * (1 - np.exp(-t / tau))

    data = [
        solution(t, x, 2.0, 3.0) + 0.01 * rng.normal(size=4)
        for t, x in zip(ts, inputs, strict=True)
    ]
    circuit = Leaky(oo.Positive(1.0), jnp.array([[1.0]]))
    options = {"free": ("tau", "gain[0,0]"), "observe": lambda state: 10 * state.v}
    found = oo.fit_parameters(circuit, inputs, ts, [10 * d for d in data], **options)

    def all_of_them(_, gain, tau):
        return np.concatenate([solution(t, x, gain, tau) for t, x in zip(ts, inputs, strict=True)])

    together = np.concatenate(data)
    (gain, tau), covariance = curve_fit(all_of_them, together, together, p0=(1, 1), xtol=1e-12)
    np.testing.assert_allclose(found.estimates, (tau, gain), rtol=1e-5)
    np.testing.assert_allclose(found.covariance[::-1, ::-1], covariance, rtol=1e-3)
    assert [r.shape for r in found.residuals] == [(4, 1), (4, 1)]
    np.testing.assert_allclose(
        found.residuals[1][:, 0], 10 * (data[1] - solution(ts[1], -2.0, gain, tau)), atol=1e-4
    )


# Without a simulation


def test_a_fit_draws_its_residuals_and_tabulates_its_estimates():
    residuals = np.arange(6.0).reshape(3, 2) - 2, np.array([[0.5], [np.nan]])
    covariance, estimates = np.diag([0.04, np.inf]), np.array([3.0, 0.25])
    names = ("tau_y", "W[0,1]")
    parts = ({}, {}, covariance, residuals, estimates, names, 0.1, 3, True)
    fit = oo.ParameterFit(unit(), *parts)
    given = pyplot.figure().subplots()
    ax = fit.plot(given, ms=5)
    assert ax is given and (ax.get_xlabel(), ax.get_ylabel()) == ("datum", "data - model")
    first, second, zero = ax.get_lines()
    # One after the other, each data set with its own colour.
    np.testing.assert_array_equal(first.get_xydata(), np.c_[np.arange(6), np.arange(6) - 2.0])
    np.testing.assert_array_equal(second.get_xydata(), [[6, 0.5], [7, np.nan]])
    assert first.get_color() != second.get_color() and first.get_markersize() == 5
    np.testing.assert_array_equal(zero.get_ydata(), 0)
    alone = eqx.tree_at(lambda f: f.residuals, fit, residuals[0])
    (line, _) = alone.plot().get_lines()
    np.testing.assert_array_equal(line.get_xydata(), first.get_xydata())
    pyplot.close("all")
    frame = fit.to_dataframe()
    assert list(frame.columns) == ["parameter", "value", "standard_error", "unit"]
    rows = [["tau_y", 3.0, 0.2, "ms"], ["W[0,1]", 0.25, np.inf, ""]]
    assert frame.to_numpy().tolist() == rows


def test_linear_problems_have_their_closed_form():
    rng = np.random.default_rng(0)
    J, y = rng.normal(size=(50, 3)) * [1.0, 1e3, 1e-2], rng.normal(size=50)
    theta = np.linalg.lstsq(J, y)[0]
    known = least_squares.knowledge(J @ theta - y, J, np.linalg.norm(y), 50, None)
    sd = np.sqrt(np.sum((J @ theta - y) ** 2) / 47)
    np.testing.assert_allclose(known.covariance, sd**2 * np.linalg.inv(J.T @ J), rtol=1e-9)
    assert known.is_known.all() and least_squares.has_arrived(known)
    # From elsewhere it says how far the minimum is.
    away = least_squares.knowledge(J @ (theta + np.array([0.5, 0, 0])) - y, J, 1.0, 50, None)
    np.testing.assert_allclose(away.moves, [-0.5, 0, 0], atol=1e-9)
    assert not least_squares.has_arrived(away)


def test_unknown_directions_are_found_and_the_rest_stays_right():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 40))
    J = np.stack([one, 3 * one, two, 0 * two], axis=1)
    known = least_squares.knowledge(rng.normal(size=40), J, 10.0, 40, 1.0)
    assert known.is_known.tolist() == [False, False, True, False]
    np.testing.assert_allclose(J @ known.directions.T, 0, atol=1e-12)
    expected = np.linalg.inv(np.stack([one, two]) @ np.stack([one, two]).T)[1, 1]
    np.testing.assert_allclose(known.covariance[2, 2], expected, rtol=1e-9)
    assert np.isinf(np.diag(known.covariance)[[0, 1, 3]]).all()


def test_coordinates_know_no_bounds_and_values_keep_theirs():
    W = oo.Connectivity(
        np.array([[1.0, -2.0], [0.0, -1.0]]), mask=[[True, True], [False, True]], signs=[1, -1]
    )
    pool = np.array([[1.0, 0.0], [0.5, 2.0]])
    circuit = oo.ORGaNICs(
        np.eye(2), W, pool, 0.1, oo.Frozen(0.5), 0.5, oo.Bounded(4.0, 1.0, 9.0), [1.0, 2.0]
    )
    free = read_free(circuit, ("W_zx[0,0]", "W_r", "W", "b0", "tau_y", "tau_a[1]"))
    assert free.names == (
        *("W_zx[0,0]", "W_r[0,0]", "W_r[0,1]", "W_r[1,1]", "W[0,0]", "W[1,0]", "W[1,1]"),
        *("b0", "tau_y", "tau_a[1]"),
    )
    theta = free.start(circuit)
    values = np.array([1.0, 1.0, -2.0, -1.0, 1.0, 0.5, 2.0, 0.5, 4.0, 2.0])
    np.testing.assert_allclose(free.values(theta), values, rtol=1e-14)
    far = free.values(theta + 30.0)
    assert np.all(np.asarray(far[1:2]) > 0) and np.all(np.asarray(far[2:4]) < 0)
    assert 8.9 < far[8] <= 9.0
    steps = 1e-6 * np.eye(10)
    slopes = [
        (free.values(theta + h) - free.values(theta - h))[i] / 2e-6 for i, h in enumerate(steps)
    ]
    np.testing.assert_allclose(free.slopes(theta), slopes, rtol=1e-8)
    put = free.put(oo.resolve(circuit), jnp.asarray(1.5 * values))
    nodes = oo.resolve(free.put_nodes(circuit, 1.5 * values))
    for name in ("W_zx", "W_r", "W", "b0", "tau_y", "tau_a"):
        np.testing.assert_allclose(getattr(put, name), getattr(nodes, name), rtol=1e-14)
    np.testing.assert_array_equal(np.asarray(nodes.W) == 0, pool == 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"free": ()}, "`free` must name parameters, as"),
        ({"free": ("tau",)}, "`free` must name parameters of the circuit"),
        ({"free": ("tau_a", "tau_a")}, "`free` must name every number once, but `tau_a`"),
        ({"free": "x"}, "`free` must name parameters of the circuit, but `x` is the input"),
        ({"free": ("W_r",), "circuit": unit(W_r=oo.SpectralBound(ONE))}, "is a SpectralBound"),
        ({"free": ("W",), "circuit": unit(W=0 * ONE)}, "start inside .* all of `W` is 0"),
        ({"data": np.ones((80, 1))}, r"`data` must have shape \(time, k\) = \(81, 1\)"),
        ({"data": np.full(81, np.nan)}, "`data` must be finite.*`noise` of infinity"),
        ({"data": [np.ones(81)] * 2}, "`inputs` must be a list of 2, one for each of `data`"),
        ({"noise": 0.0}, "`noise` must be positive"),
        ({"noise": np.ones(3)}, r"`noise` must fit data of shape \(81, 1\)"),
        ({"ts": TS[:3], "data": np.ones(3)}, "`data` must hold more numbers than are free, 3"),
        ({"observe": 3}, "`observe` must be a function of a state"),
        ({"observe": lambda state: "a"}, "`observe` must give an array"),
        ({"steps": 0}, "`steps` must be a positive integer"),
        ({"solver": "Tsit5"}, "`solver` must be"),
        ({"circuit": 3}, "`circuit` must be a circuit"),
    ],
)
def test_bad_arguments_are_refused(change, message, unchecked):
    arguments = {"circuit": unit(), "inputs": X, "ts": TS, "data": np.ones(81), "free": FREE}
    with pytest.raises(ValueError, match=message):
        oo.fit_parameters(**arguments | change)
