"""The Lyapunov equation against scipy, and its derivatives by finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov as lyapunov

from organics_ode.linear import resolved_lyapunov
from organics_ode.linear._lyapunov_equation import _by_doubling, solve_lyapunov

solve = jax.jit(solve_lyapunov)
EPS = np.finfo(np.float64).eps


def hurwitz(rng, d, *, decades=0.0):
    """A dense matrix, not normal, whose rates are spread over the decades."""
    rates = 10 ** rng.uniform(-decades, 0, d)
    A = rng.normal(size=(d, d)) / np.sqrt(d)
    A = A - (np.max(np.linalg.eigvals(A).real) + 0.3) * np.eye(d)
    return rates[:, None] * A if decades == 0 else np.diag(-rates) @ (np.eye(d) + 0.1 * A)


@pytest.mark.parametrize("decades", [0.0, 4.0])
@pytest.mark.parametrize("d", [1, 2, 7])
def test_it_is_scipys_solution(d, decades):
    rng = np.random.default_rng(d)
    for _ in range(10):
        A, C = hurwitz(rng, d, decades=decades), rng.normal(size=(d, d))
        X = solve(A, C)
        expected = lyapunov(A, -C)
        # The condition of the equation as a linear system of d² numbers.
        K = np.kron(A, np.eye(d)) + np.kron(np.eye(d), A)
        error = np.linalg.norm(X - expected) / np.linalg.norm(expected)
        assert error <= 20 * EPS * np.linalg.cond(K)


def test_the_residual_of_a_stiff_equation_is_rounding():
    rng = np.random.default_rng(1)
    A = hurwitz(rng, 24, decades=4.0)
    C = np.eye(24)
    X = np.asarray(solve(A, C))
    residual = np.linalg.norm(A @ X + X @ A.T + C)
    assert residual <= 100 * EPS * np.linalg.norm(A) * np.linalg.norm(X)
    np.testing.assert_allclose(X, X.T, rtol=0, atol=1e-12 * np.max(np.abs(X)))
    assert np.linalg.eigvalsh(X)[0] > 0


def test_float32_stays_float32():
    rng = np.random.default_rng(2)
    A, C = hurwitz(rng, 6), np.eye(6)
    X = solve(A.astype(np.float32), C.astype(np.float32))
    expected = lyapunov(A, -C)
    assert X.dtype == np.float32
    np.testing.assert_allclose(X, expected, rtol=0, atol=1e-5 * np.max(np.abs(expected)))


@pytest.mark.parametrize(
    "A",
    [np.diag([-1.0, 0.5]), np.diag([-1.0, 0.0]), np.array([[0.0, 1.0], [-1.0, 0.0]])],
    ids=["unstable", "singular", "undamped"],
)
def test_a_matrix_that_is_not_hurwitz_gives_nan(A):
    assert np.all(np.isnan(solve(A, np.eye(2))))


def test_derivatives_are_finite_differences_in_both_modes_and_under_vmap():
    rng = np.random.default_rng(3)
    A = np.stack([hurwitz(rng, 3) for _ in range(2)])
    C, dA, dC = (rng.normal(size=(2, 3, 3)) for _ in range(3))
    weights = rng.normal(size=(3, 3))

    def value(A, C):
        return jnp.sum(weights * solve_lyapunov(A, C))

    forward = jax.jit(jax.vmap(lambda A, C, dA, dC: jax.jvp(value, (A, C), (dA, dC))[1]))
    reverse = jax.jit(jax.vmap(jax.grad(value, argnums=(0, 1))))
    jvp = forward(A, C, dA, dC)
    grad_A, grad_C = reverse(A, C)
    h = 1e-5
    for i in range(2):
        plus, minus = (
            np.sum(weights * lyapunov(A[i] + e * dA[i], -C[i] - e * dC[i])) for e in (h, -h)
        )
        expected = (plus - minus) / (2 * h)
        # Central differences: h² of the truncation, ε/h of the rounding, times the scale of X.
        assert float(jvp[i]) == pytest.approx(expected, rel=1e-7)
        assert np.sum(grad_A[i] * dA[i] + grad_C[i] * dC[i]) == pytest.approx(
            float(jvp[i]), rel=1e-11
        )


def test_second_derivatives_exist():
    A = jnp.asarray(hurwitz(np.random.default_rng(4), 2))

    def value(e):
        return jnp.trace(solve_lyapunov(e * A, jnp.eye(2)))

    # X ∝ 1/e.
    second = float(jax.jit(jax.hessian(value))(1.0))
    assert second == pytest.approx(2 * float(value(1.0)), rel=1e-12)


def chain(n, strength):
    """A feedforward chain in random axes: far from normal, and all of its rates are 1."""
    Q = np.linalg.qr(np.random.default_rng(n).normal(size=(n, n)))[0]
    return Q @ (-np.eye(n) + strength * np.eye(n, k=1)) @ Q.T


def test_far_from_normal_it_is_scipys_solution():
    # Doubling overflows here.
    A, C = chain(10, 9.0), np.eye(10)
    expected = lyapunov(A, -C)
    found = jax.jit(resolved_lyapunov)(A, C)
    # A change of A by rounding alone moves it by 1e-7.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.max(expected))


def test_what_rounding_changes_is_no_solution():
    A, C = chain(10, 3.5).astype(np.float32), np.eye(10, dtype=np.float32)
    assert np.all(np.isnan(jax.jit(resolved_lyapunov)(A, C)))
    near = chain(10, 0.5).astype(np.float32)
    np.testing.assert_allclose(
        jax.jit(resolved_lyapunov)(near, C), lyapunov(near.astype(float), -C), rtol=0, atol=1e-4
    )


def test_a_triangle_is_exact_in_float32_too():
    A = (-np.eye(10) + 20 * np.eye(10, k=1)).astype(np.float32)
    found = jax.jit(resolved_lyapunov)(A, np.eye(10, dtype=np.float32))
    np.testing.assert_allclose(found, lyapunov(A.astype(float), -np.eye(10)), rtol=1e-5)


def test_doubling_is_the_same_where_there_is_no_schur_form():
    A, C = hurwitz(np.random.default_rng(5), 6), np.eye(6)
    np.testing.assert_allclose(jax.jit(_by_doubling)(A, C), solve(A, C), rtol=1e-9, atol=1e-12)
