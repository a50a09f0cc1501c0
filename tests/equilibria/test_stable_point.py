"""The stable point of energies and covariances, and what is said where there is none."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oscillators import unit, unit_points

import organics_ode as oo
from organics_ode.equilibria import stable_point
from organics_ode.equilibria._stable_point import _is_within_rounding, _refuse_unstable

EPS = np.finfo(float).eps
RESULTS: Any = diffrax.RESULTS


def test_it_is_the_known_point_with_the_jacobian_there():
    y, a = unit_points(2.0, 0.5, 0.1)[0]
    start = oo.ORGaNICsState(jnp.array([y]), jnp.array([a]))
    found = stable_point(unit(2.0, 0.5, 0.1), [1.0], start)
    np.testing.assert_allclose([*found.state.y, *found.state.a], [y, a], rtol=1e-9)
    # ẏ = (−y + ½x + (1 − √a) 2y)/2 and ȧ = (−a + .0025 + a y²)/2.
    J = [[(1 - 2 * a**0.5) / 2, -y / a**0.5 / 2], [a * y, (y**2 - 1) / 2]]
    np.testing.assert_allclose(found.J, J, rtol=1e-8, atol=1e-10)
    assert not isinstance(found.circuit.sigma, oo.Positive) and found.x.shape == (1,)


def turned(A, seed=0):
    """In other axes, where nothing is 0 and no units balance it."""
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=A.shape))[0]
    return Q @ A @ Q.T


def test_a_chain_is_within_rounding_if_closing_it_by_so_little_makes_it_singular():
    # det(−δ + c S + ε e_n e_1ᵀ) = (−δ)ⁿ ± ε cⁿ⁻¹ vanishes for ε = δⁿ/cⁿ⁻¹.
    n, delta = 6, 0.1
    for c, is_within in ((0.1, False), (1.0, False), (1e3, True), (1e4, True)):
        chain = -delta * np.eye(n) + c * np.eye(n, k=1)
        closing, rounding = delta**n / c ** (n - 1), n * EPS * np.linalg.norm(chain)
        assert (closing < rounding) == is_within
        assert _is_within_rounding(turned(chain)) is is_within


def test_the_units_of_the_variables_do_not_hide_stability():
    spiral, units = np.array([[-0.1, 1.0], [-1.0, -0.1]]), np.array([1.0, 1e9])
    scaled = spiral * units[:, None] / units[None, :]
    assert np.linalg.svd(scaled)[1][-1] < 2 * EPS * np.linalg.norm(scaled)
    assert not _is_within_rounding(scaled)


def test_a_normal_matrix_is_as_far_as_its_eigenvalues_are_from_the_axis():
    for rate, is_within in ((1e-14, False), (1e-16, True), (-1e-16, True), (-1e-14, False)):
        spiral = turned(np.array([[-rate, 3.0, 0.0], [-3.0, -rate, 0.0], [0.0, 0.0, -1.0]]))
        assert _is_within_rounding(spiral) is is_within
        # The bound is relative, and that of the dtype.
        assert _is_within_rounding(1e-6 * spiral) is is_within
        assert _is_within_rounding(spiral.astype(np.float32))


def point_of(abscissa, resolution, dtype=float, result=RESULTS.successful):
    numbers = (jnp.asarray(v, dtype) for v in (0.0, abscissa))
    counts = jnp.asarray(3), jnp.asarray(1)
    return oo.FixedPoint((jnp.zeros(2),), *numbers, *counts, result, jnp.asarray(resolution, dtype))


def refusal(J, point):
    with pytest.raises(ValueError, match="Argument `circuit` must have a stable fixed") as error:
        _refuse_unstable(J, point.is_stable, point)
    return str(error.value)


def test_a_refusal_tells_what_is_unstable_from_what_rounding_hides():
    J = jnp.diag(jnp.array([0.2, -1.0]))
    told = refusal(J, point_of(0.2, 1e-9))
    assert "(spectral abscissa 0.2 /ms); another one may be reached from another `state0`" in told
    # The sign is not known, or not that of a Jacobian nearby; of a failed search nothing is.
    near = jnp.diag(jnp.array([1e-17, -1.0]))
    for unclear in (refusal(J, point_of(0.2, 0.5)), refusal(near, point_of(1e-17, 1e-18))):
        assert "rounding in float64 alone moves an eigenvalue across 0" in unclear
        assert "another `state0`" not in unclear and "compute in float64" not in unclear
    lost = point_of(0.2, 0.5, result=RESULTS.nonlinear_divergence)
    assert "another `state0`" in refusal(J, lost)
    single = jax.tree.map(lambda v: v.astype(np.float32), J)
    told = refusal(single, point_of(0.2, 0.5, np.float32))
    assert "rounding in float32 alone" in told and "compute in float64" in told


def test_inside_jit_the_jacobian_itself_is_refused():
    J, point = jnp.diag(jnp.array([-0.2, -1.0])), point_of(-0.2, 1e-9)
    refused = eqx.filter_jit(lambda is_stable: _refuse_unstable(J, is_stable, point))
    np.testing.assert_array_equal(refused(jnp.asarray(True)), J)
    with pytest.raises(RuntimeError, match="no stable fixed point was found"):
        refused(jnp.asarray(False))
