"""Fano factors and noise correlations against `oo.fano`, double integrals and long windows."""

import jax
import numpy as np
import pytest
import scipy.linalg

import organics_ode as oo
from organics_ode import cortex

RING = cortex.Ring(4, tau_y=10.0, tau_a=10.0, spontaneous=0.05)
TEST = cortex.Grating(45, 0.5)
CONTRASTS = np.array([0.0, 0.1, 1.0])
WHITE = oo.Noise(oo.ORGaNICsState(y=0.002, a=0.0))
SHARED = oo.SharedNoise(oo.ORGaNICsState(y=0.0, a=0.00005), 20.0)
NOISE = WHITE + SHARED + oo.MeasurementNoise(oo.ORGaNICsState(y=0.1, a=0.0), 5.0)
SCALE, WINDOW = 0.05, 80.0


@pytest.fixture(scope="module")
def found():
    options = {"window": WINDOW, "scale": SCALE}
    return tuple(
        f(RING, TEST, CONTRASTS, NOISE, **options)
        for f in (cortex.fano_response, cortex.noise_correlations)
    )


def rate(state):
    return SCALE * state.y**2


@pytest.mark.slow  # of each factor, too: the double integral below is a route that always runs
def test_fano_factors_are_those_of_the_circuit_at_each_contrast(found):
    for i, contrast in enumerate(CONTRASTS):
        x = RING.input(TEST.at(contrast))
        expected = oo.fano(RING.circuit, x, NOISE, WINDOW, rate=rate)
        np.testing.assert_allclose(found[0].factors[i], expected, rtol=1e-10)


def explicit(contrast, sigma=0.1):
    """Mean counts, and the covariance of integrated rates by quadrature in numpy."""
    y2 = np.asarray(RING.input(TEST.at(contrast))) ** 2
    y2 = y2 / (sigma**2 + y2.sum())
    y = np.sqrt(y2)
    # b0 = b1 = 1/2, and W_r = I: y rests where a = (sigma b0)^2 + b0^2 sum z^2.
    a = (sigma * 0.5) ** 2 + 0.25 * np.sum(np.asarray(RING.input(TEST.at(contrast))) ** 2)
    root = np.sqrt(a)
    J = np.zeros((9, 9))  # and one state of the shared noise
    J[:4, :4] = -np.eye(4) * root / 10
    J[:4, 4:8] = -np.diag(y) / (2 * root) / 10
    J[4:8, :4] = 2 * a * np.ones((4, 1)) * y[None, :] / 10
    J[4:8, 4:8] = (np.ones((4, 4)) * y2 - np.eye(4)) / 10
    J[4:8, 8], J[8, 8] = 0.00005, -1 / 20
    D = np.diag([0.002**2] * 4 + [0.0] * 4 + [2 / 20])
    C = scipy.linalg.solve_continuous_lyapunov(J, -D)
    g = np.hstack([np.diag(2 * SCALE * y), np.zeros((4, 5))])
    nodes, weights = np.polynomial.legendre.leggauss(60)
    total = np.zeros((4, 4))
    for s, w in zip(WINDOW * (nodes + 1) / 2, WINDOW * weights / 2, strict=True):
        total += w * (WINDOW - s) * g @ scipy.linalg.expm(J * s) @ C @ g.T
    return WINDOW * SCALE * y2, total + total.T


def test_counts_are_the_double_integral_of_the_covariance_of_the_rates(found):
    fano, pairs = found
    for i, contrast in enumerate(CONTRASTS):
        means, V = explicit(contrast)
        np.testing.assert_allclose(fano.means[i], means, rtol=1e-10)
        np.testing.assert_allclose(fano.factors[i] - 1, np.diag(V) / means, rtol=1e-8)
        size = np.sqrt(means + np.diag(V))
        expected = np.where(np.eye(4) == 1, 1, V / np.outer(size, size))
        np.testing.assert_allclose(pairs.correlations[i], expected, rtol=1e-8, atol=1e-12)
    # Variability is quenched, and what the pool shares correlates the units.
    assert np.all(fano.factors[2] < 1 + (fano.factors[0] - 1) / 10)
    assert pairs.mean[0] > 0


def test_what_is_fitted_is_observed_of_any_circuit(found):
    other = oo.replace(RING.circuit, sigma=0.15)
    for result in found:
        experiment = result.experiment
        np.testing.assert_array_equal(experiment.observe(RING.circuit), result.observed)
        moved = experiment.observe(other, experiment.attempts(other))
        means, V = explicit(CONTRASTS[1], sigma=0.15)
        size = np.sqrt(means + np.diag(V))
        rho = np.where(np.eye(4) == 1, 1, V / np.outer(size, size))
        expected = rho if result is found[1] else 1 + np.diag(V) / means
        np.testing.assert_allclose(moved[1], expected, rtol=1e-8)


