"""What is known about `ORGaNICs2025`."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._nonlinearities import power, root
from ..circuits import FLOOR, ORGaNICs2025, ORGaNICs2025State, at_rest, floored
from ._generic import closed_form, is_positive, largest_of, largest_terms, relaxation_times, units
from ._normalization import like


@closed_form.register(ORGaNICs2025)
def _(c: ORGaNICs2025, x: Array) -> ORGaNICs2025State:
    """The fixed point where W leaves √y⁺ as it is and γ = 1, up to the floors of its rates; no
    theorem proves it stable. Where there is none, u ≥ 1, the p given here is finite but not a fixed
    point."""
    m = c.W_zx.shape[1]
    z = c.beta * (c.W_zx @ x[:m])
    pool = power(c.sigma, 2) + c.W_n @ power(z, 2)
    y = z / root(pool, 2)
    s = floored(root(power(floored(y), 2), 2))
    return at_rest(y, power(c.b, 2) * pool, c.g * (c.W_fb @ root(x[m:], 2)) / s)


@relaxation_times.register(ORGaNICs2025)
def _(c: ORGaNICs2025, state: ORGaNICs2025State, x: Array) -> ORGaNICs2025State:
    return like(state, c.tau_rate, *[c.tau] * 4, *[c.tau_rate] * 3)


@largest_terms.register(ORGaNICs2025)
def _(c: ORGaNICs2025, state: ORGaNICs2025State, x: Array) -> ORGaNICs2025State:
    # Sums of sizes: where the terms of a sum cancel, their rounding does not.
    q, m = jax.tree.map(jnp.abs, state), c.W_zx.shape[1]
    back = c.g * (abs(c.W_fb) @ root(jnp.abs(x[m:]), 2))
    heard = (abs(c.W) @ root(q.y_rate, 2) + c.gamma * back) / (1 + q.p_rate)
    y = _largest(q.y, c.beta * c.b * (abs(c.W_zx) @ jnp.abs(x[:m])), heard)
    u = _largest(q.u, power(c.sigma * c.b, 2), c.W_n @ (q.y_rate * power(q.u_rate, 2)))
    p = _largest(q.p, back / floored(q.s_rate), q.u_rate, q.p * q.u_rate, c.alpha * u)
    s = _largest(q.s, root(q.y_rate, 2))
    rates = (power(floored(q.y), 2), root(floored(q.u), 2), floored(q.p), floored(q.s))
    own = (q.y_rate, q.u_rate, q.p_rate, q.s_rate)
    y_rate, *others = [_largest(*pair) / c.tau_rate for pair in zip(rates, own, strict=True)]
    return ORGaNICs2025State(y_rate, *[v / c.tau for v in (y, u, p, s)], *others)


def _largest(*terms: Array) -> Array:
    return functools.reduce(jnp.maximum, terms)


@is_positive.register(ORGaNICs2025)
def _(c: ORGaNICs2025, state: ORGaNICs2025State) -> ORGaNICs2025State:
    """y may have either sign, and so may p with α > 0."""
    of = lambda name, leaf: jnp.full(leaf.shape, name not in ("y", "p"))  # noqa: E731
    return ORGaNICs2025State(**{name: of(name, leaf) for name, leaf in state._asdict().items()})


@units.register(ORGaNICs2025)
def _(c: ORGaNICs2025, state: ORGaNICs2025State) -> ORGaNICs2025State:
    """Rates of units span ten decades, and changes of their roots and squares scale with the
    product of their own size and the largest one."""
    largest = largest_of(state)
    mean = lambda own, most: root(jnp.maximum(own, FLOOR**2) * most, 2)  # noqa: E731
    spread = {f: mean(getattr(state, f), getattr(largest, f)) for f in ("y_rate", "s", "s_rate")}
    return largest._replace(**spread)
