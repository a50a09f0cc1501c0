"""Curves of fixed points over a parameter, by pseudo-arclength continuation (Keller, 1977).

A point of a curve is z = (v, λ), each entry in units of its own scale. The tangent t is the null
vector of A = [∂f/∂v, ∂f/∂λ], and a step solves f(z) = 0, t·(z − z₀) = h by Newton's method: a fold,
where ∂f/∂v has no inverse, is a point as any other.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ._family import Family, derivatives

_LONGEST, _SHORTEST, _FIRST = 0.02, 1e-7, 1e-3  # steps
_TURN, _GENTLE = 0.98, 0.998  # cosines: a step that turns by more is halved, by less lengthened
_OFF = 0.2  # of a step: how far Newton may correct it
_NEWTON = 12
_FAR = 20.0  # scales: where a curve has left
_MOST = 3000
_SAME = 1e-5
_CLOSE = 0.1  # how far Newton may go from between two neighbours of a curve


class Scales(NamedTuple):
    """The origin and the unit of each entry of z, and the size of each row of A."""

    origin: Float[np.ndarray, " e"]
    unit: Float[np.ndarray, " e"]
    rows: Float[np.ndarray, " d"]


class Curve(NamedTuple):
    """z (k, d + 1), their tangents, and how its two ends ended: "end" of the values, "left",
    "lost", "closed"."""

    z: Float[np.ndarray, "k e"]
    tangents: Float[np.ndarray, "k e"]
    ends: tuple[str, str]


class System(NamedTuple):
    """f(z) = 0, its rows of about size 1."""

    family: Family
    scales: Scales

    @property
    def accuracy(self) -> float:
        return float(np.finfo(np.asarray(self.family.x).dtype).eps) ** 0.75

    def physical(self, z: np.ndarray) -> np.ndarray:
        return self.scales.origin + self.scales.unit * z

    def scaled(self, v: np.ndarray, value: float) -> np.ndarray:
        return (np.append(v, value) - self.scales.origin) / self.scales.unit

    def look(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f (k, d) and A (k, d, d + 1) at z (k, d + 1)."""
        real = self.physical(z)
        f, J, f_value = derivatives(self.family, real[:, :-1], real[:, -1])
        A = np.concatenate([J, f_value[:, :, None]], axis=2) * self.scales.unit
        return f / self.scales.rows, A / self.scales.rows[:, None]

    def eigenvalues(self, z: np.ndarray) -> np.ndarray:
        """(k, d), 1/ms, by falling real part."""
        real = self.physical(z)
        values = np.linalg.eigvals(derivatives(self.family, real[:, :-1], real[:, -1])[1])
        order = np.lexsort((-values.imag, -values.real), axis=-1)
        return np.take_along_axis(values.astype(complex), order, axis=-1)


def system_of(family: Family, scales: Scales, z: Float[np.ndarray, "k e"]) -> System:
    """With rows that are as large as at these points."""
    sizes = np.max(np.abs(System(family, scales).look(z)[1]), axis=(0, 2), initial=0)
    rows = np.where(np.isfinite(sizes) & (sizes > 0), sizes, 1)
    return System(family, scales._replace(rows=rows))


def solve(system: System, z: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f(z) = 0 with z moved only across the given rows (k, d + 1), and which of them converged."""
    z, levels = np.array(z), np.sum(rows * z, axis=1)
    done = np.zeros(len(z), bool)
    for _ in range(_NEWTON):
        f, A = system.look(z)
        off = levels - np.sum(rows * z, axis=1)
        matrix = np.concatenate([A, rows[:, None, :]], axis=1)
        right = np.concatenate([-f, off[:, None]], axis=1)
        good = np.all(np.isfinite(matrix), axis=(1, 2)) & np.all(np.isfinite(right), axis=1)
        matrix[~good] = np.eye(matrix.shape[1])
        step = np.stack([_solution(m, r) for m, r in zip(matrix, right, strict=True)])
        z = z + np.where(good[:, None], step, np.nan)
        size = np.max(np.abs(step), axis=1)
        done |= good & (size < system.accuracy * (1 + np.max(np.abs(z), axis=1)))
        if np.all(done | ~np.isfinite(size)):
            break
    return z, done & np.all(np.isfinite(z), axis=1)


def _solution(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:  # at a branch point: the shortest step
        return np.linalg.lstsq(matrix, right, rcond=None)[0]


def at_value(system: System, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fixed points at the values λ of these guesses, and which of them were found near."""
    rows = np.zeros_like(z)
    rows[:, -1] = 1
    found, done = solve(system, z, rows)
    return found, done & (np.max(np.abs(found - z), axis=1) < _CLOSE)


def tangent(A: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The null vector of A (d, d + 1) that points where `like` does."""
    t = np.linalg.svd(A)[2][-1]
    return t if t @ like >= 0 else -t


def trace(system: System, start: np.ndarray, toward: np.ndarray) -> Curve:
    """The curve through a point of it, in both directions."""
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
        h = min(_LONGEST, 1.5 * h if t @ turned > _GENTLE else h)
        if not 0 <= new[-1] <= 1:
            return points + _at_the_end(system, z, new, turned), "end"
        points.append(moved)
        if np.max(np.abs(new[:-1])) > _FAR:
            return points, "left"
        if len(points) > 4 and _returns(z, new, start, points[0][1], turned):
            return [*points, points[0]], "closed"
    return points, "lost"


def step(
    system: System, z: np.ndarray, t: np.ndarray, h: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """The point of the curve a step h on and its tangent; None where the step is too long."""
    guess = z + h * t
    new, done = solve(system, guess[None], t[None])
    if not done[0] or np.linalg.norm(new[0] - guess) > _OFF * h:
        return None
    turned = tangent(system.look(new)[1][0], t)
    return (new[0], turned) if t @ turned > _TURN else None


def _at_the_end(system: System, z: np.ndarray, new: np.ndarray, t: np.ndarray) -> list:
    """The point at the first or the last value, between two of which it lies."""
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
        if away[j] > 2 * _LONGEST:
            continue
        # Where the curve meets the plane through z that it crosses at a right angle.
        t = curve.tangents[j]
        guess = curve.z[j] + t * (t @ (z - curve.z[j]))
        found, done = solve(system, guess[None], t[None])
        if done[0] and np.max(np.abs(found[0] - z)) < _SAME:
            return True
    return False


def root_between(
    g: Callable[[float], float], low: float, high: float, at_low: float, at_high: float
) -> float:
    """The zero of g between two ends of different sign, by the Illinois method."""
    side = 0
    for _ in range(100):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        if not low < middle < high:
            middle = (low + high) / 2
        here = g(middle)
        if not np.isfinite(here) or here == 0 or high - low < 1e-14:
            return middle
        if (here > 0) == (at_high > 0):
            at_low = at_low / 2 if side > 0 else at_low
            high, at_high, side = middle, here, 1
        else:
            at_high = at_high / 2 if side < 0 else at_high
            low, at_low, side = middle, here, -1
    return (low + high) / 2
