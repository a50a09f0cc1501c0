"""How the ring tasks are solved from their inputs: whether to answer, and in which direction."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._cognitive import segments
from ._code import peak

Rings = Float[Array, "time 2 32"]
Answer = tuple[Float[Array, ""], Bool[Array, ""]]

# A bump of strength 1 sums to 4.01 over the ring; the weakest one shown has strength 0.36.
_STIMULUS = 0.5


def is_shown(rings: Rings) -> Bool[Array, " time"]:
    """Whether there is a stimulus at each step."""
    return jnp.sum(rings, axis=(1, 2)) > _STIMULUS


def turned(rings: Rings, *, turn: float) -> Answer:
    """The direction that was shown, turned."""
    return peak(jnp.sum(rings, axis=(0, 1))) + turn, jnp.asarray(True)


def stronger(rings: Rings, *, weights: tuple[float, float]) -> Answer:
    """The direction of the highest bump ever seen in the weighted sum of the modalities."""
    seen = jnp.einsum("tmi,m->ti", rings, jnp.asarray(weights, rings.dtype))
    return peak(jnp.max(seen, axis=0)), jnp.asarray(True)


def second_if_near(rings: Rings, *, on_match: bool) -> Answer:
    """The second direction, if it lies (or, without `on_match`, does not lie) near the first."""
    first, second = _two_directions(rings)
    return second, (jnp.cos(first - second) > jnp.cos(jnp.pi / 4)) == on_match


def second_if_alike(rings: Rings, *, on_match: bool) -> Answer:
    """The same by categories, which are separated by the line at right angles to π/4."""
    first, second = _two_directions(rings)
    alike = (jnp.cos(first - jnp.pi / 4) > 0) == (jnp.cos(second - jnp.pi / 4) > 0)
    return second, alike == on_match


def _two_directions(rings: Rings) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The directions of the first and of the second stimulus, separated by a delay."""
    number = segments(jnp.where(is_shown(rings), 1.0, 0.0))
    ring = jnp.sum(rings, axis=1)
    first, second = (jnp.sum(jnp.where((number == i)[:, None], ring, 0), axis=0) for i in (1, 2))
    return peak(first), peak(second)
