"""Noise about a stable fixed point: stationary covariance, power and cross spectra, coherence."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Complex, Float, Int

from .._checks import as_float_array, as_known_array, check_finite, refuse
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
_MANY = 256  # With more variables than this, fewer frequencies are solved together.
PER_SECOND = 1000  # ms in a second


def covariance(
    circuit: AbstractCircuit[State],
    x: Numbers,
    noise: AbstractNoise,
    *,
    state0: StateLike | None = None,
) -> Float[Array, "d d"]:
    """The stationary covariance of a circuit with noise, linearised about its stable fixed point.

        J C + C Jᵀ = −D,   D = diag(S²)

    This is the first order in the noise variance: if noise carries the state to where the circuit
    is no longer linear, use `sample_paths`. For coloured noise J also includes its filters, for
    shared noise D is L Lᵀ, and measurement noise is included in C. Pure (jit, vmap, grad); no batch
    axis.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input, held constant.
        noise: a `Noise`, another kind, or a sum of kinds.
        state0: a state to search for the fixed point from, as in `fixed_point`.

    Returns:
        C, (d, d), in the unit of the state squared; rows and columns in the order of the state's
        fields, as in `jacobian`.

    Raises:
        ValueError: an argument is bad, no stable fixed point was found, or rounding may change a
            variance by more than 1 % (inside jit, equinox's run-time error).
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
    variables: Numbers | None = None,
) -> Float[Array, "f d"]:
    """The power spectra of all state variables: the real diagonal of `cross_spectrum`.

    They are two-sided: the integral over f from −∞ to ∞ is the variance; a one-sided density is
    twice as large. Pure (jit, vmap, grad); no batch axis.

    Args:
        circuit, x, noise, state0: as for `covariance`.
        frequencies: (f,), Hz, of any sign.
        variables: (k,), the indices of the variables whose spectra are wanted, in the order of the
            state's fields, such as `oo.by_field(circuit, jnp.arange(d)).y`; all unless given. For a
            large circuit a few of them take a fraction of the time of all.

    Returns:
        (f, d), in the unit of the state squared per Hz, with columns in the order of the state's
        fields; or (f, k) in the order of `variables`.

    Raises:
        ValueError: an argument is bad, or no stable fixed point was found (inside jit, equinox's
            run-time error).
    """
    return _spectra(_power_at, frequencies, linearised(circuit, x, noise, state0), variables)


def cross_spectrum(
    circuit: AbstractCircuit[State],
    x: Numbers,
    frequencies: Numbers,
    noise: AbstractNoise,
    *,
    state0: StateLike | None = None,
    variables: Numbers | None = None,
) -> Complex[Array, "f d d"]:
    """The cross-spectral densities of a circuit with noise, linearised about a stable fixed point.

        S(f) = 10⁻³ (J + iωI)⁻¹ D (J − iωI)⁻ᵀ,   ω = 2π f/1000 in rad/ms

    S_ij is the mean of conj(X_i) X_j, as in `scipy.signal.csd(x_i, x_j)`: where variable j lags i,
    the phase of S_ij falls with f. It is two-sided, with ∫ S df = `covariance` and
    S(−f) = conj(S(f)). Pure (jit, vmap, grad); no batch axis.

    Args:
        circuit, x, noise, state0: as for `covariance`.
        frequencies: (f,), Hz, of any sign.
        variables: as for `power_spectrum`.

    Returns:
        (f, d, d), or (f, k, k), Hermitian, in the unit of the state squared per Hz.

    Raises:
        ValueError: an argument is bad, or no stable fixed point was found (inside jit, equinox's
            run-time error).
    """
    return _spectra(_cross_at, frequencies, linearised(circuit, x, noise, state0), variables)


def coherence(
    circuit: AbstractCircuit[State],
    x: Numbers,
    frequencies: Numbers,
    noise: AbstractNoise,
    *,
    state0: StateLike | None = None,
    variables: Numbers | None = None,
) -> Float[Array, "f d d"]:
    """The magnitude-squared coherence of every pair of state variables, |S_ij|²/(S_ii S_jj).

    It is 1 where one variable is a filtered version of the other, and 0 where they share no noise
    or one of them has no noise at all. Pure (jit, vmap, grad); no batch axis.

    Args:
        circuit, x, noise, state0: as for `covariance`.
        frequencies: (f,), Hz, of any sign.
        variables: as for `power_spectrum`.

    Returns:
        (f, d, d), or (f, k, k), in [0, 1], symmetric.

    Raises:
        ValueError: an argument is bad, or no stable fixed point was found (inside jit, equinox's
            run-time error).
    """
    return _spectra(_coherence_at, frequencies, linearised(circuit, x, noise, state0), variables)


