"""Noise about states that are already known, as experiments need it at many inputs at once."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..linear import balanced
from ..programs import in_full_precision
from ._fano import integrated
from ._linear import linear_system
from ._spectra import PER_SECOND
from .kinds import AbstractNoise

_TOGETHER = 16  # frequencies solved together for each input


@in_full_precision
def powers_about(
    J: Float[Array, "d d"],
    state: PyTree,
    noise: AbstractNoise,
    weights: Float[Array, "k d"],
    frequencies: Float[Array, " f"],
) -> Float[Array, "f k"]:
    """The powers of signals, each a weighted sum of the state, per Hz and two-sided.

        S_k(f) = 10⁻³ w_kᵀ (iωI − J)⁻¹ D (iωI − J)⁻ᴴ w_k

    Pure (jit, vmap, grad). J and the state are those of a stable fixed point.
    """
    linear = linear_system(J, state, noise)
    A, scale = balanced(linear.A)
    D = linear.D / scale / scale / PER_SECOND
    L = None if linear.L is None else linear.L / scale[:, None] / PER_SECOND**0.5
    w = jnp.pad(weights, ((0, 0), (0, D.size - weights.shape[1])))
    w = (w if linear.H is None else weights @ linear.H) * scale[None, :]

    def at(f: Array) -> Array:
        omega = 2 * np.pi * f / PER_SECOND
        M = jax.lax.complex(-A.T, omega * jnp.eye(D.size, dtype=D.dtype))
        G = jnp.linalg.solve(M, w.T.astype(M.dtype))
        power = D @ (G.real**2 + G.imag**2)
        if L is None:
            return power
        shared = L.T.astype(G.dtype) @ G
        return power + jnp.sum(shared.real**2 + shared.imag**2, axis=0)

    return jax.lax.map(at, frequencies, batch_size=min(_TOGETHER, frequencies.size))


def counts_about(
    J: Float[Array, "d d"],
    state: PyTree,
    noise: AbstractNoise,
    slopes: Float[Array, "k d"],
    window: Float[Array, ""],
) -> Float[Array, "k k"]:
    """The covariance of rates r = r₀ + slopes · (state − state₀), integrated over a window.

        Cov(∫r_i dt, ∫r_j dt) = ∫₀ᵀ (T − s) (C_ij(s) + C_ji(s)) ds

    Pure (jit, vmap, grad); NaN where rounding alone would change it. Measurement noise is not
    included. J and the state are those of a stable fixed point.
    """
    linear = linear_system(J, state, noise, is_observed=False)
    X, variance = integrated(linear, slopes, window)
    return jnp.where(jnp.isfinite(X).all(), variance, jnp.nan)
