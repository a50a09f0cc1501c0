"""Processes that drive a circuit beside independent white noise: shared, low-passed, observed."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import gammainc
from jaxtyping import Array, Float

from ..._nonlinearities import root


class Source(NamedTuple):
    """k independent processes, and the variables that they enter.

    Attributes:
        loading: (d,), one process for every variable; or (d, k).
        tau: ms, () or (k,), of a low-pass; None for white noise.
        variance: (), of each process where it is low-passed, or per ms where it is white.
        order: 1 or 2, how often it is low-passed.
        is_measured: whether it is added to what is observed, and not to the flow.
    """

    loading: Float[Array, "d *k"]  # noqa: F821
    tau: Float[Array, "*k"] | None = None
    variance: Float[Array, ""] | float = 1.0
    order: int = 1
    is_measured: bool = False

    def enter(self, processes: Float[Array, " k"]) -> Float[Array, " d"]:
        """What the processes add to every variable."""
        return self.loading * processes if self.loading.ndim == 1 else self.loading @ processes


class LowPass(NamedTuple):
    """White noise through one filter or two, exactly over a step of h = dt/τ.

        τ du₁ = −u₁ dt + √(2cτv) dω,   τ u̇₂ = u₁ − u₂,   c filters; the last has the variance v

    Attributes:
        decay: (k,), e^(−h). passed: (k,), h e^(−h), what a step takes from u₁ to u₂.
        kicks: of one filter its standard deviation; of two the Cholesky factor: of u₁, of both,
            of u₂.
    """

    decay: Array
    passed: Array
    kicks: tuple[Array, ...]

    def move(self, u: Float[Array, "order k"], xi: Float[Array, "order k"]) -> Array:
        """The filters a step later, ξ standard normal numbers."""
        own, *second = self.kicks
        if not second:
            return self.decay[None] * u + own[None] * xi
        both, last = second
        first = self.decay * u[0] + own * xi[0]
        then = self.decay * u[1] + self.passed * u[0] + both * xi[0] + last * xi[1]
        return jnp.stack([first, then])


def low_pass(source: Source, dt: Array | float) -> LowPass:
    """The filters of a source over a step; over an infinite one they become stationary."""
    h = jnp.broadcast_to(dt / source.tau, source.loading.shape[-1:])
    # 1 − e^(−2h) Σ_{i<j} (2h)^i/i!, which as it stands loses its digits where h is small.
    g = [gammainc(jnp.asarray(j, h.dtype), 2 * h) for j in (1, 2, 3)]
    decay, size = jnp.exp(-h), root(jnp.asarray(source.variance, h.dtype), 2)
    passed = jnp.where(decay > 0, h, 0) * decay
    if source.order == 1:
        return LowPass(decay, passed, (size * root(g[0], 2),))
    own = root(2 * g[0], 2)
    both = g[1] / own
    kicks = (own, both, root(g[2] - both**2, 2))
    return LowPass(decay, passed, tuple(size * kick for kick in kicks))
