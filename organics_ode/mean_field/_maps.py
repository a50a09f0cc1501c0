"""Maps over geometries and targets."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from .._cards import Card, carded, summary
from .._checks import as_known_array, counted, is_traced, read_number, refuse
from .._types import Numbers, Scalar
from ..programs import jitted
from ._averages import Function, read_phi
from ._geometry import Geometry
from ._padded import padded_solutions
from ._solutions import calibrate, sup_of


@carded
class PhaseMap(NamedTuple):
    """The states at rest over geometries (rows) and targets (columns); numpy arrays.

    - `counts`: how many there are; 0 where the target is A*, which no readout can hold.
    - `target_is_stable`: whether the state with z = A is stable: radius < 1 and Re λ < 1.
    - `target_outlier`: its outlier; NaN if none lies outside the bulk.
    - `target_radius`: the radius of its bulk.
    - `target_is_chaotic`: radius ≥ 1: the network does not rest there, see `chaos`.
    - `globally_stable`: whether it is stable and the only state at rest. This does not imply that
      every start leads to it: coexisting limit cycles and chaotic states are not searched for.
    """

    counts: Int[np.ndarray, "rows columns"]
    target_is_stable: Bool[np.ndarray, "rows columns"]
    target_outlier: Complex[np.ndarray, "rows columns"]
    target_radius: Float[np.ndarray, "rows columns"]

    @property
    def target_is_chaotic(self) -> Bool[np.ndarray, "rows columns"]:
        return self.target_radius >= 1

    @property
    def globally_stable(self) -> Bool[np.ndarray, "rows columns"]:
        return self.target_is_stable & (self.counts == 1)

    def _card(self) -> Card:
        shares = {
            "stable target": self.target_is_stable,
            "chaotic target": self.target_is_chaotic,
            "globally stable": self.globally_stable,
        }
        facts = {name: summary(shown) for name, shown in shares.items()}
        numbers, places = np.unique(self.counts, return_counts=True)
        pairs = zip(numbers.tolist(), places.tolist(), strict=True)
        facts["at rest"] = "; ".join(f"{counted(n, 'state')}: {many}" for n, many in pairs)
        rows, columns = self.counts.shape
        geometries = counted(rows, "geometry", "geometries")
        return Card(f"PhaseMap: {geometries}, {counted(columns, 'target')}", facts)


def phase_map(
    geometries: Geometry, g: Scalar, targets: Numbers, *, phi: Function = jnp.tanh
) -> PhaseMap:
    """The number of states at rest and the stability of the target, over geometries and targets.

    Each readout is calibrated to its target. A host function, in 64 bits, built on
    `padded_solutions`.

    Args:
        geometries: a `Geometry` whose fields have shape (rows,).
        g: strength ≥ 0 of the random connections.
        targets: (columns,), values of A.
        phi: the nonlinearity, smooth and bounded, written in `jax.numpy`.

    Returns:
        A `PhaseMap`.

    Raises:
        ValueError: an argument is bad.
    """
    if not isinstance(geometries, Geometry) or np.ndim(geometries.rho) != 1:
        refuse("geometries", "be a Geometry with fields (rows,)", f"it is {geometries!r}")
    if any(map(is_traced, jax.tree.leaves(geometries))):
        refuse("geometries", "be known: this is a host function", "it is traced by jax")
    g, targets = read_number("g", g, 0.0), as_known_array("targets", targets)
    if targets.ndim != 1 or np.iscomplexobj(targets) or not np.all(np.isfinite(targets)):
        refuse("targets", "be finite numbers (columns,)", f"they are {targets}")
    phi = read_phi(phi)
    sup_of(phi)
    with jax.enable_x64(True):
        fields = jax.tree.map(jnp.asarray, geometries)
        found = _map(phi, fields, jnp.asarray(g), jnp.asarray(targets, float))
        return PhaseMap(*map(np.asarray, found))


@jitted(static_argnums=0)
def _map(phi: Function, geometries: Geometry, g: Array, targets: Array) -> tuple:
    def at(geometry: Geometry, target: Array) -> tuple:
        c = calibrate(geometry, g, target, phi=phi)
        found = padded_solutions(geometry, g, c, phi=phi)
        nearest = jnp.nanargmin(jnp.abs(found.z - target))
        count = jnp.where(jnp.isfinite(c), found.count, 0)
        columns = (found.is_stable, found.outlier, found.radius)
        return count, *(column[nearest] for column in columns)

    row = jax.vmap(at, (None, 0))
    return jax.lax.map(lambda geometry: row(geometry, targets), geometries)
