"""Several curves over one axis: lines with a legend, or a heat map if there are many."""

from typing import Any

import numpy as np

from .._axes import Axes

MOST_LINES = 12


def draw_curves(
    ax: Axes,
    xs: np.ndarray,
    curves: np.ndarray,
    names: list[str],
    label: str,
    kw: dict[str, Any],
    *,
    is_log: bool = False,
) -> None:
    """The columns of curves (x, k): up to `MOST_LINES` as lines, more as a map with colour bar."""
    if curves.shape[1] > MOST_LINES:
        _draw_map(ax, xs, curves, label, kw, is_log)
        _name_rows(ax, names)
        return
    given: dict[str, Any] = {"label": names} if len(names) > 1 else {}
    ax.plot(xs, curves, **given | kw)
    if len(names) > 1 and "label" not in kw:
        ax.legend(frameon=False, fontsize="small")


def _draw_map(
    ax: Axes, xs: np.ndarray, curves: np.ndarray, label: str, kw: dict[str, Any], is_log: bool
) -> None:
    from matplotlib.colors import LogNorm

    found = curves[np.isfinite(curves)]
    largest = np.abs(found).max(initial=0)
    changes_sign = found.min(initial=0) < 0 < found.max(initial=0)
    style: dict[str, Any] = {"cmap": "viridis"}
    if is_log:
        style["norm"] = LogNorm()
    elif changes_sign:
        style |= {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
    shown = np.ma.masked_invalid(np.where(curves > 0, curves, np.nan) if is_log else curves)
    style |= {"shading": "nearest", "rasterized": True}
    mesh = ax.pcolormesh(xs, np.arange(curves.shape[1]), shown.T, **style | kw)
    ax.figure.colorbar(mesh, ax=ax, label=label)


def _name_rows(ax: Axes, names: list[str]) -> None:
    """Label as many rows by their names as there is room for."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    rows = dict(enumerate(names))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda row, _: rows.get(round(row), "")))