def test_variability_prints_draws_and_becomes_tables(found):
    fano, pairs = found
    assert str(fano).startswith("FanoResponse: 3 values, 4 units\n  contrast     0 to 1")
    assert fano.to_dataframe().shape == (12, 3)
    assert fano.plot().get_ylabel() == "Fano factor"
    assert str(pairs).startswith("NoiseCorrelations: 3 contrasts, 4 units")
    assert pairs.to_xarray().correlation.dims == ("contrast", "unit", "other")
    lines = pairs.plot().get_lines()
    assert len(lines) == 3 and lines[0].get_xdata().tolist() == [45, 90]
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(pairs.mean, [r[off].mean() for r in pairs.correlations], rtol=1e-12)


def test_without_a_spontaneous_drive_a_blank_has_no_factor():
    ring = cortex.Ring(4, tau_y=10.0, tau_a=10.0)
    found = cortex.fano_response(ring, TEST, [0.0, 0.5, 1.0], NOISE, window=WINDOW, scale=SCALE)
    assert np.all(np.isnan(found.factors[0])) and np.all(found.factors[1:, 1] > 1)


def test_a_spontaneous_drive_adds_its_square_to_that_of_a_stimulus():
    ring = cortex.Ring(8, spontaneous=0.02)
    plain = np.asarray(cortex.Ring(8).input(TEST))
    np.testing.assert_allclose(ring.input(TEST), np.sqrt(plain**2 + 0.0004), rtol=1e-14)
    np.testing.assert_allclose(ring.blank(3.0), 0.06 * np.ones(8), rtol=1e-14)
    unit, c = ring.nearest(45), np.array([0.0, 0.2, 1.0])
    z2 = (c[:, None] / 0.5 * plain) ** 2 + 0.0004
    found = cortex.contrast_response(ring, TEST, c, units=unit).responses[:, 0]
    np.testing.assert_allclose(found, (z2 / (0.01 + z2.sum(1, keepdims=True)))[:, unit], rtol=1e-12)
    assert "spontaneous" in str(ring) and "spontaneous" not in str(cortex.Ring(8))
    for bad in (-0.1, np.nan, "much"):
        with pytest.raises(ValueError, match="`spontaneous` must"):
            cortex.Ring(4, spontaneous=bad)
    with pytest.raises(Exception, match="`spontaneous` must be at least 0"):
        jax.jit(lambda s: cortex.Ring(4, spontaneous=s).blank())(-1.0)


@pytest.mark.slow
def test_onsets_begin_at_rest_in_the_blank():
    ts, unit = np.linspace(0.0, 400.0, 801), RING.nearest(45)
    start = oo.fixed_point(RING.circuit, RING.blank()).state
    y = oo.simulate(RING.circuit, RING.input(TEST), ts, state0=start).states.y[:, unit]
    course = cortex.psth(RING, TEST, ts, units=unit)
    np.testing.assert_allclose(course.rates[:, 0], y**2, rtol=1e-9)
    rest = cortex.contrast_response(RING, TEST, [0.5], units=unit).responses[0, 0]
    half = (y[0] ** 2 + rest) / 2
    j = int(np.argmax(y**2 >= half))
    expected = np.interp(half, y[j - 1 : j + 1] ** 2, ts[j - 1 : j + 1])
    found = cortex.latency(RING, TEST, [0.0, 0.5], ts=ts, units=unit).latencies[:, 0]
    assert np.isnan(found[0])  # a blank has no onset
    np.testing.assert_allclose(found[1], expected, rtol=1e-4)


def test_bad_experiments_on_variability_are_refused():
    bad = (
        (lambda: cortex.fano_response(RING, TEST, [0.5], 0.1), "`noise` must be an `oo.Noise`"),
        (lambda: cortex.fano_response(RING, TEST, [1.5], WHITE), "between 0 and 1"),
        (lambda: cortex.fano_response(RING, TEST, [0.5], WHITE, window=0.0), "`window` must be"),
        (lambda: cortex.fano_response(RING, TEST, [0.5], WHITE, scale=-1.0), "`scale` must be"),
        (lambda: cortex.fano_response(RING, 45, [0.5], WHITE), "`stimulus` must be"),
        (lambda: cortex.noise_correlations(RING, TEST, [0.5], WHITE, units=2), "at least two"),
        (lambda: cortex.noise_correlations(RING.circuit, TEST, [0.5], WHITE), "`population` must"),
    )
    for call, message in bad:
        with pytest.raises(ValueError, match=message):
            call()
