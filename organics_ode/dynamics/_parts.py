"""The variables of a step that depend on each other, directly or through others."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

_PROBES = 4
LEVELS = 4  # the most levels of parts that share their vectors


class Parts(NamedTuple):
    """The parts of a step within which every variable depends on every other one.

    - `order`: (d,), the variables in an order that keeps each part together.
    - `label`: (d,), in that order, the part of each variable.
    - `hears`: (d, d), in that order, whether variable i depends on j after any number of steps.
    - `level`: (d,), in that order, the length of the longest chain of other parts that the part of
      each variable depends on, `LEVELS` if it is longer. Parts of one level are independent.
    """

    order: Int[Array, " d"]
    label: Int[Array, " d"]
    hears: Bool[Array, "d d"]
    level: Int[Array, " d"]

    @property
    def same(self) -> Bool[Array, "d d"]:
        """In that order, whether variables i and j are in one part."""
        return self.label[:, None] == self.label[None, :]

    @property
    def mute(self) -> Bool[Array, "d d"]:
        """In that order, whether it would matter if variable i heard j after all: not if its part
        is of a higher level, for then the exponents are still those of the parts."""
        return ~(self.hears | (self.level[:, None] > self.level[None, :]))

    @property
    def place(self) -> Int[Array, " d"]:
        """In that order, the place of each variable in its part, from 0."""
        return jnp.arange(self.label.size) - jnp.argmax(self.same, axis=1)


def parts_of(step: Callable[[Array, Array], Array], v0: Array, xs: Array) -> Parts:
    """The parts of a step (d,), (m,) ↦ (d,), read from its Jacobians at the start and at a few
    random states, with random inputs: where `jax.vmap` goes over sequences only, the parts are
    those of all of them. An entry that is not finite counts as a dependence."""
    rng = np.random.default_rng(0)
    moves = rng.normal(size=(_PROBES, v0.size)) * np.arange(_PROBES)[:, None]
    moves[_PROBES // 2 :] = np.abs(moves[_PROBES // 2 :])
    size = 1 + jnp.abs(v0)
    states = v0[None] + jnp.asarray(moves, v0.dtype) * size[None]
    inputs = jnp.asarray(rng.normal(size=(_PROBES, *xs.shape[1:])), xs.dtype)
    F = jax.vmap(jax.jacfwd(step))(states, inputs)
    hears = jnp.any(F != 0, axis=0) | jnp.eye(v0.size, dtype=bool)
    for _ in range(int(np.ceil(np.log2(max(v0.size, 2))))):
        hears = hears.astype(v0.dtype) @ hears.astype(v0.dtype) > 0
    label = jnp.argmax(hears & hears.T, axis=1)
    order = jnp.argsort(label, stable=True)
    label, hears = label[order], hears[order][:, order]
    other = hears & (label[:, None] != label[None, :])
    level, is_longer = jnp.zeros_like(label), jnp.ones_like(label, bool)
    for _ in range(LEVELS):
        is_longer = jnp.any(other & is_longer[None, :], axis=1)
        level = level + is_longer.astype(level.dtype)
    return Parts(order, label, hears, level)


def whole(like: Float[Array, " d"]) -> Parts:
    """All variables as one part."""
    order = jnp.arange(like.size)
    return Parts(order, 0 * order, jnp.full((like.size, like.size), True), 0 * order)


def orthonormal(U: Float[Array, "d k"], parts: Parts) -> tuple[Array, Array]:
    """Within each part, the rows of U as orthonormal columns, and the logarithms of the lengths
    that they had (d, k), the same for all variables of a part. A column without length stays 0.

    Each column is projected twice, which makes it orthogonal to rounding.
    """
    same = parts.same.astype(U.dtype)

    def one(j: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        Q, lengths = carry
        u = U[:, j]
        for _ in range(2):
            u = u - jnp.sum(Q * (same @ (Q * u[:, None])), axis=1)
        square = same @ (u * u)
        size = jnp.sqrt(jnp.where(square > 0, square, 1))
        u = jnp.where(square > 0, u / size, 0)
        length = jnp.where(square > 0, jnp.log(size), -jnp.inf)
        return Q.at[:, j].set(u), lengths.at[:, j].set(length)

    return jax.lax.fori_loop(0, U.shape[1], one, (0 * U, 0 * U))


def is_whole(parts: Parts) -> Bool[Array, ""]:
    """Whether there is only one part."""
    return jnp.all(parts.label == parts.label[0])
