"""The picture of a trial; the only module here that uses matplotlib."""

from collections.abc import Mapping
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ._checks import check_kind
from ._optional import require

# matplotlib is only imported when something is drawn.
if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = object

_MOST_NAMES = 40
_WIDTH = 2  # The width in pixels of the narrowest thing that is drawn.


def plot_rows(
    rows: Mapping[str, Any], periods: Mapping[str, tuple[int, int]], dt: float, ax: Axes | None
) -> Axes:
    """Draws named rows over time as a heat map, with the names of the periods above it."""
    image = _scaled(np.stack([np.asarray(row) for row in rows.values()]))
    ax = _axes_of(ax)
    ax.set_facecolor("lavender")
    ax.imshow(
        _widened(image, int(ax.bbox.width // _WIDTH)),
        aspect="auto",
        interpolation="nearest",
        cmap="Greys",
        vmin=0,
        vmax=1,
        extent=(0, image.shape[1] * dt, len(rows) - 0.5, -0.5),
    )
    ax.set_yticks(*_row_names(list(rows)))
    ax.set_xlabel("time (ms)")
    _name_periods(ax, periods, dt)
    return ax


def _scaled(image: np.ndarray) -> np.ndarray:
    """Values from 0, which is white, to 1. Rows of noise about 0 are scaled by their own range,
    because with one scale for all, the others would be grey on grey."""
    is_signed = np.nanmin(image, axis=1, initial=0) < 0
    scaled = np.empty(image.shape)
    for rows in (is_signed, ~is_signed):
        low = np.nanmin(image[rows], initial=0)
        high = np.nanmax(image[rows], initial=0)
        scaled[rows] = (image[rows] - low) / (high - low if high > low else 1)
    return scaled


def _widened(image: np.ndarray, most: int) -> np.ndarray:
    """At most so many columns, each with the value furthest from the most common one of its row:
    otherwise a pulse of one step would be narrower than a pixel, and would not be drawn."""
    time = image.shape[1]
    if time <= most:
        return image
    usual = np.nanmedian(image, axis=1, keepdims=True)
    ends = np.linspace(0, time, most + 1).astype(int)
    away = np.nan_to_num(np.abs(image - usual), nan=-1)
    pairs = pairwise(ends.tolist())
    chosen = np.stack([start + away[:, start:stop].argmax(axis=1) for start, stop in pairs], axis=1)
    return np.take_along_axis(image, chosen, axis=1)


def _row_names(names: list[str]) -> tuple[list[float], list[str]]:
    """Where to write which name: one for each row, or, if there are many, one for each group."""
    if len(names) <= _MOST_NAMES:
        return list(range(len(names))), names
    groups = [": ".join(name.split(": ")[:2]) for name in names]
    shared = list(dict.fromkeys(groups))
    middles = [np.mean([i for i, g in enumerate(groups) if g == group]) for group in shared]
    return [float(middle) for middle in middles], shared


def _name_periods(ax: Axes, periods: Mapping[str, tuple[int, int]], dt: float) -> None:
    # Neighbouring names are at two heights, because a period can be shorter than its name.
    for height, (name, (start, _)) in zip(cycle((3, 15)), periods.items(), strict=False):
        ax.axvline(start * dt, color="tab:orange", linewidth=0.8)
        ax.annotate(
            name,
            (start * dt, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, height),
            textcoords="offset points",
        )


def _axes_of(ax: Axes | None) -> Axes:
    """The given axes, or those of a new figure."""
    pyplot = require("matplotlib.pyplot", package="matplotlib", purpose="Plotting a trial")
    if ax is None:
        return pyplot.subplots(layout="constrained")[1]
    check_kind("ax", ax, pyplot.Axes)
    return ax
