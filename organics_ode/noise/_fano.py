"""`fano`: the variability of spike counts in a window."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_float_array, check_positive_number, in_jax, refuse, shown
from .._types import Numbers, Scalar, State, StateLike
from ..circuits import AbstractCircuit
from ..linear import balanced, refuse_unresolved
from ..programs import in_full_precision, quickly_compiled
from ._large import warn_where_large
from ._linear import Linear, linearised
from ._spectra import stationary
from .kinds import AbstractNoise

_DOUBLINGS = 64  # Of the matrix exponential over the window: more than any float needs.


def fano(
    circuit: AbstractCircuit[State],
    x: Numbers,
    noise: AbstractNoise,
    window: Scalar,
    *,
    rate: Callable[[State], Array] | None = None,
    state0: StateLike | None = None,
) -> Float[Array, " k"]:
    """The Fano factors of spike counts in a window, for the rates of the circuit.

        F = 1 + Var(∫r dt)/E(∫r dt),   Var(∫r dt) = 2 ∫₀ᵀ (T − s) C(s) ds,   C(s) = e^{Js} C₀

    Spikes are Poisson given the rates r, which are those of the circuit with noise, linearised
    about its stable fixed point: without noise F = 1. For T → 0 F becomes 1, and for long windows
    1 + S_r(0)/(10⁻³ r) with the power of `power_spectrum`. Coloured noise is part of J; measurement
    noise does not affect the spikes. Pure (jit, vmap over windows, grad); no batch axis.

    Args:
        circuit, x, noise, state0: as for `covariance`.
        window: T > 0, ms.
        rate: a function of a state that returns rates (k,) in spikes per ms, such as
            `lambda s: 0.05 * s.y**2`; unless given, the first field of the state (the responses).

    Returns:
        F, (k,); NaN where a rate is not positive.

    Raises:
        ValueError: an argument is bad, no stable fixed point was found, or rounding may change a
            variance by more than 1 % (inside jit, equinox's run-time error).

    Reference:
        Cox, Isham, "Point Processes", Chapman and Hall (1980), on doubly stochastic processes.
    """
    T = as_float_array("window", check_positive_number("window", window))
    point, linear = linearised(circuit, x, noise, state0, is_observed=False)
    r, slopes = _read_rate(rate, point.state)
    X, V = integrated(linear, slopes, T.astype(r.dtype))
    variance = jnp.diag(V)
    variance = jnp.where(jnp.isfinite(refuse_unresolved(X)).all(), variance, jnp.nan)
    warn_where_large(point.circuit, point.state, jnp.diag(X)[: len(point.J)])
    return jnp.where(r > 0, 1 + variance / jnp.where(r > 0, T.astype(r.dtype) * r, 1), jnp.nan)


@quickly_compiled
@in_full_precision
def integrated(linear: Linear, slopes: Array, T: Array) -> tuple[Array, Float[Array, "k k"]]:
    """The stationary covariance, and that of the integrated rates.

    The latter is M + Mᵀ with M = T² g φ₂(AT) X gᵀ and φ₂(Z) = Z⁻²(e^Z − 1 − Z), which is a corner
    of a matrix exponential.
    """
    X, (A, scale) = stationary(linear), balanced(linear.A)
    N, k = len(A), len(slopes)
    g = jnp.pad(slopes, ((0, 0), (0, N - slopes.shape[1]))) * scale[None, :]
    start = (X / scale[:, None] / scale[None, :]) @ g.T
    M = jnp.zeros((N + 2 * k, N + 2 * k), A.dtype).at[:N, :N].set(A * T)
    M = M.at[:N, N : N + k].set(start).at[N : N + k, N + k :].set(jnp.eye(k, dtype=A.dtype))
    passed = jax.scipy.linalg.expm(M, max_squarings=_DOUBLINGS)[:N, N + k :]
    V = T**2 * (g @ passed)
    return X, V + V.T


def _read_rate(
    rate: Callable[[State], Array] | None, state: State
) -> tuple[Float[Array, " k"], Float[Array, "k d"]]:
    """The rates at a state, and their derivatives with respect to all its variables."""
    if rate is not None and (not callable(rate) or isinstance(rate, type)):
        refuse("rate", "be a function of a state, or None", f"it is {shown(rate)}")
    of = (lambda s: s[0]) if rate is None else in_jax("rate", rate)
    r = of(state)
    shape, dtype = getattr(r, "shape", None), getattr(r, "dtype", None)
    if shape is None or len(shape) != 1 or dtype != state[0].dtype:
        refuse("rate", f"give an array (k,) of {state[0].dtype}", f"it gives {shown(r)}")
    slopes = jax.jacfwd(of)(state)
    return r, jnp.concatenate(jax.tree.leaves(slopes), axis=1)
