"""Noise about a stable fixed point: stationary covariance, power and cross spectra, coherence."""

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import DTypeLike
from jaxtyping import Array, Complex, Float

from .._checks import a_or_an, as_float_array, check_finite, check_nonnegative, refuse, shown
from .._nonlinearities import root
from .._types import Numbers, Scalar, State, StateLike
from ..circuits import AbstractCircuit
from ..equilibria import StablePoint, stable_point
from ..linear import balanced, refuse_unresolved, resolved_lyapunov
from ..programs import in_full_precision, quickly_compiled
from ._large import variances, warn_where_large

# Frequencies solved together: bounds the memory at this many (d, d) matrices.
TOGETHER = 64
PER_SECOND = 1000  # ms in a second


class Noise(eqx.Module):
    """White noise in every state variable: dx = f dt + S dω, S_i² = α_i² + (β_i x_i)².

    The dω_i are independent Wiener increments of variance dt, and the equation is Itô's. α is
    noise of a fixed size, β noise in proportion to the response. In the linear theory x_i is its
    value at the fixed point.

    Args:
        additive: α ≥ 0, in the unit of the state per √ms: a number for all variables, or a state
            of the circuit whose fields are numbers or (n,), as `oo.ORGaNICsState(y=0.1, a=0.0)`.
        proportional: β ≥ 0, in 1/√ms, likewise.

    Raises:
        ValueError: an amplitude is negative, NaN or infinite, or has more than one axis.
    """

    additive: Array | tuple
    proportional: Array | tuple

    def __init__(self, additive: Scalar | tuple = 0.0, proportional: Scalar | tuple = 0.0):
        self.additive = _read_amplitudes("additive", additive)
        self.proportional = _read_amplitudes("proportional", proportional)

    def variance(self, state: State) -> State:
        """S_i² at a state, a state, in its unit squared per ms."""
        alpha = spread("additive", self.additive, state)
        beta = spread("proportional", self.proportional, state)
        return jax.tree.map(lambda a, b, x: a**2 + (b * x) ** 2, alpha, beta, state)


def covariance(
    circuit: AbstractCircuit[State], x: Numbers, noise: Noise, *, state0: StateLike | None = None
) -> Float[Array, "d d"]:
    """The stationary covariance of a circuit in noise, linearised about its stable fixed point.

        J C + C Jᵀ = −D,   D = diag(S²)

    The first order in the noise variance: for noise that carries the state to where the circuit is
    not linear, use `sample_paths`. Pure (jit, vmap, grad); no batch axis.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input, held constant.
        noise: a `Noise`.
        state0: a state to search for the fixed point from, as in `fixed_point`.

    Returns:
        C, (d, d), the unit of the state squared; rows and columns in the order of the state's
        fields, as in `jacobian`.

    Raises:
        ValueError: an argument is bad, no stable fixed point was found, or rounding may change a
            variance by more than 1 % (inside jit equinox's run-time error).
    """
    point, J, D = linearised(circuit, x, noise, state0)
    C = refuse_unresolved(_covariance(J, D))
    warn_where_large(point.circuit, point.state, jnp.diag(C))
    return C


