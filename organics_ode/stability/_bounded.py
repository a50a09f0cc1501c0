"""The theorem of bounded circuits: its hypotheses as numbers, and the bound on the responses.

These are pure functions, so that the same code certifies one circuit or counts ten thousand. The
proof is written out in the documentation ("Stability").
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._nonlinearities import Rectification, highest, lowest, power, root
from ..circuits import RotationalORGaNICs, per_unit
from ..facts import normalization
from ..programs import in_full_precision, quickly_compiled
from ._hypotheses import Check

# Times ε: the possible error of sums of so many terms, and of their roots and powers.
_ROUNDING = 64
# Values of w |y|^p at which a pool counts as grown: the bound is the least over these.
_GROWN = np.logspace(0.01, 8, 80)


class Pools(NamedTuple):
    """A circuit as the theorem sees it: n units, each with the values of its group.

    Attributes:
        together: which units are in the same group.
        W_r: recurrent weights, 0 between groups.
        W: normalization weights.
        least: the least σ b0.
        drive: the largest |b1 z|.
        tau_y, tau_a: ms.
        exponent: p.
    """

    together: Bool[Array, "n n"]
    W_r: Float[Array, "n n"]
    W: Float[Array, "n n"]
    least: Float[Array, " n"]
    drive: Float[Array, " n"]
    tau_y: Float[Array, " n"]
    tau_a: Float[Array, " n"]
    exponent: Any


def pools(c: Any, x: Array) -> Pools:
    """The circuit under every time course of the input with |x_i(t)| ≤ |x_i|.

    The groups of an `ORGaNICs` or a `GatedORGaNICs` are the parts that W_r leaves unconnected;
    `ties` says whether these have one modulator each.
    """
    n, size = c.size, jnp.abs(x)
    z = jnp.abs(c.W_zx) @ size
    spread = lambda v: jnp.broadcast_to(v, (n,))  # noqa: E731
    if normalization(c) == "shared":
        of_group = lambda v: per_unit(jnp.broadcast_to(v, (c.groups,)), n)  # noqa: E731
        group = np.arange(n) // (n // c.groups)
        W = jnp.repeat(c.W, n // c.groups, axis=0)
        least, tau_a = of_group(c.sigma * c.floor), of_group(c.tau_a)
    else:
        group, W, tau_a = connected(c.W_r), c.W, spread(c.tau_a)
        is_gated = normalization(c) == "dynamic"
        # |W_bx0 x| is at most this: a gate that reads nothing else stays above its sigmoid.
        b0 = jax.nn.sigmoid(-jnp.abs(c.W_bx0) @ size) if is_gated else c.b0
        z = z if is_gated else c.b1 * z
        least = spread(c.sigma * b0)
    together = group[:, None] == group[None, :]
    return Pools(together, c.W_r, W, least, z, spread(c.tau_y), tau_a, c.exponent)


def connected(W_r: Array | np.ndarray) -> np.ndarray:
    """The number of the part of each unit; W_r does not connect units of different parts."""
    W_r = np.asarray(W_r)
    reached = (W_r != 0) | (W_r.T != 0) | np.eye(len(W_r), dtype=bool)
    for _ in range(int(np.ceil(np.log2(len(W_r)))) + 1):
        reached = reached @ reached
    return np.argmax(reached, axis=1)


@quickly_compiled
@in_full_precision
def bounded_checks(c: RotationalORGaNICs, x: Array) -> tuple[Array, dict[str, Check]]:
    """The bound on |y| and the hypotheses for a `RotationalORGaNICs`. Pure (jit, vmap)."""
    return checks_of(pools(c, x))


@quickly_compiled
@in_full_precision
def checks_of(v: Pools) -> tuple[Array, dict[str, Check]]:
    """The bound on |y|, and the numerical hypotheses."""
    n, eps = v.least.size, jnp.finfo(v.least.dtype).eps
    rates = jnp.linalg.eigvalsh((v.W_r + v.W_r.T) / 2)
    off = _ROUNDING * n * eps * highest(jnp.abs(rates))
    low, high = rates[0] - off, rates[-1] + off
    s = v.least * (1 - _ROUNDING * eps)
    damping = lowest(_damping(s, low, high))
    bound = _bound(v, s, low, high) * (1 + _ROUNDING * n * eps)
    return bound, {
        "semisaturation": Check(lowest(s), lowest(s) > 0),
        "shrinking": Check(rates[0], low > 0),
        "damping": Check(damping, damping > _ROUNDING * eps * jnp.maximum(1, high)),
        "bound": Check(bound, jnp.isfinite(bound)),
    }


def ties(c: Any) -> list[str]:
    """What keeps an `ORGaNICs` or `GatedORGaNICs` from having one modulator per group of units."""
    is_gated, of = normalization(c) == "dynamic", connected(c.W_r)
    gains = {"W_bx0": c.W_bx0, "tau_b0": c.tau_b0} if is_gated else {"sigma b0": c.sigma * c.b0}
    shared = {"W": c.W, "sigma": c.sigma, "tau_a": c.tau_a} | gains
    if not is_gated:
        del shared["sigma"]
    found = [
        f"{name} differs between units that W_r connects"
        for name, values in shared.items()
        if not _is_shared(np.asarray(values), of)
    ]
    if c.rectification is not Rectification.NONE:
        found.append(f"the rectification is {c.rectification.name}")
    if is_gated and (np.any(np.asarray(c.W_by0)) or np.any(np.asarray(c.W_ba0))):
        found.append("the gains b0 depend on y or a (W_by0 or W_ba0 is not 0), without a floor")
    return found


def _is_shared(values: np.ndarray, group: np.ndarray) -> bool:
    """Whether units of a group have the same value, or row, to the bit."""
    # The number of a group is that of its first unit.
    return values.ndim == 0 or bool(np.all(values == values[group]))


def _damping(s: Array, low: Array, high: Array) -> Array:
    """α(s): the least value of 1 − (1 − s) yᵀ W_r y / |y|², which rises with s."""
    return 1 - (1 - s) * jnp.where(s < 1, high, low)


def _bound(v: Pools, s: Array, low: Array, high: Array) -> Array:
    """The ultimate bound on |y|: the smaller of two for each group, then that of all groups."""
    p, size = v.exponent, jnp.sum(v.together, axis=1).astype(s.dtype)
    longest = highest(jnp.where(v.together, v.tau_y[None, :], -jnp.inf), axis=1)
    shortest = lowest(jnp.where(v.together, v.tau_y[None, :], jnp.inf), axis=1)
    u = root(jnp.where(v.together, power(v.drive, 2)[None, :], 0).sum(1), 2)
    spread = root(longest / shortest, 2)
    # Σ_j w_j |y_j|^p is at least this weight times |y|^p.
    weight = lowest(jnp.where(v.together, v.W, jnp.inf), axis=1)
    weight = weight * size ** -jnp.maximum(p / 2 - 1, 0)
    grown = jnp.asarray(_GROWN, u.dtype)[None, :]
    rho = root(grown / weight[:, None], p)
    # The s from which on |y| = ρ falls, and how long a takes to get there from its floor.
    need = u[:, None] / rho
    enough = 1 + (need - 1) / jnp.where(need < 1, high, low)
    wait = p * v.tau_a[:, None] / (grown - 1) * jnp.log(jnp.maximum(enough / s[:, None], 1))
    pooled = lowest(spread[:, None] * rho + u[:, None] * wait / shortest[:, None], axis=1)
    each = jnp.minimum(spread * u / _damping(s, low, high), pooled)
    return root(jnp.sum(power(each, 2) / size), 2)
