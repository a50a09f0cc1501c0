"""Eigenvalues of a matrix that is known only by its products."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from .._nonlinearities import highest
from ..programs import in_full_precision

Product = Callable[[Array], Array]

COUNT = 16  # Eigenvalues that are wanted, and below, the size of the basis they are sought in.
_BASIS = 48
_ROUNDS = 40  # Maximum number of restarts.
_PRECISE = 2 / 3  # The power of ε, relative to the largest |λ|, to which they are found.
_POWERS = 16  # Power iterations with JᵀJ for the norm.
_CLOSED = 256  # Times ε: what counts as rounding, relative to a product.


class Leading(NamedTuple):
    """Eigenvalues of largest real part, right vectors as rows, and the residuals |Jv − λv|/|v|."""

    values: Complex[Array, " k"]
    vectors: Complex[Array, "k d"]
    errors: Float[Array, " k"]


class _Krylov(NamedTuple):
    """J V_j = Σ_i H_ij V_i, j < m: an orthonormal basis as rows, `kept` of which are present."""

    V: Float[Array, "m+1 d"]
    H: Float[Array, "m+1 m"]
    kept: Int[Array, ""]
    rounds: Int[Array, ""]
    found: Leading
    is_found: Bool[Array, ""]


@in_full_precision
def leading(product: Product, like: Float[Array, " d"], count: int = COUNT) -> Leading:
    """The eigenvalues of largest real part, by Arnoldi's method with thick restarts.

    Those found are eigenvalues to within their errors. That none further right was missed is
    likely, not proved: it would have to be hidden from a random start. Some copies of a multiple
    eigenvalue may be missing.

    Reference:
        Stewart, "A Krylov-Schur algorithm for large eigenproblems", SIAM J. Matrix Anal. 23 (2002).
    """
    m = min(_BASIS, like.size)
    count = min(count, m - 1)
    dtype = np.result_type(like.dtype, np.complex64)
    V = jnp.zeros((m + 1, like.size), like.dtype).at[0].set(_random(0, like))
    none = Leading(jnp.zeros(count, dtype), V[:count].astype(dtype), jnp.full(count, jnp.inf))
    none = none._replace(errors=none.errors.astype(like.dtype))
    zero = jnp.asarray(0)
    begin = _Krylov(V, jnp.zeros((m + 1, m), like.dtype), zero, zero, none, jnp.asarray(False))
    step = lambda k: _restarted(_grown(product, k), count)  # noqa: E731
    unfinished = lambda k: ~k.is_found & (k.rounds < _ROUNDS)  # noqa: E731
    found = jax.lax.while_loop(unfinished, step, begin).found
    return found._replace(errors=_residuals(product, found))


def spectral_norm(product: Product, transposed: Product, like: Float[Array, " d"]) -> Array:
    """‖J‖₂, from below and usually to a few percent, by power iteration of JᵀJ."""

    def once(_: int | Array, v: Array) -> Array:
        w = transposed(product(v))
        size = jnp.linalg.norm(w)
        return w / jnp.where(size > 0, size, 1)

    return jnp.linalg.norm(product(jax.lax.fori_loop(0, _POWERS, once, _random(0, like))))


def _grown(product: Product, k: _Krylov) -> _Krylov:
    """The basis, completed with all of its vectors."""
    (m, d), eps = (k.H.shape[1], k.V.shape[1]), jnp.finfo(k.V.dtype).eps

    def grow(j: Int[Array, ""], carry: tuple[Array, Array]) -> tuple[Array, Array]:
        V, H = carry
        w, h = _orthogonal(V, product(V[j]))
        norm, size = jnp.linalg.norm(w), jnp.linalg.norm(h)
        # If J maps the basis into its own span, a new start finds what is outside it.
        is_closed = norm <= _CLOSED * eps * size
        seed = j + m * k.rounds + 1
        other = jax.lax.cond(is_closed, lambda: _orthogonal(V, _random(seed, w))[0], lambda: w)
        w = other / jnp.linalg.norm(other)
        # If the basis already has as many vectors as there are variables, the last one is 0.
        V = V.at[j + 1].set(jnp.where(j + 1 < d, w, 0))
        return V, H.at[:, j].set(h.at[j + 1].set(jnp.where(is_closed, 0, norm)))

    V, H = jax.lax.fori_loop(k.kept, m, grow, (k.V, k.H))
    return k._replace(V=V, H=H)


def _restarted(k: _Krylov, count: int) -> _Krylov:
    """The wanted Ritz vectors, and a basis of them to grow from."""
    m = k.H.shape[1]
    values, X = jnp.linalg.eig(k.H[:m])
    order = jnp.lexsort((-values.imag, -jnp.abs(values.imag), -values.real))[: count + 1]
    wanted, last = X[:, order], k.H[m, m - 1]
    errors = jnp.abs(last) * jnp.abs(wanted[-1, :count])
    vectors = wanted[:, :count].T @ k.V[:m].astype(X.dtype)
    precise = jnp.finfo(k.V.dtype).eps ** _PRECISE * highest(jnp.abs(values))
    # A complex pair stays together, as two real vectors.
    signs = jnp.sign(values.imag[order])
    kept = jnp.where(jnp.sum(signs[:count]) > 0, count + 1, count)
    Q, _ = jnp.linalg.qr(jnp.where(signs[None, :] < 0, wanted.imag, wanted.real))
    Q = jnp.where(jnp.arange(count + 1)[None, :] < kept, Q, 0)
    V = jnp.zeros_like(k.V).at[: count + 1].set(Q.T @ k.V[:m]).at[kept].set(k.V[m])
    H = jnp.zeros_like(k.H).at[: count + 1, : count + 1].set(Q.T @ k.H[:m] @ Q)
    H = H.at[kept, : count + 1].set(last * Q[-1])
    found = Leading(values[order][:count], vectors, errors)
    return _Krylov(V, H, kept, k.rounds + 1, found, highest(errors) <= precise)


def _residuals(product: Product, found: Leading) -> Array:
    """The residuals computed from the vectors themselves."""
    v = found.vectors
    Jv = jax.lax.complex(jax.vmap(product)(v.real), jax.vmap(product)(v.imag))
    left = Jv - found.values[:, None] * v
    return jnp.linalg.norm(left, axis=1) / jnp.linalg.norm(v, axis=1)


def _orthogonal(V: Array, w: Array) -> tuple[Array, Array]:
    """w without its components in the basis, and these components."""
    h = V @ w
    w = w - h @ V
    again = V @ w  # Once would leave the basis not orthogonal to rounding; twice is enough.
    return w - again @ V, h + again


def _random(seed: int | Int[Array, ""], like: Array) -> Array:
    v = jax.random.normal(jax.random.fold_in(jax.random.key(0), seed), like.shape, like.dtype)
    return v / jnp.linalg.norm(v)


@in_full_precision
def ritz_values(product: Product, like: Float[Array, " d"], count: int) -> Complex[Array, " count"]:
    """Estimates of the outermost eigenvalues of v ↦ product(v), by Arnoldi's method.

    The eigenvalues of the matrix restricted to span{v, Jv, …}, from a fixed random v.
    """
    start = np.zeros((count, like.size))
    start[0] = np.random.default_rng(0).normal(size=like.size)
    basis = jnp.asarray(start / np.linalg.norm(start), like.dtype)

    def grow(basis: Array, k: Array) -> tuple[Array, Array]:
        w = product(basis[k])
        h = basis @ w
        w = w - h @ basis
        again = basis @ w  # Once would leave the basis not orthogonal to rounding; twice is enough.
        w = w - again @ basis
        norm = jnp.linalg.norm(w)
        column = (h + again).at[k + 1].set(norm, mode="drop")
        w = w / jnp.where(norm > 0, norm, 1)
        return basis.at[k + 1].set(w, mode="drop"), column

    _, columns = jax.lax.scan(grow, basis, jnp.arange(count))
    return jnp.linalg.eigvals(columns.T)
