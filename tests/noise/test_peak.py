"""The peak of a spectrum by closed forms, by numpy's minimisation, and by finite differences."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import zoo
from compared import tree_equal

import organics_ode as oo
from organics_ode import LargeNoiseWarning, Noise, by_block, by_field, spectral_peak
from organics_ode.noise._large import warn_where_large

HZ = 1000 / (2 * np.pi)


class Pair(NamedTuple):
    u: jax.Array
    v: jax.Array


class Spiral(oo.AbstractCircuit):
    """u̇ = −γu − ωv, v̇ = ωu − γv: eigenvalues −γ ± iω."""

    gamma: jax.Array
    omega: jax.Array

    @property
    def input_size(self):
        return 1

    def initial_state(self):
        return Pair(jnp.zeros(1), jnp.zeros(1))

    def vector_field(self, t, state, x):
        u, v = state
        return Pair(-self.gamma * u - self.omega * v, self.omega * u - self.gamma * v)


NOTHING, KICKED, SEEN = np.zeros(1), Noise(Pair(0.02, 0.0)), Pair(0.0, 1.0)


def peak_of(gamma, omega, **how):
    circuit = Spiral(jnp.asarray(gamma), jnp.asarray(omega))
    return spectral_peak(circuit, NOTHING, KICKED, **{"weights": SEEN} | how)


def exact(gamma, omega):
    """Of v with noise in u: S = 10⁻³ α²ω²/((γ² + ω² − Ω²)² + 4γ²Ω²), a parabola in Ω²."""
    size, bend = gamma**2 + omega**2, 4 * gamma**2
    top = omega**2 - gamma**2
    least = (size - top) ** 2 + bend * top
    half = np.sqrt(np.sort(np.roots([1, bend - 2 * size, size**2 - 2 * least])).astype(complex))
    power = 1e-3 * 0.02**2 * omega**2 / least
    return HZ * np.sqrt(top), power, HZ * np.ptp(half.real) if half.imag.max() == 0 else np.nan


@pytest.mark.slow_but_first
@pytest.mark.parametrize(("gamma", "omega"), [(1e-3, 0.3), (0.05, 0.3), (0.1, 0.3), (0.29, 0.3)])
def test_an_underdamped_pair_has_the_peak_of_its_closed_form(gamma, omega):
    peak = peak_of(gamma, omega)
    frequency, power, width = exact(gamma, omega)
    # Zeros of the slope and of the half, not minima: to rounding.
    np.testing.assert_allclose(peak.frequency, frequency, rtol=1e-10)
    np.testing.assert_allclose(peak.power, power, rtol=1e-10)
    np.testing.assert_allclose(peak.width, width, rtol=1e-9)
    np.testing.assert_allclose(peak.quality, frequency / width, rtol=1e-9)
    assert peak.found and np.isnan(width) == (gamma == 0.29)
    assert f"Peak: at {frequency:.6g} Hz" in repr(peak)


def test_a_lightly_damped_mode_has_the_quality_of_its_eigenvalue():
    spectrum = oo.spectrum(Spiral(jnp.asarray(1e-3), jnp.asarray(0.3)), None, NOTHING)
    size = np.hypot(1e-3, 0.3)
    np.testing.assert_allclose(spectrum.qualities, size / (2 * 1e-3), rtol=1e-12)
    # The two differ by terms of 1/Q².
    np.testing.assert_allclose(peak_of(1e-3, 0.3).quality, spectrum.qualities[0], rtol=1e-4)
    still = oo.Spectrum(jnp.array([2j, -2j, -3.0 + 0j]), None, jnp.zeros(()))
    np.testing.assert_array_equal(still.qualities, [np.inf, np.inf, 0.5])


@pytest.mark.slow
def test_without_a_peak_above_0_there_is_none():
    for peak in (
        peak_of(0.31, 0.3),
        peak_of(0.1, 0.3, band=(0, 20.0)),
        peak_of(0.1, 0.3, band=[90, 99]),
    ):
        assert not peak.found and np.isnan([peak.frequency, peak.power, peak.quality]).all()
        assert repr(peak) == "Peak: none above frequency 0"
    assert peak_of(0.1, 0.3, band=(40, 50)).found


@pytest.mark.slow
def test_derivatives_are_those_of_the_closed_form():
    @jax.jit
    @jax.grad
    def slope(omega):
        peak = peak_of(0.05, omega, state0=Pair(jnp.zeros(1), jnp.zeros(1)))
        return peak.frequency + 3 * peak.width + peak.power

    def value(omega):
        frequency, power, width = exact(0.05, omega)
        return frequency + 3 * width + power

    difference = (value(0.3 + 1e-5) - value(0.3 - 1e-5)) / 2e-5
    np.testing.assert_allclose(slope(0.3), difference, rtol=1e-7)


@pytest.fixture(scope="module")
def ring():
    """Units that resonate, each at another frequency."""
    eye, W = np.eye(3), 0.8 * np.eye(3) + 0.1
    circuit = oo.ORGaNICs(eye, eye, W, 0.1, 0.5, 0.5, [4.0, 5.0, 6.0], [8.0, 6.0, 5.0])
    return circuit, np.array([0.9, 0.5, 0.7]), Noise(oo.ORGaNICsState(1e-3, 0.0))


@pytest.mark.slow
def test_the_peak_is_the_top_of_the_power_spectrum(ring):
    circuit, x, noise = ring
    for unit, one in enumerate(np.eye(3)):
        peak = spectral_peak(circuit, x, noise, weights=oo.ORGaNICsState(one, 0.0))
        power = lambda f, i=unit: oo.power_spectrum(circuit, x, [f], noise)[0, i]  # noqa: E731
        around = (0.6 * float(peak.frequency), 1.4 * float(peak.frequency))
        top = scipy.optimize.minimize_scalar(
            lambda f, power=power: -float(power(f)), bounds=around, options={"xatol": 1e-9}
        )
        # A minimum is found to the root of the rounding.
        np.testing.assert_allclose(peak.frequency, top.x, rtol=1e-6)
        np.testing.assert_allclose(peak.power, -top.fun, rtol=1e-10)


def test_the_default_signal_is_the_sum_of_the_responses(ring):
    circuit, x, noise = ring
    default = spectral_peak(circuit, x, noise)
    told = spectral_peak(circuit, x, noise, weights=oo.ORGaNICsState(np.ones(3), 0.0))
    assert tree_equal(default, told)
    cross = by_block(circuit, oo.cross_spectrum(circuit, x, [default.frequency], noise)).y.y[0]
    np.testing.assert_allclose(default.power, cross.sum().real, rtol=1e-10)


@pytest.mark.slow
def test_a_batch_is_the_peaks_of_each(ring):
    circuit, x, noise = ring

    def peak(w):
        return spectral_peak(circuit, x, noise, weights=oo.ORGaNICsState(w, 0.0))

    many = jax.vmap(peak)(jnp.eye(3))
    for unit, one in enumerate(jnp.eye(3)):
        alone = peak(one)
        np.testing.assert_allclose(many.frequency[unit], alone.frequency, rtol=1e-9)
        np.testing.assert_allclose(many.width[unit], alone.width, rtol=1e-9)
    assert many.found.all() and repr(many).startswith("Peak: a batch of 3")


def test_bad_arguments_are_refused(unchecked):
    circuit, x = zoo.organics(identity=True), np.ones(3)
    cases = [
        ({"weights": np.ones(4)}, r"^Argument `weights` must be a state"),
        ({"weights": oo.ORGaNICsState(np.ones(3), 0.0)}, r"^Argument `weights\.y` must"),
        ({"band": (3.0, 2.0)}, r"^Argument `band` must be \(low, high\) in Hz"),
        ({"band": 3.0}, r"^Argument `band` must be \(low, high\)"),
        ({"noise": 0.1}, r"^Argument `noise` must be an `oo\.Noise`"),
    ]
    for changed, text in cases:
        given = {"noise": Noise(1e-3)} | changed
        with pytest.raises(ValueError, match=text):
            spectral_peak(circuit, x, given.pop("noise"), **given)


# By the names of the state


def test_arrays_are_named_by_the_fields_of_the_state(ring):
    circuit, x, _ = ring
    C, power = np.arange(36.0).reshape(6, 6), np.arange(12.0).reshape(2, 6)
    np.testing.assert_array_equal(by_block(circuit, C).a.y, C[3:, :3])
    np.testing.assert_array_equal(by_field(circuit, power).a, power[:, 3:])
    state = jax.tree.map(lambda v: v + 0.3, circuit.initial_state())
    J, blocks = oo.jacobian(circuit, state, x), oo.jacobian_blocks(circuit, state, x)
    named = by_block(circuit, np.asarray(J))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-13, atol=1e-15)
    jax.tree.map(close, named, blocks)


def test_arrays_of_another_size_are_refused(unchecked):
    circuit = zoo.organics()
    with pytest.raises(
        ValueError, match=r"^Argument `values` must have shape \(\.\.\., d\) with d = 8"
    ):
        by_field(circuit, np.ones(3))
    with pytest.raises(ValueError, match=r"^Argument `values` must have shape \(\.\.\., d, d\)"):
        by_block(circuit, np.ones((8, 7)))
    with pytest.raises(ValueError, match=r"^Argument `circuit` must be a circuit"):
        by_field(1, np.ones(3))


# Noise that is not small


def test_noise_that_is_not_small_is_told_and_may_be_silenced(ring):
    circuit, x, _ = ring
    state = oo.fixed_point(circuit, x).state
    C = np.asarray(oo.covariance(circuit, x, Noise(oo.ORGaNICsState(1e-3, 0.0))))
    shares = np.sqrt(np.diag(C)) / np.concatenate([np.full(3, state.y.max()), state.a])
    name = [*("y[0]", "y[1]", "y[2]"), *("a[0]", "a[1]", "a[2]")][np.argmax(shares)]
    for factor, is_told in ((0.19, False), (0.21, True)):
        noise = Noise(oo.ORGaNICsState(1e-3 * factor / shares.max(), 0.0))
        asked = [
            lambda noise=noise: oo.covariance(circuit, x, noise),
            lambda noise=noise: oo.power_spectrum(circuit, x, [1.0], noise),
            lambda noise=noise: oo.spectral_peak(circuit, x, noise),
        ]
        for ask in asked:
            if not is_told:
                ask()
                continue
            with pytest.warns(
                LargeNoiseWarning, match=rf"deviation of {name[0]}\[{name[2]}\]"
            ) as told:
                ask()
            assert len(told) == 1


def test_inside_jit_nothing_is_told(ring):
    state = oo.ORGaNICsState(jnp.ones(3), jnp.ones(3))
    jax.jit(lambda variance: warn_where_large(ring[0], state, variance))(jnp.full(6, 9.0))
    with pytest.warns(LargeNoiseWarning):
        warn_where_large(ring[0], state, jnp.full(6, 9.0))
