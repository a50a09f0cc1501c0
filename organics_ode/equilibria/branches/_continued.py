"""Where curves of fixed points fold, cross, and begin to oscillate."""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from ._curves import Curve, crossings, is_on, trace
from ._family import Family
from ._meetings import crossing, meeting_point
from ._system import Scales, System, orientation, root_between, solve, tangent, with_rows

_BEGIN = 1e-3  # how far from a branch point the crossing curve begins
_FLAT = 1e-2  # share of λ in the direction of a forking branch
_ONE = 1e-4  # places on a curve this near count as one
_PLACES = 1e-4  # of the scales: how near places must be for two curves to meet there
_MOST = 40  # curves
_VANISHED = 0.6  # the power of the accuracy to which the real part of a pair is 0 at a Hopf point


class Change(NamedTuple):
    """A place where the fixed points change: "saddle-node", "Hopf", "pitchfork", "transcritical" or
    "branch point", at z, on a curve after its point `after`. `side`: +1 if what comes with it (the
    points of a fold, the growing pair of a Hopf point) is at larger values, −1 if at smaller ones,
    0 elsewhere. `unstable`: how many directions grow on the curve before and after."""

    kind: str
    z: Float[np.ndarray, " e"]
    after: int
    side: int = 0
    unstable: tuple[int, int] = (0, 0)


class Piece(NamedTuple):
    """Part of a curve with a constant number of growing directions: z (k, d + 1) in the circuit's
    units, the eigenvalues, and that number."""

    z: Float[np.ndarray, "k e"]
    eigenvalues: Complex[np.ndarray, "k d"]
    unstable: int


class Continued(NamedTuple):
    """What was found over the values: the pieces, the changes with z in the circuit's units, the
    points at each value with their eigenvalues, how the curves ended, and the equations."""

    pieces: list[Piece]
    changes: list[Change]
    points: list[Float[np.ndarray, "k e"]]
    eigenvalues: list[Complex[np.ndarray, "k d"]]
    ends: list[str]
    system: System


def continued(
    family: Family,
    seeds: list[tuple[np.ndarray, float]],
    values: np.ndarray,
    origin: np.ndarray,
    unit: np.ndarray,
    far: float = 20.0,
) -> Continued:
    """The curves of fixed points through the seeds (v, λ), and those that cross them (host).

    Args:
        family: the circuit and the number that varies.
        seeds: fixed points (d,), each with its value.
        values: (v,), increasing; the curves are followed from the first to the last.
        origin, unit: (d,), the middle and the typical size of the states.
        far: the number of units beyond which a curve has left.

    Returns:
        A `Continued`.
    """
    low, high = values[0], values[-1]
    scales = Scales(np.append(origin, low), np.append(unit, high - low), np.ones(len(unit)))
    system = System(family, scales, far)
    system = with_rows(system, np.stack([system.scaled(*seed) for seed in seeds]))
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
        system,
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
        for change, across in _changes(system, curve):
            changes[-1].append(change)
            if across is not None:
                waiting += [(change.z + s * _BEGIN * across, s * across) for s in (1, -1)]
    return curves, changes


def _changes(system: System, curve: Curve) -> list[tuple[Change, np.ndarray | None]]:
    """The changes along a curve in order, each with the direction of any curve crossing there."""
    A, spectra = system.look(curve.z)[1], system.eigenvalues(curve.z)
    folds = curve.tangents[:, -1]
    meets = np.array([orientation(*each)[0] for each in zip(A, curve.tangents, strict=True)])
    turns = np.array([_pair_sum(values) for values in spectra])
    counts = np.sum(np.real(spectra) > 0, axis=1)
    found: list[tuple[Change, np.ndarray | None]] = []
    for k in range(len(curve.z) - 1):
        here = [_meeting(system, curve, k)] if _differs(meets, k) else []
        if not here and _differs(folds, k):
            here = [(_fold(system, curve, k, folds), None)]
        if _differs(turns, k):
            here += [(each, None) for each in _hopf(system, curve, k, turns)]
        around = int(counts[k]), int(counts[k + 1])
        if not here and around[0] != around[1]:
            here = [(each, None) for each in _unexplained(system, curve, k, around)]
        found += [(change._replace(unstable=around), other) for change, other in here]
    return found


def _differs(g: np.ndarray, k: int) -> bool:
    return bool(np.isfinite(g[k : k + 2]).all() and (g[k] > 0) != (g[k + 1] > 0))


def _pair_sum(eigenvalues: np.ndarray) -> float:
    """The smallest λ_i + λ_j with the sign of the product of all: 0 at a Hopf point."""
    i, j = np.triu_indices(len(eigenvalues), 1)
    if not i.size or not np.all(np.isfinite(eigenvalues)):
        return 1.0 if not i.size else np.nan
    sums = eigenvalues[i] + eigenvalues[j]
    # A complex pair of sums has a positive product.
    is_real = np.abs(np.imag(sums)) <= 1e-12 * np.abs(sums)
    return float(np.min(np.abs(sums)) * (-1.0) ** np.sum(np.real(sums)[is_real] < 0))


