"""Sampled paths of every kind of noise: single steps, stationary statistics, Welch's estimate."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
import scipy.stats
from noises import CIRCUITS, Decay, Two

import organics_ode as oo

KEY = jax.random.key(0)
X = np.array([0.7])
REST = Two(np.array([0.7]), np.array([0.7]))


def all_kinds(size=1.0, tau=1.0):
    return (
        oo.Noise(size * 0.01)
        + oo.PoissonNoise(size * 0.01)
        + oo.SharedNoise(size * np.array([0.01, -0.02]))
        + oo.SharedNoise(size * np.array([0.004, 0.001]), tau=tau * 5.0)
        + oo.OrnsteinUhlenbeckNoise(Two(size * 0.004, size * 0.002), Two(tau * 6.0, tau * 3.0))
        + oo.MeasurementNoise(Two(size * 0.01, size * 0.02), tau * 8.0, order=2, correlation=0.5)
    )


@eqx.filter_jit
def paths_of(circuit, x, noise, rest, keys, steps, keep, dt):
    def one(key):
        settings = {"dt": dt, "steps": steps, "keep_every": keep, "state0": rest}
        return oo.sample_paths(circuit, x, noise, key=key, **settings).states

    return jnp.concatenate(jax.tree.leaves(jax.vmap(one)(keys)), axis=-1)


def test_a_step_adds_the_noise_that_the_equation_says():
    L, M, dt, count = np.array([[0.1, 0.0], [-0.2, 0.1]]), np.array([0.1, 0.05]), 0.04, 20_000
    noise = oo.PoissonNoise(Two(0.2, 0.1)) + oo.SharedNoise(L) + oo.SharedNoise(M, tau=5.0)
    keys = jax.random.split(KEY, count)
    kicks = np.asarray(paths_of(Decay(), X, noise, REST, keys, 1, 1, dt))[:, 0] - 0.7
    # Itô: √x of the start; of the coloured noise η dt, with the η that was there at the start.
    expected = dt * (0.7 * np.diag([0.04, 0.01]) + L @ L.T) + dt**2 * np.outer(M, M)
    # √(2/20 000) = 1 %: four of them.
    np.testing.assert_allclose(np.cov(kicks.T), expected, rtol=0, atol=0.04 * expected.max())
    assert np.all(np.abs(kicks.mean(0)) < 4 * np.sqrt(np.diag(expected) / count))


DT, KEEP, SEGMENT, SEGMENTS, PATHS = 0.05, 4, 512, 8, 32


@pytest.fixture(scope="module")
def stationary():
    steps = KEEP * SEGMENT * SEGMENTS
    keys = jax.random.split(KEY, PATHS)
    paths = np.asarray(paths_of(Decay(), X, all_kinds(), REST, keys, steps, KEEP, DT))
    return paths - 0.7


def welch(paths, i, j):
    """Of segments that do not overlap, two-sided, per Hz."""
    settings = {"fs": 1000 / (DT * KEEP), "nperseg": SEGMENT, "noverlap": 0}
    f, S = scipy.signal.csd(
        paths[..., i], paths[..., j], return_onesided=False, axis=-1, detrend=False, **settings
    )
    # Above what the window smears; below what dt and aliasing change by some per cent.
    kept = (f > 25) & (f < 300)
    return f[kept], S.mean(axis=0)[kept]


GRID = np.fft.fftfreq(16 * SEGMENT, DT * KEEP / 1000)  # Hz, finer than a segment resolves


def seen_by_welch(S):
    """What Welch's estimate is of in the mean: the spectrum on GRID, smeared by the window."""
    window = scipy.signal.get_window("hann", SEGMENT)
    kernel = np.abs(np.fft.fft(window, GRID.size)) ** 2
    smeared = np.fft.fft(np.fft.ifft(S) * np.fft.ifft(kernel / kernel.sum())).real * GRID.size
    return lambda f: np.interp(f, np.fft.fftshift(GRID), np.fft.fftshift(smeared))


def test_the_covariance_of_paths_is_that_of_the_theory(stationary):
    C = np.asarray(oo.covariance(Decay(), X, all_kinds()))
    found = np.einsum("pti,ptj->ij", stationary[:, 500:], stationary[:, 500:])
    found = found / stationary[:, 500:, 0].size
    size = np.sqrt(np.outer(np.diag(C), np.diag(C)))
    # 25 s of what forgets in 20 ms: √(2/1250) = 4 %, three of them; of Euler's method 1 %.
    np.testing.assert_allclose(found / size, C / size, rtol=0, atol=0.13)


