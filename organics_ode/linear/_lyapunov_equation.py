"""The Lyapunov equation, solved, and refused where rounding alone would change the result."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from .._checks import is_traced, refuse
from .._nonlinearities import highest
from ..programs import after, in_full_precision
from ._balanced import balanced

# The largest change of X by rounding, relative to X, with which it is accepted.
_TOLERATED = 1e-2


@in_full_precision
def solve_lyapunov(A: Float[Array, "d d"], C: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """X with A X + X Aᵀ + C = 0, for a Hurwitz A.

    It is solved in units in which rows of A are as large as columns: on a CPU by the method of
    Bartels and Stewart, column by column of the complex Schur form; on other devices, which lack
    that form, by doubling. The derivatives are those of the equation, not of the method. Pure (jit,
    vmap, grad in both modes); no batch axis.

    Args:
        A: (d, d), every eigenvalue with a negative real part.
        C: (d, d), symmetric or not.

    Returns:
        X, (d, d); NaN where A is not Hurwitz.

    Reference:
        Bartels, Stewart, "Solution of the matrix equation AX + XB = C", CACM 15 (1972).
    """
    return jax.lax.custom_linear_solve(
        lambda X: A @ X + X @ A.T,
        -C,
        lambda _, B: _solve(A, -B),
        # The adjoint with respect to the trace inner product is the equation of Aᵀ.
        lambda _, B: _solve(A.T, -B),
    )


def resolved_lyapunov(A: Float[Array, "d d"], C: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """X ≥ 0 from the equation for C ≥ 0; NaN also where rounding changes it by more than 1 %.

    This is tested by solving the equation again with A perturbed by its rounding.
    """
    X = solve_lyapunov(A, C)
    return jnp.where(_is_resolved(*jax.lax.stop_gradient((A, C, X))), X, jnp.nan)


@in_full_precision
def _is_resolved(A: Array, C: Array, X: Array) -> Bool[Array, ""]:
    A, scale = balanced(after(X, A))
    units = scale[:, None] * scale[None, :]
    C, X = C / units, X / units
    signs = np.random.default_rng(0).choice([-1.0, 1.0], A.shape)
    eps = jnp.finfo(A.dtype).eps
    rounding = eps * jnp.abs(A) + jax.lax.platform_dependent(
        A, cpu=_schur_error, default=jnp.zeros_like
    )
    change = jnp.abs(_solve(A + 2 * jnp.asarray(signs, A.dtype) * rounding, C) - X)
    size = jnp.sqrt(jnp.maximum(jnp.diag(X), 0))
    # Variances that no noise reaches are 0, up to the rounding of the largest.
    known = jnp.where(_are_reached(A, C), _TOLERATED * size, 0)
    is_known = (known[:, None] > 0) & (known[None, :] > 0)
    rounded = jnp.where(is_known, 0, len(A) * eps * highest(size) ** 2)
    tolerated = known[:, None] * size[None, :] + rounded
    return jnp.all(jnp.isfinite(X)) & jnp.all(change <= tolerated)


def _are_reached(A: Array, C: Array) -> Bool[Array, " d"]:
    """Which variables have noise, of their own or from others that they follow."""
    passes = (A != 0).astype(A.dtype)
    start = (jnp.diag(C) != 0).astype(A.dtype)
    on = lambda _, reached: jnp.sign(reached + passes @ reached)  # noqa: E731
    return jax.lax.fori_loop(0, len(A), on, start) > 0


def _schur_error(A: Array) -> Array:
    """|A − Q T Qᴴ|: by how much the computed Schur form deviates from that of A."""
    T, Q = _schur(A)
    return jnp.abs(A - (Q @ T @ Q.conj().T).real)


def _schur(A: Array) -> tuple[Array, Array]:
    T, Q = jax.lax.linalg.schur(jax.lax.complex(A, jnp.zeros_like(A)))
    return T, Q


def refuse_unresolved(X: Float[Array, "*batch d d"]) -> Float[Array, "*batch d d"]:
    """X, or an error where it is NaN: at a stable point this means that it was not resolved."""
    must = "be resolved about its stable point in its floating-point type"
    found = (
        f"in {X.dtype} rounding alone changes the solution of the Lyapunov equation: its Jacobian "
        f"is far from normal, or nearly unstable{float64_remedy(X.dtype)}"
    )
    if is_traced(X):
        bad = jnp.any(jnp.isnan(X))
        return eqx.error_if(X, bad, f"Argument `circuit` must {must}, but {found}.")
    if np.isnan(X).any():
        refuse("circuit", must, found)
    return X


def float64_remedy(dtype: DTypeLike) -> str:
    return "" if dtype == np.float64 else "; compute in float64 (jax_enable_x64)"


def _solve(A: Array, C: Array) -> Array:
    # Two calls into LAPACK, one after the other.
    A, scale = balanced(after(C, A))
    C = C / scale[:, None] / scale[None, :]
    X = jax.lax.platform_dependent(A, C, cpu=_by_columns, default=_by_doubling)
    return X * scale[:, None] * scale[None, :]


def _by_columns(A: Array, C: Array) -> Array:
    T, Q = _schur(A)
    values = jnp.diag(T)
    is_hurwitz = jnp.all(values.real < -jnp.finfo(A.dtype).eps * highest(jnp.abs(values)))
    eye = jnp.eye(A.shape[0], dtype=T.dtype)

    def solve(C: Array) -> Array:
        F = Q.conj().T @ C.astype(T.dtype) @ Q

        def column(Y: Array, j: Array) -> tuple[Array, None]:
            # T Y + Y Tᴴ = −F: columns to the left are still 0.
            right = F[:, j] + Y @ T[j].conj()
            y = jax.lax.linalg.triangular_solve(
                T + values[j].conj() * eye, -right[:, None], left_side=True, lower=False
            )
            return Y.at[:, j].set(y[:, 0]), None

        Y = jax.lax.scan(column, jnp.zeros_like(F), jnp.arange(A.shape[0]), reverse=True)[0]
        return (Q @ Y @ Q.conj().T).real

    # Without iterative refinement: the rounding of a residual exceeds what it would correct.
    return jnp.where(is_hurwitz, solve(C), jnp.nan)


# 2^60 terms of the series: more than the slowest mode above rounding can need.
_DOUBLINGS = 60
_CORRECTIONS = 2


class _Sum(NamedTuple):
    """The first 2^doublings terms of the series, and M^(2^doublings)."""

    X: Array
    M: Array
    doublings: Array


def _by_doubling(A: Array, C: Array) -> Array:
    """With a shift s > 0 this is the discrete equation X = M X Mᵀ + N, M = (A − sI)⁻¹(A + sI),
    N = 2s (A − sI)⁻¹ C (A − sI)⁻ᵀ, whose series is summed by doubling: X ← X + M X Mᵀ, M ← M².

    s is the geometric mean of the fastest and the slowest rate, estimated from ‖A‖ and ‖A⁻¹‖. Only
    products and inverses are needed.
    """
    eye = jnp.eye(A.shape[0], dtype=A.dtype)
    s = jnp.sqrt(jnp.linalg.norm(A) / jnp.linalg.norm(jnp.linalg.inv(A)))
    inverse = jnp.linalg.inv(A - s * eye)

    def solve(C: Array) -> Array:
        first = _Sum(2 * s * (inverse @ C @ inverse.T), eye + 2 * s * inverse, jnp.asarray(0))
        last = jax.lax.while_loop(_is_open, _doubled, first)
        return jnp.where(_is_summed(last), last.X, jnp.nan)

    def correct(_: int | Array, X: Array) -> Array:
        return X + solve(A @ X + X @ A.T + C)

    return jax.lax.fori_loop(0, 1 + _CORRECTIONS, correct, jnp.zeros_like(C))


def _doubled(sum: _Sum) -> _Sum:
    X, M, doublings = sum
    return _Sum(X + M @ X @ M.T, M @ M, doublings + 1)


def _is_summed(sum: _Sum) -> Array:
    # The rest of the series is ‖M‖² times what is already there.
    return jnp.sum(sum.M**2) <= jnp.finfo(sum.M.dtype).eps ** 2


def _is_open(sum: _Sum) -> Array:
    return ~_is_summed(sum) & jnp.all(jnp.isfinite(sum.M)) & (sum.doublings < _DOUBLINGS)
