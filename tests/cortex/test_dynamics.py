"""Responses over time and in noise, against solves, closed forms and `oo.power_spectrum`."""

import jax
import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

import organics_ode as oo
from organics_ode import cortex

RING = cortex.Ring(4, tau_y=10.0, tau_a=10.0)
TEST = cortex.Grating(45, 0.5)
UNIT = RING.nearest(45)
TS = np.linspace(0.0, 400.0, 801)
NOISE = oo.Noise(oo.ORGaNICsState(y=0.01, a=0.0))
# Of all that the linear theory has: filters in the flow, shared columns, and a measurement.
MANY = oo.Noise(oo.ORGaNICsState(y=0.004, a=0.0))
MANY += oo.OrnsteinUhlenbeckNoise(oo.ORGaNICsState(y=0.0, a=0.00002), 20.0)
MANY += oo.SharedNoise(oo.ORGaNICsState(y=0.002, a=0.0))
MANY += oo.MeasurementNoise(oo.ORGaNICsState(y=0.01, a=0.0), 5.0, correlation=0.3)


def test_a_response_to_steps_is_the_simulation_of_its_input():
    steps = cortex.ContrastSteps(TEST, [0.0, 50.0, 250.0], [0.0, 0.5, 0.0])
    found = cortex.psth(RING, steps, TS[::40], units=UNIT)
    y = oo.simulate(RING.circuit, RING.input(steps), TS[::40]).states.y[:, UNIT]
    np.testing.assert_allclose(found.rates[:, 0], y**2, rtol=1e-12)
    assert found.rates[2, 0] == 0 and found.rates[10, 0] > 0.1
    assert found.to_dataframe().attrs["units"]["t"] == "ms"
    assert found.plot().get_xlabel() == "time (ms)"


def solved(tau, spontaneous, z, ts):
    """Rates over time from rest in the blank, and the steady rates, by scipy: all units of a ring
    with W_r = I and b0 = b1 = 1/2 share one pool."""
    blank = spontaneous * np.ones(4)
    pools = [0.0025 + np.sum(0.25 * each**2) for each in (blank, z)]
    start = np.append(0.5 * blank / np.sqrt(pools[0]), pools[0])

    def flow(t, state):
        y, a = state[:4], state[4]
        return np.append(0.5 * z - np.sqrt(a) * y, 0.0025 + a * np.sum(y**2) - a) / tau

    options = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-13, "t_eval": ts}
    found = scipy.integrate.solve_ivp(flow, (ts[0], ts[-1]), start, **options)
    return found.y[:4].T ** 2, 0.25 * z**2 / pools[1]


def test_latencies_and_transients_from_a_blank_are_those_of_scipy():
    ring = cortex.Ring(4, tau_y=10.0, tau_a=10.0, spontaneous=0.05)
    contrasts, ts = [0.0, 0.2, 1.0], np.linspace(0.0, 100.0, 101)
    delays = cortex.latency(ring, TEST, contrasts, ts=ts, units=UNIT, share=0.3)
    over = cortex.transient_index(ring, TEST, contrasts, ts=ts, units=UNIT)
    slower = oo.replace(ring.circuit, tau_y=12.0, tau_a=12.0)
    for tau, circuit in ((10.0, ring.circuit), (12.0, slower)):
        # Of any circuit, by as many routes to its fixed points as it needs.
        found = [
            e.observe(circuit, e.attempts(circuit)) for e in (delays.experiment, over.experiment)
        ]
        assert np.isnan(found[0][0, 0]) and abs(found[1][0, 0]) < 1e-4  # a blank has no onset
        for i, contrast in enumerate(contrasts[1:], 1):
            z = np.asarray(ring.input(TEST.at(contrast)))
            rates, rest = solved(tau, 0.05, z, ts)
            rates, rest = rates[:, UNIT], rest[UNIT]
            goal = rates[0] + 0.3 * (rest - rates[0])
            j = int(np.argmax(rates >= goal))
            expected = np.interp(goal, rates[j - 1 : j + 1], ts[j - 1 : j + 1])
            np.testing.assert_allclose(found[0][i, 0], expected, rtol=1e-4)
            np.testing.assert_allclose(found[1][i, 0], 1 - rest / max(rates.max(), rest), atol=1e-5)
    np.testing.assert_array_equal(delays.latencies, delays.experiment.observe(ring.circuit))
    np.testing.assert_array_equal(over.indices, over.experiment.observe(ring.circuit))