def test_welchs_estimate_lies_within_its_band(stationary):
    segments = PATHS * SEGMENTS
    f, first = welch(stationary, 0, 0)
    S = np.asarray(oo.cross_spectrum(Decay(), X, f, all_kinds()))
    low, high = (scipy.stats.chi2.ppf(q, 2 * segments) / (2 * segments) for q in (0.025, 0.975))
    for i, estimate in enumerate((first, welch(stationary, 1, 1)[1])):
        ratio = estimate.real / S[:, i, i].real
        assert np.mean((ratio > low) & (ratio < high)) > 0.85
        assert np.mean(ratio) == pytest.approx(1, abs=0.04)
    cross = welch(stationary, 0, 1)[1]
    error = np.abs(cross - S[:, 0, 1]) / np.sqrt(S[:, 0, 0].real * S[:, 1, 1].real / segments)
    assert np.max(error) < 4


@pytest.mark.slow
@pytest.mark.parametrize("name", CIRCUITS)
def test_coloured_noise_of_circuits_has_the_covariance_and_spectrum_of_the_theory(name):
    circuit, x = CIRCUITS[name](), jnp.array([0.5, -0.3])
    rest = oo.fixed_point(circuit, x).state
    noise = oo.OrnsteinUhlenbeckNoise(2e-4, 10.0)
    C = np.asarray(oo.covariance(circuit, x, noise))
    keys = jax.random.split(KEY, PATHS)
    steps = KEEP * (SEGMENT * SEGMENTS + 2000)
    paths = np.asarray(paths_of(circuit, x, noise, rest, keys, steps, KEEP, DT))[:, 2000:]
    paths = paths - np.concatenate(rest)
    size = np.sqrt(np.outer(np.diag(C), np.diag(C)))
    S = np.asarray(oo.cross_spectrum(circuit, x, np.abs(GRID), noise))
    found = np.einsum("pti,ptj->ij", paths, paths) / paths[..., 0].size
    np.testing.assert_allclose(found / size, C / size, rtol=0, atol=0.15)
    for i in range(len(C)):
        f, estimate = welch(paths, i, i)
        ratio = estimate.real / seen_by_welch(S[:, i, i].real)(f)
        # What dt and aliasing change by some per cent at 300 Hz is more in tails of higher powers.
        assert np.mean(ratio[f < 100]) == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_a_measurement_adds_to_the_trace_and_leaves_the_path_as_it_is():
    measured = oo.MeasurementNoise(Two(0.03, 0.05), 5.0, correlation=0.4)
    keys = jax.random.split(KEY, 4000)
    path = paths_of(Decay(), X, oo.Noise(0.1), REST, keys, 40, 20, 0.1)
    trace = paths_of(Decay(), X, oo.Noise(0.1) + measured, REST, keys, 40, 20, 0.1)
    m = np.asarray(trace - path)
    expected = np.array([[0.03**2, 0.4 * 0.0015], [0.4 * 0.0015, 0.05**2]])
    for then, now in ((0, 0), (1, 1), (0, 1)):  # 2 ms apart
        found = m[:, then].T @ m[:, now] / len(m)
        between = expected * np.exp(-(now - then) * 2 / 5)
        np.testing.assert_allclose(found, between, rtol=0, atol=4 * 0.05**2 * np.sqrt(2 / 4000))


@pytest.mark.slow
def test_which_states_are_kept_does_not_change_a_path():
    settings = {"dt": 0.1, "key": KEY, "steps": 8}
    every = oo.sample_paths(Decay(), X, all_kinds(), **settings)
    some = oo.sample_paths(Decay(), X, all_kinds(), keep_every=4, **settings)
    for all_, kept in zip(every.states, some.states, strict=True):
        np.testing.assert_array_equal(all_[3::4], kept)


@pytest.mark.slow
def test_derivatives_of_paths_are_finite_differences_and_finite_at_zero():
    def value(size, tau):
        paths = oo.sample_paths(Decay(), X, all_kinds(size, tau), dt=0.1, steps=4, key=KEY)
        return jnp.sum(paths.states.u + 2 * paths.states.v)

    slopes, value = jax.jit(jax.grad(value, (0, 1))), jax.jit(value)
    by_size = (value(1 + 1e-5, 1.0) - value(1 - 1e-5, 1.0)) / 2e-5
    by_tau = (value(1.0, 1 + 1e-5) - value(1.0, 1 - 1e-5)) / 2e-5
    np.testing.assert_allclose(slopes(1.0, 1.0), [by_size, by_tau], rtol=1e-6)
    assert np.all(np.isfinite(slopes(0.0, 1.0)))
