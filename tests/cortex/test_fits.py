"""Fits of curves and of circuits: what is put in comes back, errors cover, doubts are told."""

import math

import equinox as eqx
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from scipy.special import erf

import organics_ode as oo
from organics_ode import cortex

C = np.geomspace(0.01, 1, 12)
TEST, MASK = cortex.Grating(40, 0.5), cortex.Grating(130, 0.3)


def naka_rushton(c, r_max, c50, n, s, baseline):
    return r_max * c**n / (c50 ** (s * n) + c ** (s * n)) + baseline


@pytest.mark.slow
def test_parameters_come_back_from_exact_responses():
    for true in (
        (1.3, 0.12, 2.0, 1.0, 0.0),
        (20.0, 0.3, 3.1, 1.0, 2.0),
        (5.0, 0.05, 1.2, 1.6, 0.1),
    ):
        fit = cortex.fit_naka_rushton(C, naka_rushton(C, *true), s=1.0 if true[3] == 1 else None)
        found = (fit.r_max, fit.c50, fit.n, fit.s, fit.baseline)
        np.testing.assert_allclose(found, true, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(fit([0.2]), naka_rushton(0.2, *true), rtol=1e-8)
        assert fit.succeeded


def test_size_tuning_comes_back_with_its_preferred_radius_and_its_suppression():
    radii, true = np.linspace(0.1, 3, 25), (10.0, 0.6, 3.0, 1.8)

    def curve(r):
        center, surround = (erf(r / w) ** 2 for w in (true[1], true[3]))
        return true[0] * center / (1 + true[2] * surround)

    fit = cortex.fit_size_tuning(radii, curve(radii))
    found = (fit.center_gain, fit.center_width, fit.surround_gain, fit.surround_width)
    np.testing.assert_allclose(found, true, rtol=1e-8)
    assert fit.baseline == fit.standard_errors["baseline"] == 0 and fit.succeeded
    peak = scipy.optimize.minimize_scalar(
        lambda r: -curve(r), bounds=(0.1, 3.0), method="bounded", options={"xatol": 1e-10}
    )
    np.testing.assert_allclose(fit.preferred, peak.x, atol=2.9 / 2000)  # of its 2001 radii
    np.testing.assert_allclose(fit.suppression, 1 + curve(3.0) / peak.fun, rtol=1e-5)
    ax = fit.plot(color="red")
    line, points = ax.get_lines()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("radius (degrees)", "response")
    # The largest radius is 30 times the smallest: even steps of the logarithm.
    np.testing.assert_allclose(line.get_xdata(), np.geomspace(0.1, 3, 400), rtol=1e-12)
    np.testing.assert_allclose(line.get_ydata(), curve(line.get_xdata()), rtol=1e-7)
    np.testing.assert_array_equal(points.get_xydata(), np.stack([radii, fit.data], 1))
    assert line.get_color() == points.get_color() == "red"
    assert [row.split()[-1] for row in str(fit).splitlines() if "width" in row] == ["degrees"] * 2


def test_a_peak_on_a_slope_comes_back_from_a_spectrum():
    f, true = np.arange(5.0, 120, 2), (1.0, 1.7, 1.2, 45.0, 8.0)
    bump = scipy.stats.norm(45, 8)
    log_power = 1 - 1.7 * np.log(f) + 1.2 * bump.pdf(f) / bump.pdf(45)
    fit = cortex.fit_spectrum(f, np.exp(log_power))
    found = (fit.offset, fit.exponent, fit.height, fit.frequency, fit.width)
    np.testing.assert_allclose(found, true, rtol=1e-8)
    np.testing.assert_allclose(fit(f), log_power, rtol=1e-9)
    # The standard error of each is the square root of a diagonal entry of s²(JᵀJ)⁻¹: with a noise
    # that is given, J alone tells it, here by finite differences in the parameters.
    told = cortex.fit_spectrum(f, np.exp(log_power), noise=0.1)

    def curve(v):
        return v[0] - v[1] * np.log(f) + v[2] * np.exp(-0.5 * ((f - v[3]) / v[4]) ** 2)

    steps = 1e-5 * np.diag(true)
    J = np.stack([(curve(true + h) - curve(true - h)) / (2 * h.sum()) for h in steps], axis=1)
    expected = 0.1 * np.sqrt(np.diag(np.linalg.inv(J.T @ J)))
    assert told.names == ("offset", "exponent", "height", "frequency", "width")
    errors = [told.standard_errors[name] for name in told.names]
    np.testing.assert_allclose(errors, expected, rtol=1e-6)
    ax = fit.plot()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("frequency (Hz)", "ln power")
    np.testing.assert_allclose(ax.get_lines()[1].get_ydata(), log_power, rtol=1e-12)
    assert [row.split()[0] for row in str(fit).splitlines() if row.endswith("Hz")] == [
        "frequency",
        "width",
    ]


@pytest.mark.slow
def test_the_semi_saturation_of_a_ring_is_recovered_with_mask_and_attention():
    ring, contrasts = cortex.Ring(12, sigma=0.2), np.geomspace(0.02, 1, 10)
    unit = ring.nearest(40)
    for mask, attention, c50 in (
        (0.0, 1.0, 0.2),
        (0.5, 1.0, math.hypot(0.2, 0.5)),
        (0.0, 4.0, 0.05),
    ):
        rates = cortex.contrast_response(
            ring, TEST, contrasts, mask=MASK.at(mask), attention=attention, units=unit
        ).responses[:, 0]
        fit = cortex.fit_naka_rushton(contrasts, rates)
        np.testing.assert_allclose((fit.c50, fit.n), (c50, 2), rtol=1e-6)
        peak = float(ring.input(cortex.Grating(40, 1.0))[unit] ** 2)
        np.testing.assert_allclose(fit.r_max, peak, rtol=1e-6)


@pytest.mark.slow
def test_standard_errors_of_curves_are_those_of_many_draws():
    rng, true = np.random.default_rng(0), (10.0, 0.2, 2.0, 1.0, 1.0)
    c = np.geomspace(0.01, 1, 20)
    fits = [
        cortex.fit_naka_rushton(c, naka_rushton(c, *true) + rng.normal(0, 0.2, 20), noise=0.2)
        for _ in range(60)
    ]
    for i, name in enumerate(("r_max", "c50", "n")):
        values = np.array([getattr(fit, name) for fit in fits])
        errors = np.array([fit.standard_errors[name] for fit in fits])
        # The standard deviation of 60 draws is known to 9 %: three of those.
        np.testing.assert_allclose(np.median(errors), values.std(ddof=1), rtol=0.28)
        assert np.mean(np.abs(values - true[i]) < 3 * errors) >= 0.95
    assert fits[0].standard_errors["s"] == 0.0
    assert abs(np.median([fit.noise for fit in fits]) - 1) < 0.1


def test_fits_print_draw_become_tables_and_tell_what_is_unknown():
    fit = cortex.fit_naka_rushton(C, naka_rushton(C, 3.0, 0.2, 2.0, 1.0, 0.5))
    found = (fit.r_max, fit.c50, fit.n, fit.s, fit.baseline)
    np.testing.assert_allclose(found, (3.0, 0.2, 2.0, 1.0, 0.5), rtol=1e-8)
    assert fit.standard_errors["s"] == 0  # held
    np.testing.assert_allclose(fit([0.4]), 3 * 0.16 / 0.2 + 0.5, rtol=1e-8)
    assert str(fit).startswith("NakaRushton: minimum found") and "c50" in str(fit)
    assert fit.to_dataframe().parameter.tolist() == ["r_max", "c50", "n", "s", "baseline"]
    ax = fit.plot()
    assert ax.get_xlabel() == "contrast" and len(ax.get_lines()) == 2
    # Far below c50 only R_max/c50ⁿ is known.
    with pytest.warns(oo.Unidentified, match="r_max"):
        cortex.fit_naka_rushton(C[:8], naka_rushton(C[:8], 1e9, 1e4, 2.0, 1.0, 0.0), baseline=0.0)


def test_bad_data_are_refused():
    y = naka_rushton(C, 3.0, 0.2, 2.0, 1.0, 0.5)
    bad = (
        (
            lambda: cortex.fit_naka_rushton(C, np.where(C > 0.5, np.nan, y)),
            "leave those points out",
        ),
        (lambda: cortex.fit_naka_rushton(C[:4], y[:4]), "more points than .* 4, but it holds 4"),
        (lambda: cortex.fit_naka_rushton(100 * C, y), "`contrasts` must lie between 0 and 1"),
        (lambda: cortex.fit_naka_rushton(C, np.stack([y, y], 1)), r"`responses\[:, unit\]`"),
        (lambda: cortex.fit_naka_rushton(C, y, noise=0.0), "`noise` must be positive"),
        (lambda: cortex.fit_naka_rushton(C, y, s=0.0), "`s` must be at least"),
        (lambda: cortex.fit_naka_rushton(C, y * 1j), "`responses` must hold real numbers"),
        (lambda: cortex.fit_size_tuning(C - 0.01, y), "`radii` must be positive"),
        (lambda: cortex.fit_spectrum(C, y - 3), "`power` must be positive"),
    )
    for call, message in bad:
        with pytest.raises(ValueError, match=message):
            call()


RING = cortex.Ring(4, sigma=0.15)
UNIT = RING.nearest(45)
# Frequencies and time constants such that the linear theory of standard errors holds: of eight
# frequencies one draw in ten takes the time constants for each other, and with 5 and 9 ms, whose
# estimates have a correlation of -0.98, intervals of 95 % cover in 95, 93 and 88 of 100 draws.
F = np.geomspace(1.0, 200.0, 32)
NOISE = oo.Noise(oo.ORGaNICsState(y=0.01, a=0.003))


def measured(ring, contrasts):
    grating = cortex.Grating(45, 0.5)
    return [
        cortex.contrast_response(ring, grating, contrasts, units=UNIT),
        cortex.power_spectra(ring, grating, [0.5], F, NOISE, units=UNIT),
    ]


def with_values(ring, **values):
    return eqx.tree_at(lambda p: p.circuit, ring, oo.replace(ring.circuit, **values))


FREE = ("sigma", "tau_y", "tau_a")
TRUE = {"sigma": 0.2, "tau_y": 5.0, "tau_a": 18.0}


def draws(count):
    rng, contrasts = np.random.default_rng(1), np.geomspace(0.03, 1, 8)
    exact = [np.asarray(r.observed) for r in measured(with_values(RING, **TRUE), contrasts)]
    responses = measured(with_values(RING, sigma=0.1, tau_y=3.0, tau_a=6.0), contrasts)
    for _ in range(count):
        noise = [0.05 * v for v in exact]
        data = [v + s * rng.normal(size=v.shape) for v, s in zip(exact, noise, strict=True)]
        yield cortex.fit_circuit(responses, data, free=FREE, noise=noise)


def share_within(fits, times):
    true = np.array([TRUE[name] for name in FREE])
    errors = np.array([np.sqrt(np.diag(fit.covariance)) for fit in fits])
    misses = np.abs(np.array([fit.estimates for fit in fits]) - true)
    return np.mean(np.all(misses <= times * errors, axis=1)), np.mean(
        misses <= times * errors, axis=0
    )


def test_a_circuit_comes_back_from_responses_and_a_spectrum():
    fits = list(draws(1))
    assert share_within(fits, 4)[0] == 1
    assert fits[0].names == FREE and len(fits[0].residuals) == 2
    assert fits[0].plot().get_xlabel() == "datum"
    assert all(0.4 < fit.noise < 1.8 for fit in fits)


@pytest.mark.slow  # a hundred fits
def test_standard_errors_of_circuits_cover():
    fits = list(draws(100))
    assert share_within(fits, 3)[0] >= 0.95
    # Of 100 intervals of 95 % at least 90.
    assert np.all(share_within(fits, 1.96)[1] >= 0.9)


def test_bad_fits_of_circuits_are_refused():
    response = cortex.contrast_response(RING, TEST, [0.1, 0.5], units=UNIT)
    other = cortex.contrast_response(cortex.Ring(4), TEST, [0.1, 0.5])
    bad = (
        (lambda: cortex.fit_circuit(response, [0.1, np.nan], free="sigma"), "`noise` of infinity"),
        (lambda: cortex.fit_circuit(response, [0.1, 0.2, 0.3], free="sigma"), r"\(2, 1\), but it"),
        (
            lambda: cortex.fit_circuit(response, [0.1, 0.2], free=("sigma", "b1")),
            "more numbers than",
        ),
        (lambda: cortex.fit_circuit([response, other], [[0.1, 0.2]] * 2, free="b1"), "one circuit"),
        (lambda: cortex.fit_circuit(0.5, [0.1, 0.2], free="sigma"), "hold responses"),
        (
            lambda: cortex.fit_circuit(lambda c: c.sigma, 0.1, free="sigma"),
            "`circuit` must be given",
        ),
        (
            lambda: cortex.fit_circuit(lambda c: c.sigma, 0.1, free="sigma", circuit=0.5),
            "`circuit` must be a circuit",
        ),
        (
            lambda: cortex.fit_circuit([response] * 2, [[0.1, 0.2]], free="sigma"),
            "`data` must be a list of 2 arrays",
        ),
        (
            lambda: cortex.fit_circuit(response, [0.1j, 0.2], free="sigma"),
            "`data` must hold real numbers",
        ),
        (
            lambda: cortex.fit_circuit(response, [0.1, 0.2], free="sigma", noise=[0.1] * 3),
            "`noise` must be a list of 1",
        ),
        (
            lambda: cortex.fit_circuit(response, [0.1, 0.2], free="sigma", noise=np.ones(3)),
            r"`noise` must fit data of shape \(2, 1\)",
        ),
        (lambda: cortex.fit_circuit(response, [0.1, 0.2], free=0.5), "`free` must name parameters"),
        (lambda: cortex.fit_circuit(response, [0.1, 0.2], free="gain"), "name parameters of the"),
        (lambda: cortex.fit_circuit(response, [0.1, 0.2], free="sigma", noise=0.0), "be positive"),
    )
    for call, message in bad:
        with pytest.raises(ValueError, match=message):
            call()


def test_what_responses_do_not_tell_is_named():
    contrasts = np.geomspace(0.03, 1, 8)
    response = cortex.contrast_response(RING, TEST, contrasts, units=UNIT)
    rates = np.asarray(response.responses[:, 0]) * 1.1
    # Of the steady response sigma b0/b1 alone is told.
    with pytest.warns(oo.Unidentified, match="sigma.*b1|b1.*sigma"):
        cortex.fit_circuit(response, rates, free=("sigma", "b1"), noise=0.01)
