"""Finite-time Lyapunov exponents of a cell along the trajectory driven by its inputs."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from .._checks import check_precision, check_state, is_traced, read_input_array, read_integer
from .._constraints import resolve
from .._types import Numbers, State, StateLike
from ..cells import AbstractCell, CellLike, read_cell
from ..programs import after, detached, in_full_precision
from ._parts import LEVELS, Parts, is_whole, orthonormal, parts_of, whole

# An ellipse of a complex pair flatter than this counts as a double real eigenvalue.
_FLATTEST = 1e-6
_ROUNDED = 1e3  # ε, relative: what the product of a multiple may differ by


def lyapunov(
    cell: CellLike[State],
    xs: Numbers,
    k: int | None = None,
    *,
    state0: StateLike | None = None,
    burn_in: int = 0,
) -> Float[Array, " k"]:
    """The k largest finite-time Lyapunov exponents of a cell along a driven trajectory.

        F_t U_{t−1} = U_t R_t,   exponent_i = Σ_t log|R_t,ii| / (T dt)

    F_t is the Jacobian of step t: k tangent vectors are pushed through every step and
    orthonormalized again, in one scan. If all exponents are negative, nearby trajectories under
    this input converge. It is this, rather than the eigenvalues along the way, that measures the
    stability of a driven or trained network. The exponents are averages over this trajectory, not
    limits: lengthen xs to see whether they have settled. Pure (jit, vmap, grad); no batch axis.

    The frame starts as the ordered Schur vectors of the first step's Jacobian, and for complex
    pairs lengths are measured such that this step is a scaled rotation of their plane. A constant
    input at a fixed point therefore gives log|μ|/dt for the step's eigenvalues μ after any T,
    without a transient. The sum of all d exponents is always the mean of log|det F_t|/dt.

    Derivatives, in both modes, are those of the averages from this frame, which stays as it is: the
    derivative of a single exponent has a transient of order 1/T, which `burn_in` shortens, and that
    of the sum of all has none. With them exponents can be part of a loss.

    Where a circuit consists of parts of which the earlier ones do not depend on later ones, its
    exponents are those of its parts, and each part has its own frame. A feedforward chain thus has
    the mean logarithms of its multipliers as exponents, however non-normal it is, and no transient.
    Such a step takes k + 1 vectors for every level of parts (gates that hear only the input, then
    the units that hear the gates), or d with more than four levels; one part takes k. The exponents
    of a part that is non-normal in other axes are only as exact as its eigenvalues: rounding moves
    those of a chain of n units in rotated axes by about ε^(1/n).

    Args:
        cell: an `AbstractCell`, such as `Euler(circuit, dt)`.
        xs: (time, m), the inputs, one per step.
        k: how many exponents, at most the size d of the state; all d unless given.
        state0: the state before the first step; `cell.initial_state()` unless given.
        burn_in: the number of first steps that move the state and the frame but are not counted.

    Returns:
        (k,) in 1/ms, in decreasing order; per step for a cell without a `dt`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: the state diverged. Inside jit the exponents are NaN instead.

    Reference:
        For exponents in a loss: Engelken, "Gradient flossing: improving gradient descent through
        dynamic control of Jacobians", NeurIPS 36 (2023), arXiv:2312.17306.
    """
    own: AbstractCell[State] = resolve(read_cell("cell", cell))
    start = check_state("state0", resolve(state0), own.initial_state())
    check_precision("cell", jax.tree.leaves(start)[0].dtype)
    xs = read_input_array("xs", xs, own.input_size, jax.tree.leaves(start)[0].dtype, "time")
    d = sum(leaf.size for leaf in jax.tree.leaves(start))
    must = f"be an integer from 1 to {d}, the size of the state"
    k = read_integer("k", d if k is None else k, 1, must, d)
    last = xs.shape[0] - 1
    must = f"be an integer from 0 to {last}, one less than the number of steps"
    burn_in = read_integer("burn_in", burn_in, 0, must, last)
    exponents = _exponents(own, start, xs, k, burn_in)
    if not is_traced(exponents) and np.isnan(exponents).any():
        raise RuntimeError(
            "The state diverged: it is no longer finite, and has no exponents. Take a shorter "
            "step `dt`, or look at the circuit with `oo.simulate`."
        )
    return exponents


@eqx.filter_jit
@in_full_precision
def _exponents(cell: AbstractCell[State], state0: State, xs: Array, k: int, burn_in: int) -> Array:
    v0, unravel = ravel_pytree(state0)

    def stepped(cell: AbstractCell[State]) -> Callable[[Array, Array], Array]:
        return lambda v, x: ravel_pytree(cell.step(unravel(v), x))[0]

    step = stepped(cell)

    def run(parts: Parts, columns: int) -> tuple[Array, Array]:
        exponents, leaked = _along(step, v0, xs, parts, columns, burn_in)
        return -jnp.sort(-exponents)[:k], leaked

    parts = parts_of(stepped(detached(cell)), *detached((v0, xs)))
    if k == v0.size:
        growth = _whole_spectrum(stepped, cell, v0, xs, parts, burn_in)
    else:
        # Any part may have the largest exponent, so each needs its own frame.
        each = lambda: run(parts, v0.size)  # noqa: E731
        if LEVELS * (k + 1) < v0.size:
            shared = lambda: _by_levels(step, v0, xs, parts, k, burn_in)  # noqa: E731
            apart = lambda: jax.lax.cond(jnp.all(parts.level < LEVELS), shared, each)  # noqa: E731
        else:
            apart = each
        unknown = jnp.full(k, jnp.nan, v0.dtype), jnp.asarray(True)
        growth, leaked = jax.lax.cond(is_whole(parts), lambda: unknown, apart)
        one = after(growth, whole(v0))
        growth = jax.lax.cond(leaked, lambda: run(one, k)[0], lambda: growth)
    return growth / jnp.asarray(getattr(cell, "dt", 1), v0.dtype)


def _whole_spectrum(
    stepped: Callable[[AbstractCell], Callable[[Array, Array], Array]],
    cell: AbstractCell,
    v0: Array,
    xs: Array,
    parts: Parts,
    burn_in: int,
) -> Array:
    """All exponents per step: of the parts, or of the whole if one turns out to depend on another
    one on which it should not."""
    arrays, rest = eqx.partition((cell, v0, xs, parts), eqx.is_array)

    def run(arrays: PyTree, parts: Parts) -> tuple[Array, Array]:
        cell, v0, xs, _ = eqx.combine(arrays, rest)
        exponents, leaked = _along(stepped(cell), v0, xs, parts, v0.size, burn_in)
        return -jnp.sort(-exponents), leaked

    def settle(arrays: PyTree) -> tuple[Parts, Array]:
        # A loop, so that the program has one run, and a batch makes a second one only if it must.
        again = lambda c: (c[1], whole(v0), *run(arrays, c[1]))  # noqa: E731
        *_, parts = arrays
        start = parts, parts, jnp.full(v0.size, jnp.nan, v0.dtype), jnp.asarray(True)
        used, _, growth, _ = jax.lax.while_loop(lambda c: c[3], again, start)
        return used, growth

    @jax.custom_jvp  # a loop has no reverse mode
    def growth(arrays: PyTree) -> Array:
        return settle(arrays)[1]

    @growth.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
        used, _ = settle(*primals)
        return jax.jvp(lambda arrays: run(arrays, used)[0], primals, tangents)

    return growth(arrays)


def _along(
    step: Callable[[Array, Array], Array],
    v0: Array,
    xs: Array,
    parts: Parts,
    columns: int,
    burn_in: int,
) -> tuple[Array, Array]:
    """The exponents per step of a number of vectors, each within its part; and whether a part
    depended on another one on which it should not."""
    order, same, mute = parts.order, parts.same[:, :columns], parts.mute[:, :columns]
    S, S_inverse = _frames(jax.jacfwd(step)(v0, xs[0]), parts)

    def one(carry: tuple, x: Array) -> tuple[tuple, Array]:
        v, U, leaked = carry
        v, push = jax.linearize(lambda v: step(v, x), v)
        vectors = jnp.zeros_like(U).at[order].set(S @ U)
        pushed = jax.vmap(push, in_axes=1, out_axes=1)(vectors)[order]
        leaked = leaked | jnp.any(mute & (pushed != 0))
        U, R = jnp.linalg.qr(S_inverse @ jnp.where(same, pushed, 0))
        return (v, U, leaked), jnp.log(jnp.abs(jnp.diag(R)))

    frame = jnp.eye(v0.size, columns, dtype=v0.dtype)
    (last, _, leaked), growth = jax.lax.scan(one, (v0, frame, jnp.asarray(False)), xs)
    exponents = jnp.mean(growth[burn_in:], axis=0)
    return jnp.where(jnp.isfinite(last).all(), exponents, jnp.nan), leaked


def _by_levels(
    step: Callable[[Array, Array], Array],
    v0: Array,
    xs: Array,
    parts: Parts,
    k: int,
    burn_in: int,
) -> tuple[Array, Array]:
    """The k largest exponents per step, and whether a part depended on another one on which it
    should not, with k vectors for all parts of a level, each of which has its own rows of them.

    What the parts of other levels hear from them is left out. One more vector tells whether a part
    of a level heard another one after all: a mixture of the k vectors, multiplied by a number of
    its own in each part. Without that, its image is the same mixture, multiplied by these numbers.
    """
    order, d = parts.order, v0.size
    at = parts.level[None] == jnp.arange(LEVELS)[:, None]
    mute = parts.level[None] < jnp.arange(LEVELS)[:, None]
    rounded = _ROUNDED * jnp.finfo(v0.dtype).eps
    rng = np.random.default_rng(0)
    mixture, numbers = jnp.asarray(rng.normal(size=k), v0.dtype), rng.uniform(1, 2, d)
    number = jnp.asarray(numbers, v0.dtype)[parts.label]
    S, S_inverse = _frames(jax.jacfwd(step)(v0, xs[0]), parts)

    def one(carry: tuple, x: Array) -> tuple[tuple, Array]:
        v, U, leaked = carry
        v, push = jax.linearize(lambda v: step(v, x), v)
        W = S @ U
        rows = jnp.concatenate([W.T, (number * (W @ mixture))[None]])

        def of(level: Array) -> Array:
            vectors = jnp.zeros_like(rows).at[:, order].set(jnp.where(level[None], rows, 0))
            moved = lambda: jax.vmap(push)(vectors)[:, order]  # noqa: E731
            return jax.lax.cond(jnp.any(level), moved, lambda: 0 * rows)  # many have two levels

        pushed = jax.lax.map(of, at)
        images = jnp.sum(jnp.where(at[:, None], pushed, 0), axis=0)
        own, mixed = images[:k].T, images[k]
        size = parts.same.astype(v.dtype) @ jnp.sum(jnp.abs(own) + jnp.abs(W), axis=1)
        off = jnp.abs(mixed - number * (own @ mixture))
        leaked = leaked | jnp.any(off > rounded * size)
        leaked = leaked | jnp.any(mute[:, None] & (pushed != 0))
        U, growth = orthonormal(S_inverse @ own, parts)
        return (v, U, leaked), growth

    frame = (parts.place[:, None] == jnp.arange(k)[None]).astype(v0.dtype)
    (last, _, leaked), growth = jax.lax.scan(one, (v0, frame, jnp.asarray(False)), xs)
    exponents = jnp.where(parts.place[:, None] == 0, jnp.mean(growth[burn_in:], axis=0), -jnp.inf)
    exponents = -jnp.sort(-exponents.ravel())[:k]
    return jnp.where(jnp.isfinite(last).all(), exponents, jnp.nan), leaked


def _frames(F: Float[Array, "d d"], parts: Parts) -> tuple[Array, Array]:
    """The coordinates of the parts of the first step, and their inverse."""
    S = _coordinates(jnp.where(parts.same, F[parts.order][:, parts.order], 0), parts)
    return S, jnp.where(parts.same, jnp.linalg.inv(S), 0)


def _coordinates(F: Float[Array, "d d"], parts: Parts) -> Float[Array, "d d"]:
    """S: in the coordinates S⁻¹v the step F is upper triangular up to scaled rotations.

    The real and imaginary parts of the eigenvectors, part by part and by decreasing |μ|, are
    factored as Q R: Q holds Schur vectors, and the diagonal 2×2 block of R for a complex pair maps
    a circle to the ellipse on which F rotates. Any S gives the same exponents in the limit; this
    one has no transient.
    """
    eye = jnp.eye(F.shape[0], dtype=F.dtype)
    F = jax.lax.stop_gradient(jnp.where(jnp.isfinite(F).all(), F, eye))
    values, vectors = jnp.linalg.eig(F)
    part = parts.label[jnp.argmax(jnp.abs(vectors), axis=0)]
    # A stable sort: the two of a pair have the same modulus, and stay together.
    order = jnp.lexsort((-jnp.abs(values), part))
    values, vectors = values[order], vectors[:, order]
    V = jnp.where(values.imag[None, :] < 0, vectors.imag, vectors.real)
    Q, R = jnp.linalg.qr(jnp.where(parts.same, V, 0))
    S = Q @ _ellipses(R, values.imag > 0)
    return jnp.where(jnp.isfinite(S).all(), S, eye)


def _ellipses(R: Float[Array, "d d"], is_first: Bool[Array, " d"]) -> Float[Array, "d d"]:
    """The diagonal blocks of R for complex pairs, scaled to determinant ±1; 1 for the others."""
    above = jnp.diag(R, 1)
    first, second = jnp.diag(R)[:-1], jnp.diag(R)[1:]
    area, size = jnp.abs(first * second), first**2 + second**2 + above**2
    is_pair = is_first[:-1] & (area > _FLATTEST * size)
    scale = jnp.where(is_pair, 1 / jnp.sqrt(jnp.where(is_pair, area, 1)), 0)
    diagonal = jnp.zeros_like(R[0]).at[:-1].add(scale * first).at[1:].add(scale * second)
    return jnp.diag(jnp.where(diagonal == 0, 1, diagonal)) + jnp.diag(scale * above, 1)
