"""Everything that a page shows for the values of its sliders, as numpy arrays."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Complex, Float

from .. import planar
from ..linear import tolerance
from ._models import Model
from ._programs import FREQUENCIES, GRID, POINTS, Course, around, course

Window = tuple[tuple[float, float], tuple[float, float]]
_SAME = 1e-6  # relative to the size of a point: two that are closer are the same
_BEYOND = 0.04
_REACH = 1e4  # a response that goes further is only drawn in part


class View(NamedTuple):
    """Everything that is shown.

    - `ts` (time,), ms, and `rows` (time, d), the response; NaN after it diverged.
    - `points` (k, d), fixed points by increasing first variable, `kinds` and `eigenvalues` (k, d),
      1/ms; `is_stable` (k,).
    - `window`: the part of the plane that is shown. `flow`: (2, g, g), the velocities there.
      `nullclines`: of both variables, curves (points, 2) with NaN between their pieces.
    - `chosen`: the stable point that `powers` (f, d) and `energies` (time,) belong to; None if no
      point is stable, and then these are NaN.
    - `peak`: Hz, where the power of the first variable is highest within the frequencies, or NaN.
    - `contrast`: the first input. `contrast_responses`: (2, c), steady responses of the first unit
      over it, with and without the mask.
    - `remarks`: further remarks.
    """

    ts: Float[np.ndarray, " time"]
    rows: Float[np.ndarray, "time d"]
    points: Float[np.ndarray, "k d"]
    kinds: tuple[str, ...]
    is_stable: Bool[np.ndarray, " k"]
    eigenvalues: Complex[Any, "k d"]
    window: Window
    flow: Float[np.ndarray, "2 g g"]
    nullclines: tuple[Float[np.ndarray, "points 2"], ...]
    chosen: int | None
    powers: Float[np.ndarray, "f d"]
    energies: Float[np.ndarray, " time"]
    peak: float
    contrast: float
    contrast_responses: Float[np.ndarray, "2 c"]
    remarks: tuple[str, ...]


def view(model: Model, values: Mapping[str, float]) -> View:
    """What is shown of a model with these values of its knobs."""
    moved = course(model, {k.name: jnp.asarray(float(values[k.name])) for k in model.knobs})
    rows, t_reached = np.asarray(moved.rows), float(moved.t_reached)
    points, searched = _fixed_points(model, moved)
    remarks = [searched]
    if not bool(moved.succeeded):
        remarks.append(_failure(rows, t_reached))
    rows = np.where(np.abs(rows) < np.inf, rows, np.nan)
    window = _window(rows, points)
    padded = np.full((POINTS, rows.shape[1]), np.nan)
    padded[: len(points)] = points[:POINTS]
    shown = jnp.asarray(window)  # Python's floats would be part of the program
    found = around(model, moved.circuit, moved.x, jnp.asarray(padded), moved.rows, shown)
    k = min(len(points), POINTS)
    eigenvalues = np.asarray(found.eigenvalues)[:k]
    kinds = tuple(map(_kind, eigenvalues, np.asarray(found.resolutions)))
    is_stable = np.array([kind.startswith("stable") for kind in kinds], bool)
    chosen = int(found.chosen) if bool(found.has_stable) else None
    powers, energies = np.asarray(found.powers), np.asarray(found.energies)
    if chosen is None:
        powers, energies = np.full_like(powers, np.nan), np.full_like(energies, np.nan)
    remarks += _about(len(points), chosen, powers, energies)
    flow = np.asarray(found.flow)
    lines = tuple(_curve(window, velocity) for velocity in flow) if model.is_planar else ()
    return View(
        *(np.asarray(moved.ts), rows, points[:k], kinds, is_stable, eigenvalues),
        *(window, flow, lines, chosen, powers, np.where(np.isfinite(energies), energies, np.nan)),
        *(_peak(powers[:, 0], chosen), float(moved.x[0])),
        *(np.asarray(moved.contrast_responses), tuple(remarks)),
    )


def _fixed_points(model: Model, moved: Course) -> tuple[np.ndarray, str]:
    """Each fixed point once, by increasing first variable, and how they were searched for."""
    d = moved.rows.shape[1]
    if model.search is None and d == 2:
        try:
            found = planar.fixed_points(moved.circuit, moved.x)
        except (RuntimeError, ValueError) as error:
            return np.zeros((0, d)), f"Fixed points: {error}"
        return found.pairs, "All fixed points there are, in closed form."
    residuals = np.asarray(moved.residuals)
    solved = np.asarray(moved.points)[residuals <= tolerance(moved.points.dtype)]
    kept: list[np.ndarray] = []
    for point in solved:
        near = _SAME * (1 + np.abs(point))
        if not any(np.all(np.abs(point - other) < near) for other in kept):
            kept.append(point)
    points = np.array(sorted(kept, key=tuple)).reshape(-1, d)
    if model.search is None:
        return points, "The only fixed point there is, in closed form, since W_r = I."
    return points, f"Searched from {len(residuals)} starts: there may be more fixed points."


def _failure(rows: np.ndarray, t_reached: float) -> str:
    known = np.all(np.isfinite(rows), axis=1)
    if known.all():
        return f"The solver ran out of steps at t = {t_reached:.4g} ms."
    largest = np.max(np.abs(rows[known])) if known.any() else np.inf
    where = f"at t = {t_reached:.4g} ms"
    if largest > _REACH:
        return f"The state diverged {where}: it grows without bound."
    return f"The solver ended {where}; nothing is shown after it."


def _about(count: int, chosen: int | None, powers: np.ndarray, energies: np.ndarray) -> list[str]:
    told = [f"Only {POINTS} of {count} fixed points are shown."] * (count > POINTS)
    if not count:
        told.append("No fixed point was found.")
    if chosen is None:
        told.append("No stable fixed point: there is no spectrum of noise and no energy.")
        return told
    if not np.isfinite(powers).all():
        told.append("The power spectrum is not known: rounding leaves it open.")
    if not np.isfinite(energies).any():
        told.append("The energy is not known: rounding leaves it open.")
    return told


def _kind(eigenvalues: Any, resolution: float) -> str:
    """The name of its kind, as in `planar`; for more than two variables, whether it is stable."""
    real = eigenvalues.real
    if not np.isfinite(eigenvalues).all() or np.abs(real).min() <= resolution:
        return "marginal"
    if real.min() < 0 < real.max():
        return "saddle"
    shape = "focus" if np.abs(eigenvalues.imag).max() > 0 else "node"
    return f"{'stable' if real.max() < 0 else 'unstable'} {shape}"


def _peak(power: np.ndarray, chosen: int | None) -> float:
    if chosen is None or not np.isfinite(power).all():
        return np.nan
    highest = int(np.argmax(power))
    return float(FREQUENCIES[highest]) if 0 < highest < len(power) - 1 else np.nan


def _window(rows: np.ndarray, points: np.ndarray) -> Window:
    """A window around the response and the fixed points, with round limits that seldom move."""
    known = rows[np.all(np.abs(rows) < _REACH, axis=1)]
    both = np.concatenate([known, points, np.zeros((1, rows.shape[1]))])[:, :2]
    first, second = (_shown(low, high) for low, high in zip(both.min(0), both.max(0), strict=True))
    return first, second


def _shown(low: float, high: float) -> tuple[float, float]:
    """The limits with little room beyond 0 if nothing is there."""
    ends = rounded(low, high)
    return (-_BEYOND * ends[1], ends[1]) if low >= 0 else ends


def rounded(low: float, high: float) -> tuple[float, float]:
    """Round limits a little outside the given ones."""
    span = max(high - low, 1e-3)
    step = 10.0 ** np.floor(np.log10(span)) / 4
    margin = 0.08 * span
    ends = np.floor((low - margin) / step) * step, np.ceil((high + margin) / step) * step
    return float(ends[0]), float(ends[1])


def _curve(window: Window, velocity: np.ndarray) -> np.ndarray:
    """The curve where a velocity over the window is 0, with NaN between its pieces."""
    from contourpy import contour_generator  # installed with bokeh and matplotlib

    first, second = (np.linspace(*limits, GRID) for limits in window)
    pieces = contour_generator(first, second, np.ma.masked_invalid(velocity)).lines(0.0)
    gap = np.full((1, 2), np.nan)
    parts = [part for piece in pieces for part in (np.asarray(piece), gap)]
    return np.concatenate(parts) if parts else gap
