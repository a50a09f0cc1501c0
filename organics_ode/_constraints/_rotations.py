"""Recurrent weights whose symmetric part stays within bounds: rotations with limited damping."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._checks import (
    as_float_array,
    check_finite,
    check_positive_integer,
    is_traced,
    read_number,
    refuse,
)
from .._types import Numbers
from ._nodes import AbstractHolder, AbstractProjected

# The possible error of a file, or of the projection, in single precision; `certify` allows for it.
_ROUNDING = 1e-5


class IdentityPlusSkew(AbstractHolder):
    """A matrix whose symmetric part is I: I + θ − θᵀ, where θ is trained.

    The skew part may have any size; it rotates: yᵀ W y = |y|² for every y.

    Args:
        value: (n, n), I plus a skew-symmetric matrix.
        groups: the number of groups of equal size, one after the other, into which the units are
            divided; a unit is connected only to those of its own group.

    Raises:
        ValueError: the value is no such matrix, or connects units of different groups.
    """

    theta: Float[Array, "n n"]
    groups: int = eqx.field(static=True)

    def __init__(self, value: Numbers, *, groups: int = 1):
        value, self.groups = _read(value, groups)
        self.theta = self.coordinate("value", value)

    def unwrap(self) -> Float[Array, "n n"]:
        skew = self.theta - jnp.swapaxes(self.theta, -1, -2)
        eye = (jnp if is_traced(skew) else np).eye(skew.shape[-1], dtype=skew.dtype)
        return _within_groups(skew, self.groups) + eye

    def coordinate(self, name: str, value: Array) -> Float[Array, "n n"]:
        """θ for a value, checked as the argument `name`."""
        check_groups(name, value, self.groups)
        if not is_traced(value) and not is_identity_plus_skew(value):
            off = np.abs(symmetric_part(value) - np.eye(len(value))).max()
            refuse(name, "have I as its symmetric part", f"that is off by up to {off:.3g}")
        return (value - jnp.swapaxes(value, -1, -2)) / 4

    def holding(self, name: str, value: Array) -> "IdentityPlusSkew":
        """The same node with another value, checked as the argument `name`."""
        return eqx.tree_at(lambda p: p.theta, self, self.coordinate(name, value))


class SkewSymmetric(AbstractHolder):
    """A matrix W = −Wᵀ, which rotates and neither amplifies nor damps: yᵀ W y = 0 for every y.

    θ, the n(n − 1)/2 entries above the diagonal, is trained.

    Args:
        value: (n, n), skew-symmetric.

    Raises:
        ValueError: the value is not skew-symmetric.
    """

    theta: Float[Array, " entries"]
    size: int = eqx.field(static=True)

    def __init__(self, value: Numbers):
        value, _ = _read(value, 1)
        self.size = len(value)
        self.theta = self.coordinate("value", value)

    def unwrap(self) -> Float[Array, "n n"]:
        n = self.size
        above = jnp.zeros((*self.theta.shape[:-1], n, n), self.theta.dtype)
        above = above.at[(..., *np.triu_indices(n, 1))].set(self.theta)
        return above - jnp.swapaxes(above, -1, -2)

    def coordinate(self, name: str, value: Array) -> Float[Array, " entries"]:
        """θ for a value, checked as the argument `name`."""
        check_skew_symmetric(name, value)
        return ((value - value.T) / 2)[np.triu_indices(self.size, 1)]

    def holding(self, name: str, value: Array) -> "SkewSymmetric":
        """The same node with another value, checked as the argument `name`."""
        return eqx.tree_at(lambda p: p.theta, self, self.coordinate(name, value))


class SymmetricPart(AbstractProjected):
    """A matrix W with low ≤ yᵀ W y / |y|² ≤ high for every y; its skew part is free.

    These bound the eigenvalues of its symmetric part (W + Wᵀ)/2, which are clipped after each
    update.

    Args:
        value: (n, n), within the bounds.
        low, high: numbers, low < high.
        groups: the number of groups of equal size, one after the other, into which the units are
            divided; a unit is connected only to those of its own group.

    Raises:
        ValueError: the bounds are bad, or the value is outside them or connects units of different
            groups.
    """

    value: Float[Array, "n n"]
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    groups: int = eqx.field(static=True)

    def __init__(self, value: Numbers, low: float = 0.01, high: float = 1.0, *, groups: int = 1):
        self.low, self.high = read_number("low", low), read_number("high", high)
        if not self.low < self.high:
            refuse("low", "be below `high`", f"they are {low} and {high}")
        value, self.groups = _read(value, groups)
        self.value = self.checked("value", value)

    def unwrap(self) -> Float[Array, "n n"]:
        return _within_groups(self.value, self.groups)

    def checked(self, name: str, value: Array) -> Array:
        """The value; refused as the argument `name` if it is outside the set."""
        check_groups(name, value, self.groups)
        return check_symmetric_part(name, value, self.low, self.high)

    def project(self) -> "SymmetricPart":
        value = self.unwrap()
        symmetric = (value + jnp.swapaxes(value, -1, -2)) / 2
        rates, modes = jnp.linalg.eigh(symmetric)
        cut = (modes * jnp.clip(rates, self.low, self.high)[..., None, :]) @ jnp.swapaxes(
            modes, -1, -2
        )
        # Within the bounds the value is kept to the bit, so that no rounding accumulates.
        is_inside = (rates[..., :1] >= self.low) & (rates[..., -1:] <= self.high)
        new = jnp.where(
            is_inside[..., None], value, _within_groups(cut, self.groups) + value - symmetric
        )
        return eqx.tree_at(lambda p: p.value, self, new)


def rotating(value: Array, groups: int) -> IdentityPlusSkew | SymmetricPart:
    """The node that keeps a matrix in its class: with symmetric part I, or one between 0 and I."""
    is_skew = not is_traced(value) and is_identity_plus_skew(value)
    return (IdentityPlusSkew if is_skew else SymmetricPart)(value, groups=groups)


def symmetric_part(value: Array | np.ndarray) -> np.ndarray:
    """(W + Wᵀ)/2 in double precision."""
    value = np.asarray(value, np.float64)
    return (value + np.swapaxes(value, -1, -2)) / 2


def is_identity_plus_skew(value: Array | np.ndarray) -> bool:
    """Whether a known matrix is I plus a skew-symmetric one, up to rounding."""
    value = np.asarray(value)
    off = symmetric_part(value) - np.eye(value.shape[-1])
    return bool(np.all(np.abs(off) <= 4 * np.finfo(value.dtype).eps * np.maximum(1, np.abs(value))))


def check_symmetric_part(name: str, value: Array, low: float = 0.0, high: float = 1.0) -> Array:
    """Refuse a known matrix whose symmetric part has eigenvalues outside the bounds; a low bound of
    0 is itself excluded."""
    # NaN does not count as outside: it stays, so that training detects it.
    if not is_traced(value) and np.all(np.isfinite(np.asarray(value))):
        rates = np.linalg.eigvalsh(symmetric_part(value))
        slack = _ROUNDING * max(abs(low), abs(high))
        is_low = rates[0] < low - slack if low else rates[0] <= slack
        if is_low or rates[-1] > high + slack:
            must = f"have a symmetric part (W + W^T)/2 with eigenvalues {_interval(low, high)}"
            refuse(name, must, f"they reach from {rates[0]:.6g} to {rates[-1]:.6g}")
    return value


def check_skew_symmetric(name: str, value: Array) -> Array:
    """Refuse a known matrix that is not skew-symmetric up to rounding."""
    if not is_traced(value):
        known = np.asarray(value)
        off = np.abs(symmetric_part(known))
        if np.any(off > 4 * np.finfo(known.dtype).eps * np.abs(known)):
            refuse(name, "be skew-symmetric, W = -W^T", f"(W + W^T)/2 reaches {off.max():.3g}")
    return value


def check_groups(name: str, value: Array, groups: int) -> None:
    """Refuse a known matrix that connects units of different groups."""
    n = value.shape[-1]
    if n % groups:
        refuse(name, f"have units for {groups} groups of equal size", f"it has {n}")
    if not is_traced(value) and np.any(np.where(same_group(n, groups), 0, np.asarray(value))):
        refuse(name, f"be 0 between the {groups} groups of units", "it is not")


def same_group(n: int, groups: int) -> Bool[np.ndarray, "n n"]:
    """Which pairs of units are in the same group."""
    group = np.arange(n) // (n // groups)
    return group[:, None] == group[None, :]


def _within_groups(value: Array, groups: int) -> Array:
    return value if groups == 1 else jnp.where(same_group(value.shape[-1], groups), value, 0)


def _interval(low: float, high: float) -> str:
    return f"from {low:g} to {high:g}" if low else f"above 0 and at most {high:g}"


def _read(value: Numbers, groups: int) -> tuple[Array, int]:
    array = check_finite("value", as_float_array("value", value))
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        refuse("value", "be a square matrix", f"it has shape {array.shape}")
    return array, check_positive_integer("groups", groups)
