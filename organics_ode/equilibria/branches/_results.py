"""The results of a continuation."""

from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Bool, Complex, Float, Int, PyTree

from ..._cards import SHOWN, Card, carded, first_numbers
from ..._checks import counted
from ..._tables import AbstractTabular, Table, entries_of, named, numbered, unit_of
from ...linear import tolerance


class BranchEvent(NamedTuple):
    """A place on a branch where the fixed points change.

    - `kind`: "saddle-node" (a fold), "Hopf", "pitchfork", "transcritical" (two branches cross), or
      "branch point" (two branches meet in a way that is not known).
    - `value` of the parameter, the circuit's `state`, and the `eigenvalues` (d,) there, 1/ms.
    - `side`: +1 if the two points of a fold, or the growing pair of a Hopf point, are at larger
      values, −1 if at smaller ones, 0 if this does not apply.
    - `unstable`: how many directions grow on the branch before and after it.
    - `frequency`: Hz, of the cycle that is born at a Hopf point; NaN elsewhere.
    - `criticality`: for a Hopf point "supercritical" (a cycle grows around the unstable points; it
      is stable if no other direction grows), "subcritical" (an unstable cycle shrinks onto the
      stable points), or "unknown" (no third derivative, or one that does not decide); otherwise "".
    - `lyapunov`: the first Lyapunov coefficient, negative for a supercritical and positive for a
      subcritical point, for a critical vector of length 1 in units of the typical sizes; NaN where
      the criticality is not known.
    """

    kind: str
    value: float
    state: PyTree
    eigenvalues: Complex[np.ndarray, " d"]
    side: int
    unstable: tuple[int, int]
    frequency: float = float("nan")
    criticality: str = ""
    lyapunov: float = float("nan")


@carded
class SteadyBranch(NamedTuple):
    """Fixed points along a curve, from one event to the next: `values` (k,) of the parameter,
    `states` with a leading axis k, `residuals` (k,) relative to the largest term of each equation,
    and `unstable`, the number of growing directions. Its ends may be events, which it shares with
    other branches."""

    values: Float[np.ndarray, " k"]
    states: PyTree
    residuals: Float[np.ndarray, " k"]
    unstable: int


@carded
class HopfCycles(NamedTuple):
    """The ends of simulations that begin beside the unstable points near a Hopf point: `values`
    (k,) of the parameter, `frequencies` (k,) in Hz, and the lowest and highest values of every
    variable, as states with a leading axis k. NaN where a run did not become periodic. `event`: the
    number of the Hopf point among the events."""

    event: int
    values: Float[np.ndarray, " k"]
    frequencies: Float[np.ndarray, " k"]
    low: PyTree
    high: PyTree

    @property
    def amplitudes(self) -> PyTree:
        """Half of the range of each variable, as states with a leading axis k."""
        return jax.tree.map(lambda low, high: (high - low) / 2, self.low, self.high)


@carded
class Branches(eqx.Module, AbstractTabular):
    """Branches of fixed points of a circuit over one parameter.

    - `values`: (v,). `counts`: (v,), the number of fixed points found at each value.
    - `states`: the circuit's states, leaves (v, K, …), sorted by the first variable and padded with
      NaN. `eigenvalues`: (v, K, d), 1/ms. `residuals`: (v, K), relative to the largest term of each
      equation. `is_stable`: (v, K), by the rule of `Spectrum`; False where there is no point, or
      one that is not solved.
    - `events`: the folds, Hopf points and crossings, by increasing value.
    - `branches`: the same fixed points as curves that meet at the events.
    - `cycles`: limit cycles near the Hopf points, if requested.
    - `searched`: where branches began, and how they ended.

    `to_dataframe()`, `to_xarray()`: the fixed points at each value; events are in the `attrs`.
    """

    parameter: str = eqx.field(static=True)
    values: Float[np.ndarray, " v"]
    states: PyTree
    eigenvalues: Complex[np.ndarray, "v k d"]
    residuals: Float[np.ndarray, "v k"]
    is_stable: Bool[np.ndarray, "v k"]
    events: tuple[BranchEvent, ...]
    branches: tuple[SteadyBranch, ...]
    cycles: tuple[HopfCycles, ...] = ()
    searched: str = eqx.field(static=True, default="")

    @property
    def counts(self) -> Int[np.ndarray, " v"]:
        return np.sum(~np.isnan(self.residuals), axis=-1)

    @property
    def succeeded(self) -> bool:
        """Whether every point of every branch is solved."""
        return self._unsolved == 0

    @property
    def _unsolved(self) -> int:
        solved = [branch.residuals <= tolerance(branch.residuals.dtype) for branch in self.branches]
        return sum(int(np.sum(~each)) for each in solved)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the entries of a state."""
        return tuple(entries_of(jax.tree.map(lambda leaf: np.asarray(leaf)[0, 0], self.states))[1])

    def to_table(self) -> Table:
        """The states and the eigenvalues over the parameter and `point`, NaN where a value has no
        more points; the kinds, places and criticality of the events as notes."""
        axes = {self.parameter: self.values} | numbered(self.is_stable.shape[1:], "point")
        columns = named(self.states) | {"is_stable": self.is_stable, "residual": self.residuals}
        columns |= {"eigenvalue": self.eigenvalues}
        units = {"eigenvalue": "1/ms"}
        units |= {self.parameter: unit} if (unit := unit_of(self.parameter)) else {}
        notes = {"event_kinds": [event.kind for event in self.events]}
        notes |= {"event_values": [event.value for event in self.events]}
        notes |= {"event_criticality": [event.criticality for event in self.events]}
        return Table(axes, columns, units, notes | {"searched": self.searched})

    def _card(self) -> Card:
        low, high = self.values[0], self.values[-1]
        events, branches = counted(len(self.events), "event"), len(self.branches)
        rows = [(e.kind, e.value, _about(e), first_numbers(e.state)) for e in self.events[:SHOWN]]
        told = f"{events}, {branches} {'branch' if branches == 1 else 'branches'}"
        title = f"Branches: {self.parameter} from {low:g} to {high:g}, {told}"
        facts = {"points": f"{self.counts.min()} to {self.counts.max()} at a value"}
        for cycle in self.cycles:
            found = np.isfinite(cycle.frequencies)
            at = f"at {self.events[cycle.event].value:.6g}"
            facts[f"cycles {at}"] = f"{found.sum()} of {found.size} runs became periodic"
        notes = [self.searched] * bool(self.searched)
        if not self.succeeded:
            notes.append(
                f"{self._unsolved} points are not solved to the tolerance: see `residuals`"
            )
        return Card(title, facts, (), rows, len(self.events), notes)


def _about(event: BranchEvent) -> str:
    if event.kind == "Hopf":
        return f"{event.criticality}, {event.frequency:.4g} Hz"
    sides = {1: "points at larger values", -1: "points at smaller values"}
    return sides.get(event.side, "")