def power_spectrum(
    circuit: AbstractCircuit[State],
    x: Numbers,
    frequencies: Numbers,
    noise: Noise,
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
    point, J, D = linearised(circuit, x, noise, state0)
    read = _read_frequencies(frequencies, J.dtype)
    warn_where_large(point.circuit, point.state, variances(J, D))
    return _over(read, _power_at, J, D)


def cross_spectrum(
    circuit: AbstractCircuit[State],
    x: Numbers,
    frequencies: Numbers,
    noise: Noise,
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
    point, J, D = linearised(circuit, x, noise, state0)
    read = _read_frequencies(frequencies, J.dtype)
    warn_where_large(point.circuit, point.state, variances(J, D))
    return _over(read, _cross_at, J, D)


def coherence(
    circuit: AbstractCircuit[State],
    x: Numbers,
    frequencies: Numbers,
    noise: Noise,
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
    point, J, D = linearised(circuit, x, noise, state0)
    read = _read_frequencies(frequencies, J.dtype)
    warn_where_large(point.circuit, point.state, variances(J, D))
    return _over(read, _coherence_at, J, D)


def linearised(
    circuit: AbstractCircuit[State], x: Numbers, noise: Noise, state0: StateLike | None
) -> tuple[StablePoint, Array, Array]:
    """The stable point, J, (d, d), and the diagonal of D, (d,), there."""
    point = stable_point(circuit, x, state0)
    check_noise(noise)
    return point, point.J, _diagonal(noise, point.state)


@quickly_compiled
def _diagonal(noise: Noise, state: State) -> Array:
    return ravel_pytree(noise.variance(state))[0]


@quickly_compiled
def _covariance(J: Array, D: Array) -> Array:
    C = resolved_lyapunov(J, jnp.diag(D))
    return (C + C.T) / 2


@functools.partial(quickly_compiled, level=1)
@in_full_precision
def _over(
    frequencies: Array, spectrum_at: Callable[[Array, Array, Array], Array], J: Array, D: Array
) -> Array:
    J, scale = balanced(J)
    D = D / scale / scale / PER_SECOND

    def at(f: Array) -> Array:
        # H = (iωI − J)⁻¹ takes the noise to the state, both in even units.
        omega = 2 * np.pi * f / PER_SECOND
        H = jnp.linalg.inv(jax.lax.complex(-J, omega * jnp.eye(D.size, dtype=D.dtype)))
        return spectrum_at(H, D, scale)

    return jax.lax.map(at, frequencies, batch_size=min(TOGETHER, frequencies.size))


def _power_at(H: Array, D: Array, scale: Array) -> Array:
    return (H.real**2 + H.imag**2) @ D * scale * scale


def _cross_at(H: Array, D: Array, scale: Array) -> Array:
    H = scale[:, None].astype(H.dtype) * H
    return (H.conj() * D[None, :].astype(H.dtype)) @ H.T


def _coherence_at(H: Array, D: Array, _: Array) -> Array:
    size = root(_power_at(H, D, jnp.ones_like(D)), 2)
    # Divided before it is squared: in float32 the square of a small power is 0.
    relative = _cross_at(H, D, 1 / jnp.where(size > 0, size, 1))
    return jnp.minimum(relative.real**2 + relative.imag**2, 1)


def _read_amplitudes(name: str, value: Scalar | tuple) -> Array | tuple:
    if not isinstance(value, tuple):
        return _read_amplitude(name, value, 0)
    fields = getattr(value, "_fields", None) or range(len(value))
    read = [_read_amplitude(f"{name}.{f}", v, 1) for f, v in zip(fields, value, strict=True)]
    return type(value)(*read) if hasattr(value, "_fields") else tuple(read)


def _read_amplitude(name: str, value: Numbers, axes: int) -> Array:
    array = as_float_array(name, value)
    if array.ndim > axes:
        must = "be a number or have shape (n,)" if axes else "be a number, or a state of amplitudes"
        refuse(name, must, f"it has shape {array.shape}")
    return check_nonnegative(name, check_finite(name, array))


def spread(name: str, amplitudes: Array | tuple, state: State) -> State:
    """The amplitudes as a state of the shapes and dtype of the given one."""
    if not isinstance(amplitudes, tuple):
        amplitudes = jax.tree.map(lambda _: amplitudes, state)
    if jax.tree.structure(amplitudes) != jax.tree.structure(state):
        must = f"be a number or {a_or_an(type(state).__name__)}"
        refuse(name, must, f"it is {a_or_an(type(amplitudes).__name__)}")
    names = [f"{name}.{f}" for f in getattr(state, "_fields", range(len(state)))]
    return jax.tree.unflatten(jax.tree.structure(state), map(_spread_one, names, amplitudes, state))


def _spread_one(name: str, amplitude: Array, like: Array) -> Array:
    if amplitude.shape not in ((), like.shape):
        must = f"be a number or have shape (n,) = {like.shape}"
        refuse(name, must, f"it has shape {amplitude.shape}")
    return jnp.broadcast_to(amplitude, like.shape).astype(like.dtype)


def check_noise(noise: object) -> None:
    if not isinstance(noise, Noise):
        refuse("noise", "be an `oo.Noise`, such as `oo.Noise(0.1)`", f"it is {shown(noise)}")


def _read_frequencies(frequencies: Numbers, dtype: DTypeLike) -> Array:
    array = as_float_array("frequencies", frequencies, dtype)
    if array.ndim != 1 or array.size == 0:
        refuse("frequencies", "have shape (f,), at least one", f"its shape is {array.shape}")
    return check_finite("frequencies", array)
