"""Random matrices, and directions of the input, of a phase diagram: of a key and n."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import check_flag, check_positive_integer, read_key, read_number, refuse
from .._types import KeyLike


def gaussian(key: KeyLike, n: int) -> Float[Array, "n n"]:
    """Entries N(0, 1)/√n: eigenvalues fill the unit disk for every n, so Δ has no scale of n."""
    key = read_key("key", key)
    n = check_positive_integer("n", n)
    return jax.random.normal(key, (n, n)) / np.sqrt(n)


def symmetric(key: KeyLike, n: int) -> Float[Array, "n n"]:
    """(A + Aᵀ)/2 with A of entries N(0, 1)/√n, as in Morone et al. (2025): real eigenvalues, which
    fill (−√2, √2) for large n."""
    A = gaussian(key, n)
    return (A + A.T) / 2


class Diluted(eqx.Module):
    """Another ensemble with a share of its connections left, which are as strong together.

    Each entry is kept with a probability, and those kept are larger by 1/√share, so that their
    variance, and with it Δ, has the same meaning; a symmetric matrix stays symmetric.

    Args:
        share: in (0, 1].
        is_symmetric: whether it is `symmetric` that is made sparse, and not `gaussian`.

    Raises:
        ValueError: an argument is bad.
    """

    share: float = eqx.field(static=True)
    is_symmetric: bool = eqx.field(static=True)

    def __init__(self, share: float, is_symmetric: bool = True):
        self.share = read_number("share", share)
        if not 0 < self.share <= 1:
            refuse("share", "be in (0, 1]", f"it is {share}")
        self.is_symmetric = check_flag("is_symmetric", is_symmetric)

    def __call__(self, key: KeyLike, n: int) -> Float[Array, "n n"]:
        key = read_key("key", key)
        for_kept, for_values = jax.random.split(key)
        kept = jax.random.bernoulli(for_kept, self.share, (n, n))
        if self.is_symmetric:
            kept = jnp.triu(kept) | jnp.triu(kept, 1).T
        values = (symmetric if self.is_symmetric else gaussian)(for_values, n)
        return jnp.where(kept, values / np.sqrt(self.share), 0)


def anywhere(key: KeyLike, n: int) -> Float[Array, " n"]:
    """An input in a random direction."""
    z = jax.random.normal(read_key("key", key), (check_positive_integer("n", n),))
    return z / jnp.linalg.norm(z)


def delocalised(key: KeyLike, n: int) -> Float[Array, " n"]:
    """The same input to every unit, 1/√n."""
    read_key("key", key)  # as of the others, though there is nothing to draw
    n = check_positive_integer("n", n)
    return jnp.full(n, 1 / np.sqrt(n))


def localised(key: KeyLike, n: int) -> Float[Array, " n"]:
    """An input to the first unit alone."""
    read_key("key", key)  # likewise
    return jnp.zeros(check_positive_integer("n", n)).at[0].set(1)
