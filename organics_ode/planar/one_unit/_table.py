"""What happens to the fixed points of one unit as a parameter varies."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..._checks import refuse
from ..._types import Numbers
from ...circuits import AbstractCircuit, ORGaNICsState
from ...equilibria import read_values
from .._plane import padded
from .._results import Bifurcation, BifurcationEvent, Branch
from ._equations import Scalars, host, scalars
from ._fixed_points import Solved, solve

Node = tuple[int, int]  # the index of the value, and of the fixed point there, or `_EVENT`
_EVENT = -1  # the event between that value and the next

PARAMETERS = ("W_r", "W", "sigma", "b0", "b1", "tau_y", "tau_a", "x")
"""The parameters that `planar.bifurcation` can vary for a circuit of one unit, and its input."""
_MOST = 3  # fixed points: one on the outer branch, at most two on the inner one
_WIDTH = 1e-9  # Of a bracket: narrower ones would exceed the available digits.
# Of the largest |y|: points that meet in a saddle-node within that width are about √width apart.
_MEETING = 1e-2


class Located(NamedTuple):
    """An event, and the fixed points on both sides of it."""

    event: BifurcationEvent
    before: Solved
    after: Solved


def table(circuit: AbstractCircuit, x: Array, name: str, values: Numbers) -> Bifurcation:
    """All fixed points at each of the values; changes between two values are bisected."""
    values = _read_values(name, values)
    at = vary(circuit, x, name)
    solved = [solve(at(v)) for v in values.tolist()]
    found = {
        k: _locate(at, *values[k : k + 2].tolist(), *solved[k : k + 2])
        for k in range(len(values) - 1)
        if _signature(solved[k]) != _signature(solved[k + 1])
    }
    arrays: Any = [padded([getattr(s, field) for s in solved], _MOST) for field in "ya"]
    return Bifurcation(
        name,
        values,
        np.array([s.y.size for s in solved]),
        ORGaNICsState(*arrays),
        padded([s.eigenvalues for s in solved], _MOST),
        padded([_are_stable(s) for s in solved], _MOST),
        tuple(each.event for each in found.values()),
        tuple(branches(values, solved, found)),
        searched="all there are at each value, in closed form",
    )


def _read_values(name: str, values: Numbers) -> Float[np.ndarray, " v"]:
    values = read_values(values)
    low = values[0]
    if name not in ("W_r", "x") and (low < 0 or (low == 0 and name != "W")):
        refuse("values", f"be legal for {name}", f"the smallest is {low}")
    return values


def vary(circuit: AbstractCircuit, x: Array, name: str) -> Callable[[float], Scalars]:
    """The circuit's numbers as a function of one parameter."""
    q, c = host(scalars(circuit, x)), _as_any(circuit)
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
    """The number of points, and the number of those with two unstable directions."""
    return solved.y.size, int(np.sum(np.real(solved.eigenvalues[:, 1]) > 0))


def _locate(
    at: Callable[[float], Scalars], low: float, high: float, before: Solved, after: Solved
) -> Located:
    """Bisect where the signature changes, to `_WIDTH` of the bracket."""
    width = _WIDTH * (high - low)
    while high - low > width:
        middle = (low + high) / 2
        solved = solve(at(middle))
        if _signature(solved) == _signature(before):
            low, before = middle, solved
        else:
            high, after = middle, solved
    kind = _event_kind(before, after, at(high).c == 0)
    return Located(BifurcationEvent(kind, low, high, _place(kind, before, after)), before, after)


def _place(kind: str, before: Solved, after: Solved) -> tuple[float, float] | None:
    """(y, a) of an event."""
    few, many = sorted((before, after), key=lambda s: s.y.size)
    if kind == "infinity":
        return None
    if kind == "Hopf":
        i = int(np.argmax(_unstable(before) != _unstable(after)))
        return float(before.y[i]), float(before.a[i])
    if kind == "pitchfork":
        i = int(np.argmin(np.abs(few.y)))
        return float(few.y[i]), float(few.a[i])
    i = _meeting(many)
    return float(np.mean(many.y[i : i + 2])), float(np.mean(many.a[i : i + 2]))


