"""Curves on which a field over the plane is 0, by marching squares and Newton's method."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Field = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_NEWTON = 6
_ZERO = 1e-3  # of the field at the ends of the edge
_AWAY = 2.0  # cells by which Newton's method may move a point
# The edges by which a curve enters and leaves a cell, given which of its corners are positive.
# Corners 0 to 3 are in cyclic order; edge k runs from corner k to corner k + 1.
_LINKS = {
    **{1: [(3, 0)], 2: [(0, 1)], 3: [(3, 1)], 4: [(1, 2)], 6: [(0, 2)], 7: [(3, 2)]},
    **{8: [(2, 3)], 9: [(0, 2)], 11: [(1, 2)], 12: [(1, 3)], 13: [(0, 1)], 14: [(0, 3)]},
}
# Two pieces in one cell: the sign in its middle decides.
_SADDLES = {
    (5, True): [(0, 1), (2, 3)],
    (5, False): [(3, 0), (1, 2)],
    (10, True): [(3, 0), (1, 2)],
    (10, False): [(0, 1), (2, 3)],
}


def contours(
    u: Float[np.ndarray, " n"],
    v: Float[np.ndarray, " m"],
    values: np.ndarray,
    field: Field,
    eps: float = float(np.finfo(float).eps),
) -> tuple[Float[np.ndarray, "points 2"], ...]:
    """The curves on which a field is 0.

    Args:
        u, v: the axes of a grid.
        values: (n, m), the field on the grid; where it is not finite there is no curve.
        field: maps points (k, 2) to values (k,) and gradients (k, 2).
        eps: the precision of the floats that it computes with.

    Returns:
        Curves of points (u, v), each within 10 √eps of a cell of the zero of the field.
    """
    crossing = _crossings(u, v, values)
    cell = np.array([u[1] - u[0], v[1] - v[0]])
    chains = _chains(_segments(values))
    if not chains:
        return ()
    keys = list(crossing)
    points, sizes = (np.array([crossing[key][i] for key in keys]) for i in (0, 1))
    exact = _refined(points, sizes, cell, field, 10 * eps**0.5)
    where = dict(zip(keys, exact, strict=True))
    return tuple(
        piece for chain in chains for piece in _finite(np.array([where[k] for k in chain]))
    )


def _crossings(
    u: np.ndarray, v: np.ndarray, values: np.ndarray
) -> dict[tuple, tuple[np.ndarray, float]]:
    """The point on every grid edge whose ends differ in sign, and the size of the field at these
    ends, by (axis, i, j)."""
    found = {}
    positive = values >= 0
    axes = np.meshgrid(u, v, indexing="ij")
    for axis in (0, 1):
        a, b = (np.take(values, np.arange(k, values.shape[axis] - 1 + k), axis) for k in (0, 1))
        signs = [np.take(positive, np.arange(k, a.shape[axis] + k), axis) for k in (0, 1)]
        known = np.isfinite(a) & np.isfinite(b)
        for i, j in np.argwhere(known & (signs[0] != signs[1])):
            share = a[i, j] / (a[i, j] - b[i, j])
            ends = [np.array([x[i, j], x[i + (axis == 0), j + (axis == 1)]]) for x in axes]
            point = np.array([e[0] + share * (e[1] - e[0]) for e in ends])
            size = max(abs(a[i, j]), abs(b[i, j]))
            found[axis, int(i), int(j)] = point, float(size)
    return found


def _segments(values: np.ndarray) -> list[tuple[tuple, tuple]]:
    """Pairs of edges that are joined by a curve within a cell."""
    corners = [values[:-1, :-1], values[1:, :-1], values[1:, 1:], values[:-1, 1:]]
    code = np.sum([(c >= 0).astype(int) << k for k, c in enumerate(corners)], axis=0)
    known = np.all(np.isfinite(np.stack(corners)), axis=0)
    middle = np.sum([np.where(known, c, 0) for c in corners], axis=0)
    found = []
    for i, j in np.argwhere(known & (code > 0) & (code < 15)):
        edges = ((0, i, j), (1, i + 1, j), (0, i, j + 1), (1, i, j))
        edges = [(axis, int(a), int(b)) for axis, a, b in edges]
        kind = int(code[i, j])
        links = _LINKS.get(kind) or _SADDLES[kind, bool(middle[i, j] >= 0)]
        found += [(edges[a], edges[b]) for a, b in links]
    return found


def _chains(segments: list[tuple[tuple, tuple]]) -> list[list[tuple]]:
    """Segments that meet, joined into chains of edges; closed chains end where they begin."""
    near: dict[tuple, list[tuple]] = {}
    for a, b in segments:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    chains = []
    # Open chains first, from their ends.
    for start in [*(k for k, ends in near.items() if len(ends) == 1), *near]:
        if not near.get(start):
            continue
        chain = [start]
        while near.get(chain[-1]):
            here, there = chain[-1], near[chain[-1]].pop()
            near[there].remove(here)
            chain.append(there)
        chains.append(chain)
    return chains


def _refined(
    points: np.ndarray, sizes: np.ndarray, cell: np.ndarray, field: Field, near: float
) -> np.ndarray:
    """The points moved along the gradient onto the zero; NaN where there is none nearby."""
    new = points.copy()
    step = np.zeros_like(points)
    for _ in range(_NEWTON):
        values, slopes = field(new)
        slopes = slopes * cell  # in cells
        size = np.sum(slopes**2, axis=1)
        with np.errstate(all="ignore"):
            step = -(values / np.where(size > 0, size, 1))[:, None] * slopes
        new = new + step * cell
        if np.all(np.abs(step) < 1e-14):
            break
    moved = np.max(np.abs(new - points) / cell, axis=1)
    # At a pole Newton's step is short too.
    is_zero = np.abs(field(new)[0]) < _ZERO * sizes
    is_exact = (np.max(np.abs(step), axis=1) < near) & (moved < _AWAY) & is_zero
    return np.where(is_exact[:, None], new, np.nan)


def _finite(curve: np.ndarray) -> list[np.ndarray]:
    """The parts of a curve between points that are NaN, where the field jumps."""
    known = np.all(np.isfinite(curve), axis=1)
    runs = np.split(np.arange(len(curve)), np.nonzero(np.diff(known))[0] + 1)
    return [curve[run] for run in runs if len(run) > 1 and known[run[0]]]
