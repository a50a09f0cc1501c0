"""A view as the columns that bokeh draws, and the limits of the axes."""

from typing import Any

import numpy as np

from ._models import Model
from ._programs import CONTRASTS, FREQUENCIES
from ._view import View, rounded

Columns = dict[str, dict[str, Any]]
Ends = tuple[float, float]
_ARROWS = 12  # of the flow, in each direction
_LENGTH = 0.7  # of an arrow, relative to the distance to the next
_ASPECT = 1.6  # width over height of a picture within its axes
_LEAST = 1e-8  # relative to the largest energy: less is not drawn
_DECADES = 6.0  # of power that are shown
_FILLS = {"stable": "black", "marginal": "#999999"}


def columns(model: Model, seen: View | None) -> Columns:
    """The columns of every source; empty ones without a view."""
    if seen is None:
        names = {
            "course": ("t", "energy", *model.variables),
            "arrows": ("u", "v"),
            "nullclines": tuple(f"{at}_{name}" for name in model.variables for at in "uv"),
            "points": ("u", "v", "marker", "fill"),
            "eigenvalues": ("real", "imag", "marker", "fill"),
            "powers": ("frequency", *model.variables),
            "contrast": ("contrast", "masked", "alone"),
        }
        return {source: {name: [] for name in each} for source, each in names.items()}
    rows = dict(zip(model.variables, seen.rows.T, strict=True))
    found: Columns = {"course": {"t": seen.ts, "energy": _drawn(seen.energies)} | rows}
    if model.is_planar:
        found["arrows"] = _arrows(seen)
        found["nullclines"] = _nullclines(model, seen)
    else:
        masked, alone = seen.contrast_responses
        found["contrast"] = {"contrast": CONTRASTS, "masked": masked, "alone": alone}
    powers = dict(zip(model.variables, seen.powers.T, strict=True))
    found["powers"] = {"frequency": FREQUENCIES} | powers
    return found | _marks(model, seen)


def _marks(model: Model, seen: View) -> Columns:
    """The fixed points and their eigenvalues; for a contrast response, the current point."""
    fills = [_FILLS.get(kind.split()[0], "white") for kind in seen.kinds]
    shapes = ["diamond" if kind == "saddle" else "circle" for kind in seen.kinds]
    marks = {"marker": shapes, "fill": fills}
    d = seen.eigenvalues.shape[1]
    values, repeated = seen.eigenvalues.ravel(), {k: np.repeat(v, d) for k, v in marks.items()}
    repeated = {name: each.astype(object) for name, each in repeated.items()}
    pairs = (
        seen.points[:, :2]
        if model.is_planar
        else np.stack([np.full(len(seen.points), seen.contrast), seen.points[:, 0]], axis=1)
    )
    return {
        "points": {"u": pairs[:, 0], "v": pairs[:, 1]} | marks,
        "eigenvalues": {"real": values.real, "imag": values.imag} | repeated,
    }


def _drawn(energies: np.ndarray) -> np.ndarray:
    """The values without those too small for a logarithmic axis."""
    known = energies[np.isfinite(energies)]
    least = _LEAST * known.max() if known.size else 0.0
    return np.where(energies > least, energies, np.nan)


def _arrows(seen: View) -> dict[str, Any]:
    """Arrows of the flow over the window, all of the same length, as one line with gaps: a page
    draws one line in a fraction of the time of as many segments and heads."""
    sizes = np.array([high - low for low, high in seen.window])
    step = (seen.flow.shape[1] - 1) / _ARROWS
    at = np.rint((np.arange(_ARROWS) + 0.5) * step).astype(int)
    axes = [np.linspace(*ends, seen.flow.shape[1])[at] for ends in seen.window]
    centre = np.stack([each.ravel() for each in np.meshgrid(*axes)])
    # In units of the picture's height, so that the wings are at right angles to the arrow.
    scale = sizes / np.array([_ASPECT, 1.0])
    flow = seen.flow[:, at][:, :, at].reshape(2, -1) / scale[:, None]
    norm = np.linalg.norm(flow, axis=0)
    along = flow * (_LENGTH / _ARROWS / np.where(norm > 0, norm, np.inf))
    aside = np.stack([-along[1], along[0]])
    tip, back = along / 2, 0.2 * along
    wings = (back + 0.15 * aside, back - 0.15 * aside)
    gap = np.full_like(tip, np.nan)
    path = np.stack([-along / 2, tip, wings[0], tip, wings[1], gap], axis=2)
    u, v = centre[:, :, None] + scale[:, None, None] * path
    return {"u": u.ravel(), "v": v.ravel()}


def _nullclines(model: Model, seen: View) -> dict[str, Any]:
    """The nullclines, padded to one length, as the columns of a source must be."""
    longest = max(map(len, seen.nullclines))
    data: dict[str, Any] = {}
    for name, curve in zip(model.variables, seen.nullclines, strict=True):
        padded = np.full((longest, 2), np.nan)
        padded[: len(curve)] = curve
        data |= {f"u_{name}": padded[:, 0], f"v_{name}": padded[:, 1]}
    return data


def limits(model: Model, seen: View) -> dict[str, tuple[Ends, Ends]]:
    """The ends of both axes of every picture."""
    time = (0.0, float(seen.ts[-1]))
    real, imag = seen.eigenvalues.real.ravel(), np.abs(seen.eigenvalues.imag).ravel()
    height = 1.1 * rounded(0.0, max([0.05, *imag]))[1]
    shown = {"time": (time, _around(seen.rows)), "energy": (time, _energies(seen.energies))}
    shown["eigenvalues"] = (rounded(min([-0.05, *real]), max([0.05, *real])), (-height, height))
    shown["plane"] = seen.window if model.is_planar else ((0.01, 1.0), _heights(seen))
    frequencies = (float(FREQUENCIES[0]), float(FREQUENCIES[-1]))
    return shown | {"power": (frequencies, _decades(seen))}


def _around(rows: np.ndarray) -> Ends:
    known = rows[np.isfinite(rows)]
    return rounded(min([0.0, *known]), max([0.1, *known]))


def _heights(seen: View) -> Ends:
    known = seen.contrast_responses[np.isfinite(seen.contrast_responses)]
    return 0.0, rounded(0.0, max([0.1, *known]))[1]


def _energies(energies: np.ndarray) -> Ends:
    known = _drawn(energies)
    known = known[np.isfinite(known)]
    if not known.size:
        return 1e-8, 1.0
    return _power_of_ten(float(known.min()), np.floor), _power_of_ten(float(known.max()), np.ceil)


def _decades(seen: View) -> Ends:
    known = seen.powers[np.isfinite(seen.powers) & (seen.powers > 0)]
    if not known.size:
        return 1e-12, 1e-6
    high = _power_of_ten(float(known.max()), np.ceil)
    return max(high * 10**-_DECADES, _power_of_ten(float(known.min()), np.floor)), high


def _power_of_ten(value: float, towards: Any) -> float:
    return float(10.0 ** towards(np.log10(value)))