def numpy_spectra(contrast, frequencies):
    """Cross-spectra of y in white noise of 0.01, (f, 4, 4), by the Jacobian of the equations."""
    z = 0.5 * np.asarray(RING.input(TEST.at(contrast)))
    a = 0.0025 + np.sum(z**2)
    root, y = np.sqrt(a), z / np.sqrt(a)
    J = np.zeros((5, 5))  # one pool for all
    J[:4, :4], J[:4, 4] = -root * np.eye(4), -y / (2 * root)
    J[4, :4], J[4, 4] = 2 * a * y, np.sum(y**2) - 1
    omega = 2 * np.pi * np.atleast_1d(frequencies) / 1000
    response = np.linalg.inv(1j * omega[:, None, None] * np.eye(5) - J / 10)[:, :4, :4]
    return 1e-4 * response @ response.conj().swapaxes(1, 2) / 1000


def test_spectra_and_peaks_are_those_of_the_jacobian():
    f = np.array([5.0, 20.0, 60.0])
    found = cortex.power_spectra(RING, TEST, [0.2, 1.0], f, NOISE, units=[UNIT, 0])
    for powers, contrast in zip(found.powers, (0.2, 1.0), strict=True):
        expected = np.einsum("fii->fi", numpy_spectra(contrast, f)).real[:, [UNIT, 0]]
        np.testing.assert_allclose(powers, expected, rtol=1e-9)
    peaks = cortex.gamma_peak(RING, TEST, [0.0, 1.0], NOISE)
    assert np.isnan(peaks.frequencies[0])  # of a blank, power falls from 0 Hz on

    def power(frequency):
        return float(numpy_spectra(1.0, frequency)[0].sum().real)

    top = scipy.optimize.minimize_scalar(
        lambda f: -power(f), bounds=(5.0, 20.0), method="bounded", options={"xatol": 1e-9}
    )
    np.testing.assert_allclose(peaks.frequencies[1], top.x, rtol=1e-6)
    np.testing.assert_allclose(peaks.powers[1], -top.fun, rtol=1e-9)
    ends = [
        scipy.optimize.brentq(lambda f: power(f) + top.fun / 2, *span)
        for span in ((0.1, top.x), (top.x, 60.0))
    ]
    np.testing.assert_allclose(peaks.widths[1], ends[1] - ends[0], rtol=1e-6)
    np.testing.assert_array_equal(peaks.observed, peaks.experiment.observe(RING.circuit))


@pytest.mark.slow
def test_latencies_and_transients_are_read_from_the_onset():
    contrasts = [0.02, 0.2, 1.0]
    delays = cortex.latency(RING, TEST, contrasts, ts=TS, units=UNIT)
    over = cortex.transient_index(RING, TEST, contrasts, ts=TS, units=UNIT)
    rest = cortex.contrast_response(RING, TEST, contrasts, units=UNIT).responses[:, 0]
    for i, contrast in enumerate(contrasts):
        x = RING.input(TEST.at(contrast))
        rates = np.asarray(oo.simulate(RING.circuit, x, TS).states.y[:, UNIT]) ** 2
        j = int(np.argmax(rates >= rest[i] / 2))
        expected = np.interp(rest[i] / 2, rates[j - 1 : j + 1], TS[j - 1 : j + 1])
        np.testing.assert_allclose(delays.latencies[i, 0], expected, rtol=1e-4)
        np.testing.assert_allclose(
            over.indices[i, 0], 1 - rest[i] / max(rates.max(), rest[i]), atol=1e-5
        )
    # The higher the contrast, the earlier the response and the larger its overshoot.
    assert np.all(np.diff(delays.latencies[:, 0]) < 0) and np.all(np.diff(over.indices[:, 0]) > 0)
    # At first a circuit at rest follows with tau_y/sqrt(a), a = (sigma b0)^2: as a low-pass filter
    # at the lowest contrast, whose square comes to a half at -ln(1 - sqrt(1/2)) time constants.
    slow = cortex.latency(RING, TEST, [1e-4], ts=np.linspace(0, 1000, 2001), units=UNIT)
    expected = -np.log(1 - 0.5**0.5) * 10 / 0.05
    np.testing.assert_allclose(slow.latencies[0, 0], expected, rtol=1e-4)
    # A share that is 0 in float32 is passed at once.
    at_once = cortex.latency(RING, TEST, [0.5], ts=TS, units=UNIT, share=1e-300)
    assert 0 <= at_once.latencies[0, 0] < 1


