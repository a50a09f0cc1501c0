"""Sweeps over one or two parameters."""

from typing import Any

import numpy as np

from .._axes import Axes, axes_of
from .._checks import check_choice, check_kind, refuse
from .._types import Numbers
from ..studies import Sweep
from ._read import read_units


def plot_sweep(
    sweep: Sweep,
    name: str | None = None,
    ax: Axes | None = None,
    units: Numbers | None = None,
    **kw: Any,
) -> Axes:
    """The values of a sweep over one parameter, as lines, or over two, as a heat map.

    Parameters whose values are evenly spaced by ratio get a logarithmic axis; values that are not
    finite are left white.

    Args:
        sweep: a `Sweep` over one or two parameters.
        name: which of its values, named as by `to_dataframe`; needed if there are several.
        ax: matplotlib axes.
        units: which entries of a value that has several, by default all; one for a heat map.
        kw: passed to `ax.plot`, or to `ax.pcolormesh`.

    Returns:
        The axes.

    Raises:
        ValueError: an argument is bad.
    """
    check_kind("sweep", sweep, Sweep)
    table = sweep.to_table()
    if len(table.axes) > 2:
        must = "have one or two axes"
        refuse("sweep", must, f"it has {len(table.axes)}: plot `oo.Sweep` of a part of it")
    names = tuple(table.columns)
    name = names[0] if name is None and len(names) == 1 else name
    check_choice("name", name, names)
    values = _real(name, table.columns[str(name)], len(table.axes), units)
    ax = axes_of(ax)
    labels = [f"{k} ({table.units[k]})" if k in table.units else k for k in table.axes]
    orders = [np.argsort(v, kind="stable") for v in table.axes.values()]
    sorted_axes = [v[order] for v, order in zip(table.axes.values(), orders, strict=True)]
    scales = dict(zip(("xscale", "yscale"), map(_scale, sorted_axes), strict=False))
    shown = values[np.ix_(*orders)]
    if len(sorted_axes) == 1:
        _draw_lines(ax, sorted_axes[0], shown, kw)
        ax.set(xlabel=labels[0], ylabel=name, **scales)
        return ax
    style: dict[str, Any] = {"rasterized": True}
    mesh = ax.pcolormesh(*map(cell_edges, sorted_axes), shown[..., 0].T, **style | kw)
    ax.set(xlabel=labels[0], ylabel=labels[1], **scales)
    ax.figure.colorbar(mesh, ax=ax, label=name)
    return ax


def _real(name: Any, values: np.ndarray, axes: int, units: Numbers | None) -> np.ndarray:
    """Real numbers with one axis of entries at the end, NaN where they are not finite."""
    if values.dtype.kind not in "biuf":
        refuse("sweep", "hold real numbers to be drawn", f"`{name}` has dtype {values.dtype}")
    flat = values.reshape(*values.shape[:axes], -1).astype(float)
    flat = flat[..., read_units(units, flat.shape[-1])]
    if axes == 2 and flat.shape[-1] != 1:
        must = f"choose one of {flat.shape[-1]} entries of `{name}` for a heat map"
        refuse("units", must, f"it chooses {flat.shape[-1]}")
    return np.where(np.isfinite(flat), flat, np.nan)


def _draw_lines(ax: Axes, values: np.ndarray, shown: np.ndarray, kw: dict[str, Any]) -> None:
    style: dict[str, Any] = {"lw": 1.5, "marker": "o", "ms": 3}
    lines = ax.plot(values, shown, **style | kw)
    if 1 < len(lines) <= 10:
        for i, line in enumerate(lines):
            line.set_label(f"[{i}]")
        ax.legend(frameon=False)


def _scale(values: np.ndarray) -> str:
    """The scale of an axis: logarithmic for values that are evenly spaced by ratio."""
    if len(values) < 3 or not np.all(values > 0):
        return "linear"
    ratios = np.diff(np.log(values))
    is_even = np.allclose(ratios, ratios[0], rtol=1e-3, atol=0)
    return "log" if is_even and ratios[0] > 0 else "linear"


def cell_edges(values: np.ndarray) -> np.ndarray:
    """The edges of cells around increasing values, halfway between them."""
    if len(values) == 1:
        return values[0] + np.array([-0.5, 0.5]) * (abs(values[0]) or 1.0)
    is_log = _scale(values) == "log"
    v = np.log(values) if is_log else values.astype(float)
    middle = (v[1:] + v[:-1]) / 2
    edges = np.concatenate([[2 * v[0] - middle[0]], middle, [2 * v[-1] - middle[-1]]])
    return np.exp(edges) if is_log else edges
