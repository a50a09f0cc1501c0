"""NaN is never a largest or a smallest value, however the compiler arranges the rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from organics_ode._nonlinearities import are_finite, highest, largest_each, lowest

SIZES = (1, 2, 8, 16, 32, 1000)


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize("size", SIZES)
def test_they_are_numpys_for_rows_with_and_without_nan(size, dtype):
    rows = np.random.default_rng(0).normal(size=(40, size)).astype(dtype)
    rows[1, size // 2], rows[2, 0], rows[3], rows[4] = np.nan, np.inf, np.nan, -np.inf
    for ours, exact in ((highest, np.max), (lowest, np.min)):
        found = jax.jit(lambda v, f=ours: (jax.vmap(f)(v), f(v, 1), f(v, 0), f(v)))(rows)
        of_rows = exact(rows, axis=1)
        for values, expected in zip(
            found, (of_rows, of_rows, exact(rows, axis=0), exact(rows)), strict=True
        ):
            np.testing.assert_array_equal(values, expected)


def test_the_largest_magnitude_of_each_of_several_arrays():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((7,), (1,), (3, 5), (7,), (40,))]
    arrays[3][6], arrays[4][0] = np.nan, -np.inf
    found = jax.jit(largest_each)(*arrays)
    np.testing.assert_array_equal(found, [np.max(np.abs(array)) for array in arrays])
    batched = jax.vmap(largest_each)(*(np.stack([array, 2 * array]) for array in arrays))
    np.testing.assert_array_equal(batched, np.stack([found, 2 * found]))


def test_what_is_not_finite_is_seen_in_any_of_several_arrays():
    good, bad = jnp.ones((3, 20)), jnp.ones(20).at[7].set(jnp.nan)
    assert are_finite(good) and are_finite(good, good[0])
    assert not are_finite(good, bad) and not are_finite(jnp.inf * good)


def test_their_derivatives_are_those_of_jax_also_for_equal_values():
    rows = np.array([[0.5, -2.0, 0.5, 0.1], [-1.0, -3.0, -2.0, -3.0]])
    moved = np.random.default_rng(0).normal(size=rows.shape)
    for ours, exact in ((highest, jnp.max), (lowest, jnp.min)):
        for axis in (None, 0, 1):
            of = [lambda v, f=f, axis=axis: f(v, axis) for f in (ours, exact)]
            found, right = (jax.jvp(f, (rows,), (moved,)) for f in of)
            np.testing.assert_allclose(found, right, rtol=1e-15)
            back, right = (jax.grad(lambda v, f=f: jnp.sum(f(v) ** 2))(rows) for f in of)
            np.testing.assert_allclose(back, right, rtol=1e-15)
