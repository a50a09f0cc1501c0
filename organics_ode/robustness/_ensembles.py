"""Random matrices and input directions for a phase diagram, as functions of a key and n."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import check_flag, check_positive_integer, read_key, read_number, refuse
from .._types import KeyLike


def gaussian(key: KeyLike, n: int) -> Float[Array, "n n"]:
    """Entries N(0, 1)/√n: eigenvalues fill the unit disk, so Δ means the same for every n.

    Args:
        key: a PRNG key.
        n: the number of units.

    Returns:
        (n, n).

    Raises:
        ValueError: an argument is bad.
    """
    key = read_key("key", key)
    n = check_positive_integer("n", n)
    return jax.random.normal(key, (n, n)) / np.sqrt(n)


def symmetric(key: KeyLike, n: int) -> Float[Array, "n n"]:
    """(A + Aᵀ)/2 with entries N(0, 1)/√n of A, as in Morone et al. (2025).

    The eigenvalues are real, and fill (−√2, √2) for large n.

    Args:
        key: a PRNG key.
        n: the number of units.

    Returns:
        (n, n).

    Raises:
        ValueError: an argument is bad.
    """
    A = gaussian(key, n)
    return (A + A.T) / 2


class Diluted(eqx.Module):
    """A sparse version of another ensemble, with the same variance.

    Each entry is kept with probability `share` and multiplied by 1/√share, so that the variance,
    and therefore Δ, has the same meaning; a symmetric matrix stays symmetric.

    Args:
        share: in (0, 1].
        is_symmetric: whether to make `symmetric` sparse instead of `gaussian`.

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
    """An input in a random direction, evenly distributed.

    Args:
        key: a PRNG key.
        n: the number of units.

    Returns:
        (n,), of length 1.

    Raises:
        ValueError: an argument is bad.
    """
    z = jax.random.normal(read_key("key", key), (check_positive_integer("n", n),))
    return z / jnp.linalg.norm(z)


def delocalised(key: KeyLike, n: int) -> Float[Array, " n"]:
    """The same input to every unit, 1/√n.

    Args:
        key: a PRNG key, which is not used.
        n: the number of units.

    Returns:
        (n,), of length 1.

    Raises:
        ValueError: an argument is bad.
    """
    read_key("key", key)  # checked as for the others, though there is nothing to draw
    n = check_positive_integer("n", n)
    return jnp.full(n, 1 / np.sqrt(n))


def localised(key: KeyLike, n: int) -> Float[Array, " n"]:
    """An input to the first unit only.

    Args:
        key: a PRNG key, which is not used.
        n: the number of units.

    Returns:
        (n,), of length 1.

    Raises:
        ValueError: an argument is bad.
    """
    read_key("key", key)  # likewise
    return jnp.zeros(check_positive_integer("n", n)).at[0].set(1)
