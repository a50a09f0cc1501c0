"""Free parameters of a circuit as one vector, in coordinates without bounds."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import check_nonnegative, check_positive, refuse, shown
from .._constraints import (
    Bounded,
    Connectivity,
    IdentityPlusSkew,
    NonNegative,
    Positive,
    SkewSymmetric,
    SpectralBound,
    SymmetricPart,
)
from ..circuits import AbstractCircuit
from ._parameters import Place, read_place, value_of, with_value


class Free(eqx.Module):
    """The free numbers of a circuit, each within its bounds.

        v = θ,   low + exp(θ),   high − exp(θ),   or   low + (high − low) sigmoid(θ)

    for no bound, one below, one above, or both: for a positive parameter θ is the logarithm.
    """

    places: tuple[Place, ...] = eqx.field(static=True)
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self.places))

    @property
    def is_linear(self) -> np.ndarray:
        return np.isinf(self.low) & np.isinf(self.high)

    def start(self, circuit: AbstractCircuit) -> Float[Array, " p"]:
        """θ of the given circuit."""
        return self.coordinates(jnp.stack([self._value(circuit, place) for place in self.places]))

    def coordinates(self, v: Float[Array, " p"]) -> Float[Array, " p"]:
        """θ for values within their bounds."""
        below, above = v - self._bound(self.low), self._bound(self.high) - v
        logs = (
            jnp.log(jnp.where(self._has_low, below, 1)),
            jnp.log(jnp.where(self._has_high, above, 1)),
        )
        theta = jnp.where(self._has_low, logs[0] - logs[1], logs[1])
        return jnp.where(jnp.asarray(self.is_linear), v, theta)

    def values(self, theta: Float[Array, " p"]) -> Float[Array, " p"]:
        """v, in the user's units."""
        low, high = self._bound(self.low), self._bound(self.high)
        both, lower = self._has_low & self._has_high, self._has_low
        inside = low + (high - low) * jax.nn.sigmoid(theta)
        grown = jnp.exp(jnp.where(self.is_linear | both, 0, theta))
        half = jnp.where(lower, low + grown, high - grown)
        return jnp.where(jnp.asarray(self.is_linear), theta, jnp.where(both, inside, half))

    def slopes(self, theta: Float[Array, " p"]) -> Float[Array, " p"]:
        """dv/dθ."""
        return jax.jvp(self.values, (theta,), (jnp.ones_like(theta),))[1]

    def put(self, circuit: Any, v: Float[Array, " p"]) -> Any:
        """A resolved circuit with these values."""
        for i, place in enumerate(self.places):
            old = jnp.asarray(getattr(circuit, place.field))
            new = old.at[place.entry or ()].set(v[i].astype(old.dtype))
            circuit = eqx.tree_at(lambda c, f=place.field: getattr(c, f), circuit, new)
        return circuit

    def put_nodes(self, circuit: AbstractCircuit, v: np.ndarray) -> AbstractCircuit:
        """The circuit with these values, in the same kinds of nodes."""
        for field, value in self.by_field(circuit, v, None).items():
            circuit = with_value("free", circuit, field, value)
        return circuit

    def by_field(
        self, circuit: AbstractCircuit, v: np.ndarray, rest: float | None
    ) -> dict[str, np.ndarray]:
        """Field ↦ array of its shape; entries not free are `rest`, or as in the circuit."""
        found: dict[str, np.ndarray] = {}
        for place, value in zip(self.places, v, strict=True):
            if place.field not in found:
                old = np.array(value_of("free", circuit, place.field))
                found[place.field] = old if rest is None else np.full_like(old, rest)
            found[place.field][place.entry or ()] = value
        return found

    def _value(self, circuit: AbstractCircuit, place: Place) -> Array:
        return value_of("free", circuit, place.field)[place.entry or ()]

    def _bound(self, bounds: tuple[float, ...]) -> np.ndarray:
        return np.where(np.isinf(bounds), 0.0, bounds).astype(jnp.zeros(()).dtype)

    @property
    def _has_low(self) -> np.ndarray:
        return np.isfinite(self.low)

    @property
    def _has_high(self) -> np.ndarray:
        return np.isfinite(self.high)


def read_names(free: Any) -> Sequence[Any]:
    """The names of the free parameters; a single one may be given as a text."""
    names = (free,) if isinstance(free, str) else free
    if not isinstance(names, Sequence) or not names:
        must = "name parameters, as ('tau_y', 'W_r[0,1]')"
        refuse("free", must, f"it is {shown(free)}")
    return names


def read_free(circuit: AbstractCircuit, free: Any) -> Free:
    names = read_names(free)
    places = [p for name in names for p in _entries(circuit, read_place("free", name, circuit))]
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        refuse("free", "name every number once", f"`{twice}` is there twice")
    bounds = [_bounds(circuit, place) for place in places]
    low, high = zip(*bounds, strict=True)
    return Free(tuple(places), low, high)


def _entries(circuit: AbstractCircuit, place: Place) -> list[Place]:
    """The numbers that a name stands for, without zeros of a pool and absent connections."""
    if place.field == "x":
        refuse("free", "name parameters of the circuit", "`x` is the input")
    value, node = np.asarray(value_of("free", circuit, place.field)), getattr(circuit, place.field)
    if isinstance(node, SpectralBound):
        found = f"`{place.field}` is a SpectralBound; give it as an array"
        refuse("free", "name parameters with bounds of their own", found)
    if isinstance(node, IdentityPlusSkew | SkewSymmetric | SymmetricPart):
        found = f"those of `{place.field}` depend on each other by its symmetric part"
        refuse("free", "name parameters whose entries are free", found)
    stays = value == 0 if _is_nonnegative(circuit, place.field) else np.zeros(value.shape, bool)
    if isinstance(node, Connectivity):
        stays = ~np.asarray(node.mask) | (stays | (value == 0) & (np.asarray(node.signs) != 0))
    if place.entry is not None and stays[place.entry]:
        refuse("free", "start inside of their bounds", f"`{place}` is 0, or absent")
    if place.entry is not None or value.ndim == 0:
        return [place]
    if stays.all():
        refuse("free", "start inside of their bounds", f"all of `{place}` is 0")
    return [Place(place.field, i) for i in np.ndindex(value.shape) if not stays[i]]


def _bounds(circuit: AbstractCircuit, place: Place) -> tuple[float, float]:
    node, inf = getattr(circuit, place.field), float("inf")
    kind = type(circuit).kinds.get(place.field)
    if isinstance(node, Bounded):
        return node.low, node.high
    if isinstance(node, Connectivity):
        sign = int(np.asarray(node.signs)[place.entry[1]]) if place.entry else 0
        return (0.0 if sign > 0 else -inf), (0.0 if sign < 0 else inf)
    is_positive = isinstance(node, Positive) or (kind is not None and kind.sign is check_positive)
    is_positive = is_positive or _is_nonnegative(circuit, place.field)
    return (0.0 if is_positive else -inf), inf


def _is_nonnegative(circuit: AbstractCircuit, field: str) -> bool:
    kind = type(circuit).kinds.get(field)
    is_kind = kind is not None and kind.sign is check_nonnegative
    return isinstance(getattr(circuit, field), NonNegative) or is_kind
