"""Fixed points of any circuit over a parameter, followed as curves."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array

from .._checks import refuse
from .._types import Numbers
from ..circuits import AbstractCircuit
from ..equilibria import Continued, check_legal, continued, read_family, read_values
from ._orbits import scale_of
from ._plane import Window, joined, padded
from ._reduced import Clamped
from ._results import Bifurcation, BifurcationEvent, Branch
from ._windows import around

# The number of values at which curves begin, and at which a window is searched for.
_SEEDS, _SEARCHES = 9, 3
_EXACT = 1e-9  # of the range of values: the accuracy of events
_COARSER = 1e4  # times less accurate in float32


@runtime_checkable
class Searched(Protocol):
    """The plane of a circuit in which fixed points are searched for."""

    circuit: AbstractCircuit
    x: Array
    at: tuple[int, int]
    names: tuple[str, str]

    @property
    def dtype(self) -> Any: ...

    @property
    def is_planar(self) -> bool: ...

    def moved(self, circuit: AbstractCircuit, x: Array) -> "Searched": ...

    def searched(self) -> tuple[np.ndarray, np.ndarray]: ...

    def crossings(self, window: Window) -> tuple[np.ndarray, np.ndarray]: ...

    def shown(self, window: Window) -> str: ...

    def pair(self, u: Any, v: Any) -> Any: ...


def branching(plane: Searched, name: str, values: Numbers, window: Window | None) -> Bifurcation:
    """The curves of fixed points over the values."""
    values = read_values(values)
    within = ("circuit",) if isinstance(plane.circuit, Clamped) else ()
    family = read_family(plane.circuit, plane.x, name, within)
    check_legal(family, values, within)
    found = []
    if window is None or not plane.is_planar:
        found = [
            (row, value)
            for value in np.linspace(values[0], values[-1], _SEARCHES)
            for row in plane.moved(*family.at(value)).searched()[0]
        ]
    at = list(plane.at)
    if window is None:
        if not found:
            must = "be given where no fixed point is found to begin with"
            refuse("y_range", must, "it is None")
        window = around(np.array([row[at] for row, _ in found]))
    for value in np.linspace(values[0], values[-1], _SEEDS) if plane.is_planar else ():
        found += [(row, value) for row in plane.moved(*family.at(value)).crossings(window)[0]]
    if not found:
        refuse("y_range", "hold a fixed point at one of the values", f"in {window} none was found")
    rows = np.array([row for row, _ in found])
    origin, unit = (rows.max(0) + rows.min(0)) / 2, scale_of(rows)
    low, high = joined(window).T
    origin[at], unit[at] = (low + high) / 2, high - low
    done = continued(family, found, values, origin, unit)
    count = _SEEDS if plane.is_planar else _SEARCHES
    note = f"branches through what is in {plane.shown(window)} at {count} values"
    return _described(plane, name, values, done, f"{note} (there may be more)")


def _described(
    plane: Searched, name: str, values: np.ndarray, done: Continued, note: str
) -> Bifurcation:
    at, dtype = list(plane.at), plane.dtype
    orders = [np.argsort(z[:, at[0]]) for z in done.points]
    points = [z[order] for z, order in zip(done.points, orders, strict=True)]
    spectra = [e[order] for e, order in zip(done.eigenvalues, orders, strict=True)]
    most = max(1, *map(len, points))
    left, lost = (sum(end == kind for end in done.ends) for kind in ("left", "lost"))
    ends = [f"{n} ends {what}" for n, what in ((left, "left for afar"), (lost, "were lost")) if n]
    return Bifurcation(
        name,
        values,
        np.array([len(z) for z in points]),
        plane.pair(*(padded([z[:, i] for z in points], most) for i in at)),
        padded(spectra, most),
        padded([_are_stable(e, dtype) for e in spectra], most),
        tuple(_event(c.kind, c.z, at, float(np.ptp(values)), dtype) for c in done.changes),
        tuple(Branch(p.z[:, -1], p.z[:, at], p.unstable) for p in done.pieces),
        plane.names,
        "; ".join([note, *ends]),
    )


def _are_stable(eigenvalues: np.ndarray, dtype: Any) -> np.ndarray:
    size = np.max(np.abs(eigenvalues), axis=-1, initial=0)
    return np.max(np.real(eigenvalues), axis=-1, initial=-np.inf) < -np.finfo(dtype).eps * size


def _event(kind: str, z: np.ndarray, at: list[int], span: float, dtype: Any) -> BifurcationEvent:
    width = span * _EXACT * (1 if np.finfo(dtype).bits == 64 else _COARSER)
    u, v = z[at].tolist()
    return BifurcationEvent(kind, float(z[-1] - width), float(z[-1] + width), (u, v))
