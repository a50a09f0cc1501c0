"""What happens to the fixed points of one unit while a parameter changes."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Complex, Float, Int

from .._cards import SHOWN, Card, carded
from .._checks import as_known_array, counted, refuse, shown
from .._types import Numbers
from ..circuits import AbstractCircuit, ORGaNICsState
from ..linear import read_point
from ._equations import Scalars, read_host
from ._fixed_points import Solved, solve

PARAMETERS = ("W_r", "W", "sigma", "b0", "b1", "tau_y", "tau_a", "x")
_MOST = 3  # fixed points: one on the outer branch, at most two on the inner one
_WIDTH = 1e-9  # Of a bracket: nearer the digits end.
# Of the largest |y|: what meets in a saddle-node within that width is near by a square root of it.
_MEETING = 1e-2


class BifurcationEvent(NamedTuple):
    """A change of the fixed points between two values of the parameter.

    `kind`: "saddle-node", "pitchfork" (by symmetry, c = 0), "Hopf", or "infinity" (points that
    come from or go to infinity).
    """

    kind: str
    low: float
    high: float


@carded
class Bifurcation(eqx.Module):
    """The fixed points of a one-unit circuit over the values of one parameter.

    - `values`: (v,). `counts`: (v,), how many fixed points.
    - `states`: leaves (v, 3), sorted by y, NaN after the last. `eigenvalues`: (v, 3, 2).
    - `is_stable`: (v, 3), False where there is no point.
    - `events`: the bifurcations, each with the ends of a narrow bracket.
    """

    name: str = eqx.field(static=True)
    values: Float[np.ndarray, " v"]
    counts: Int[np.ndarray, " v"]
    states: ORGaNICsState
    eigenvalues: Complex[np.ndarray, "v k 2"]
    is_stable: Bool[np.ndarray, "v k"]
    events: tuple[BifurcationEvent, ...] = eqx.field(static=True)

    def _card(self) -> Card:
        low, high = self.values[0], self.values[-1]
        events = counted(len(self.events), "event")
        rows = [(e.kind, f"at {(e.low + e.high) / 2:.8g}") for e in self.events[:SHOWN]]
        title = f"Bifurcation: {self.name} from {low:g} to {high:g}, {events}"
        return Card(title, rows=rows, total=len(self.events))


def bifurcation(circuit: AbstractCircuit, x: Numbers, name: str, values: Numbers) -> Bifurcation:
    """All fixed points and their stability while one parameter changes.

    Between neighbouring values where their number or the number of their unstable directions
    differs, the place of the change is bracketed by bisection. Two changes between the same two
    values can hide each other: take the values dense enough. A host function.

    Args:
        circuit: an `ORGaNICs` with n = 1 and no rectification.
        x: (m,), the input.
        name: "W_r", "W", "sigma", "b0", "b1", "tau_y", "tau_a", or "x" for a factor on the input.
        values: (v,), increasing, replacing the circuit's own.

    Returns:
        A `Bifurcation`.

    Raises:
        ValueError: an argument is bad.
    """
    if not isinstance(name, str) or name not in PARAMETERS:
        refuse("name", f"be one of {', '.join(PARAMETERS)}", f"it is {name!r}")
    at = vary(circuit, x, name)
    values = _read_values(name, values)
    solved = [solve(at(v)) for v in values.tolist()]
    pairs = zip(values[:-1].tolist(), values[1:].tolist(), solved[:-1], solved[1:], strict=True)
    events = [_locate(at, *pair) for pair in pairs if _signature(pair[2]) != _signature(pair[3])]
    arrays: Any = [_padded(s.y for s in solved), _padded(s.a for s in solved)]
    return Bifurcation(
        name,
        values,
        np.array([s.y.size for s in solved]),
        ORGaNICsState(*arrays),
        _padded(s.eigenvalues for s in solved),
        _padded(_are_stable(s) for s in solved),
        tuple(events),
    )


def _read_values(name: str, values: Numbers) -> Float[np.ndarray, " v"]:
    values = as_known_array("values", values)
    if np.iscomplexobj(values) or values.dtype == bool:
        refuse("values", "be at least two increasing numbers", f"they are {shown(values)}")
    values = values.astype(float)
    if values.ndim != 1 or values.size < 2 or not np.all(np.diff(values) > 0):
        refuse("values", "be at least two increasing numbers", f"they are {values}")
    low = values[0]
    if name not in ("W_r", "x") and (low < 0 or (low == 0 and name != "W")):
        refuse("values", f"be legal for {name}", f"the smallest is {low}")
    return values


def vary(circuit: AbstractCircuit, x: Numbers, name: str) -> Callable[[float], Scalars]:
    """The circuit's numbers as a function of one parameter."""
    q = read_host(circuit, x)[0]
    c: Any = read_point(circuit, None, x)[0]
    sigma, b0, b1 = (float(v.reshape(())) for v in (c.sigma, c.b0, c.b1))
    z, p = q.c / b1, q.p
    changes = {
        "W_r": lambda v: q._replace(w_r=v),
        "W": lambda v: q._replace(w=v),
        "sigma": lambda v: q._replace(beta=(v * b0) ** p),
        "b0": lambda v: q._replace(beta=(sigma * v) ** p),
        "b1": lambda v: q._replace(c=v * z),
        "x": lambda v: q._replace(c=v * q.c),
        "tau_y": lambda v: q._replace(tau_y=v),
        "tau_a": lambda v: q._replace(tau_a=v),
    }
    return changes[name]


def _are_stable(solved: Solved) -> Bool[np.ndarray, " k"]:
    return np.array([kind.startswith("stable") for kind in solved.kinds], bool)


def _signature(solved: Solved) -> tuple[int, int]:
    """How many points there are, and how many with two unstable directions."""
    return solved.y.size, int(np.sum(np.real(solved.eigenvalues[:, 1]) > 0))


def _locate(
    at: Callable[[float], Scalars], low: float, high: float, before: Solved, after: Solved
) -> BifurcationEvent:
    """Bisect where the signature changes, to `_WIDTH` of the bracket."""
    width = _WIDTH * (high - low)
    while high - low > width:
        middle = (low + high) / 2
        solved = solve(at(middle))
        if _signature(solved) == _signature(before):
            low, before = middle, solved
        else:
            high, after = middle, solved
    return BifurcationEvent(_event_kind(before, after, at(high).c == 0), low, high)


def _event_kind(before: Solved, after: Solved, is_symmetric: bool) -> str:
    if before.y.size == after.y.size:
        return "Hopf"
    if is_symmetric:
        return "pitchfork"
    y = max(before.y, after.y, key=len)
    meets = y.size > 1 and np.min(np.diff(y)) < _MEETING * np.max(np.abs(y))
    return "saddle-node" if meets else "infinity"


def _padded(points: Iterable[np.ndarray]) -> np.ndarray:
    """Arrays of up to three points as one, with NaN or False where there is none."""
    return np.stack([_pad(each) for each in points])


def _pad(points: np.ndarray) -> np.ndarray:
    fill = False if points.dtype == bool else np.array(np.nan, points.dtype)
    out = np.full((_MOST, *points.shape[1:]), fill)
    out[: len(points)] = points
    return out
