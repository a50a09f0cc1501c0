"""Curves of fixed points over a parameter, by pseudo-arclength continuation (Keller, 1977).

A point of a curve is z = (v, λ), each entry in units of its own scale. The tangent t is the null
vector of A = [∂f/∂v, ∂f/∂λ], and a step solves f(z) = 0, t·(z − z₀) = h by Newton's method: a fold,
where ∂f/∂v has no inverse, is a point like any other. A step that turns too far, or that Newton's
method corrects by too much, is halved; so is one after which det [A; t] has another sign, unless
another curve crosses there: the step has jumped to a neighbour.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ._meetings import meeting_point
from ._system import System, orientation, solve, tangent

_LONGEST, _SHORTEST, _FIRST = 0.02, 1e-7, 1e-3  # steps
_TURN, _GENTLE = 0.98, 0.998  # cosines: a step is halved below one, and lengthened above the other
_OFF = 0.2  # of a step: how far Newton's method may correct it
_MOST = 3000
_UNSURE = 1e-5  # a step too short to tell crossing curves from those that pass each other
_CONTINUUM = 100.0  # times the accuracy: a smaller singular value means points are not isolated
_SAME = 1e-5
_CLOSE = 0.1  # how far Newton's method may move from between two neighbours on a curve


class Curve(NamedTuple):
    """z (k, d + 1), the tangents, and how the curve stopped at its two ends: "end" of the values,
    "left", "lost", "closed"."""

    z: Float[np.ndarray, "k e"]
    tangents: Float[np.ndarray, "k e"]
    ends: tuple[str, str]


def at_value(system: System, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fixed points at the values λ of these guesses, and which were found nearby."""
    rows = np.zeros_like(z)
    rows[:, -1] = 1
    found, done = solve(system, z, rows)
    return found, done & (np.max(np.abs(found - z), axis=1) < _CLOSE)


def trace(system: System, start: np.ndarray, toward: np.ndarray) -> Curve:
    """The curve through one of its points, in both directions."""
    t = tangent(system.look(start[None])[1][0], toward)
    ahead, end = _march(system, start, t)
    if end == "closed":
        z, tangents = map(np.stack, zip(*ahead, strict=True))
        return Curve(z, tangents, (end, end))
    behind, other = _march(system, start, -t)
    points = [(z, -t) for z, t in reversed(behind[1:])] + ahead
    z, tangents = map(np.stack, zip(*points, strict=True))
    return Curve(z, tangents, (other, end))


def _march(system: System, start: np.ndarray, t: np.ndarray) -> tuple[list, str]:
    points, h = [(start, t)], _FIRST
    while len(points) < _MOST:
        z, t = points[-1]
        moved = step(system, z, t, h)
        if moved is None:
            h /= 2
            if h < _SHORTEST:
                return points, "lost"
            continue
        new, turned = moved
        h = min(_longest(new, turned), 1.5 * h if t @ turned > _GENTLE else h)
        if not 0 <= new[-1] <= 1:
            return points + _at_the_end(system, z, new, turned), "end"
        points.append(moved)
        if np.max(np.abs(new[:-1])) > system.far:
            return points, "left"
        if len(points) > 4 and _returns(z, new, start, points[0][1], turned):
            return [*points, points[0]], "closed"
    return points, "lost"


def _longest(z: np.ndarray, t: np.ndarray) -> float:
    """The longest step in units of the scales; it grows with a large state, but never beyond this
    share of the values."""
    size = max(1.0, float(np.max(np.abs(z[:-1]))))
    return _LONGEST * (size if abs(t[-1]) * size <= 1 else max(1.0, 1 / abs(t[-1])))


def step(
    system: System, z: np.ndarray, t: np.ndarray, h: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """The point of the curve one step h further, and its tangent; None if the step is too long."""
    guess = z + h * t
    new, done = solve(system, guess[None], t[None])
    if not done[0] or np.linalg.norm(new[0] - guess) > _OFF * h:
        return None
    turned = tangent(system.look(new)[1][0], t)
    has_left = t @ turned <= _TURN or _has_jumped(system, (z, t), (new[0], turned), h)
    return None if has_left else (new[0], turned)


def _has_jumped(
    system: System,
    before: tuple[np.ndarray, np.ndarray],
    after: tuple[np.ndarray, np.ndarray],
    h: float,
) -> bool:
    """Whether two points with their tangents lie on different curves."""
    z = np.stack([before[0], after[0]])
    matrices = list(zip(system.look(z)[1], (before[1], after[1]), strict=True))
    signs = [orientation(*each)[0] for each in matrices]
    if signs[0] * signs[1] >= 0 or h < _UNSURE:
        return False
    if meeting_point(system, z.mean(axis=0), h) is not None:
        return False
    # On a continuum of fixed points the determinant is 0 up to rounding.
    bordered = [np.concatenate([A, t[None]]) for A, t in matrices]
    least = [np.linalg.svd(matrix, compute_uv=False)[-1] for matrix in bordered]
    return bool(max(least) > _CONTINUUM * system.accuracy)


def _at_the_end(system: System, z: np.ndarray, new: np.ndarray, t: np.ndarray) -> list:
    """The point at the first or the last value, which lies between these two points."""
    edge = 1.0 if new[-1] > 1 else 0.0
    if z[-1] == edge:
        return []
    share = (edge - z[-1]) / (new[-1] - z[-1])
    guess = z + share * (new - z)
    guess[-1] = edge
    found, done = at_value(system, guess[None])
    return [(found[0], t)] if done[0] else []


def _returns(
    z: np.ndarray, new: np.ndarray, start: np.ndarray, t: np.ndarray, turned: np.ndarray
) -> bool:
    length = np.linalg.norm(new - z)
    return bool(np.linalg.norm(new - start) < length and t @ turned > _TURN)


def crossings(system: System, curves: list[Curve], values: np.ndarray) -> list[np.ndarray]:
    """All points (k, d + 1) of the curves at each of the scaled values."""
    guesses, owners = [], []
    for curve in curves:
        a, b = curve.z[:-1], curve.z[1:]
        for i, value in enumerate(values):
            for j in np.flatnonzero((a[:, -1] - value) * (b[:, -1] - value) <= 0):
                width = b[j, -1] - a[j, -1]
                share = (value - a[j, -1]) / width if width else 0.0
                guess = a[j] + share * (b[j] - a[j])
                guess[-1] = value
                guesses.append(guess)
                owners.append(i)
    if not guesses:
        return [np.zeros((0, len(system.scales.unit))) for _ in values]
    found, done = at_value(system, np.stack(guesses))
    return [_apart(found[(np.asarray(owners) == i) & done]) for i in range(len(values))]


def _apart(z: np.ndarray) -> np.ndarray:
    kept: list[np.ndarray] = []
    for each in z:
        if all(np.max(np.abs(each - other)) > _SAME for other in kept):
            kept.append(each)
    return np.stack(kept) if kept else z[:0]


def is_on(system: System, curves: list[Curve], z: np.ndarray) -> bool:
    """Whether a point lies on one of the curves."""
    for curve in curves:
        away = np.linalg.norm(curve.z - z, axis=1)
        j = int(np.argmin(away))
        size = max(1.0, float(np.max(np.abs(z))))
        if away[j] > 2 * _LONGEST * size:
            continue
        # Where the curve meets the plane through z that is perpendicular to it.
        t = curve.tangents[j]
        guess = curve.z[j] + t * (t @ (z - curve.z[j]))
        found, done = solve(system, guess[None], t[None])
        if done[0] and np.max(np.abs(found[0] - z)) < _SAME * size:
            return True
    return False
