"""Rectifier, roots and powers: values, and derivatives that stay finite in both modes.

Values are compared with a few roundings of the dtype; where exact 0 is promised, it is asserted.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import AFTER, BEFORE, NONE

from organics_ode import Rectification
from organics_ode._nonlinearities import check_rectification, power, root, unit

EXPONENTS = (1.0, 1.5, 2.0, 3.0)
DTYPES = (np.float32, np.float64)
MODES = {"forward": jax.jacfwd, "reverse": jax.jacrev}
POSITIVE = (1e-30, 1e-6, 0.3, 1.0, 7.0)


def few_roundings(dtype):
    return {"rtol": 16 * np.finfo(dtype).eps}


@pytest.fixture(params=DTYPES, ids=lambda d: d.__name__)
def dtype(request):
    return request.param


@pytest.fixture(params=("compiled in", "array"))
def kind(request):
    return request.param


@pytest.fixture(params=EXPONENTS)
def p(request):
    return request.param


def as_kind(p, kind, dtype):
    return p if kind == "compiled in" else jnp.asarray(p, dtype)


def test_root_is_the_root_of_the_rectified_value(p, kind, dtype):
    a = np.array((-2.0, -1e-30, -0.0, 0.0, *POSITIVE), dtype)
    expected = np.maximum(a, 0).astype(np.float64) ** (1 / p)
    value = root(jnp.asarray(a), as_kind(p, kind, dtype))
    assert value.dtype == dtype
    np.testing.assert_allclose(value, expected, **few_roundings(dtype))


def test_power_is_the_power_of_the_magnitude(p, kind, dtype):
    y = np.array((-7.0, -0.3, -1e-6, 0.0, 1e-6, 0.3, 7.0), dtype)
    value = power(jnp.asarray(y), as_kind(p, kind, dtype))
    assert value.dtype == dtype
    np.testing.assert_allclose(value, np.abs(y.astype(np.float64)) ** p, **few_roundings(dtype))


# Where the derivatives are looked at: where they are analytic, where they are flat, and beside it.
FLAT = {root: (-1.0, -1e-30, -0.0, 0.0), power: (0.0,)}
ANALYTIC = {root: POSITIVE[1:], power: (-2.0, -0.3, 1e-3, 0.3, 2.0)}


@functools.cache
def derivatives(function, kind, dtype, mode):
    """For each exponent the first and second derivatives where they are analytic, flat and at the
    tiniest number: of all exponents in one program, or in one that takes any."""
    tiny = np.finfo(dtype).tiny
    x = jnp.asarray((*ANALYTIC[function], *FLAT[function], tiny), dtype)

    def both(x, p):
        first = MODES[mode](lambda x: function(x, p))
        return jax.vmap(first)(x), jax.vmap(MODES[mode](first))(x)

    if kind == "compiled in":
        found = jax.jit(lambda x: [both(x, p) for p in EXPONENTS])(x)
    else:
        found = [jax.jit(both)(x, jnp.asarray(p, dtype)) for p in EXPONENTS]
    ends = len(ANALYTIC[function]), len(x) - 1
    return {
        p: [np.split(np.asarray(leaf), ends) for leaf in leaves]
        for p, leaves in zip(EXPONENTS, found, strict=True)
    }


@pytest.mark.parametrize("mode", MODES)
def test_derivatives_of_root_are_the_analytic_ones(p, kind, dtype, mode):
    a, q = np.array(ANALYTIC[root]), 1 / p
    (first, _, _), (second, _, _) = derivatives(root, kind, dtype, mode)[p]
    assert first.dtype == second.dtype == dtype
    np.testing.assert_allclose(first, q * a ** (q - 1), **few_roundings(dtype))
    # In units of a^(q−2): where q = 1 the second derivative is a difference that vanishes.
    scaled = second.astype(np.float64) / a ** (q - 2)
    np.testing.assert_allclose(scaled, q * (q - 1), rtol=0, atol=64 * np.finfo(dtype).eps)


@pytest.mark.parametrize("mode", MODES)
def test_derivatives_of_power_are_the_analytic_ones_for_both_signs(p, kind, dtype, mode):
    y = np.array(ANALYTIC[power])
    (first, _, _), (second, _, _) = derivatives(power, kind, dtype, mode)[p]
    assert first.dtype == second.dtype == dtype
    slope = p * np.abs(y) ** (p - 1) * np.sign(y)
    np.testing.assert_allclose(first, slope, **few_roundings(dtype))
    scaled = second.astype(np.float64) / np.abs(y) ** (p - 2)
    np.testing.assert_allclose(scaled, p * (p - 1), rtol=0, atol=64 * np.finfo(dtype).eps)


@pytest.mark.parametrize("mode", MODES)
def test_root_is_flat_at_and_below_zero_and_power_at_zero(p, kind, dtype, mode):
    np.testing.assert_array_equal(root(jnp.asarray(FLAT[root], dtype), as_kind(p, kind, dtype)), 0)
    assert power(jnp.zeros((), dtype), as_kind(p, kind, dtype)) == 0
    (_, first, _), (_, second, _) = derivatives(root, kind, dtype, mode)[p]
    np.testing.assert_array_equal([first, second], 0)
    (_, first, _), (_, second, _) = derivatives(power, kind, dtype, mode)[p]
    assert first == 0 and np.isfinite(second)


@pytest.mark.parametrize("mode", MODES)
def test_the_tiniest_values_have_finite_slopes(p, kind, dtype, mode):
    for function in (root, power):
        (_, _, slope), _ = derivatives(function, kind, dtype, mode)[p]
        assert np.isfinite(slope)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("function", (root, power))
def test_the_derivative_in_a_traced_exponent_is_analytic_and_finite(dtype, mode, function):
    x = jnp.asarray((-0.5, 0.0, 0.5, 3.0), dtype)
    p = jnp.asarray(1.5, dtype)
    slope = jax.jit(MODES[mode](function, argnums=1))(x, p)
    size = np.abs(np.asarray(x, np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.nan_to_num(np.log(size), neginf=0)
    expected = size**1.5 * log
    if function is root:
        expected = np.where(np.asarray(x) > 0, -(size ** (1 / 1.5)) * log / 1.5**2, 0)
    np.testing.assert_allclose(slope, expected, **few_roundings(dtype))


def test_a_traced_exponent_gives_what_a_compiled_one_does(p, dtype):
    x = jnp.asarray(POSITIVE, dtype)
    for function in (root, power):
        traced = jax.jit(function)(x, jnp.asarray(p, dtype))
        np.testing.assert_allclose(traced, function(x, p), **few_roundings(dtype))


def test_derivatives_of_sums_stay_finite_when_only_some_entries_are_zero(p, dtype):
    a = jnp.asarray((-1.0, 0.0, 1e-30, 2.0), dtype)
    for function in (root, power):
        forward, reverse = (
            jax.jit(mode(lambda a, f=function: f(a, p)))(a) for mode in MODES.values()
        )
        assert jnp.all(jnp.isfinite(forward))
        np.testing.assert_array_equal(forward, reverse)


@pytest.mark.parametrize("scale", (1e-35, 1.0, 1e35))
def test_unit_has_norm_one_at_any_scale_and_the_derivative_of_the_projection(dtype, scale):
    z = np.array((0.3, -2.0, 0.0, 1.1))
    norm = np.linalg.norm(z)
    np.testing.assert_allclose(
        unit(jnp.asarray(scale * z, dtype)), z / norm, **few_roundings(dtype)
    )
    # dz/‖z‖ without its part along z.
    expected = (np.eye(4) - np.outer(z, z) / norm**2) / (norm * scale)
    for mode in MODES.values():
        slope = jax.jit(mode(unit))(jnp.asarray(scale * z, dtype))
        atol = 16 * np.finfo(dtype).eps / (norm * scale)
        np.testing.assert_allclose(slope, expected, rtol=0, atol=atol)


def test_unit_of_zero_is_zero_with_derivative_zero(dtype):
    zero = jnp.zeros(3, dtype)
    np.testing.assert_array_equal(unit(zero), zero)
    for mode in MODES.values():
        np.testing.assert_array_equal(jax.jit(mode(unit))(zero), np.zeros((3, 3)))


Y = np.array((-1.5, -0.2, 0.0, 0.7))
W_R = np.random.default_rng(0).normal(size=(4, 4))
Z = np.array((0.3, -0.4, 0.0, 2.0))


def relu(x):
    return np.maximum(x, 0)


TABLE = {
    NONE: (W_R @ Y, np.abs(Y), Z),
    BEFORE: (W_R @ relu(Y), relu(Y), Z),
    AFTER: (relu(W_R @ Y), relu(Y), relu(Z)),
}


@pytest.mark.parametrize("rectification", Rectification)
def test_rectification_enters_where_the_table_says(rectification, p):
    recurrent, response, drive = TABLE[rectification]
    y, z = jnp.asarray(Y), jnp.asarray(Z)
    # 1e-15: a product of four terms of order one.
    np.testing.assert_allclose(rectification.recurrent(jnp.asarray(W_R), y), recurrent, atol=1e-15)
    np.testing.assert_allclose(rectification.pooled(y, p), response**p, rtol=1e-15)
    np.testing.assert_array_equal(rectification.input(z), drive)


def test_the_three_rectifications_differ_and_are_named_as_in_the_table():
    assert [r.name for r in Rectification] == ["NONE", "BEFORE", "AFTER"]
    drives = [np.asarray(r.recurrent(jnp.asarray(W_R), jnp.asarray(Y))) for r in Rectification]
    assert not np.allclose(drives[0], drives[1])
    assert not np.allclose(drives[0], drives[2])
    assert not np.allclose(drives[1], drives[2])


@pytest.mark.parametrize("wrong", ("after", None, 2, Rectification))
def test_a_rectification_must_be_one(unchecked, wrong):
    with pytest.raises(ValueError, match=r"Argument `rectification` must be an `oo.Rectification`"):
        check_rectification(wrong)
