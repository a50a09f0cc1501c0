"""f(v, λ) = 0 in units of its own scales, and its solutions.

A point is z = (v, λ), each entry in units of its own scale, and A = [∂f/∂v, ∂f/∂λ].
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ._family import Family, derivatives

_NEWTON = 12


class Scales(NamedTuple):
    """The origin and the unit of each entry of z, and the size of each row of A."""

    origin: Float[np.ndarray, " e"]
    unit: Float[np.ndarray, " e"]
    rows: Float[np.ndarray, " d"]


class System(NamedTuple):
    """f(z) = 0, with rows scaled to about 1; a curve has left where v is `far` scales away."""

    family: Family
    scales: Scales
    far: float = 20.0

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
        """(k, d), 1/ms, by decreasing real part."""
        real = self.physical(z)
        values = np.linalg.eigvals(derivatives(self.family, real[:, :-1], real[:, -1])[1])
        order = np.lexsort((-values.imag, -values.real), axis=-1)
        return np.take_along_axis(values.astype(complex), order, axis=-1)


def with_rows(system: System, z: Float[np.ndarray, "k e"]) -> System:
    """The system with its rows scaled by their sizes at these points."""
    sizes = np.max(np.abs(system.look(z)[1]), axis=(0, 2), initial=0)
    rows = np.where(np.isfinite(sizes) & (sizes > 0), sizes, 1)
    return system._replace(scales=system.scales._replace(rows=rows))


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
    except np.linalg.LinAlgError:  # at a branch point: the shortest least-squares step
        return np.linalg.lstsq(matrix, right, rcond=None)[0]


def tangent(A: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The null vector of A (d, d + 1) that points where `like` does."""
    t = np.linalg.svd(A)[2][-1]
    return t if t @ like >= 0 else -t


def orientation(A: np.ndarray, t: np.ndarray) -> tuple[float, float]:
    """The sign of det [A; t], and the logarithm of its size. Along a curve the sign changes only
    where another curve crosses it; between neighbouring curves it differs."""
    sign, log = np.linalg.slogdet(np.concatenate([A, t[None]]))
    return float(sign), float(log)


def root_between(
    g: Callable[[float], float], low: float, high: float, at_low: float, at_high: float
) -> float:
    """The zero of g between two ends of opposite sign, by the Illinois method."""
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
