"""How far right the eigenvalues of matrices near a given one may be."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from .._nonlinearities import highest, lowest

# Abscissae that are tried, as shares of the matrix's own.
_SHARES = np.linspace(1, 0, 16, endpoint=False)[1:]


def abscissa_near(J: Float[Array, "d d"], near: Float[Array, ""]) -> Float[Array, ""]:
    """A real part below 0 that no eigenvalue of any matrix J + E with ‖E‖₂ ≤ `near` reaches, or
    infinity where none is known, as for a J that is not stable.

    With J = Q (Λ + N) Qᴴ, N strictly triangular, and z right of s, no entry of (z − J)⁻¹ in these
    axes is larger than that of (diag(s − Re λ) − |N|)⁻¹. So its norm is at most √(‖·‖₁ ‖·‖_∞) of
    the latter, and z is not an eigenvalue of J + E where that is below 1/`near` (Trefethen, Embree,
    "Spectra and Pseudospectra", 2005). Only positive numbers are summed. This resolves cases in
    which condition numbers of eigenvalues overestimate: for a double eigenvalue they are infinite.
    It uses LAPACK, which exists on CPUs only; on other devices the result is infinite.
    """
    unknown = jnp.asarray(jnp.inf, J.dtype)
    compute = lambda J, near: _abscissa_near(jax.scipy.linalg.schur(J, "complex")[0], near)  # noqa: E731
    found = jax.lax.platform_dependent(J, near, cpu=compute, default=lambda J, near: unknown)
    return jnp.where(jnp.isnan(found), unknown, found)


def _abscissa_near(T: Complex[Array, "d d"], near: Float[Array, ""]) -> Float[Array, ""]:
    rates, feedforward = jnp.diagonal(T).real, jnp.abs(jnp.triu(T, 1))
    tried = highest(rates) * jnp.asarray(_SHARES, rates.dtype)
    gaps = tried[None, :] - rates[:, None]
    rows = _solved(gaps[::-1], feedforward[::-1, ::-1])
    columns = _solved(gaps, feedforward.T)
    is_clear = near**2 * highest(rows, 0) * highest(columns, 0) < 1
    return lowest(jnp.where((highest(rates) < 0) & is_clear, tried, jnp.inf))


def _solved(gaps: Float[Array, "d s"], lower: Float[Array, "d d"]) -> Float[Array, "d s"]:
    """(diag(gap) − L)⁻¹ 1 for every column of gaps, L strictly lower triangular."""

    def row(i: int | Array, x: Array) -> Array:
        return x.at[i].set((1 + lower[i] @ x) / gaps[i])

    return jax.lax.fori_loop(0, gaps.shape[0], row, jnp.zeros_like(gaps))
