"""Every kind of noise by explicit matrices of numpy, and by its spectrum in closed form."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import zoo
from noises import CIRCUITS, KINDS, RHO, TAUS, Decay, Own, Two, amplitudes, noise_of

import organics_ode as oo
from organics_ode.equilibria import stable_point
from organics_ode.noise._fano import integrated
from organics_ode.noise._large import variances
from organics_ode.noise._linear import linear_system, linearised
from organics_ode.noise._spectra import _covariance, _cross_at, _over
from organics_ode.noise.kinds import Source, low_pass, stationary


def quadrature(n=240):
    """Frequencies (Hz) and weights over the whole line, exponentially exact: `test_noise.py`."""
    theta = np.pi * ((np.arange(n) + 0.5) / n - 0.5)
    return 40.0 * np.tan(theta), 40.0 / np.cos(theta) ** 2 * np.pi / n


T = 30.0  # ms, of the windows
# One program for all: of a row of sizes every kind but one is 0, or none is.
ROWS = np.vstack([np.eye(len(KINDS)), np.ones(len(KINDS))])


def rate(state):
    return jnp.concatenate(state) ** 2 + 0.1


def theory(J, state, noise, frequencies):
    """What `covariance`, `cross_spectrum` and `fano` have once they know the fixed point."""
    every, driven = (linear_system(J, state, noise, is_observed=b) for b in (True, False))
    slopes = jnp.concatenate(jax.tree.leaves(jax.jacfwd(rate)(state)), axis=1)
    C, _ = _covariance(every, len(J))
    S = _over(frequencies, _cross_at, every, len(J), None)
    variance = jnp.diag(integrated(driven, slopes, jnp.asarray(T, J.dtype))[1])
    return C, S, 1 + variance / (T * rate(state))


@eqx.filter_jit
def look(circuit, J, state, frequencies, p, rows):
    return jax.lax.map(lambda r: theory(J, state, noise_of(circuit, p, r), frequencies), rows)


def explicit(J, point, p, kind):
    """A, D, H of one kind as one would write them down."""
    d, Z, rates, x = len(J), np.zeros, 1 / p["tau"], np.concatenate(point)
    plain = {
        "white": np.diag(p["alpha"] ** 2),
        "poisson": np.diag(p["kappa"] ** 2 * abs(x)),
        "shared": p["L"] @ p["L"].T,
    }
    if kind in plain:
        return J, plain[kind], np.eye(d)
    if kind == "coloured":
        A = np.block([[J, np.eye(d)], [Z((d, d)), -np.diag(rates)]])
        D = scipy.linalg.block_diag(Z((d, d)), np.diag(2 * p["sigma"] ** 2 * rates))
        return A, D, np.eye(d, 2 * d)
    if kind == "shared coloured":
        rates = 1 / TAUS
        A = np.block([[J, p["M"]], [Z((len(TAUS), d)), -np.diag(rates)]])
        return A, scipy.linalg.block_diag(Z((d, d)), np.diag(2 * rates)), np.eye(d, d + len(TAUS))
    R = (1 - RHO) * np.eye(d) + RHO if kind == "measured" else np.eye(d)
    R = R * np.outer(p["m"], p["m"])
    if kind == "measured":
        A, D = scipy.linalg.block_diag(J, -np.eye(d) / 5), 2 * R / 5
        return A, scipy.linalg.block_diag(Z((d, d)), D), np.eye(d, 2 * d) + np.eye(d, 2 * d, k=d)
    A = scipy.linalg.block_diag(J, -np.eye(2 * d) / 8)
    A[2 * d :, d : 2 * d] = np.eye(d) / 8
    D = scipy.linalg.block_diag(Z((d, d)), 4 * R / 8, Z((d, d)))
    return A, D, np.eye(d, 3 * d) + np.eye(d, 3 * d, k=2 * d)


@pytest.fixture(scope="module", params=CIRCUITS)
def case(request):
    circuit = CIRCUITS[request.param]()
    x = jnp.array([0.5, -0.3])
    p = amplitudes(sum(leaf.size for leaf in circuit.initial_state()))
    frequencies, weights = quadrature()
    point = stable_point(circuit, x, None)
    found = look(circuit, point.J, point.state, frequencies, p, ROWS)
    return p, frequencies, weights, *jax.tree.map(np.asarray, (point.state, point.J, found))


@pytest.mark.slow_but_first
def test_a_covariance_is_that_of_explicit_matrices(case):
    p, _, _, point, J, (C, _, _) = case
    for kind, found in zip(KINDS, C, strict=False):
        A, D, H = explicit(J, point, p, kind)
        X = H @ scipy.linalg.solve_continuous_lyapunov(A, -D) @ H.T
        size = np.sqrt(np.outer(np.diag(X), np.diag(X)))
        np.testing.assert_allclose(found / size, X / size, rtol=0, atol=1e-10, err_msg=kind)


@pytest.mark.slow_but_first
def test_a_spectrum_is_the_filters_and_integrates_to_the_covariance(case):
    p, f, weights, point, J, (C, S, _) = case
    d, omega = len(J), 2 * np.pi * f / 1000
    T = np.linalg.inv(1j * omega[:, None, None] * np.eye(d) - J)
    through = lambda Q: np.einsum("fij,fjk,flk->fil", T.conj(), Q + 0 * T, T)  # noqa: E731
    low = lambda tau: 2 * tau / (1 + np.multiply.outer(omega, tau) ** 2)  # noqa: E731
    R = np.outer(p["m"], p["m"])
    expected = {
        "white": through(np.diag(p["alpha"] ** 2)),
        "poisson": through(np.diag(p["kappa"] ** 2 * abs(np.concatenate(point)))),
        "coloured": through(np.eye(d) * (p["sigma"] ** 2 * low(p["tau"]))[:, None, :]),
        "shared": through(p["L"] @ p["L"].T),
        "shared coloured": through(np.einsum("ik,fk,jk->fij", p["M"], low(TAUS), p["M"])),
        "measured": low(5.0)[:, None, None] * R * ((1 - RHO) * np.eye(d) + RHO),
        "twice": (low(8.0) ** 2 / 8)[:, None, None] * R * np.eye(d),
    }
    for i, kind in enumerate(KINDS):
        size = np.sqrt(np.outer(np.diag(C[i]), np.diag(C[i])))
        error = 1e-10 * np.max(abs(expected[kind]))
        np.testing.assert_allclose(S[i] * 1000, expected[kind], rtol=0, atol=error, err_msg=kind)
        total = np.einsum("f,fij->ij", weights, S[i])
        # The promise is 1e-3.
        np.testing.assert_allclose(total / size, C[i] / size, rtol=0, atol=1e-8, err_msg=kind)


@pytest.mark.slow_but_first
def test_independent_sources_add_up(case):
    *_, (C, S, F) = case
    for found in (C, S, F - 1):
        np.testing.assert_allclose(
            found[-1], found[:-1].sum(0), rtol=1e-9, atol=1e-11 * abs(found[-1]).max()
        )


@pytest.mark.slow_but_first
def test_a_fano_factor_is_the_double_integral_of_the_covariance(case):
    p, *_, point, J, (_, _, F) = case
    x = np.concatenate(point)
    r, slopes = x**2 + 0.1, np.diag(2 * x)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    s, weights = T * (nodes + 1) / 2, T * weights / 2
    for kind, found in zip(KINDS[:5], F, strict=False):
        A, D, H = explicit(J, point, p, kind)
        X, g = scipy.linalg.solve_continuous_lyapunov(A, -D), slopes @ H
        C = np.stack([np.diag(g @ scipy.linalg.expm(A * each) @ X @ g.T) for each in s])
        variance = 2 * np.einsum("s,s,sk->k", weights, T - s, C)
        np.testing.assert_allclose(found - 1, variance / (r * T), rtol=1e-8, err_msg=kind)
    # Spikes do not hear the noise of a measurement.
    np.testing.assert_allclose(F[5:7], 1, rtol=0, atol=1e-14)


# --- what is known of one unit ----------------------------------------------------------------


X = np.array([0.7])
# The linear theory is what is asked for, however large.
linear = pytest.mark.filterwarnings("ignore:The noise is not small")


def unit(noise, frequencies):
    return oo.covariance(Decay(), X, noise), oo.power_spectrum(Decay(), X, frequencies, noise)


def test_coloured_noise_of_one_unit_has_its_closed_form_and_becomes_white():
    f = np.array([0.0, 30.0])
    for tau in (4.0, 7.0, 1e-6):  # as slow as the unit, slower, and almost white
        sigma = 0.02 / np.sqrt(2 * tau)
        noise = oo.OrnsteinUhlenbeckNoise(sigma, tau)
        C, S = unit(noise, f)
        w = 2 * np.pi * f / 1000
        np.testing.assert_allclose(C, sigma**2 * tau * 16 / (4 + tau) * np.eye(2), atol=1e-14)
        exact = 1e-3 * sigma**2 * 2 * tau / (1 + (w * tau) ** 2) / (1 / 16 + w**2)
        np.testing.assert_allclose(S, np.stack([exact, exact], 1), rtol=1e-10)
        coherence = oo.coherence(Decay(), X, f, noise)
        np.testing.assert_allclose(coherence, np.tile(np.eye(2), (2, 1, 1)), atol=1e-14)
    white = unit(oo.Noise(0.02), f)
    np.testing.assert_allclose(C, white[0], rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(S, white[1], rtol=1e-6)


@linear
def test_counts_of_a_poisson_like_unit_have_the_closed_form():
    # F = 1 + κ²τ² (1 − τ/T (1 − e^(−T/τ))), from 1 to 1 + κ²τ²: 2 where Poisson spikes drive it.
    windows = np.array([1e-6, 0.01, 1.0, 30.0, 1e3, 1e7])
    f = np.array([0.0])
    for kappa in (0.03, 0.25):
        noise = oo.PoissonNoise(kappa)
        C, S = unit(noise, f)
        F = np.array([oo.fano(Decay(), X, noise, T)[0] for T in windows])
        gathered = 1 + 4 / windows * np.expm1(-windows / 4)
        gathered[0] = windows[0] / 8  # the first term of its series: 1e-6/4 is left of the digits
        np.testing.assert_allclose(F - 1, (4 * kappa) ** 2 * gathered, rtol=1e-7, atol=1e-14)
        np.testing.assert_allclose(C[0, 0], kappa**2 * 0.7 * 4 / 2, rtol=1e-12)
        np.testing.assert_allclose(F[-1] - 1, 1000 * S[0, 0] / 0.7, rtol=1e-6)


@pytest.mark.slow
def test_the_channels_of_a_measurement_have_its_correlation():
    f = np.array([0.0, 5.0, -80.0])
    w = 2 * np.pi * f / 1000
    for order, exact in (
        (1, 2 * 6 / (1 + (6 * w) ** 2)),
        (2, 4 * 6 / (1 + (6 * w) ** 2) ** 2),
    ):
        noise = oo.MeasurementNoise(Two(0.03, 0.05), 6.0, order=order, correlation=0.4)
        C, S = unit(noise, f)
        covariance = [[0.03**2, 0.4 * 0.03 * 0.05], [0.4 * 0.03 * 0.05, 0.05**2]]
        np.testing.assert_allclose(C, covariance, rtol=1e-12)
        np.testing.assert_allclose(S, 1e-3 * np.outer(exact, [0.03**2, 0.05**2]), rtol=1e-12)
        coherence = oo.coherence(Decay(), X, f, noise)
        np.testing.assert_allclose(coherence[:, 0, 1], 0.4**2, rtol=1e-12)
        np.testing.assert_allclose(oo.fano(Decay(), X, noise, 10.0)[0], 1)


class SSN(oo.AbstractCircuit):
    """Two populations, V of E and I: τ V̇ = −V + W r + x, r = .3 ⌊V⌋²."""

    input_size = 2

    def initial_state(self):
        return Two(jnp.zeros(1), jnp.zeros(1))

    def vector_field(self, t, state, x):
        V = jnp.concatenate(state)
        r = 0.3 * jax.nn.relu(V) ** 2
        flow = (-V + jnp.array([[1.25, -0.65], [1.2, -0.5]]) @ r + x) / jnp.array([20.0, 10.0])
        return Two(flow[:1], flow[1:])


@pytest.mark.slow
@linear
def test_variability_of_a_supralinear_network_rises_and_is_quenched():
    # Hennequin et al. 2018: the noise stands beside the input, with deviations σ0 √(1 + τ/50 ms).
    tau = np.array([20.0, 10.0])
    sigma = np.array([0.2, 0.1]) * np.sqrt(1 + tau / 50) / tau
    noise = oo.OrnsteinUhlenbeckNoise(Two(*sigma), 50.0)
    inputs = [0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0]
    C = np.array([oo.covariance(SSN(), [h, h], noise) for h in inputs])
    printed = [0.200, 0.448, 0.957, 0.733, 0.514, 0.356, 0.268]
    np.testing.assert_allclose(np.sqrt(C[:, 0, 0]), printed, rtol=0, atol=5e-4)


# --- derivatives, precision, warnings ----------------------------------------------------------


def summed(values):
    """Of all entries, so that none cancels another."""
    return sum(
        jnp.sum(jnp.cos(jnp.arange(v.size, dtype=v.dtype)).reshape(v.shape) * v) for v in values
    )


def check_gradients(value, *point):
    """Both modes are finite differences."""
    flat, unravel = jax.flatten_util.ravel_pytree(point)
    of = lambda v: value(*unravel(v))  # noqa: E731
    both = jax.jit(lambda v: (jax.jacfwd(of)(v), jax.jacrev(of)(v)))(flat)
    steps = 1e-4 * np.vstack([np.eye(flat.size), -np.eye(flat.size)])
    ends = jax.jit(lambda vs: jax.lax.map(of, vs))(flat[None] + steps)
    expected = (ends[: flat.size] - ends[flat.size :]) / 2e-4
    for found in both:
        np.testing.assert_allclose(
            found, expected, rtol=1e-5, atol=1e-8 * float(abs(expected).max())
        )


@pytest.mark.slow
def test_gradients_in_both_modes_are_finite_differences():
    circuit, p, f = Own(), amplitudes(4), np.array([3.0, 50.0])
    J = np.asarray(oo.jacobian(circuit, None, [0.5, -0.3]))

    def value(row, moved, tau):
        noise = noise_of(circuit, p | {"tau": tau}, row)
        state = Two(0.1 * moved[:2], 0.1 * moved[2:])
        C, S, F = theory(J + jnp.diag(0.01 * moved), state, noise, f)
        return summed((100 * C, 1e4 * S.real, 1e4 * S.imag, F))

    check_gradients(value, jnp.linspace(0.5, 1.5, len(KINDS)), jnp.linspace(1, 2, 4), p["tau"])


@pytest.mark.slow
@pytest.mark.parametrize("name", CIRCUITS)
def test_gradients_of_circuits_in_both_modes_are_finite_differences(name):
    circuit, f = CIRCUITS[name](), np.array([3.0, 50.0])
    p = amplitudes(sum(leaf.size for leaf in circuit.initial_state()))

    def value(row, drive):
        x, noise = jnp.stack([0.5 * drive, -0.3 * drive]), noise_of(circuit, p, row)
        S = oo.cross_spectrum(circuit, x, f, noise)
        F = oo.fano(circuit, x, noise, T, rate=rate)
        return summed((100 * oo.covariance(circuit, x, noise), 1e4 * S.real, 1e4 * S.imag, F))

    check_gradients(value, jnp.linspace(0.5, 1.5, len(KINDS)), jnp.asarray(0.8))


def test_the_derivative_by_the_correlation_is_right_at_both_ends():
    def shared(rho):
        noise = oo.MeasurementNoise(0.1, 5.0, correlation=rho)
        return _covariance(linear_system(-jnp.eye(2), Two(*jnp.ones((2, 1))), noise), 2)[0]

    slope = jax.jit(jax.jacfwd(shared))
    for rho in (0.0, 0.5, 1.0):
        np.testing.assert_allclose(slope(rho), [[0, 0.01], [0.01, 0]], atol=1e-15)


@pytest.mark.slow
def test_float32_stays_float32_and_has_the_values_of_float64():
    found = {}
    point = stable_point(zoo.organics(seed=3, n=2, m=2), jnp.array([0.5, -0.3]), None)
    given = point.J, point.state, np.array([0.0, 3.0, 50.0]), amplitudes(4), ROWS
    for dtype in (np.float32, np.float64):
        circuit = zoo.organics(seed=3, n=2, m=2, dtype=dtype)
        cast = jax.tree.map(lambda v: jnp.asarray(v, dtype), given)  # noqa: B023
        found[dtype] = look(circuit, *cast)
    kinds = [leaf.dtype for leaf in found[np.float32]]
    assert kinds == [np.dtype("float32"), np.dtype("complex64"), np.dtype("float32")]
    for pair in zip(*found.values(), strict=True):
        single, double = map(np.asarray, pair)
        error = 1e-3 * np.abs(double).max(axis=tuple(range(1, double.ndim)), keepdims=True)
        assert np.all(np.abs(single - double) <= error)


@pytest.mark.slow
def test_how_large_the_noise_is_is_told_without_the_measurement():
    x = jnp.array([0.5, -0.3])
    circuit, p = Own(), amplitudes(4)
    _, system = linearised(circuit, x, noise_of(circuit, p, np.ones(len(KINDS))), None)
    full = scipy.linalg.solve_continuous_lyapunov(
        system.A, -np.diag(system.D) - system.L @ system.L.T
    )
    np.testing.assert_allclose(variances(system, 4), np.diag(full)[:4], rtol=1e-9)
    assert (
        system.A.shape[0] == 4 + 4 + len(TAUS) + 5 + 2 * 4
    )  # ρ = 0 of the second needs no shared process
    oo.covariance(circuit, x, oo.MeasurementNoise(10.0, 5.0))  # does not warn
    for kind in (oo.OrnsteinUhlenbeckNoise(1.0, 5.0), oo.SharedNoise(1.0), oo.PoissonNoise(3.0)):
        with pytest.warns(oo.LargeNoiseWarning, match="The noise is not small") as told:
            oo.power_spectrum(circuit, x, [1.0], kind)
        assert told[0].filename == __file__


@pytest.mark.slow_but_first
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_filters_keep_their_stationary_covariance_over_any_step(dtype):
    with jax.enable_x64(dtype is np.float64):
        for order, expected in ((1, [[1.0]]), (2, [[2.0, 1.0], [1.0, 1.0]])):
            source = Source(jnp.ones(1, dtype), jnp.asarray(5.0, dtype), 1.0, order)
            for dt in (1e-4, 0.03, 5.0, 400.0, np.inf):
                is_step = np.isfinite(dt)
                step = low_pass(source, jnp.asarray(dt, dtype)) if is_step else stationary(source)
                unit = jnp.eye(order, dtype=dtype)[:, :, None]
                none = jnp.zeros_like(unit[0])
                M = np.stack([step.move(u, none)[:, 0] for u in unit], 1)
                kicks = np.stack([step.move(none, u)[:, 0] for u in unit], 1)
                moved = M @ expected @ M.T + kicks @ kicks.T
                np.testing.assert_allclose(moved, expected, rtol=20 * np.finfo(dtype).eps)
                # The last kick of a short step is (4/3 − 1) h³, far below its parts.
                if order == 2 and dt < 0.1:
                    exact = np.sqrt((dt / 5) ** 3 / 3)
                    np.testing.assert_allclose(kicks[1, 1], exact, rtol=0.02)
                    first = scipy.linalg.expm(np.array([[-1, 0], [1, -1]]) * dt / 5)
                    np.testing.assert_allclose(M, first, rtol=1e-6)


def test_bad_amplitudes_are_refused(unchecked):
    wrong = [
        (lambda: oo.PoissonNoise(-1.0), "Argument `scale` must not be negative"),
        (lambda: oo.PoissonNoise(np.ones(2)), "Argument `scale` must be a number, or a state"),
        (lambda: oo.OrnsteinUhlenbeckNoise(0.1, 0.0), "Argument `tau` must be positive"),
        (lambda: oo.OrnsteinUhlenbeckNoise(np.nan, 1.0), "Argument `sigma` must be finite"),
        (
            lambda: oo.OrnsteinUhlenbeckNoise(0.1, Two(1.0, [1.0, -1.0])),
            r"Argument `tau\.v` must be positive",
        ),
        (lambda: oo.SharedNoise(np.ones((2, 2, 2))), r"Argument `factor` must have shape \(d, k\)"),
        (lambda: oo.SharedNoise([[np.inf]]), "Argument `factor` must be finite"),
        (lambda: oo.SharedNoise(0.1, tau=-1.0), "Argument `tau` must be positive"),
        (lambda: oo.SharedNoise(0.1, tau=np.ones((2, 2))), "Argument `tau` must be a number or"),
        (lambda: oo.MeasurementNoise(-0.1, 1.0), "Argument `sigma` must not be negative"),
        (lambda: oo.MeasurementNoise(0.1, np.ones(2)), "Argument `tau` must be a positive number"),
        (lambda: oo.MeasurementNoise(0.1, 1.0, order=3), "Argument `order` must be 1 or 2"),
        (
            lambda: oo.MeasurementNoise(0.1, 1.0, correlation=1.5),
            "Argument `correlation` must lie between 0 and 1",
        ),
        (lambda: oo.NoiseSum(), "Argument `kinds` must hold at least one"),
        (lambda: oo.NoiseSum(0.1), r"Argument `kinds` must be an `oo\.Noise`"),
    ]
    for make, text in wrong:
        with pytest.raises(ValueError, match=text):
            make()
    with pytest.raises(TypeError, match="unsupported operand"):
        oo.Noise(0.1) + 0.1


@pytest.mark.parametrize("form", [tuple, Two._asdict], ids=["tuple", "dict"])
def test_a_state_of_amplitudes_may_be_given_by_its_fields(form):
    one, many = Two(0.1, [0.2, 0.3]), Two([[0.1, 0.2], [0.3, 0.4]], 0.5)
    state = Two(jnp.ones(2), jnp.full(2, 2.0))
    pairs = [(oo.Noise(one, one), oo.Noise(form(one), form(one)))]
    pairs += [(oo.PoissonNoise(one), oo.PoissonNoise(form(one)))]
    pairs += [
        (oo.OrnsteinUhlenbeckNoise(one, one), oo.OrnsteinUhlenbeckNoise(form(one), form(one)))
    ]
    pairs += [(oo.SharedNoise(many), oo.SharedNoise(form(many)))]
    pairs += [(oo.MeasurementNoise(one, 2.0), oo.MeasurementNoise(form(one), 2.0))]
    for known, given in pairs:
        for found, expected in zip(
            jax.tree.leaves((given.variance(state), given.sources(state))),
            jax.tree.leaves((known.variance(state), known.sources(state))),
            strict=True,
        ):
            np.testing.assert_array_equal(found, expected)


def test_amplitudes_of_another_shape_than_the_state_are_refused(unchecked):
    wrong = [
        (oo.PoissonNoise(Two(np.ones(3), 0.0)), r"Argument `scale\.u` must .*\(n,\) = \(2,\)"),
        (oo.OrnsteinUhlenbeckNoise(0.1, (1.0,)), "Argument `tau` must be a number or a Two"),
        (oo.PoissonNoise({"u": 1.0}), "`scale` must be a number or a Two, but it is a dict of u"),
        (oo.PoissonNoise({"u": 1.0, "v": [1.0]}), r"Argument `scale\.v` must .*\(n,\) = \(2,\)"),
        (oo.SharedNoise(np.ones(3)), "Argument `factor` must have 4 rows"),
        (oo.SharedNoise(Two(np.ones((2, 3)), np.ones((2, 2)))), r"`factor\.v` must .* 3 columns"),
        (oo.SharedNoise(np.ones((4, 3)), tau=[1.0, 2.0]), r"Argument `tau` must .*\(k,\) = \(3,\)"),
    ]
    for noise, text in wrong:
        with pytest.raises(ValueError, match=text):
            oo.sample_paths(Own(), X.repeat(2), noise, dt=0.1, steps=1, key=0)
    for bad, text in (
        ({"window": 0.0}, "`window` must be a positive"),
        ({"rate": 1.0}, "`rate` must be a function"),
    ):
        with pytest.raises(ValueError, match=text):
            oo.fano(**{"circuit": Decay(), "x": X, "noise": oo.Noise(0.1), "window": 1.0} | bad)
    for rate in (lambda s: s.u[0], lambda s: 1.0, lambda s: jnp.ones(2, int)):
        with pytest.raises(ValueError, match=r"Argument `rate` must give an array \(k,\)"):
            oo.fano(Decay(), X, oo.Noise(0.1), 1.0, rate=rate)
    assert np.isnan(oo.fano(Decay(), -X, oo.Noise(0.01), 1.0)).all()
