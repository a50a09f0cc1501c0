"""All zeros of a smooth function of one variable on an interval, including close pairs."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Values = Callable[[np.ndarray], np.ndarray]

_WIDTH = 8  # brackets processed at once: a single shape for the compiler
_HALVINGS, _CHORDS = 10, 20


def all_roots(f: Values, slope: Values | None, grid: np.ndarray) -> Float[np.ndarray, " k"]:
    """Zeros between the first and the last node of an increasing grid, sorted.

    Sign changes between neighbours are bisected. Two zeros between the same two neighbours have an
    extremum between them, so the extrema, the zeros of `slope`, are first added to the grid. (If no
    slope is given: the extremum near every node that is nearer to zero than both neighbours.)
    """
    values = f(grid)
    if slope is not None:
        turns = bisect(slope, *brackets(slope(grid), grid))
    else:
        turns = _turns(f, values, grid)
    at_turns = evaluate(f, turns)
    order = np.argsort(np.concatenate([grid, turns]), kind="stable")
    grid = np.concatenate([grid, turns])[order]
    values = np.concatenate([values, at_turns])[order]
    return bisect(f, *brackets(values, grid))


def brackets(values: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Neighbouring nodes between which the sign changes; a zero counts as negative."""
    at = np.flatnonzero((values[1:] > 0) != (values[:-1] > 0))
    return grid[at], grid[at + 1]


def bisect(f: Values, low: np.ndarray, high: np.ndarray) -> Float[np.ndarray, " k"]:
    """The zeros between pairs of points where f has different signs.

    First some halvings, until f is nearly straight, then false position (Illinois) to the end.
    """
    below, above = evaluate(f, low), evaluate(f, high)
    rises, best = above > 0, low
    for i in range(_HALVINGS + _CHORDS if low.size else 0):
        chord = low + (high - low) * below / np.where(below == above, np.inf, below - above)
        middle = low + (high - low) / 2 if i < _HALVINGS else chord
        value = evaluate(f, middle)
        is_low = (value > 0) != rises
        # The value at an end that stays is halved, so that it does not stay forever.
        fade = 1 if i < _HALVINGS else 2
        below, above = np.where(is_low, value, below / fade), np.where(is_low, above / fade, value)
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
        if np.all((value == 0) | (np.abs(middle - best) <= 4e-16 * np.abs(middle))):
            return middle
        best = middle
    return best


def evaluate(f: Values, points: np.ndarray) -> np.ndarray:
    """f, evaluated in blocks of one length."""
    padded = np.resize(points, -(-points.size // _WIDTH) * _WIDTH)
    blocks = [f(block) for block in padded.reshape(-1, _WIDTH)] if points.size else []
    return np.concatenate([*blocks, np.zeros(0)])[: points.size]


def _turns(f: Values, values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Where |f| has a minimum above 0 between nodes, by golden-section search."""
    size = np.abs(values)
    same = (values[:-2] > 0) == (values[2:] > 0)
    at = np.flatnonzero(same & (size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:])) + 1
    low, high, sign = grid[at - 1], grid[at + 1], np.sign(values[at])
    ratio = (5**0.5 - 1) / 2
    for _ in range(40 if at.size else 0):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        is_left = sign * evaluate(f, left) < sign * evaluate(f, right)
        low, high = np.where(is_left, low, left), np.where(is_left, right, high)
    return (low + high) / 2
