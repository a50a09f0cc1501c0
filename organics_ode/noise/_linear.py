"""A circuit and its noise, linearised about a stable point: one linear system in white noise."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from .._checks import is_traced
from .._types import Numbers, State, StateLike
from ..circuits import AbstractCircuit
from ..equilibria import StablePoint, stable_point
from ..programs import quickly_compiled
from .kinds import AbstractNoise, Source, check_noise


class Linear(NamedTuple):
    """ds = A s dt + dw: the deviations of the state, followed by the filters of its noise.

    Attributes:
        A: (N, N), 1/ms; its first (d, d) are J.
        D: (N,), the intensities of independent white noise.
        L: (N, k), the factor of shared noise of intensity L Lᵀ, or None.
        H: (d, N): H s is what is observed, where that is more than the state; or None.
    """

    A: Float[Array, "N N"]
    D: Float[Array, " N"]
    L: Float[Array, "N k"] | None = None
    H: Float[Array, "d N"] | None = None


def linearised(
    circuit: AbstractCircuit[State],
    x: Numbers,
    noise: AbstractNoise,
    state0: StateLike | None,
    *,
    is_observed: bool = True,
) -> tuple[StablePoint, Linear]:
    """The stable point and the linear system there, with or without measurement noise."""
    point = stable_point(circuit, x, state0)
    check_noise(noise)
    return point, linear_system(point.J, point.state, noise, is_observed=is_observed)


def linear_system(
    J: Float[Array, "d d"], state: PyTree, noise: AbstractNoise, *, is_observed: bool = True
) -> Linear:
    """The linear system of a Jacobian with noise at a state."""
    kept = [s for s in noise.sources(state) if is_observed or not s.is_measured]
    sources = [heard for heard in map(_heard, kept) if heard.loading.size]
    D = _diagonal(noise, state)
    return _assembled(J, D, sources) if sources else Linear(J, D)


@quickly_compiled
def _diagonal(noise: AbstractNoise, state: PyTree) -> Array:
    return ravel_pytree(noise.variance(state))[0]


def _heard(source: Source) -> Source:
    """The source with a matrix of loadings, without columns that are known to be 0."""
    L, tau = source.loading, source.tau
    tau = None if tau is None else jnp.broadcast_to(tau, L.shape[-1:])
    L = jnp.diag(L) if L.ndim == 1 else L
    if not is_traced(L) and not is_traced(source.variance):
        i = np.flatnonzero((np.asarray(L) != 0).any(axis=0) & (np.asarray(source.variance) != 0))
        L, tau = L[:, i], None if tau is None else tau[i]
    return source._replace(loading=L, tau=tau)


class _Filters(NamedTuple):
    """u̇ = F u + kicks: low-pass filters of white noise, and what the last of them adds, (d, ·)."""

    F: Array
    kicks: Array
    enters: Array


@quickly_compiled
def _assembled(J: Array, D: Array, sources: list[Source]) -> Linear:
    d = len(J)
    white = [s.loading for s in sources if s.tau is None]
    flowing = [_filters(s) for s in sources if s.tau is not None and not s.is_measured]
    measured = [_filters(s) for s in sources if s.is_measured]
    both = flowing + measured
    A = jax.scipy.linalg.block_diag(J, *[f.F for f in both])
    D = jnp.concatenate([D, *[f.kicks for f in both]])
    none = jnp.zeros((d, 0), J.dtype)
    G = jnp.concatenate([none, *[f.enters for f in flowing]], axis=1)
    A = A.at[:d, d : d + G.shape[1]].set(G)
    L = jnp.concatenate(white, axis=1) if white else None
    L = None if L is None else jnp.pad(L, ((0, D.size - d), (0, 0)))
    seen = [jnp.eye(d, dtype=J.dtype), 0 * G, *[f.enters for f in measured]]
    return Linear(A, D, L, jnp.concatenate(seen, axis=1) if measured else None)


def _filters(source: Source) -> _Filters:
    tau: Any = source.tau
    rate, stages = 1 / tau, jnp.eye(source.order, dtype=source.loading.dtype)
    F = jnp.kron(jnp.eye(source.order, k=-1, dtype=rate.dtype) - stages, jnp.diag(rate))
    kicks = jnp.kron(stages[0], 2 * source.order * source.variance * rate)
    return _Filters(F, kicks, jnp.kron(stages[-1:], source.loading))
