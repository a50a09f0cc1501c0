"""Noise about a stable fixed point: stationary covariance, power and cross spectra, coherence."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Complex, Float

from .._checks import as_float_array, check_finite, refuse
from .._nonlinearities import root
from .._types import Numbers, State, StateLike
from ..circuits import AbstractCircuit
from ..equilibria import StablePoint
from ..linear import balanced, refuse_unresolved, resolved_lyapunov
from ..programs import in_full_precision, quickly_compiled
from ._large import variances, warn_where_large
from ._linear import Linear, linearised
from .kinds import AbstractNoise

# Frequencies solved together: bounds the memory at this many (d, d) matrices.
TOGETHER = 64
PER_SECOND = 1000  # ms in a second


def covariance(
    circuit: AbstractCircuit[State],
    x: Numbers,
    noise: AbstractNoise,
    *,
    state0: StateLike | None = None,
) -> Float[Array, "d d"]:
    """The stationary covariance of a circuit in noise, linearised about its stable fixed point.

        J C + C Jᵀ = −D,   D = diag(S²)

    The first order in the noise variance: for noise that carries the state to where the circuit is
    not linear, use `sample_paths`. Behind coloured noise its filters are variables of J, behind
    shared noise D is L Lᵀ, and the noise of a measurement is in C. Pure (jit, vmap, grad); no batch
    axis.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input, held constant.
        noise: a `Noise`, another kind, or a sum of kinds.
        state0: a state to search for the fixed point from, as in `fixed_point`.

    Returns:
        C, (d, d), the unit of the state squared; rows and columns in the order of the state's
        fields, as in `jacobian`.

    Raises:
        ValueError: an argument is bad, no stable fixed point was found, or rounding may change a
            variance by more than 1 % (inside jit equinox's run-time error).
    """
    point, linear = linearised(circuit, x, noise, state0)
    C, variance = _covariance(linear, len(point.J))
    C = refuse_unresolved(C)
    warn_where_large(point.circuit, point.state, variance)
    return C


def power_spectrum(
    circuit: AbstractCircuit[State],
    x: Numbers,
    frequencies: Numbers,
    noise: AbstractNoise,
    *,
    state0: StateLike | None = None,
) -> Float[Array, "f d"]:
    """The power spectra of all state variables: the diagonal of `cross_spectrum`, and real.

    Two-sided: ∫ from −∞ to ∞ over f is the variance; a one-sided density is twice this one. Pure
    (jit, vmap, grad); no batch axis.

    Args:
        circuit, x, noise, state0: as for `covariance`.
        frequencies: (f,), Hz, of any sign.

    Returns:
        (f, d), the unit of the state squared per Hz; columns in the order of the state's fields.

    Raises:
        ValueError: an argument is bad, or no stable fixed point was found (inside jit equinox's
            run-time error).
    """
    return _spectra(_power_at, frequencies, linearised(circuit, x, noise, state0))


def cross_spectrum(
    circuit: AbstractCircuit[State],
    x: Numbers,
    frequencies: Numbers,
    noise: AbstractNoise,
    *,
    state0: StateLike | None = None,
) -> Complex[Array, "f d d"]:
    """The cross-spectral density matrices of a circuit in noise, linearised about its stable point.

        S(f) = 10⁻³ (J + iωI)⁻¹ D (J − iωI)⁻ᵀ,   ω = 2π f/1000 in rad/ms

    S_ij is the mean of conj(X_i) X_j, as `scipy.signal.csd(x_i, x_j)` has it: where variable j lags
    i, S_ij has a falling phase. Two-sided, ∫ S df = `covariance`, S(−f) = conj(S(f)). Pure (jit,
    vmap, grad); no batch axis.

    Args:
        circuit, x, noise, state0: as for `covariance`.
        frequencies: (f,), Hz, of any sign.

    Returns:
        (f, d, d), Hermitian, the unit of the state squared per Hz.

    Raises:
        ValueError: an argument is bad, or no stable fixed point was found (inside jit equinox's
            run-time error).
    """
    return _spectra(_cross_at, frequencies, linearised(circuit, x, noise, state0))


def coherence(
    circuit: AbstractCircuit[State],
    x: Numbers,
    frequencies: Numbers,
    noise: AbstractNoise,
    *,
    state0: StateLike | None = None,
) -> Float[Array, "f d d"]:
    """The magnitude-squared coherence of every pair of state variables, |S_ij|²/(S_ii S_jj).

    1 where one variable is the other one filtered, 0 where they share no noise, and where one of
    them has no noise at all. Pure (jit, vmap, grad); no batch axis.

    Args:
        circuit, x, noise, state0: as for `covariance`.
        frequencies: (f,), Hz, of any sign.

    Returns:
        (f, d, d), in [0, 1], symmetric.

    Raises:
        ValueError: an argument is bad, or no stable fixed point was found (inside jit equinox's
            run-time error).
    """
    return _spectra(_coherence_at, frequencies, linearised(circuit, x, noise, state0))


def _spectra(
    spectrum_at: Callable[..., Array], frequencies: Numbers, found: tuple[StablePoint, Linear]
) -> Array:
    point, linear = found
    read = _read_frequencies(frequencies, point.J.dtype)
    warn_where_large(point.circuit, point.state, variances(linear, len(point.J)))
    return _over(read, spectrum_at, linear, len(point.J))


@quickly_compiled
@in_full_precision
def _covariance(linear: Linear, size: int) -> tuple[Float[Array, "d d"], Float[Array, " d"]]:
    """Of what is observed, and the variances of the state."""
    X, H = stationary(linear), linear.H
    C = X[:size, :size] if H is None else H @ X @ H.T
    return C, jnp.diag(X)[:size]


def stationary(linear: Linear) -> Float[Array, "N N"]:
    """The covariance of the state and the filters of its noise; NaN where it is not resolved."""
    D = jnp.diag(linear.D)
    X = resolved_lyapunov(linear.A, D if linear.L is None else D + linear.L @ linear.L.T)
    return (X + X.T) / 2


@functools.partial(quickly_compiled, level=1)
@in_full_precision
def _over(
    frequencies: Array, spectrum_at: Callable[..., Array], linear: Linear, size: int
) -> Array:
    A, scale = balanced(linear.A)
    D = linear.D / scale / scale / PER_SECOND
    L = None if linear.L is None else linear.L / scale[:, None] / PER_SECOND**0.5
    units = scale[:size]
    H = None if linear.H is None else linear.H * scale[None, :] / units[:, None]

    def at(f: Array) -> Array:
        # T = (iω − A)⁻¹ takes the noise to what is observed, both in even units.
        omega = 2 * np.pi * f / PER_SECOND
        T = jnp.linalg.inv(jax.lax.complex(-A, omega * jnp.eye(D.size, dtype=D.dtype)))
        T = T[:size] if H is None else H.astype(T.dtype) @ T
        return spectrum_at(T, D, L, units)

    return jax.lax.map(at, frequencies, batch_size=min(TOGETHER, frequencies.size))


def _power_at(T: Array, D: Array, L: Array | None, units: Array) -> Array:
    power = (T.real**2 + T.imag**2) @ D
    if L is not None:
        TL = T @ L.astype(T.dtype)
        power = power + jnp.sum(TL.real**2 + TL.imag**2, axis=1)
    return power * units * units


def _cross_at(T: Array, D: Array, L: Array | None, units: Array) -> Array:
    T = units[:, None].astype(T.dtype) * T
    S = (T.conj() * D[None, :].astype(T.dtype)) @ T.T
    if L is None:
        return S
    TL = T @ L.astype(T.dtype)
    return S + TL.conj() @ TL.T


def _coherence_at(T: Array, D: Array, L: Array | None, units: Array) -> Array:
    size = root(_power_at(T, D, L, jnp.ones_like(units)), 2)
    # Divided before it is squared: in float32 the square of a small power is 0.
    relative = _cross_at(T, D, L, 1 / jnp.where(size > 0, size, 1))
    return jnp.minimum(relative.real**2 + relative.imag**2, 1)


def _read_frequencies(frequencies: Numbers, dtype: DTypeLike) -> Array:
    array = as_float_array("frequencies", frequencies, dtype)
    if array.ndim != 1 or array.size == 0:
        refuse("frequencies", "have shape (f,), at least one", f"its shape is {array.shape}")
    return check_finite("frequencies", array)
