"""Processes other than independent white noise: shared, low-passed, or only observed."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.scipy.special import gammainc
from jaxtyping import Array, Float

from ..._nonlinearities import root


class Source(NamedTuple):
    """k independent processes, and the variables that they enter.

    Attributes:
        loading: (d,), one process for every variable; or (d, k).
        tau: ms, () or (k,), of the low-pass filter; None for white noise.
        variance: (), of each process if it is low-passed, or per ms if it is white.
        order: 1 or 2, the number of low-pass filters.
        is_measured: whether it is added to the observation and not to the flow.
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
    """White noise through one filter or two, advanced exactly over a step of h = dt/τ.

        τ du₁ = −u₁ dt + √(2cτv) dω,   τ u̇₂ = u₁ − u₂,   c filters; the last has variance v

    Attributes:
        decay: (k,), e^(−h). passed: (k,), h e^(−h), what a step passes from u₁ to u₂.
        kicks: for one filter the standard deviation; for two the Cholesky factor: of u₁, of both,
            of u₂.
    """

    decay: Array
    passed: Array
    kicks: tuple[Array, ...]

    def move(self, u: Float[Array, "order k"], xi: Float[Array, "order k"]) -> Array:
        """The filters one step later, for standard normal numbers ξ."""
        own, *second = self.kicks
        if not second:
            return self.decay[None] * u + own[None] * xi
        both, last = second
        first = self.decay * u[0] + own * xi[0]
        then = self.decay * u[1] + self.passed * u[0] + both * xi[0] + last * xi[1]
        return jnp.stack([first, then])


def low_pass(source: Source, dt: Array) -> LowPass:
    """The filters of a source over a step."""
    tau: Any = source.tau
    h = jnp.broadcast_to(dt / tau, source.loading.shape[-1:])
    # 1 − e^(−2h) Σ_{i<j} (2h)^i/i!, which in this form would lose its digits for small h.
    gathered = [gammainc(jnp.asarray(j, h.dtype), 2 * h) for j in (1, 2, 3)]
    return _low_pass(source, jnp.exp(-h), h * jnp.exp(-h), gathered)


def stationary(source: Source) -> LowPass:
    """The filters of a source over an infinite time, after which their start is forgotten."""
    forgotten = jnp.zeros(source.loading.shape[-1:], source.loading.dtype)
    return _low_pass(source, forgotten, forgotten, [1 - forgotten] * 3)


def _low_pass(source: Source, decay: Array, passed: Array, gathered: list[Array]) -> LowPass:
    size, (first, second, third) = root(jnp.asarray(source.variance, decay.dtype), 2), gathered
    if source.order == 1:
        return LowPass(decay, passed, (size * root(first, 2),))
    own = root(2 * first, 2)
    both = second / own
    kicks = (own, both, root(third - both**2, 2))
    return LowPass(decay, passed, tuple(size * kick for kick in kicks))