def _meeting(many: Solved) -> int:
    """The index of the first of the two nearest neighbours."""
    return int(np.argmin(np.diff(many.y)))


def _unstable(solved: Solved) -> Int[np.ndarray, " k"]:
    return np.sum(np.real(solved.eigenvalues) > 0, axis=1)


def _event_kind(before: Solved, after: Solved, is_symmetric: bool) -> str:
    if before.y.size == after.y.size:
        return "Hopf"
    if is_symmetric:
        return "pitchfork"
    y = max(before.y, after.y, key=len)
    meets = y.size > 1 and np.min(np.diff(y)) < _MEETING * np.max(np.abs(y))
    return "saddle-node" if meets else "infinity"


def branches(
    values: np.ndarray, solved: list[Solved], found: dict[int, Located]
) -> Iterator[Branch]:
    """The points at neighbouring values joined into curves, each from event to event."""
    for chain in _joined(
        [link for k in range(len(values) - 1) for link in _links(k, solved, found)]
    ):
        rows = [_row(node, values, solved, found) for node in chain]
        counts = [_unstable(solved[k])[i] for k, i in chain if i != _EVENT]
        yield Branch(
            np.array([row[0] for row in rows]), np.array([row[1:] for row in rows]), int(counts[0])
        )


def _row(node: Node, values: np.ndarray, solved: list[Solved], found: dict[int, Located]) -> tuple:
    """The value, y and a of a point or an event."""
    k, i = node
    if i == _EVENT:
        event = found[k].event
        return (event.value, *(event.pair or ()))
    return values[k], solved[k].y[i], solved[k].a[i]


def _links(k: int, solved: list[Solved], found: dict[int, Located]) -> Iterator[tuple[Node, Node]]:
    """Which points at a value and at the next are on one curve, or meet in an event in between."""
    sizes = solved[k].y.size, solved[k + 1].y.size
    kind = found[k].event.kind if k in found else ""
    # Neighbours keep their order: with c ≠ 0 no two points have the same y.
    born = set(_born(k, solved, found)) if sizes[0] != sizes[1] else set()
    grows = sizes[0] < sizes[1]
    kept = [[i for i in range(n) if bool(s) != grows or i not in born] for s, n in enumerate(sizes)]
    for i, j in zip(*kept, strict=True):
        changed = _unstable(solved[k])[i] != _unstable(solved[k + 1])[j]
        if kind not in ("", "infinity") and changed:
            yield (k, i), (k, _EVENT)
            yield (k, _EVENT), (k + 1, j)
        elif not changed:
            yield (k, i), (k + 1, j)
    for i in sorted(born) if kind != "infinity" else ():
        yield ((k, _EVENT), (k + 1, i)) if grows else ((k, i), (k, _EVENT))


def _born(k: int, solved: list[Solved], found: dict[int, Located]) -> list[int]:
    """The points that exist only on the side with more of them."""
    few, many = sorted((solved[k], solved[k + 1]), key=lambda s: s.y.size)
    kind, extra = found[k].event.kind, many.y.size - few.y.size
    if kind == "pitchfork" and extra == 2:
        return [0, many.y.size - 1]
    if kind == "infinity" or extra != 2:
        return np.argsort(-np.abs(many.y))[:extra].tolist()
    i = _meeting(max(found[k].before, found[k].after, key=lambda s: s.y.size))
    return [i, i + 1]


def _joined(links: list[tuple[Node, Node]]) -> list[list[Node]]:
    """Links joined into chains, each beginning where another ends, but not across an event."""
    chains, growing = [], {}
    for start, stop in links:
        chain = growing.pop(start, None)
        if chain is None:
            chain = [start]
            chains.append(chain)
        chain.append(stop)
        if stop[1] != _EVENT:
            growing[stop] = chain
    return chains


def _as_any(circuit: Any) -> Any:
    """A resolved circuit, whose fields are arrays."""
    return circuit
