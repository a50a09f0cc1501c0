"""A direction as activity on a ring of 32 channels, and back."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

RING = 32
# Preferred directions θ_i = 2πi/32.
PREFERRED = tuple(2 * np.pi * i / RING for i in range(RING))
DEGREES = tuple(f"{360 * i / RING:g}°" for i in range(RING))


def bump(direction: Float[Array, ""]) -> Float[Array, "32"]:
    """0.8 exp(-½ (8d/π)²), with d the circular distance of θ_i from the direction."""
    difference = jnp.asarray(PREFERRED, direction.dtype) - direction
    d = jnp.abs(jnp.mod(difference + jnp.pi, 2 * jnp.pi) - jnp.pi)
    return 0.8 * jnp.exp(-0.5 * (8 * d / jnp.pi) ** 2)


def population_vector(
    ring: Float[Array, "*time 32"],
) -> tuple[Float[Array, "*time"], Float[Array, "*time"]]:
    """Σ_i r_i (cos θ_i, sin θ_i)."""
    θ = jnp.asarray(PREFERRED, ring.dtype)
    return ring @ jnp.cos(θ), ring @ jnp.sin(θ)


def peak(ring: Float[Array, "32"]) -> Float[Array, ""]:
    """The direction of the highest bump: the population vector of the peak and its neighbours."""
    i = jnp.argmax(ring)
    offsets = jnp.arange(RING) - i
    near = jnp.abs(jnp.mod(offsets + RING // 2, RING) - RING // 2) <= 2
    x, y = population_vector(jnp.where(near, ring, 0))
    return jnp.arctan2(y, x)


def points_along(
    ring: Float[Array, "time 32"], target: Float[Array, "time 32"], angle: float
) -> Shaped[Array, " time"]:
    """Whether the population vectors of two rings lie within an angle of each other, step by step.

    A ring whose channels are all equal points nowhere.
    """
    (x, y), (u, v) = population_vector(ring), population_vector(target)
    lengths = jnp.hypot(x, y) * jnp.hypot(u, v)
    points = jnp.hypot(x, y) > 1e-6 * jnp.sum(jnp.abs(ring), axis=-1)
    return (x * u + y * v >= np.cos(angle) * lengths) & points
