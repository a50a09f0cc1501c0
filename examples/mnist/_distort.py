"""Digit images, distorted on the fly: used by `train_static_mnist.py`."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates

import organics_ode as oo

SIDE = 28


@eqx.filter_jit
def distort(images: jax.Array, key: jax.Array, strength: float) -> jax.Array:
    """Each image under a random affine map: rotated by up to 15°, scaled by up to 15 % in each
    direction, sheared by up to 0.15 and shifted by up to 2.5 pixels, all times the strength."""
    rows, columns = jnp.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    bounds = strength * jnp.array([0.26, 0.15, 0.15, 0.15, 2.5, 2.5])

    def one(image: jax.Array, key: jax.Array) -> jax.Array:
        angle, tall, wide, shear, down, right = bounds * jax.random.uniform(key, (6,), minval=-1)
        u = (1 + tall) * (jnp.cos(angle) * rows - jnp.sin(angle) * columns)
        v = (1 + wide) * (jnp.sin(angle) * rows + jnp.cos(angle) * columns)
        at = jnp.stack([u + shear * v + down, v + right]) + (SIDE - 1) / 2
        return map_coordinates(image.reshape(SIDE, SIDE), at, order=1).ravel()

    return jax.vmap(one)(images, jax.random.split(key, len(images)))


def distorted(batches: Any, key: jax.Array, strength: float) -> Any:
    """Distorted images, each the target of its own reconstruction, as a function of the step."""

    def batch(step: int) -> oo.Batch:
        images, labels, _ = batches(step)
        images = distort(images, jax.random.fold_in(key, step), strength)
        return oo.Batch(images, (labels, images))

    batch.steps_per_epoch = batches.steps_per_epoch
    return batch
