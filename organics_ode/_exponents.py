"""Finite-time Lyapunov exponents of a cell along the trajectory that its inputs drive."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float

from ._checks import (
    as_float_array,
    check_finite,
    check_precision,
    check_state,
    is_traced,
    read_integer,
    refuse,
)
from ._constraints import resolve
from .cells import AbstractCell

# Below this flatness the ellipse of a complex pair is not told from a double real eigenvalue.
_FLATTEST = 1e-6


def lyapunov(
    cell: AbstractCell, xs: Any, k: int | None = None, *, state0: Any = None, burn_in: int = 0
) -> Float[Array, " k"]:
    """The k largest finite-time Lyapunov exponents of a cell along a driven trajectory.

        F_t U_{t−1} = U_t R_t,   exponent_i = Σ_t log|R_t,ii| / (T dt)

    F_t is the Jacobian of step t: k tangent vectors are pushed through every step and made
    orthonormal again, by one scan. All exponents negative: nearby trajectories under this input
    come together. This, and not the eigenvalues met on the way, measures the stability of a driven
    or trained network. They are averages over this trajectory and not limits: lengthen xs to see
    whether they have settled. Pure (jit, vmap); no batch axis.

    The frame starts as the ordered Schur vectors of the first step's Jacobian, and for complex
    pairs lengths are measured so that this step is a scaled rotation of their plane. So a constant
    input at a fixed point gives log|μ|/dt of the step's eigenvalues μ after any T, without a
    transient. The sum of all d exponents is always the mean log|det F_t|/dt.

    Args:
        cell: an `AbstractCell`, such as `Euler(circuit, dt)`.
        xs: (time, m), the inputs, one per step.
        k: how many, at most the size d of the state; all d unless given.
        state0: the state before the first step; `cell.initial_state()` unless given.
        burn_in: so many first steps move the state and the frame, and are not counted.

    Returns:
        (k,) in 1/ms, falling; per step for a cell without a `dt`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: the state diverged. Inside jit the exponents are NaN instead.
    """
    if not isinstance(cell, AbstractCell):
        refuse("cell", "be a cell such as `oo.Euler(circuit, dt)`", f"it is {type(cell).__name__}")
    cell = resolve(cell)
    state0 = check_state("state0", resolve(state0), cell.initial_state())
    check_precision("cell", jax.tree.leaves(state0)[0].dtype)
    xs = _read_inputs(cell, xs, jax.tree.leaves(state0)[0].dtype)
    d = sum(leaf.size for leaf in jax.tree.leaves(state0))
    must = f"be an integer from 1 to {d}, the size of the state"
    k = read_integer("k", d if k is None else k, 1, must, d)
    last = xs.shape[0] - 1
    must = f"be an integer from 0 to {last}, one less than the number of steps"
    burn_in = read_integer("burn_in", burn_in, 0, must, last)
    exponents = _exponents(cell, state0, xs, k, burn_in)
    if not is_traced(exponents) and np.isnan(exponents).any():
        raise RuntimeError(
            "The state diverged: it is no longer finite, and has no exponents. Take a shorter "
            "step `dt`, or look at the circuit with `oo.simulate`."
        )
    return exponents


def _read_inputs(cell: AbstractCell, xs: Any, dtype: Any) -> Array:
    xs, m = as_float_array("xs", xs, dtype), cell.input_size
    if xs.ndim != 2 or xs.shape[0] == 0 or xs.shape[1] != m:
        refuse("xs", f"have shape (time, m) = (time, {m})", f"it has shape {xs.shape}")
    return xs if is_traced(xs) else check_finite("xs", xs)


@eqx.filter_jit
def _exponents(cell: AbstractCell, state0: Any, xs: Array, k: int, burn_in: int) -> Array:
    v0, unravel = ravel_pytree(state0)

    def step(v: Array, x: Array) -> Array:
        return ravel_pytree(cell.step(unravel(v), x))[0]

    S = _coordinates(jax.jacfwd(step)(v0, xs[0]))
    S_inverse = jnp.linalg.inv(S)

    def one(carry: tuple, x: Array) -> tuple[tuple, Array]:
        v, U = carry
        v, push = jax.linearize(lambda v: step(v, x), v)
        pushed = jax.vmap(push, in_axes=1, out_axes=1)(S @ U)
        U, R = jnp.linalg.qr(S_inverse @ pushed)
        return (v, U), jnp.log(jnp.abs(jnp.diag(R)))

    frame = jnp.eye(v0.size, k, dtype=v0.dtype)
    (last, _), growth = jax.lax.scan(one, (v0, frame), xs)
    exponents = jnp.mean(growth[burn_in:], axis=0) / jnp.asarray(getattr(cell, "dt", 1), v0.dtype)
    return jnp.where(jnp.isfinite(last).all(), -jnp.sort(-exponents), jnp.nan)


def _coordinates(F: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """S: in the coordinates S⁻¹v the step F is upper triangular up to scaled rotations.

    The real and imaginary parts of the eigenvectors, by falling |μ|, factored as Q R: Q are Schur
    vectors, and the 2×2 block of R on the diagonal of a complex pair maps a circle to the ellipse
    on which F turns. Any S gives the same exponents in the limit; this one has no transient.
    """
    eye = jnp.eye(F.shape[0], dtype=F.dtype)
    F = jnp.where(jnp.isfinite(F).all(), F, eye)
    values, vectors = jax.lax.stop_gradient(jnp.linalg.eig(F))
    # Stable: the two of a pair have the same modulus, and stay together.
    order = jnp.argsort(-jnp.abs(values), stable=True)
    values, vectors = values[order], vectors[:, order]
    Q, R = jnp.linalg.qr(jnp.where(values.imag[None, :] < 0, vectors.imag, vectors.real))
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
