"""Spectra: the worked values, a circuit whose modes are known, and derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from oscillators import Damped, Pendulum, unit, unit_points

import organics_ode as oo
from organics_ode import jacobian, spectrum
from organics_ode.linear import spectrum_at, spectrum_of


def at(y, a):
    return oo.ORGaNICsState(jnp.array([y]), jnp.array([a]))


many_spectra = jax.jit(jax.vmap(spectrum_of))


def printed(value, digits):
    return f"{float(value):.{digits}f}"


# (w_r, b0, σ), y, a, Re λ, Im λ, to four significant digits.
WORKED = (
    ((0.5, 0.5, 0.1), "0.8980", "0.01291", "-0.1876", "0.0567"),
    ((2, 0.5, 0.1), "0.9978", "0.5633", "-0.1264", "0.5985"),
    ((2, 1, 1), "0.4166", "1.2101", "-0.5066", "0.2945"),
)


@pytest.mark.parametrize(("parameters", "y", "a", "real", "imaginary"), WORKED)
def test_the_worked_values_come_out_to_every_printed_digit(parameters, y, a, real, imaginary):
    point = unit_points(*parameters)[0]
    assert printed(point[0], 4) == y
    assert printed(point[1], len(a) - 2) == a
    found = spectrum(unit(*parameters), at(*point), jnp.ones(1))
    assert printed(found.abscissa, 4) == real
    assert printed(found.eigenvalues[0].imag, 4) == imaginary
    assert printed(found.eigenvalues[1].imag, 4) == f"-{imaginary}"
    assert found.is_stable and not found.is_marginal


def test_the_two_other_points_of_the_second_circuit_are_unstable():
    _, second, third = unit_points(2, 0.5, 0.1)
    assert (printed(second[0], 3), printed(second[1], 4)) == ("-0.979", "0.0598")
    assert (printed(third[0], 3), printed(third[1], 4)) == ("-0.569", "0.0037")
    for point in (second, third):
        found = spectrum(unit(2, 0.5, 0.1), at(*point), jnp.ones(1))
        assert found.abscissa > 0.01 and not found.is_stable and not found.is_marginal


def test_the_fixed_points_of_the_gated_counterexample_have_their_abscissae():
    one, zero = np.ones((1, 1)), np.zeros((1, 1))
    # σ b0 = .1 with the gain b0 resting at ½; b1 → sigmoid(20 y − 10), the −10 through z = 1.
    gates = {"W_bx0": zero, "W_by0": zero, "W_ba0": zero}
    gates |= {"W_bx1": -10 * one, "W_by1": 20 * one, "W_ba1": zero}
    circuit = oo.GatedORGaNICs(
        W_zx=one, W_r=one, W=one, sigma=0.2, **gates, tau_y=2.0, tau_a=2.0, tau_b0=2.0, tau_b1=2.0,
        rectification=zoo.NONE,
    )  # fmt: skip
    expected = ((4.58e-5, "-0.0495"), (0.03555, "0.1905"), (0.99995, "-0.2535"))
    for b1, abscissa in expected:
        for _ in range(50):  # Newton on b1 − sigmoid(20 y(b1) − 10) = 0
            gap = lambda b: b - jax.nn.sigmoid(20 * b / jnp.sqrt(0.01 + b * b) - 10)  # noqa: E731
            b1 = b1 - gap(b1) / jax.grad(gap)(b1)
        a = 0.01 + b1**2
        state = oo.GatedORGaNICsState(*(jnp.array([v]) for v in (b1 / np.sqrt(a), a, 0.5, b1)))
        velocity = circuit.vector_field(0.0, state, jnp.ones(1))
        assert max(float(abs(v[0])) for v in velocity) < 1e-14
        assert printed(spectrum(circuit, state, jnp.ones(1)).abscissa, 4) == abscissa


def test_frequencies_damping_and_time_scales_of_a_known_oscillator():
    gamma = jnp.array([0.02, 2.5])  # 1/ms; ÿ + γẏ + y = 0 about y = 0
    found = spectrum(Damped(gamma), None, jnp.zeros(2))
    slow, fast = (-2.5 + np.sqrt(2.5**2 - 4)) / 2, (-2.5 - np.sqrt(2.5**2 - 4)) / 2
    omega = np.sqrt(1 - 0.01**2)
    expected = [-0.01 + omega * 1j, -0.01 - omega * 1j, slow, fast]
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-13)
    # ω in rad/ms is 1000 ω/2π periods per second.
    hertz = 1000 * omega / (2 * np.pi)
    np.testing.assert_allclose(found.frequencies, [hertz, hertz, 0, 0], rtol=1e-13)
    np.testing.assert_allclose(found.damping_ratios, [0.01, 0.01, 1, 1], rtol=1e-11)
    np.testing.assert_allclose(found.time_scales, [100, 100, -1 / slow, -1 / fast], rtol=1e-11)
    assert found.vectors is None and found.is_stable


def test_vectors_belong_to_their_values_in_the_same_order():
    circuit = zoo.organics()
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)
    found, J = spectrum(circuit, state, x, vectors=True), jacobian(circuit, state, x)
    left = np.asarray(J) @ np.asarray(found.vectors)
    right = np.asarray(found.vectors) * np.asarray(found.eigenvalues)
    np.testing.assert_allclose(left, right, atol=1e-13)
    plain = spectrum(circuit, state, x)
    np.testing.assert_allclose(plain.eigenvalues, found.eigenvalues, rtol=1e-11)
    assert np.all(np.diff(plain.eigenvalues.real) <= 1e-15)
    lapack = np.linalg.eigvals(np.asarray(J))
    np.testing.assert_allclose(plain.abscissa, lapack.real.max(), rtol=1e-12)


def test_a_zero_eigenvalue_is_marginal_and_not_stable():
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    for third, kind in ((0.0, "marginal"), (-1e-3, "stable"), (1e-3, "unstable")):
        J = rotation @ np.diag([-1.0, -30.0, third, -2.0]) @ rotation.T
        found = spectrum_of(jnp.asarray(J))
        assert (bool(found.is_stable), bool(found.is_marginal)) == (
            kind == "stable",
            kind == "marginal",
        )
        assert repr(found).startswith(f"Spectrum: {kind}")


def test_along_a_trajectory_it_is_vmapped():
    circuit = zoo.organics()
    xs = zoo.input_of(circuit, length=5)
    states = oo.unroll(oo.Euler(circuit, 0.1), xs)
    many = jax.jit(jax.vmap(lambda s, x: spectrum(circuit, s, x)))(states, xs)
    assert many.eigenvalues.shape == (5, 2 * zoo.N)
    assert many.abscissa.shape == many.is_stable.shape == (5,)
    assert many.frequencies.shape == many.time_scales.shape == (5, 2 * zoo.N)
    for i in range(5):
        one = spectrum(circuit, jax.tree.map(lambda s, i=i: s[i], states), xs[i])
        np.testing.assert_allclose(many.eigenvalues[i], one.eigenvalues, rtol=1e-10)
        assert bool(many.is_stable[i]) == bool(one.is_stable)
    assert repr(many).startswith("Spectrum: a batch of 5")


def test_the_gradient_of_the_abscissa_is_the_finite_difference():
    circuit = oo.resolve(zoo.organics())
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)

    def abscissa(w):
        changed = eqx.tree_at(lambda c: c.W_r, circuit, circuit.W_r.at[0, 1].set(w))
        return spectrum(changed, state, x).abscissa

    w, h = circuit.W_r[0, 1], 1e-5
    both = jax.jit(jax.vmap(jax.value_and_grad(abscissa)))
    (_, up, down), (slope, *_) = both(w + h * jnp.array([0.0, 1.0, -1.0]))
    difference = (up - down) / (2 * h)
    assert abs(difference) > 1e-4
    # h² of the third derivative and ε/h.
    np.testing.assert_allclose(slope, difference, rtol=1e-6)


def test_printing_shows_a_table_with_units():
    text = repr(spectrum(Damped(jnp.array([0.02, 2.5])), None, jnp.zeros(2)))
    assert "stable, abscissa -0.01 /ms" in text
    assert "freq. (Hz)" in text and "159.1" in text and "-0.01 + 0.99995i" in text


def test_float32_stays_float32():
    circuit = zoo.CIRCUITS["organics float32"]()
    given = circuit, zoo.state_of(circuit), zoo.input_of(circuit)

    def shown(*given):
        found = spectrum(*given)
        return found.eigenvalues, found.frequencies, found.abscissa

    shapes = eqx.filter_eval_shape(shown, *given)
    assert [found.dtype for found in shapes] == [np.complex64, np.float32, np.float32]


@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="Argument `x` must have shape"):
        spectrum(zoo.organics(), None, np.zeros(zoo.M + 1))
    with pytest.raises(ValueError, match=r"Argument `state.y` must have shape"):
        spectrum(Damped(jnp.ones(2)), Pendulum(jnp.ones(3), jnp.ones(2)), np.zeros(2))


def test_an_eigenvalue_that_is_not_known_makes_nothing_stable():
    # In a batch: there the compiler passes over NaN.
    J = np.stack([-np.diag(np.arange(1.0, 21.0)), np.full((20, 20), np.nan), -np.eye(20)])
    found = many_spectra(jnp.asarray(J))
    np.testing.assert_array_equal(found.is_stable, [True, False, True])
    np.testing.assert_array_equal(found.is_marginal, [False, False, False])
    np.testing.assert_array_equal(np.isnan(found.abscissa), [False, True, False])
    known, unknown = (jax.tree.map(lambda leaf, i=i: leaf[i], found) for i in (0, 1))
    assert repr(known).startswith("Spectrum: stable")
    assert "... 13 more" in repr(known) and len(repr(known).splitlines()) == 10
    assert repr(unknown).startswith("Spectrum: unknown")


@pytest.mark.slow_but_first
@pytest.mark.parametrize("n", [1, 2, 8, 32])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_units_of_the_variables_change_neither_eigenvalues_nor_what_is_known_of_them(n, dtype):
    rng = np.random.default_rng(n)
    A = (rng.normal(size=(n, n)) - 2 * np.sqrt(n) * np.eye(n)).astype(dtype)
    units = np.exp2(rng.integers(-9, 10, n)).astype(dtype)
    here, there = map(jax.jit(spectrum_of), map(jnp.asarray, (A, units[:, None] * A / units)))
    np.testing.assert_array_equal(here.is_stable, True)
    np.testing.assert_array_equal(there.is_stable, True)
    np.testing.assert_allclose(there.resolution, here.resolution, rtol=0.5)
    right = np.sort_complex(np.linalg.eigvals(A.astype(float)))
    for found in (here, there):
        off = np.abs(np.sort_complex(np.asarray(found.eigenvalues)) - right)
        assert np.max(off) < 8 * float(found.resolution)


def test_a_strong_input_leaves_a_circuit_certified_in_float32():
    eye = np.eye(2, dtype=np.float32)
    circuit = oo.ORGaNICs(eye, eye, np.ones_like(eye), 0.1, 0.5, 0.5, 2.0, 2.0)
    x = np.full(2, 3000.0, np.float32)
    certificate = oo.certify(circuit, x)
    state = certificate.state
    J = np.asarray(oo.jacobian(circuit, state, x), float)
    found = oo.spectrum(circuit, state, x)
    np.testing.assert_allclose(found.abscissa, np.linalg.eigvals(J).real.max(), rtol=1e-4)
    assert found.is_stable and certificate.holds
    # ε·‖J‖ is larger than the abscissa: nothing could be said.
    assert 4 * np.finfo(np.float32).eps * np.linalg.norm(J) > 0.5


def test_a_matrix_that_has_no_balance_still_has_its_eigenvalues():
    J = np.zeros((3, 20, 20))
    J[0], J[1, 0, 1] = np.triu(np.full((20, 20), 1e6)) - 2e6 * np.eye(20), 1e300
    found = many_spectra(jnp.asarray(J))
    diagonals = np.diagonal(J, axis1=1, axis2=2).astype(complex)
    np.testing.assert_allclose(found.eigenvalues, diagonals, rtol=1e-12)
    assert np.isfinite(found.resolution).all()


@pytest.mark.slow_but_first
@pytest.mark.parametrize("n", [2, 32])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_makes_nothing_stable_that_is_far_from_normal(n, dtype):
    # Each has the eigenvalue .02, in axes in which rounding may hide it: of two variables in
    # float32 half of them once were stable.
    rng, J = np.random.default_rng(n), []
    for decade in range(9):
        for _ in range(20):
            rotation = np.linalg.qr(rng.normal(size=(n, n)))[0]
            own = np.diag(np.append(0.02, -rng.uniform(0.3, 1, n - 1))[rng.permutation(n)])
            feedforward = np.triu(10.0**decade * rng.normal(size=(n, n)) / np.sqrt(n), 1)
            J.append(rotation @ (own + feedforward) @ rotation.T)
    found = many_spectra(jnp.asarray(np.stack(J), dtype))
    assert not np.any(found.is_stable)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_no_matrix_nearby_makes_unstable_is_stable_though_its_vectors_are_all_one(dtype):
    # Chains in other axes: each eigenvalue is tenfold, and its condition number infinite.
    rng, n = np.random.default_rng(0), 10
    strengths = np.geomspace(1, 200, 60) if dtype == np.float64 else np.geomspace(0.5, 8, 60)
    axes = [np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in strengths]
    chains = [-np.eye(n) + s * np.eye(n, k=1) for s in strengths]
    J = np.stack([Q @ A @ Q.T for Q, A in zip(axes, chains, strict=True)]).astype(dtype)
    found = many_spectra(jnp.asarray(J))
    # How far the nearest matrix with an imaginary eigenvalue is, and how far rounding may be off.
    turned = 1j * np.linspace(0, 3, 200)[:, None, None] * np.eye(n)
    distance = np.linalg.svd(J[:, None].astype(float) - turned, compute_uv=False).min((1, 2))
    near = n * np.finfo(dtype).eps * np.linalg.norm(J, axis=(1, 2))
    assert not np.any(found.is_stable[distance < near / n]) and np.any(distance < near / n)
    assert np.all(found.is_stable[distance > 10 * near]) and np.any(distance > 10 * near)
    # Not one of the abscissas that rounding may make lies further right.
    moved = J[:, None].astype(float) * (1 + np.finfo(dtype).eps * rng.normal(size=(60, 20, n, n)))
    abscissas = np.linalg.eigvals(moved.astype(float)).real.max(-1)
    assert np.all(abscissas < np.asarray(found.abscissa + found.resolution)[:, None])


@pytest.mark.slow_but_first
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_chain_of_spirals_has_the_eigenvalues_of_its_links(dtype):
    # Its vectors are all one: as a whole rounding moves its eigenvalues by .1 and more.
    n = 16
    link, forward = np.array([[-0.5, -2.0], [2.0, -0.5]]), np.array([[10.0, 0.0], [3.0, 0.0]])
    J = np.kron(np.eye(n), link) + np.kron(np.eye(n, k=-1), forward)
    order = np.random.default_rng(0).permutation(2 * n)
    found = jax.jit(spectrum_of)(jnp.asarray(J[np.ix_(order, order)], dtype))
    assert found.is_stable
    tolerance = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(found.eigenvalues.real, -0.5, rtol=tolerance)
    np.testing.assert_allclose(np.abs(found.eigenvalues.imag), 2.0, rtol=tolerance)


def test_a_zero_that_closes_a_loop_has_its_derivative():
    J = jnp.array([[-1.0, 2.0], [0.0, -3.0]])
    slope = jax.jit(jax.grad(lambda J: spectrum_of(J).abscissa))(J)
    # λ² + 4 λ + 3 − 2 ε = 0 for J₂₁ = ε: dλ/dε = 2/(2 λ + 4) = 1 at λ = −1.
    np.testing.assert_allclose(slope, [[1.0, 0.0], [1.0, 0.0]], atol=1e-14)


def test_eigenvalues_by_products_alone_move_as_those_of_the_jacobian():
    rng = np.random.default_rng(0)
    given = zoo.values(4, 4)
    operators = {"W": oo.Diagonal(given["W"][0]), "W_r": oo.LowRank(*rng.normal(size=(2, 4, 3)))}
    circuit = oo.resolve(oo.ORGaNICs(**given | operators))
    state, x = zoo.state_of(circuit), zoo.input_of(circuit)

    def at(s):
        """Everything that the Jacobian depends on, in motion."""
        moved = jax.tree.map(lambda v: v * s if eqx.is_inexact_array(v) else v, (circuit, state))
        return *moved, x * jnp.sin(s)

    tangent = jax.jit(lambda s: jax.jvp(lambda s: spectrum_at(*at(s)).eigenvalues, (s,), (s,)))
    values, slopes = map(np.asarray, tangent(jnp.ones(())))
    jacobian = jax.jit(lambda s: oo.jacobian(*at(s)))

    def leading(s):
        exact = np.linalg.eigvals(np.asarray(jacobian(s)))
        return exact[np.argmin(np.abs(exact[None, :] - values[:, None]), axis=1)]

    assert values.size == 7 and np.any(values.imag > 0)
    np.testing.assert_allclose(leading(1.0), values, rtol=1e-9)
    differences = (leading(1 + 1e-5) - leading(1 - 1e-5)) / 2e-5
    np.testing.assert_allclose(slopes, differences, rtol=1e-6, atol=1e-8)