@pytest.mark.slow
def test_spectra_and_peaks_are_those_of_the_circuit_at_each_contrast():
    contrasts, f = [0.1, 1.0], np.array([5.0, 20.0, 60.0])
    found = cortex.power_spectra(RING, TEST, contrasts, f, MANY, units=[UNIT, 0])
    peaks = cortex.gamma_peak(RING, TEST, contrasts, MANY)
    for i, contrast in enumerate(contrasts):
        x = RING.input(TEST.at(contrast))
        expected = oo.power_spectrum(RING.circuit, x, f, MANY)[:, [UNIT, 0]]
        np.testing.assert_allclose(found.powers[i], expected, rtol=1e-9)
        peak = oo.spectral_peak(RING.circuit, x, MANY)
        np.testing.assert_allclose(peaks.frequencies[i], peak.frequency, rtol=1e-8)
        np.testing.assert_allclose(peaks.widths[i], peak.width, rtol=1e-6)
    assert str(peaks).startswith("GammaPeak: 2 contrasts")
    assert found.to_xarray().power.dims == ("contrast", "frequency", "unit")
    assert len(found.plot().get_lines()) == 2
    assert peaks.plot().get_ylabel() == "peak (Hz)"


def test_bad_experiments_over_time_are_refused():
    bad = (
        (lambda: cortex.psth(RING, TEST, [0.0]), "at least the start and the end"),
        (lambda: cortex.psth(RING, TEST, 100.0), r"`ts` must have shape \(time,\), .*shape \(\)"),
        (lambda: cortex.latency(RING, TEST, [0.5], ts=100.0), "`ts` must have shape"),
        (lambda: cortex.psth(RING, 0.5, TS), "`stimulus` must be a stimulus"),
        (
            lambda: cortex.latency(RING, TEST, [0.5], share=1.0),
            "`share` must be above 0",
        ),
        (lambda: cortex.latency(RING, TEST, [1.5]), "`contrasts` must lie between 0 and 1"),
        (lambda: cortex.transient_index(RING, TEST, [0.5], ts=[1.0, 0.0]), "`ts` must increase"),
        (lambda: cortex.gamma_peak(RING, TEST, [0.5], 0.1), "`noise` must be an `oo.Noise`"),
        (lambda: cortex.power_spectra(RING, TEST, [0.5], [], NOISE), "at least one"),
    )
    for call, message in bad:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.slow
def test_fixed_points_at_traced_inputs_of_a_known_circuit_are_the_closed_form():
    # Where the circuit is known, its exact closed form needs no search, in both derivative modes.
    x = RING.input(TEST)
    rates = lambda c: oo.fixed_point(RING.circuit, c * x).state.y ** 2  # noqa: E731
    z2 = np.asarray(x) ** 2
    expected = z2 / (0.01 + np.sum(z2))
    np.testing.assert_allclose(jax.jit(rates)(1.0), expected, rtol=1e-12)
    slope = 2 * z2 * 0.01 / (0.01 + np.sum(z2)) ** 2
    for derivative in (jax.jacfwd(rates), jax.jacrev(rates)):
        np.testing.assert_allclose(derivative(1.0), slope, rtol=1e-10)
