"""Covariance and spectra by independent routes: quadrature, scipy's estimators, closed forms."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import zoo

import organics_ode as oo
from organics_ode import Noise, coherence, covariance, cross_spectrum, power_spectrum, sample_paths

State = oo.ORGaNICsState


def one_unit():
    """τ_y = τ_a = 2 ms, and the stable point of math's worked values: y = .898, a = .0129."""
    return oo.ORGaNICs([[1.0]], [[1.0]], [[1.0]], 0.5, 1.0, 0.5, 2.0, 3.0)


X1 = np.array([1.0])


def point_of_one_unit():
    """(y_s, a_s) and J by the plain equations."""
    a = 0.25 + 0.25
    y, s = 0.5 / np.sqrt(a), np.sqrt(a)
    J = np.array([[-s / 2, -y / (2 * s) / 2], [2 * a * y / 3, (y**2 - 1) / 3]])
    return y, a, J


CASES = {
    "identity": (lambda: zoo.organics(identity=True), Noise(State(y=0.1, a=0.02))),
    "general W_r": (
        lambda: zoo.organics(seed=3),
        Noise(State(y=np.linspace(0.1, 0.4, 4), a=0.03), proportional=0.2),
    ),
    "gated": (lambda: zoo.gated(zoo.NONE, identity=True, n=2, m=3), Noise(0.05, 0.1)),
}


