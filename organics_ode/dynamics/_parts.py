"""The variables of a step that depend on each other, directly or through others."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

_PROBES = 4


class Parts(NamedTuple):
    """The parts of a step within which every variable depends on every other one.

    - `order`: (d,), the variables in an order that keeps each part together.
    - `label`: (d,), in that order, the part of each variable.
    - `hears`: (d, d), in that order, whether variable i depends on j after any number of steps.
    """

    order: Int[Array, " d"]
    label: Int[Array, " d"]
    hears: Bool[Array, "d d"]

    @property
    def same(self) -> Bool[Array, "d d"]:
        """In that order, whether variables i and j are in one part."""
        return self.label[:, None] == self.label[None, :]


def parts_of(step: Callable[[Array, Array], Array], v0: Array, xs: Array) -> Parts:
    """The parts of a step (d,), (m,) ↦ (d,), read from its Jacobians at the start and at a few
    random states. An entry that is not finite counts as a dependence."""
    rng = np.random.default_rng(0)
    moves = rng.normal(size=(_PROBES, v0.size)) * np.arange(_PROBES)[:, None]
    moves[_PROBES // 2 :] = np.abs(moves[_PROBES // 2 :])
    size = 1 + jnp.abs(v0)
    states = v0[None] + jnp.asarray(moves, v0.dtype) * size[None]
    inputs = xs[jnp.asarray(np.linspace(0, len(xs) - 1, _PROBES).astype(int))]
    F = jax.vmap(jax.jacfwd(step))(states, inputs)
    hears = jnp.any(F != 0, axis=0) | jnp.eye(v0.size, dtype=bool)
    for _ in range(int(np.ceil(np.log2(max(v0.size, 2))))):
        hears = hears.astype(v0.dtype) @ hears.astype(v0.dtype) > 0
    label = jnp.argmax(hears & hears.T, axis=1)
    order = jnp.argsort(label, stable=True)
    return Parts(order, label[order], hears[order][:, order])


def whole(like: Float[Array, " d"]) -> Parts:
    """All variables as one part."""
    order = jnp.arange(like.size)
    return Parts(order, 0 * order, jnp.full((like.size, like.size), True))


def is_whole(parts: Parts) -> Bool[Array, ""]:
    """Whether there is only one part."""
    return jnp.all(parts.label == parts.label[0])
