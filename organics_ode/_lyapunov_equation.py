"""The Lyapunov equation, and the stable points at which energy and noise ask for it."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._checks import is_traced, refuse
from ._fixed_points import fixed_point
from ._linearise import jacobian, read_point
from ._order import after
from .circuits import AbstractCircuit

# 2^60 terms of the series: more than the slowest mode that rounding leaves can need.
_DOUBLINGS = 60
_CORRECTIONS = 2


def solve_lyapunov(A: Float[Array, "d d"], C: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """X with A X + X Aᵀ + C = 0, for a Hurwitz A.

    With a shift s > 0 it is the discrete equation X = M X Mᵀ + N, M = (A − sI)⁻¹(A + sI),
    N = 2s (A − sI)⁻¹ C (A − sI)⁻ᵀ, whose series is summed by doubling: X ← X + M X Mᵀ, M ← M².
    s is the geometric mean of the fastest and the slowest rate, estimated from ‖A‖ and ‖A⁻¹‖.
    Products and one inverse only, so it is fast on a GPU. The derivatives are those of the
    equation, not of the iteration. Pure (jit, vmap, grad in both modes); no batch axis.

    Args:
        A: (d, d), every eigenvalue with a negative real part.
        C: (d, d), symmetric or not.

    Returns:
        X, (d, d); NaN where A is not Hurwitz.
    """
    return jax.lax.custom_linear_solve(
        lambda X: _mm(A, X) + _mm(X, A.T),
        -C,
        lambda _, B: _solve(A, -B),
        # A rotation of the trace inner product turns the equation into that of Aᵀ.
        lambda _, B: _solve(A.T, -B),
    )


def _solve(A: Array, C: Array) -> Array:
    def correct(_: Any, X: Array) -> Array:
        return X + _double(A, _mm(A, X) + _mm(X, A.T) + C)

    return jax.lax.fori_loop(0, 1 + _CORRECTIONS, correct, jnp.zeros_like(C))


class _Sum(NamedTuple):
    """The first 2^doublings terms of the series, and M^(2^doublings)."""

    X: Array
    M: Array
    doublings: Array


def _double(A: Array, C: Array) -> Array:
    eye = jnp.eye(A.shape[0], dtype=A.dtype)
    s = jnp.sqrt(jnp.linalg.norm(A) / jnp.linalg.norm(jnp.linalg.inv(A)))
    inverse = jnp.linalg.inv(A - s * eye)
    M = eye + 2 * s * inverse
    first = _Sum(2 * s * _mm(_mm(inverse, C), inverse.T), M, jnp.asarray(0))
    last = jax.lax.while_loop(_is_open, _doubled, first)
    return jnp.where(_is_summed(last), last.X, jnp.nan)


def _doubled(sum: _Sum) -> _Sum:
    X, M, doublings = sum
    return _Sum(X + _mm(_mm(M, X), M.T), _mm(M, M), doublings + 1)


def _is_summed(sum: _Sum) -> Array:
    # The rest of the series is ‖M‖² of what is there.
    return jnp.sum(sum.M**2) <= jnp.finfo(sum.M.dtype).eps ** 2


def _is_open(sum: _Sum) -> Array:
    return ~_is_summed(sum) & jnp.all(jnp.isfinite(sum.M)) & (sum.doublings < _DOUBLINGS)


def _mm(A: Array, B: Array) -> Array:
    return jnp.matmul(A, B, precision=jax.lax.Precision.HIGHEST)


class StablePoint(NamedTuple):
    """A circuit, resolved, at a stable fixed point for an input, and its Jacobian there."""

    circuit: Any
    x: Any
    state: Any
    J: Any


def stable_point(circuit: AbstractCircuit, x: Any, state0: Any) -> StablePoint:
    """The stable fixed point that `fixed_point` finds, or an error that there is none.

    Raises:
        ValueError: an argument is bad, or no stable fixed point was found (inside jit equinox's
            run-time error).
    """
    circuit, _, x = read_point(circuit, None, x)
    point = fixed_point(circuit, x, state0=state0, throw=False)
    succeeded = jnp.asarray(point.succeeded)
    # A search that failed may leave NaN, which `jacobian` would report as an argument of the user.
    state = jax.tree.map(
        lambda new, rest: jnp.where(succeeded, new, rest), point.state, circuit.initial_state()
    )
    J = jacobian(circuit, state, x)
    J = _refuse_unstable(J, jnp.asarray(point.is_stable), point.abscissa)
    return StablePoint(circuit, x, after(J, state), J)


def _refuse_unstable(J: Array, is_stable: Array, abscissa: Array) -> Array:
    must = "have a stable fixed point for this input"
    if is_traced(is_stable):
        message = f"Argument `circuit` must {must}, but no stable fixed point was found."
        return eqx.error_if(J, ~is_stable, message)
    if not is_stable:
        found = f"no stable fixed point was found (spectral abscissa {float(abscissa):.3g} /ms)"
        refuse("circuit", must, found + "; another one may be reached from another `state0`")
    return J
