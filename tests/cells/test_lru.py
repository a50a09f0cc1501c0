"""The linear recurrent unit against complex numbers and the sum that solves it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo

KEY, N, M, K = jax.random.key(0), 3, 2, 4


@pytest.fixture(scope="module")
def cell():
    return oo.LRU.random(M, N, key=KEY, modes=K, low=0.5, high=0.9)


def complex_numbers(cell):
    """λ, exp(γ) B and C as complex numbers."""
    c = jax.tree.map(np.asarray, oo.resolve(cell))
    eigenvalues = np.exp(-np.exp(c.nu) + 1j * np.exp(c.theta))
    B, C = c.B_real + 1j * c.B_imaginary, c.C_real + 1j * c.C_imaginary
    return eigenvalues, np.exp(c.gamma)[:, None] * B, C, c.D


def test_a_step_is_the_equation(cell):
    eigenvalues, B, C, D = complex_numbers(cell)
    rng = np.random.default_rng(1)
    s, x = rng.normal(size=K) + 1j * rng.normal(size=K), rng.normal(size=M)
    state = oo.LRUState(jnp.ones(N), jnp.asarray(s.real), jnp.asarray(s.imag))
    new = cell.step(state, jnp.asarray(x))
    s = eigenvalues * s + B @ x
    np.testing.assert_allclose(np.asarray(new.real) + 1j * np.asarray(new.imaginary), s, rtol=1e-13)
    np.testing.assert_allclose(new.y, (C @ s).real + D @ x, rtol=1e-12, atol=1e-14)
    assert (cell.size, cell.input_size) == (N, M)


def test_a_sequence_is_the_sum_over_past_inputs(cell):
    eigenvalues, B, C, D = complex_numbers(cell)
    xs = np.random.default_rng(2).normal(size=(6, M))
    y = oo.unroll(cell, xs).y
    kernel = [(C * eigenvalues**lag @ B).real for lag in range(6)]
    expected = sum(kernel[lag] @ xs[5 - lag] for lag in range(6)) + D @ xs[5]
    np.testing.assert_allclose(y[5], expected, rtol=1e-12, atol=1e-14)


def test_the_published_start_lies_on_the_ring_and_keeps_the_variance_of_noise():
    cell = oo.LRU.random(M, M, key=KEY, modes=500, low=0.5)
    eigenvalues, _, _, D = complex_numbers(cell)
    sizes = np.abs(eigenvalues)
    assert sizes.min() >= 0.5 and sizes.max() < 1
    # Uniform in area: |λ|² is uniform from ¼ to 1, five standard errors.
    assert abs(np.mean(sizes**2) - 0.625) < 5 * 0.75 / np.sqrt(12 * 500)
    # Σ_t |λ^t exp(γ)|² = 1.
    gain = np.exp(np.asarray(cell.gamma))
    np.testing.assert_allclose(gain**2 / (1 - sizes**2), 1, rtol=1e-9)
    assert np.count_nonzero(D) == M and np.all(np.diag(D) != 0)


REFUSED = {
    "`low` must be below `high`": {"low": 0.9, "high": 0.5},
    "`high` must lie between 0 and 1": {"high": 1.5},
    "`phase` must be positive": {"phase": 0.0},
    "`modes` must be a positive integer": {"modes": 0},
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_arguments_are_refused_by_name(message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        oo.LRU.random(M, N, key=KEY, **REFUSED[message])
