"""Linear equations with the Jacobian, solved by its products where weights are operators."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PyTree

from .._nonlinearities import highest
from .._operators import has_operators
from ..circuits import AbstractCircuit
from ..facts import relaxation_times, response_decays
from ..programs import detached, in_full_precision, quickly_compiled
from ._equations import Equations, ravel
from ._krylov import COUNT, Leading, leading, spectral_norm

Linear = Callable[[Array], Array]

_RESTART, _ROUNDS = 32, 12  # Vectors of GMRES, and its maximum number of restarts.
_EXACT, _SOLVED = 64, 1e-5  # The residual aimed at, times ε; and the one that counts as solved.
# The rounding of products, over ε‖J‖; the distance of copies of an eigenvalue, over their errors.
_ROUNDING, _APART = 256, 4
_LEAST = 1e-2  # Of 1/τ: smaller decays of a response are not divided by, as they may be 0.


def solver(
    e: Equations, v: Float[Array, " d"], *, shift: Array | float = 0.0, scale: Array | float = 1.0
) -> Linear:
    """b ↦ u with (shift + scale J) u = b, for the Jacobian J at v.

    By an LU decomposition; for weights that are operators by GMRES, with NaN where that does not
    converge. Linear in b, in both derivative modes.
    """
    if not has_operators(e.circuit):
        J = e.jacobian(v)
        lu = jax.scipy.linalg.lu_factor(shift * jnp.eye(v.size, dtype=v.dtype) + scale * J)
        return lambda b: jax.scipy.linalg.lu_solve(lu, b)
    units, J = _units(e, v), _product(e, v)
    A: Linear = lambda u: shift * u + scale * J(units * u) / units  # noqa: E731
    M = _preconditioner(e, v, lambda u: J(units * u) / units, shift, scale)
    Mt = lambda r: jax.linear_transpose(M, r)(r)[0]  # noqa: E731
    solve = lambda A, b: _gmres(A, b, M)  # noqa: E731
    transposed = lambda A, b: _gmres(A, b, Mt)  # noqa: E731
    return lambda b: units * jax.lax.custom_linear_solve(A, b / units, solve, transposed)


def _gmres(A: Linear, b: Array, M: Linear) -> Array:
    options: dict[str, Any] = {"restart": _RESTART, "maxiter": _ROUNDS, "M": M}
    options |= {"tol": _EXACT * float(jnp.finfo(b.dtype).eps), "solve_method": "incremental"}
    u, _ = jax.scipy.sparse.linalg.gmres(A, b, **options)
    left, size = highest(jnp.abs(A(u) - b)), highest(jnp.abs(b))
    enough = max(_SOLVED, _EXACT * float(jnp.finfo(b.dtype).eps))
    return jnp.where(left <= enough * size, u, jnp.nan)


def _preconditioner(
    e: Equations, v: Array, J: Linear, shift: Array | float, scale: Array | float
) -> Linear:
    """The inverse by blocks, the response first: J_yy is taken as diagonal, and what then remains
    of the others as their decays alone. It is exact for W_r = I and constant gains."""
    state = e.unravel(v)
    n = jax.tree.leaves(state)[0].size
    times = ravel(relaxation_times(e.circuit, state, e.x))
    own = response_decays(e.circuit, state, e.x)
    pivot = shift - scale * own
    least = _LEAST / times[:n]
    pivot = jnp.where(jnp.abs(pivot) < least, jnp.where(pivot < 0, -least, least), pivot)
    others = shift - scale / times[n:]

    def inverse(r: Array) -> Array:
        u = r[:n] / pivot
        rest = r[n:] - scale * J(jnp.concatenate([u, jnp.zeros_like(r[n:])]))[n:]
        rest = rest / others
        u = u - scale * J(jnp.concatenate([jnp.zeros_like(u), rest]))[:n] / pivot
        return jnp.concatenate([u, rest])

    return inverse


class Modes(NamedTuple):
    """Eigenvalues of largest real part, right vectors as columns, how far the eigenvalues may be
    off, and ‖J‖₂ in units in which all variables are equally large."""

    values: Complex[Array, " k"]
    vectors: Complex[Array, "d k"]
    errors: Float[Array, " k"]
    norm: Float[Array, ""]


@functools.partial(quickly_compiled, level=1)
@in_full_precision
def leading_eigenvalues(
    circuit: AbstractCircuit, state: PyTree, x: Float[Array, " m"], count: int = COUNT
) -> Modes:
    """The leading modes of the Jacobian.

    The error of an eigenvalue is the residual |Jv − λv|/|v|, plus the rounding in it, times its
    condition ‖v‖‖w‖/|wᴴv|. Eigenvalues have first derivatives where they are simple, NaN where w is
    not found.
    """
    stopped = detached((circuit, state, x))
    e = Equations(stopped[0], stopped[2], stopped[1])
    v = ravel(e.like)
    units = _units(e, v)
    J = _product(e, v)
    even: Linear = lambda u: J(units * u) / units  # noqa: E731
    transposed: Linear = lambda u: jax.linear_transpose(even, v)(u)[0]  # noqa: E731
    found = leading(even, v, count)
    norm = spectral_norm(even, transposed, v)
    errors = found.errors + _ROUNDING * jnp.finfo(v.dtype).eps * norm
    vectors = (units[None, :].astype(found.vectors.dtype) * found.vectors).T
    vectors = vectors / jnp.linalg.norm(vectors, axis=0, keepdims=True).astype(vectors.dtype)
    left = leading(transposed, v, count + count // 2)
    errors = _spread(found, left, errors, norm)
    return Modes(_moving(circuit, state, x, found.values, vectors), vectors, errors, norm)


def _spread(right: Leading, left: Leading, errors: Array, norm: Array) -> Array:
    """How far the eigenvalues may be off, by the left vectors of those so near that they may be
    copies of one, up to three with a single vector; ∞ where there is none.

    The condition of several copies is that of their span, and they are known only together.
    """
    V, W = (found.vectors / _length(found.vectors) for found in (right, left))
    least = jnp.cbrt(jnp.finfo(errors.dtype).eps) * norm

    def spread(value: Array, v: Array, error: Array) -> Array:
        near = least + _APART * (error + left.errors)
        of = jnp.abs(left.values - value) <= near
        few = jnp.where(of[:, None], W, 0).conj().T
        condition = 1 / jnp.linalg.norm(few @ (jnp.linalg.pinv(few) @ v))
        alone = jnp.where(jnp.any(of), condition * error, jnp.inf)
        return alone + jnp.where(jnp.sum(of) > 1, highest(jnp.where(of, near, 0)), 0)

    return jax.vmap(spread)(right.values, V, errors)


def _length(vectors: Array) -> Array:
    return jnp.linalg.norm(vectors, axis=1, keepdims=True).astype(vectors.dtype)


@eqx.filter_custom_jvp
def _moving(circuit: Any, state: Any, x: Array, values: Array, vectors: Array) -> Array:
    """The eigenvalues, with derivatives."""
    return values


@_moving.def_jvp
@in_full_precision
def _(primals: tuple, tangents: tuple) -> tuple:
    """λ̇ = uᵀ J̇ v / uᵀ v, with the left vectors u of the same eigenvalues."""
    circuit, state, x, values, vectors = primals
    e = Equations(circuit, x, state)
    v = ravel(state)
    _, J = jax.linearize(e.velocity, v)
    left = _left(jax.linear_transpose(J, v), v, values)

    def moved(circuit: Any, state: Any, x: Array) -> Array:
        of = Equations(circuit, x, state)
        _, J = jax.linearize(of.velocity, ravel(state))
        real, imag = (jax.vmap(J, 1, 1)(part) for part in (vectors.real, vectors.imag))
        return jax.lax.complex(real, imag)

    _, push = eqx.filter_jvp(moved, (circuit, state, x), tangents[:3])
    mixed = jnp.linalg.solve(left.vectors @ vectors, left.vectors @ push)
    is_found = jnp.abs(left.values - values) <= 1e3 * (left.errors + _near(values))
    return values, jnp.where(is_found, jnp.diagonal(mixed), jnp.nan)


def _left(transposed: Callable, v: Array, values: Array) -> Leading:
    """The left vectors of the eigenvalues."""
    found = leading(lambda u: transposed(u)[0], v, values.size)
    order = jnp.argmin(jnp.abs(found.values[None, :] - values[:, None]), axis=1)
    return Leading(*(part[order] for part in found))


def _near(values: Array) -> Array:
    return jnp.finfo(values.real.dtype).eps * highest(jnp.abs(values))


def _product(e: Equations, v: Array) -> Linear:
    return jax.linearize(e.velocity, v)[1]


def _units(e: Equations, v: Array) -> Array:
    """The largest entry of each variable's field, 1 where all are 0."""
    filled = lambda leaf: jnp.full(leaf.shape, highest(jnp.abs(leaf)), leaf.dtype)  # noqa: E731
    size = jax.lax.stop_gradient(ravel(jax.tree.map(filled, e.unravel(v))))
    return jnp.where(size > 0, size, 1)
