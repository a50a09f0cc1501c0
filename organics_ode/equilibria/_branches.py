"""Where curves of fixed points fold, cross, and begin to oscillate."""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from ._curves import (
    Curve,
    Scales,
    System,
    crossings,
    is_on,
    root_between,
    solve,
    system_of,
    tangent,
    trace,
)
from ._family import Family

_BEGIN = 1e-3  # how far from a branch point the curve that crosses begins
_FLAT = 1e-2  # share of λ in the direction of a branch that forks
_ONE = 1e-4  # places on a curve that are one
_PLACES = 1e-4  # of the scales: where two curves meet
_MOST = 40  # curves
_NEWTON = 8


class Change(NamedTuple):
    """A place where the fixed points change: "saddle-node", "Hopf", "pitchfork" or
    "transcritical", at z, on a curve after its point `after`."""

    kind: str
    z: Float[np.ndarray, " e"]
    after: int


class Piece(NamedTuple):
    """Part of a curve on which as many directions grow: z (k, d + 1) in the circuit's units, the
    eigenvalues, and that number."""

    z: Float[np.ndarray, "k e"]
    eigenvalues: Complex[np.ndarray, "k d"]
    unstable: int


class Continued(NamedTuple):
    """What was found over the values: the pieces, the changes with z in the circuit's units, the
    points at each value with their eigenvalues, and how the curves ended."""

    pieces: list[Piece]
    changes: list[Change]
    points: list[Float[np.ndarray, "k e"]]
    eigenvalues: list[Complex[np.ndarray, "k d"]]
    ends: list[str]


def continued(
    family: Family,
    seeds: list[tuple[np.ndarray, float]],
    values: np.ndarray,
    origin: np.ndarray,
    unit: np.ndarray,
) -> Continued:
    """The curves of fixed points through the seeds (v, λ), and those that cross them (host).

    Args:
        family: what varies.
        seeds: fixed points (d,), each with its value.
        values: (v,), increasing; the curves are followed from the first to the last.
        origin, unit: (d,), the middle and the typical size of the states.

    Returns:
        A `Continued`.
    """
    low, high = values[0], values[-1]
    scales = Scales(np.append(origin, low), np.append(unit, high - low), np.ones(len(unit)))
    begin = [System(family, scales).scaled(*seed) for seed in seeds]
    system = system_of(family, scales, np.stack(begin))
    curves, changes = _all_curves(system, seeds)
    pieces = [
        p for c, found in zip(curves, changes, strict=True) for p in _pieces(system, c, found)
    ]
    at = crossings(system, curves, (values - low) / (high - low))
    eigenvalues = [system.eigenvalues(z) if len(z) else np.zeros((0, len(unit))) for z in at]
    merged = _merged([change for found in changes for change in found])
    return Continued(
        pieces,
        [change._replace(z=system.physical(change.z)) for change in merged],
        [system.physical(z) for z in at],
        [np.asarray(each, complex) for each in eigenvalues],
        [end for curve in curves for end in curve.ends],
    )


def _all_curves(
    system: System, seeds: list[tuple[np.ndarray, float]]
) -> tuple[list[Curve], list[list[Change]]]:
    curves: list[Curve] = []
    changes: list[list[Change]] = []
    waiting = [(system.scaled(v, value), None) for v, value in seeds]
    while waiting and len(curves) < _MOST:
        z, toward = waiting.pop(0)
        along = np.eye(len(z))[-1] if toward is None else toward
        found, done = solve(system, z[None], along[None])
        if not done[0] or not 0 <= found[0][-1] <= 1 or is_on(system, curves, found[0]):
            continue
        curve = trace(system, found[0], along)
        if len(curve.z) < 3:
            continue
        curves.append(curve)
        changes.append([])
        for change, crossing in _changes(system, curve):
            changes[-1].append(change)
            if crossing is not None:
                waiting += [(change.z + s * _BEGIN * crossing, s * crossing) for s in (1, -1)]
    return curves, changes


