"""Windows of a plane, and the cells of a grid in which both velocities may vanish."""

import numpy as np
from jaxtyping import Float

from ._plane import Window

_MARGIN = 0.2  # of the extent shown
# The relative distance below which points count as one; and what is small, in typical sizes.
_SAME, _SMALL = 1e-6, 1e-2


def around(points: np.ndarray) -> Window:
    """A window around points: at least a tenth of their size wide."""
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.where(np.abs(high) + np.abs(low) > 0, np.maximum(np.abs(low), np.abs(high)), 1.0)
    width = np.maximum(high - low, np.where(high - low > 0.1 * size, 0, size))
    pad = _MARGIN * width
    return spanned(low - pad, high + pad)


def spanned(low: Float[np.ndarray, "2"], high: Float[np.ndarray, "2"]) -> Window:
    """The window between two corners."""
    (a, c), (b, d) = low.tolist(), high.tolist()
    return (a, b), (c, d)


def box(u: np.ndarray, v: np.ndarray) -> Window | None:
    """The window that starts span; None if they span none."""
    if not u.size or not (np.ptp(u) and np.ptp(v)):
        return None
    return (float(u.min()), float(u.max())), (float(v.min()), float(v.max()))


def both_vanish(f: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The cells in which, or beside which, both fields change sign."""
    changes = []
    for values in (f, g):
        corners = np.stack([values[:-1, :-1], values[1:, :-1], values[:-1, 1:], values[1:, 1:]])
        known = np.all(np.isfinite(corners), axis=0)
        changes.append(known & ((corners.min(0) <= 0) & (corners.max(0) >= 0)))
    wide = [_spread(each) for each in changes]
    return (changes[0] & wide[1]) | (wide[0] & changes[1])


def _spread(cells: np.ndarray) -> np.ndarray:
    padded = np.pad(cells, 1)
    n, m = cells.shape
    shifts = [padded[i : i + n, j : j + m] for i in range(3) for j in range(3)]
    return np.any(shifts, axis=0)


def apart(
    rows: Float[np.ndarray, "k d"], residuals: Float[np.ndarray, " k"], units: np.ndarray
) -> np.ndarray:
    """One of each cluster of rows, the one of smallest residual, as indices."""
    near = _SAME * max(1.0, np.finfo(rows.dtype).eps / np.finfo(float).eps) ** 0.35
    kept: list[int] = []
    for i in np.argsort(residuals, kind="stable").tolist():
        size = near * np.maximum(np.abs(rows[i]), _SMALL * units)
        if not any(np.all(np.abs(rows[i] - rows[j]) <= size) for j in kept):
            kept.append(i)
    return np.array(kept, int)
