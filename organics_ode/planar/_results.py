"""Results in a plane."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int, PyTree

from .._cards import SHOWN, Card, carded
from .._checks import counted
from .._tables import AbstractTabular, Table, named, numbered, unit_of
from ..linear import Spectrum


class Pair(NamedTuple):
    """Values of the two variables of a plane, if they are not a state of the circuit."""

    first: Any
    second: Any


@carded
class PlanarFixedPoints(eqx.Module, AbstractTabular):
    """Fixed points in a plane, sorted by the first variable.

    - `states`: the circuit's states with a leading axis k, such as `ORGaNICsState` with (k, 1)
      leaves.
    - `eigenvalues`: (k, d), 1/ms, by decreasing real part.
    - `residuals`: (k,), relative to the largest term of each equation.
    - `kinds`: k names: "stable node", "stable focus", "saddle", "unstable node", "unstable focus",
      or "marginal" where the sign of a real part is uncertain, by the rule of `Spectrum`.
    - `is_stable`: (k,).
    - `pairs`: (k, 2), the two variables of the plane. `names`: their names.
    - `searched`: where points were searched for, and whether these are all.

    `to_dataframe()`, `to_xarray()`: a row for each point.
    """

    states: PyTree
    eigenvalues: Complex[Array, "k d"]
    residuals: Float[Array, " k"]
    kinds: tuple[str, ...] = eqx.field(static=True)
    at: tuple[int, int] = eqx.field(static=True, default=(0, 1))
    names: tuple[str, str] = eqx.field(static=True, default=("y", "a"))
    searched: str = eqx.field(static=True, default="")

    @property
    def is_stable(self) -> Bool[Array, " k"]:
        return jnp.asarray([kind.startswith("stable") for kind in self.kinds], bool)

    @property
    def pairs(self) -> Float[np.ndarray, "k 2"]:
        return rows_of(self.states)[:, list(self.at)]

    def __len__(self) -> int:
        return len(self.kinds)

    def to_table(self) -> Table:
        """The two variables of every point, its kind and its eigenvalues, over `point`; for a
        circuit with more variables also its whole state."""
        columns = dict(zip(self.names, self.pairs.T, strict=True))
        columns |= {"kind": np.asarray(self.kinds, str), "residual": self.residuals}
        columns |= {"eigenvalue": self.eigenvalues}
        columns |= named(self.states, "state") if rows_of(self.states).shape[1] > 2 else {}
        units, notes = {"eigenvalue": "1/ms"}, {"searched": self.searched}
        return Table(numbered((len(self),), "point"), columns, units, notes)

    def _card(self) -> Card:
        columns = (self.pairs, self.kinds, np.asarray(self.eigenvalues)[:, :2])
        rows = [(*pair, kind, *values) for pair, kind, values in zip(*columns, strict=True)]
        leading = "" if self.eigenvalues.shape[1] <= 2 else "leading "
        head = (*self.names, "kind", f"{leading}eigenvalues", "(1/ms)")
        title, notes = f"PlanarFixedPoints: {len(self)}", [self.searched] * bool(self.searched)
        return Card(title, {}, head, rows[:SHOWN], len(rows), notes)


@carded
class NullclineCurves(NamedTuple):
    """The nullclines in a window of the plane, each as curves (points, 2) of the two variables:
    where the velocity of the first variable is 0, and where that of the second is 0."""

    y_nullcline: tuple[Float[np.ndarray, "points 2"], ...]
    a_nullcline: tuple[Float[np.ndarray, "points 2"], ...]


class BifurcationEvent(NamedTuple):
    """A change of the fixed points between two values of the parameter.

    `kind`: "saddle-node", "Hopf", "pitchfork" (two of its three branches begin there),
    "transcritical" (two branches cross), "branch point" (two branches meet in a way that is not
    known), or "infinity" (points come from or go to infinity). `pair`: the two variables there, or
    None.
    """

    kind: str
    low: float
    high: float
    pair: tuple[float, float] | None = None

    @property
    def value(self) -> float:
        """The middle of the bracket."""
        return (self.low + self.high) / 2


@carded
class Branch(NamedTuple):
    """Fixed points along a curve, from one change to the next: `values` (k,) of the parameter,
    `pairs` (k, 2) of the two variables, and `unstable`, the number of growing directions. Its ends
    may be events, which it shares with other branches."""

    values: Float[np.ndarray, " k"]
    pairs: Float[np.ndarray, "k 2"]
    unstable: int


@carded
class Bifurcation(eqx.Module, AbstractTabular):
    """The fixed points of a circuit over the values of one parameter.

    - `values`: (v,). `counts`: (v,), the number of fixed points at each value.
    - `states`: the two variables of the plane, leaves (v, K), sorted by the first one and padded
      with NaN; for one unit an `ORGaNICsState`, with K = 3.
    - `eigenvalues`: (v, K, d), 1/ms. `is_stable`: (v, K), False where there is no point.
    - `events`: the bifurcations, each with the ends of a narrow bracket.
    - `branches`: the same fixed points as curves that meet at the events.
    - `names`: the names of the two variables. `searched`: where branches were searched for, and
      whether these are all.

    `to_dataframe()`, `to_xarray()`: the fixed points at each value; events are in the `attrs`.
    """

    name: str = eqx.field(static=True)
    values: Float[np.ndarray, " v"]
    counts: Int[np.ndarray, " v"]
    states: PyTree
    eigenvalues: Complex[np.ndarray, "v k d"]
    is_stable: Bool[np.ndarray, "v k"]
    events: tuple[BifurcationEvent, ...] = eqx.field(static=True)
    branches: tuple[Branch, ...] = ()
    names: tuple[str, str] = eqx.field(static=True, default=("y", "a"))
    searched: str = eqx.field(static=True, default="")

    def to_table(self) -> Table:
        """The two variables and the eigenvalues over the parameter and `point`, NaN where a value
        has no more points; the kinds and the places of the events as notes."""
        axes = {self.name: self.values} | numbered(self.is_stable.shape[1:], "point")
        columns = dict(zip(self.names, map(self._over_points, self.states), strict=True))
        columns |= {"is_stable": self.is_stable, "eigenvalue": self.eigenvalues}
        units = {"eigenvalue": "1/ms"}
        units |= {self.name: unit} if (unit := unit_of(self.name)) else {}
        notes = {"event_kinds": [event.kind for event in self.events]}
        notes |= {"event_values": [event.value for event in self.events]}
        return Table(axes, columns, units, notes | {"searched": self.searched})

    def _over_points(self, leaf: Any) -> np.ndarray:
        return np.asarray(leaf).reshape(self.is_stable.shape)

    def _card(self) -> Card:
        low, high = self.values[0], self.values[-1]
        events = counted(len(self.events), "event")
        rows = [(e.kind, f"at {e.value:.8g}{self._where(e)}") for e in self.events[:SHOWN]]
        title = f"Bifurcation: {self.name} from {low:g} to {high:g}, {events}"
        notes = [self.searched] * bool(self.searched)
        return Card(title, rows=rows, total=len(self.events), notes=notes)

    def _where(self, event: BifurcationEvent) -> str:
        if event.pair is None:
            return ""
        parts = [f"{n} {v:.6g}" for n, v in zip(self.names, event.pair, strict=True)]
        return f"   ({', '.join(parts)})"


@carded
class LimitCycle(eqx.Module):
    """A closed orbit.

    - `period`: ms. `states`: the circuit's states over one period, with a leading axis k.
    - `pairs`: (k, 2), the two variables of the plane.
    - `multipliers`: (d,), the Floquet multipliers: the factors by which deviations change over a
      period. The one along the orbit is 1; for a stable cycle it is the largest.
    - `is_stable`: whether the magnitudes of all the others are below 1.
    """

    period: float
    states: PyTree
    pairs: Float[np.ndarray, "k 2"]
    multipliers: Complex[np.ndarray, " d"]
    names: tuple[str, str] = eqx.field(static=True)

    @property
    def is_stable(self) -> bool:
        return bool(np.all(np.abs(_others(np.asarray(self.multipliers))) < 1))

    def _card(self) -> Card:
        kind = "stable" if self.is_stable else "unstable"
        low, high = self.pairs.min(axis=0), self.pairs.max(axis=0)
        left = float(np.max(np.abs(_others(self.multipliers)), initial=0))
        facts = {
            "period": f"{self.period:.8g} ms ({1000 / self.period:.4g} Hz)",
            "multiplier": f"{left:.3g}, the largest",
        }
        for name, a, b in zip(self.names, low, high, strict=True):
            facts[name] = f"{a:.4g} to {b:.4g}"
        return Card(f"LimitCycle: {kind}", facts)


def _others(multipliers: np.ndarray) -> np.ndarray:
    """All but the one nearest to 1."""
    return np.delete(multipliers, np.argmin(np.abs(multipliers - 1)))


def rows_of(states: PyTree) -> Float[np.ndarray, "k d"]:
    """States with a leading axis, as rows."""
    leaves = map(np.asarray, jax.tree.leaves(states))
    return np.concatenate([x.reshape(len(x), math.prod(x.shape[1:])) for x in leaves], axis=1)


def kind_of(eigenvalues: Sequence[complex] | np.ndarray, resolution: float) -> str:
    """The kind of a fixed point, from its eigenvalues by decreasing real part."""
    real = np.real(eigenvalues)
    if np.min(np.abs(real)) <= resolution:
        return "marginal"
    if real[0] > 0 > real[-1]:
        return "saddle"
    shape = "focus" if np.imag(eigenvalues[0]) else "node"
    return f"{'stable' if real[0] < 0 else 'unstable'} {shape}"


def of_spectra(spectra: Spectrum) -> tuple[str, ...]:
    """The kinds of many fixed points."""
    return tuple(
        kind_of(values, float(resolution))
        for values, resolution in zip(
            np.asarray(spectra.eigenvalues), np.asarray(spectra.resolution), strict=True
        )
    )