def _changes(system: System, curve: Curve) -> list[tuple[Change, np.ndarray | None]]:
    """The changes along a curve in order, each with the direction of a curve that crosses there."""
    A = system.look(curve.z)[1]
    folds, meets = curve.tangents[:, -1], np.linalg.det(_bordered(A, curve.tangents))
    turns = np.array([_pair_sum(values) for values in system.eigenvalues(curve.z)])
    found: list[tuple[Change, np.ndarray | None]] = []
    for k in range(len(curve.z) - 1):
        here = [_meeting(system, curve, k, meets)] if _differs(meets, k) else []
        if not here and _differs(folds, k):
            here = [(_fold(system, curve, k, folds), None)]
        if _differs(turns, k):
            here += [(each, None) for each in _hopf(system, curve, k, turns)]
        found += here
    return found


def _differs(g: np.ndarray, k: int) -> bool:
    return bool(np.isfinite(g[k : k + 2]).all() and (g[k] > 0) != (g[k + 1] > 0))


def _bordered(A: np.ndarray, tangents: np.ndarray) -> np.ndarray:
    return np.concatenate([A, tangents[:, None, :]], axis=1)


def _pair_sum(eigenvalues: np.ndarray) -> float:
    """The smallest λ_i + λ_j with the sign of the product of all: 0 at a Hopf point."""
    sums = [a + b for a, b in itertools.combinations(eigenvalues.tolist(), 2)]
    if not sums:
        return 1.0
    # A complex pair of sums has a positive product.
    real = [s.real for s in sums if abs(s.imag) <= 1e-12 * abs(s)]
    return min(map(abs, sums)) * (-1.0) ** sum(r < 0 for r in real)