def _spectra(
    spectrum_at: Callable[..., Array],
    frequencies: Numbers,
    found: tuple[StablePoint, Linear],
    variables: Numbers | None,
) -> Array:
    point, linear = found
    read = _read_frequencies(frequencies, point.J.dtype)
    chosen = None if variables is None else _read_variables(variables, len(point.J))
    warn_where_large(point.circuit, point.state, variances(linear, len(point.J)))
    return _over(read, spectrum_at, linear, len(point.J), chosen)


@quickly_compiled
@in_full_precision
def _covariance(linear: Linear, size: int) -> tuple[Float[Array, "d d"], Float[Array, " d"]]:
    """The covariance of what is observed, and the variances of the state."""
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
    frequencies: Array,
    spectrum_at: Callable[..., Array],
    linear: Linear,
    size: int,
    chosen: Int[Array, " k"] | None,
) -> Array:
    A, scale = balanced(linear.A)
    D = linear.D / scale / scale / PER_SECOND
    L = None if linear.L is None else linear.L / scale[:, None] / PER_SECOND**0.5
    units = scale[:size] if chosen is None else scale[:size][chosen]
    H = None if linear.H is None else linear.H if chosen is None else linear.H[chosen]
    if H is None and chosen is not None:
        H = jnp.eye(len(A), dtype=A.dtype)[chosen]
    H = H if H is None or linear.H is None else H * scale[None, :] / units[:, None]
    observed = functools.partial(_observed, A, size, H, is_few=chosen is not None)

    def at(f: Array) -> Array:
        return spectrum_at(observed(2 * np.pi * f / PER_SECOND), D, L, units)

    together = min(frequencies.size, TOGETHER, max(1, TOGETHER * _MANY**2 // size**2))
    return jax.lax.map(at, frequencies, batch_size=together)


def _observed(A: Array, size: int, H: Array | None, omega: Array, *, is_few: bool) -> Array:
    """T = H (iω − A)⁻¹, which maps the noise to what is observed, both in balanced units.

    A = [[J, G], [0, F]] with F lower triangular, so that the filters of the noise cost little.
    """
    moved = lambda M: jax.lax.complex(-M, omega * jnp.eye(len(M), dtype=M.dtype))  # noqa: E731
    J, G, F = A[:size, :size], A[:size, size:], A[size:, size:]
    if is_few and H is not None:
        R = jnp.linalg.solve(moved(J).T, H[:, :size].T.astype(moved(J).dtype)).T
    else:
        R = jnp.linalg.inv(moved(J))
        R = R if H is None else H[:, :size].astype(R.dtype) @ R
    if not F.size:
        return R
    entered = R @ G.astype(R.dtype)
    entered = entered if H is None else entered + H[:, size:].astype(R.dtype)
    filtered = jax.scipy.linalg.solve_triangular(moved(F), entered.T, trans=1, lower=True)
    return jnp.concatenate([R, filtered.T], axis=1)


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
    # Divide before squaring: in float32 the square of a small power is 0.
    relative = _cross_at(T, D, L, 1 / jnp.where(size > 0, size, 1))
    return jnp.minimum(relative.real**2 + relative.imag**2, 1)


def _read_frequencies(frequencies: Numbers, dtype: DTypeLike) -> Array:
    array = as_float_array("frequencies", frequencies, dtype)
    if array.ndim != 1 or array.size == 0:
        refuse("frequencies", "have shape (f,), at least one", f"its shape is {array.shape}")
    return check_finite("frequencies", array)


def _read_variables(variables: Numbers, d: int) -> Int[Array, " k"]:
    found = np.asarray(as_known_array("variables", variables))
    if found.ndim != 1 or not found.size or found.dtype.kind not in "iu":
        must = "be the numbers of some variables, (k,)"
        refuse("variables", must, f"it has shape {found.shape} and the dtype {found.dtype}")
    if found.min() < 0 or found.max() >= d:
        must = f"be numbers from 0 to {d - 1}"
        refuse("variables", must, f"they reach from {found.min()} to {found.max()}")
    return jnp.asarray(found)