def _between(system: System, curve: Curve, k: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """A point between two points of a curve, and its tangent."""
    z, t = curve.z[k], curve.tangents[k]
    guess = z + share * (curve.z[k + 1] - z)
    new = solve(system, guess[None], t[None])[0]
    return new[0], tangent(system.look(new)[1][0], t)


def _fold(system: System, curve: Curve, k: int, folds: np.ndarray) -> Change:
    share = root_between(
        lambda s: _between(system, curve, k, s)[1][-1], 0.0, 1.0, folds[k], folds[k + 1]
    )
    z = _between(system, curve, k, share)[0]
    beside = curve.z[k : k + 2, -1] - z[-1]
    side = np.sign(beside[np.argmax(np.abs(beside))])
    return Change("saddle-node", z, k, int(side))


def _hopf(system: System, curve: Curve, k: int, turns: np.ndarray) -> list[Change]:
    def g(share: float) -> float:
        return _pair_sum(system.eigenvalues(_between(system, curve, k, share)[0][None])[0])

    share = root_between(g, 0.0, 1.0, turns[k], turns[k + 1])
    z = _between(system, curve, k, share)[0]
    values = system.eigenvalues(z[None])[0]
    i, j = np.triu_indices(len(values), 1)
    least = np.argmin(np.abs(values[i] + values[j]))
    first, second, size = values[i[least]], values[j[least]], np.max(np.abs(values))
    # λ₁ + λ₂ = 0 for two real ones is a saddle that is as fast outward as inward.
    is_pair = abs(first.imag) > 1e-6 * size and first.imag * second.imag < 0
    if not is_pair or abs(first + second) > system.accuracy**_VANISHED * size:
        return []
    grows = np.sum(np.real(system.eigenvalues(curve.z[k : k + 2])) > 0, axis=1)
    ahead = curve.z[k + 1, -1] - curve.z[k, -1]
    return [Change("Hopf", z, k, int(np.sign((grows[1] - grows[0]) * ahead)))]


def _unexplained(system: System, curve: Curve, k: int, counts: tuple[int, int]) -> list[Change]:
    """Changes in the number of growing directions that are none of the above, such as two at once
    in a symmetric circuit; eigenvalues that are 0 up to rounding do not count."""

    def g(share: float) -> float:
        values = system.eigenvalues(_between(system, curve, k, share)[0][None])[0]
        return float(np.real(values[min(counts)]))

    low, high = g(0.0), g(1.0)
    size = np.max(np.abs(system.eigenvalues(curve.z[k : k + 1])))
    if (low > 0) == (high > 0) or min(abs(low), abs(high)) < system.accuracy**_VANISHED * size:
        return []
    share = root_between(g, 0.0, 1.0, low, high)
    return [Change("branch point", _between(system, curve, k, share)[0], k)]


def _meeting(system: System, curve: Curve, k: int) -> tuple[Change, np.ndarray | None]:
    """A point that two curves share, and the direction of the other one."""

    def determinant(z: np.ndarray, t: np.ndarray) -> tuple[float, float]:
        return orientation(system.look(z[None])[1][0], t)

    ends = [determinant(curve.z[i], curve.tangents[i]) for i in (k, k + 1)]
    size = max(log for _, log in ends)
    low, high = (sign * np.exp(log - size) for sign, log in ends)

    def g(share: float) -> float:
        sign, log = determinant(*_between(system, curve, k, share))
        return sign * float(np.exp(min(log - size, 1.0)))

    share = root_between(g, 0.0, 1.0, low, high)
    near = _between(system, curve, k, share)[0]
    z = meeting_point(system, near, _PLACES)
    if z is None:
        return Change("branch point", near, k), None
    # At the point itself the tangent is not determined: it is taken from the neighbours.
    t = curve.tangents[k] + curve.tangents[k + 1]
    t = t / np.linalg.norm(t)
    other = crossing(system, z, t)
    if other is None:
        return Change("branch point", z, k), None
    is_flat = min(abs(t[-1]), abs(other[-1])) < _FLAT
    return Change("pitchfork" if is_flat else "transcritical", z, k), other


def _pieces(system: System, curve: Curve, changes: list[Change]) -> list[Piece]:
    """The curve cut at its changes, each of which ends the pieces on both sides."""
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
    """A run cut where the number of growing directions still differs; its ends may be changes."""
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
    """The changes by increasing value, those shared by several curves only once."""
    kept: list[Change] = []
    rank = {"pitchfork": 0, "transcritical": 1, "branch point": 2}
    for change in sorted(changes, key=lambda change: (rank.get(change.kind, 3), change.z[-1])):
        near = [c for c in kept if np.max(np.abs(c.z - change.z)) < _PLACES * _size(change.z)]
        if not any(c.kind == change.kind or c.kind in rank for c in near):
            kept.append(change)
    return sorted(kept, key=lambda change: change.z[-1])


def _size(z: np.ndarray) -> float:
    return max(1.0, float(np.max(np.abs(z))))