def look(circuit, x, frequencies, noise):
    """All of the theory, for noise of any size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", oo.LargeNoiseWarning)
        return traced(circuit, x, frequencies, noise)


def traced(circuit, x, frequencies, noise):
    arguments = (circuit, x, frequencies, noise)
    return {
        "C": covariance(circuit, x, noise),
        "power": power_spectrum(*arguments),
        "cross": cross_spectrum(*arguments),
        "coherence": coherence(*arguments),
    }


def quadrature(n=400):
    """Frequencies (Hz) and weights that integrate a rational density over the whole line.

    f = f0 tan θ maps the line to a bounded interval, on which the trapezoidal rule converges
    exponentially: the integrand is periodic and smooth there. No tail is left out.
    """
    theta = np.pi * ((np.arange(n) + 0.5) / n - 0.5)
    scale = 40.0
    return scale * np.tan(theta), scale / np.cos(theta) ** 2 * np.pi / n


@pytest.fixture(scope="module", params=CASES)
def case(request):
    build, noise = CASES[request.param]
    circuit = build()
    x = 0.5 * zoo.input_of(circuit)
    frequencies, weights = quadrature()
    found = look(circuit, x, frequencies, noise)
    return frequencies, weights, jax.tree.map(np.asarray, found)


@pytest.mark.slow_but_first
def test_the_spectrum_integrates_to_the_covariance(case):
    _, weights, found = case
    total = np.einsum("f,fij->ij", weights, found["cross"])
    # The promise is 1e-3; the rule is far better, so 1e-8 also catches small mistakes.
    scale = np.sqrt(np.diag(found["C"]))
    np.testing.assert_allclose(
        total / np.outer(scale, scale), found["C"] / np.outer(scale, scale), rtol=0, atol=1e-8
    )


@pytest.mark.slow_but_first
def test_power_and_coherence_are_those_of_the_cross_spectrum(case):
    _, _, found = case
    S = found["cross"]
    diagonal = np.einsum("fii->fi", S)
    assert found["power"].dtype == np.float64
    np.testing.assert_allclose(found["power"], diagonal.real, rtol=1e-12)
    np.testing.assert_allclose(
        S, np.conj(np.swapaxes(S, 1, 2)), rtol=0, atol=1e-12 * np.max(abs(S))
    )
    expected = np.abs(S) ** 2 / (diagonal.real[:, :, None] * diagonal.real[:, None, :])
    np.testing.assert_allclose(found["coherence"], expected, rtol=0, atol=1e-12)
    assert np.all(found["coherence"] >= 0) and np.all(found["coherence"] <= 1)
    assert np.min(expected) < 0.9  # several sources: not everything is coherent


@pytest.mark.slow_but_first
def test_negative_frequencies_give_the_conjugate(case):
    frequencies, _, found = case
    np.testing.assert_allclose(frequencies, -frequencies[::-1], rtol=1e-9)
    S = found["cross"]
    np.testing.assert_allclose(S[::-1], np.conj(S), rtol=0, atol=1e-9 * np.max(np.abs(S)))


def test_one_unit_is_the_closed_form_of_two_by_two():
    y, _, J = point_of_one_unit()
    D = np.array([0.1**2 + (0.3 * y) ** 2, 0.2**2])
    frequencies = np.array([0.0, 3.0, -50.0, 400.0])
    noise = Noise(State(0.1, 0.2), State(0.3, 0.0))
    found = look(one_unit(), X1, frequencies, noise)
    omega = 2 * np.pi * frequencies / 1000
    # Cramer's rule on (iω − J) x = ξ.
    determinant = np.abs((1j * omega - J[0, 0]) * (1j * omega - J[1, 1]) - J[0, 1] * J[1, 0]) ** 2
    of_y = (D[0] * (omega**2 + J[1, 1] ** 2) + D[1] * J[0, 1] ** 2) / determinant / 1000
    of_a = (D[1] * (omega**2 + J[0, 0] ** 2) + D[0] * J[1, 0] ** 2) / determinant / 1000
    np.testing.assert_allclose(found["power"], np.stack([of_y, of_a], 1), rtol=1e-12)
    C = scipy.linalg.solve_continuous_lyapunov(J, -np.diag(D))
    np.testing.assert_allclose(found["C"], C, rtol=1e-12)


@pytest.mark.slow_but_first
@pytest.mark.parametrize(("source", "order"), [("y", 2), ("a", 4)])
def test_the_tail_of_the_response_tells_where_the_noise_enters(source, order):
    frequencies = np.array([1e5, 2e5, 4e5, 8e5])  # as many as above, which is the same program
    noise = Noise(State(**{"y": 0.0, "a": 0.0} | {source: 0.1}))
    found = look(one_unit(), X1, frequencies, noise)
    slopes = np.diff(np.log2(found["power"][:, 0]))
    # Corrections are of the order of (rates/ω)² < 1e-5.
    np.testing.assert_allclose(slopes, -order, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["coherence"], 1, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_a_variable_without_noise_has_no_coherence():
    found = look(one_unit(), X1, np.array([1.0]), Noise(0.0, 0.0))
    for name in found:
        np.testing.assert_array_equal(found[name], 0)


@pytest.mark.slow
def test_proportional_noise_is_additive_noise_of_the_size_of_the_response():
    circuit = zoo.organics(identity=True)
    x, frequencies = zoo.input_of(circuit), np.array([1.0, 30.0])
    y, a = zoo.closed_form(circuit, x)
    like = State(np.zeros(4), np.zeros(4))
    proportional = look(circuit, x, frequencies, Noise(like, State(0.3, 0.1)))
    additive = look(
        circuit, x, frequencies, Noise(State(0.3 * np.abs(y), 0.1 * a), State(0.0, 0.0))
    )
    for name in additive:
        np.testing.assert_allclose(proportional[name], additive[name], rtol=1e-10)


@pytest.mark.slow
def test_compiled_as_one_it_is_the_same():
    arguments = one_unit(), X1, np.array([0.0, 3.0]), Noise(State(0.1, 0.2), 0.3)
    ours, theirs = eqx.filter_jit(traced)(*arguments), look(*arguments)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-10, atol=1e-14)


# --- against simulated paths -----------------------------------------------------------------

DT, KEEP, SEGMENT, PATHS, SEGMENTS = 0.05, 2, 1024, 8, 32
SETTLE = 1000  # 100 ms from the fixed point to the stationary spread
SMALL = Noise(State(0.004, 0.002))


@pytest.fixture(scope="module")
def paths():
    """Stationary paths of one unit in small noise, (paths, time, 2), sampled at 10 kHz."""
    y, a, _ = point_of_one_unit()
    steps = KEEP * (SEGMENT * SEGMENTS + SETTLE)

    @eqx.filter_jit
    def draw(keys):
        def one(key):
            start = State(jnp.array([y]), jnp.array([a]))
            settings = {"dt": DT, "steps": steps, "keep_every": KEEP, "state0": start}
            return sample_paths(one_unit(), X1, SMALL, key=key, **settings).states

        return jax.vmap(one)(keys)

    states = draw(jax.random.split(jax.random.key(0), PATHS))
    both = np.concatenate([states.y, states.a], axis=-1)[:, SETTLE:]
    return both - both.mean(axis=(0, 1))


def welch(paths, i, j):
    """The mean over all segments, two-sided; segments do not overlap, so they are independent."""
    options = {"fs": 1000 / (DT * KEEP), "window": "hann", "nperseg": SEGMENT, "noverlap": 0}
    f, S = scipy.signal.csd(
        paths[..., i], paths[..., j], return_onesided=False, detrend="constant", axis=-1, **options
    )
    # Above what the segments' means were taken from; below what dt and aliasing change by 1 %.
    keep = (f > 30) & (f < 500)
    return f[keep], S.mean(axis=0)[keep]


@pytest.mark.slow
def test_welch_power_lies_within_its_own_band(paths):
    K = PATHS * SEGMENTS
    low, high = (scipy.stats.chi2.ppf(q, 2 * K) / (2 * K) for q in (0.025, 0.975))
    for i in range(2):
        f, estimate = welch(paths, i, i)
        expected = look(one_unit(), X1, f, SMALL)["power"][:, i]
        ratio = estimate.real / np.asarray(expected)
        inside = np.mean((ratio > low) & (ratio < high))
        # A hann window makes neighbours dependent: of some 32 independent bins 95 % ± 4 %.
        assert inside > 0.85
        # The mean over bins: 1/√(K · bins / 1.5), and a few parts in a thousand of leakage and dt.
        assert np.mean(ratio) == pytest.approx(1, abs=0.02)


@pytest.mark.slow
def test_the_cross_spectrum_has_the_sign_of_scipy(paths):
    f, estimate = welch(paths, 0, 1)
    found = look(one_unit(), X1, f, SMALL)
    expected, power = np.asarray(found["cross"][:, 0, 1]), np.asarray(found["power"])
    K = PATHS * SEGMENTS
    # Real and imaginary part of the mean of K products: at most √(S_ii S_jj / K) each.
    error = np.abs(estimate - expected) / np.sqrt(power[:, 0] * power[:, 1] / K)
    # Rayleigh or narrower; the largest of 48 is above 4 once in 200 000 draws.
    assert np.max(error) < 4
    wrong = np.abs(estimate - expected.conj()) / np.sqrt(power[:, 0] * power[:, 1] / K)
    assert np.max(wrong) > 8


@pytest.mark.slow
def test_the_variance_of_paths_is_the_covariance(paths):
    C = np.asarray(look(one_unit(), X1, np.array([1.0]), SMALL)["C"])
    sample = np.cov(paths.reshape(-1, 2).T)
    # 26 s of a process that forgets in 5 ms: some 5 000 independent values, √(2/5000) = 2 %.
    np.testing.assert_allclose(sample, C, rtol=0, atol=0.08 * np.max(C))


# --- bad arguments and derivatives -----------------------------------------------------------


@pytest.mark.slow
def test_gradients_are_finite_differences():
    circuit = one_unit()

    def value(x, alpha):
        noise = Noise(State(alpha, 0.02))
        C = covariance(circuit, x[None], noise)
        S = power_spectrum(circuit, x[None], np.array([5.0, 60.0]), noise)
        return C[0, 0] + 10 * C[0, 1] + jnp.sum(S)

    value = eqx.filter_jit(value)
    point, h = (jnp.array(0.8), jnp.array(0.1)), 1e-5
    gradient = eqx.filter_jit(jax.grad(value, argnums=(0, 1)))(*point)
    for i in range(2):
        ends = [[v + e * h * (i == k) for k, v in enumerate(point)] for e in (1.0, -1.0)]
        difference = (value(*ends[0]) - value(*ends[1])) / (2 * h)
        assert float(gradient[i]) == pytest.approx(float(difference), rel=1e-6)


@pytest.mark.slow
def test_float32_gives_float32_and_complex64():
    circuit = zoo.organics(identity=True, dtype=np.float32)
    x, frequencies = zoo.input_of(circuit), np.array([1.0, 30.0])
    found = look(circuit, x, frequencies, Noise(1e-10))
    dtypes = {name: str(value.dtype) for name, value in found.items()}
    assert dtypes.pop("cross") == "complex64"
    assert set(dtypes.values()) == {"float32"}
    exact = look(zoo.organics(identity=True), x.astype(float), frequencies, Noise(1e-10))
    # The squares of such powers are below the smallest float32.
    np.testing.assert_allclose(found["coherence"], exact["coherence"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["power"], exact["power"], rtol=1e-3)


def test_bad_amplitudes_are_refused(unchecked):
    for bad, text in ((-0.1, "not be negative"), (np.nan, "be finite"), (np.ones(4), "a state of")):
        with pytest.raises(ValueError, match=f"Argument `additive` must .*{text}"):
            Noise(bad)
        with pytest.raises(ValueError, match=f"Argument `proportional` must .*{text}"):
            Noise(0.1, bad)
    with pytest.raises(ValueError, match=r"Argument `additive\.a` must not be negative"):
        Noise(State(0.1, [0.1, -0.2]))
    with pytest.raises(ValueError, match=r"Argument `additive\.y` must .* real numbers|array of"):
        Noise(State("large", 0.1))


def test_bad_arguments_are_refused(unchecked):
    circuit, x = zoo.organics(identity=True), np.zeros(3)
    with pytest.raises(ValueError, match=r"Argument `additive\.y` must .*\(n,\) = \(4,\)"):
        covariance(circuit, x, Noise(State(np.ones(3), 0.1)))
    with pytest.raises(
        ValueError, match="Argument `additive` must be a number or an ORGaNICsState"
    ):
        covariance(circuit, x, Noise((0.1, 0.1, 0.1)))
    with pytest.raises(ValueError, match=r"Argument `noise` must be an `oo\.Noise`"):
        covariance(circuit, x, 0.1)
    for bad in (5.0, np.ones((2, 2)), np.zeros(0)):
        with pytest.raises(ValueError, match=r"Argument `frequencies` must have shape \(f,\)"):
            power_spectrum(circuit, x, bad, Noise(0.1))
    with pytest.raises(ValueError, match="Argument `frequencies` must be finite"):
        coherence(circuit, x, np.array([np.inf]), Noise(0.1))


@pytest.mark.slow
def test_a_circuit_without_a_stable_fixed_point_is_refused():
    unstable = oo.ORGaNICs([[1.0]], [[-4.0]], [[1.0]], 2.0, 2.0, 0.5, 1.0, 1.0)
    with pytest.raises(ValueError, match="no stable fixed point"):
        covariance(unstable, X1, Noise(0.1))
    with pytest.raises(Exception, match="no stable fixed point"):
        eqx.filter_jit(cross_spectrum)(unstable, X1, np.array([1.0]), Noise(0.1))


def _pool(scale, n=8):
    r = np.random.default_rng(0)
    W, z = r.uniform(size=(n, n)), r.normal(size=n)
    eye, half = np.eye(n), np.full(n, 0.5)
    parts = map(jnp.asarray, (eye, eye, W, 1.0, half, half, 2.0, 2.0))
    return oo.ORGaNICs(*parts), jnp.asarray(scale * z / np.linalg.norm(z))


@pytest.mark.slow_but_first
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3, 1e4, 1e5])
def test_float32_has_the_spectra_and_variances_of_float64_or_refuses(scale):
    """y is of 1 beside an a of 10⁹, and the other way around."""
    found = {}
    for x64 in (True, False):
        with jax.enable_x64(x64):
            circuit, x = _pool(scale)
            f, noise = jnp.array([0.0, 1.0, 10.0, 100.0]), Noise(proportional=0.1)
            power = power_spectrum(circuit, x, f, noise)
            shared = coherence(circuit, x, f, noise)
            try:
                variance = np.diag(covariance(circuit, x, noise))
            except ValueError as error:
                assert not x64 and "rounding" in str(error)
                variance = None
        found[x64] = power, shared, variance
    np.testing.assert_allclose(found[False][0], found[True][0], rtol=1e-3)
    np.testing.assert_allclose(found[False][1], found[True][1], atol=1e-4)
    if found[False][2] is not None:
        np.testing.assert_allclose(found[False][2], found[True][2], rtol=1e-2)