def _between(system: System, curve: Curve, k: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """A point between two of a curve, and its tangent."""
    z, t = curve.z[k], curve.tangents[k]
    guess = z + share * (curve.z[k + 1] - z)
    new = solve(system, guess[None], t[None])[0]
    return new[0], tangent(system.look(new)[1][0], t)


def _fold(system: System, curve: Curve, k: int, folds: np.ndarray) -> Change:
    share = root_between(
        lambda s: _between(system, curve, k, s)[1][-1], 0.0, 1.0, folds[k], folds[k + 1]
    )
    return Change("saddle-node", _between(system, curve, k, share)[0], k)


def _hopf(system: System, curve: Curve, k: int, turns: np.ndarray) -> list[Change]:
    def g(share: float) -> float:
        return _pair_sum(system.eigenvalues(_between(system, curve, k, share)[0][None])[0])

    share = root_between(g, 0.0, 1.0, turns[k], turns[k + 1])
    z = _between(system, curve, k, share)[0]
    values = system.eigenvalues(z[None])[0]
    pairs = list(itertools.combinations(values.tolist(), 2))
    first, second = min(pairs, key=lambda pair: abs(sum(pair)))
    # λ₁ + λ₂ = 0 of two real ones is a saddle that is as fast out as in.
    is_pair = abs(first.imag) > 1e-6 * np.max(np.abs(values)) and first.imag * second.imag < 0
    return [Change("Hopf", z, k)] if is_pair else []


def _meeting(
    system: System, curve: Curve, k: int, meets: np.ndarray
) -> tuple[Change, np.ndarray | None]:
    """A point that two curves share, and the direction of the other one."""

    def g(share: float) -> float:
        z, t = _between(system, curve, k, share)
        return float(np.linalg.det(_bordered(system.look(z[None])[1], t[None]))[0])

    share = root_between(g, 0.0, 1.0, meets[k], meets[k + 1])
    z = _exactly(system, _between(system, curve, k, share)[0])
    # At the point itself the tangent cannot be told: it is that of its neighbours.
    t = curve.tangents[k] + curve.tangents[k + 1]
    t = t / np.linalg.norm(t)
    other = _crossing(system, z, t)
    if other is None:
        return Change("branch point", z, k), None
    is_flat = min(abs(t[-1]), abs(other[-1])) < _FLAT
    return Change("pitchfork" if is_flat else "transcritical", z, k), other


def _exactly(system: System, z: np.ndarray) -> np.ndarray:
    """The point near z at which two curves meet, by Newton's method on f(z) + μψ = 0, Aᵀψ = 0,
    ψ·ψ = 1: along each curve alone it is a point that its own equations leave open."""
    near, d, length = z, len(z) - 1, system.accuracy**0.5
    psi, mu = np.linalg.svd(system.look(z[None])[1][0])[0][:, -1], 0.0
    for _ in range(_NEWTON):
        shifts = length * np.eye(d + 1)
        f, A = system.look(np.concatenate([near[None], near + shifts, near - shifts]))
        slopes = (A[1 : d + 2] - A[d + 2 :]) / (2 * length)  # (along, d, d + 1)
        rest = np.concatenate([f[0] + mu * psi, A[0].T @ psi, [psi @ psi - 1]])
        matrix = np.zeros((2 * d + 2, 2 * d + 2))
        matrix[:d, : d + 1], matrix[:d, d + 1], matrix[:d, d + 2 :] = A[0], psi, mu * np.eye(d)
        matrix[d : 2 * d + 1, : d + 1] = np.einsum("kij,i->jk", slopes, psi)
        matrix[d : 2 * d + 1, d + 2 :] = A[0].T
        matrix[-1, d + 2 :] = 2 * psi
        move = np.linalg.lstsq(matrix, -rest, rcond=None)[0]
        near, mu, psi = near + move[: d + 1], mu + move[d + 1], psi + move[d + 2 :]
        if np.max(np.abs(move)) < system.accuracy:
            break
    is_near = np.max(np.abs(near - z)) < _PLACES and abs(mu) < system.accuracy**0.5
    return near if is_near else z


def _crossing(system: System, z: np.ndarray, t: np.ndarray) -> np.ndarray | None:
    """The other root of the algebraic bifurcation equation ψᵀ f″(z)[w, w] = 0 in the null space."""
    A = system.look(z[None])[1][0]
    left, _, right = np.linalg.svd(A)
    psi, null = left[:, -1], right[-2:]
    length = system.accuracy**0.5 * 10
    moved = np.stack([system.look(np.stack([z + length * w, z - length * w]))[1] for w in null])
    c = np.array([[psi @ (m[0] - m[1]) @ w for w in null] for m in moved]) / (2 * length)
    # In coordinates of the null space in which the known direction is the first axis.
    first = null @ t / np.linalg.norm(null @ t)
    across = np.array([-first[1], first[0]])
    mixed, second = first @ (c + c.T) @ across / 2, across @ c @ across
    if abs(mixed) < 1e-6 * np.max(np.abs(c)) or not np.isfinite(c).all():
        return None
    direction = (-second * first + 2 * mixed * across) @ null
    return direction / np.linalg.norm(direction)


def _pieces(system: System, curve: Curve, changes: list[Change]) -> list[Piece]:
    """The curve cut at its changes, which are ends of the pieces on both of their sides."""
    places = sorted(changes, key=lambda change: (change.after, _place(curve, change)))
    runs, begin, head = [], 0, np.zeros((0, curve.z.shape[1]))
    for change in places:
        stop = change.after + 1
        runs.append(np.concatenate([head, curve.z[begin:stop], change.z[None]]))
        begin, head = stop, change.z[None]
    runs.append(np.concatenate([head, curve.z[begin:]]))
    return [piece for run in runs for piece in _even(system, run)]


def _place(curve: Curve, change: Change) -> float:
    return float(np.linalg.norm(change.z - curve.z[change.after]))


def _even(system: System, z: np.ndarray) -> list[Piece]:
    """A run cut where the number of growing directions differs still; its ends may be changes."""
    values = system.eigenvalues(z)
    counts = np.sum(np.real(values) > 0, axis=1)
    if len(z) > 2:
        counts[0], counts[-1] = counts[1], counts[-2]
    cuts = np.flatnonzero(np.diff(counts)) + 1
    edges = [0, *cuts.tolist(), len(z)]
    parts = [slice(a, min(b + 1, len(z))) for a, b in itertools.pairwise(edges)]
    return [
        Piece(system.physical(z[part]), values[part], int(counts[part.start])) for part in parts
    ]


def _merged(changes: list[Change]) -> list[Change]:
    """Those that several curves share once, by rising value."""
    kept: list[Change] = []
    rank = {"pitchfork": 0, "transcritical": 1, "branch point": 2}
    for change in sorted(changes, key=lambda change: (rank.get(change.kind, 3), change.z[-1])):
        near = [c for c in kept if np.max(np.abs(c.z - change.z)) < _PLACES]
        if not any(c.kind == change.kind or c.kind in rank for c in near):
            kept.append(change)
    return sorted(kept, key=lambda change: change.z[-1])
