"""Training runs and trajectories over time."""

from typing import Any

import numpy as np

from .._axes import BLUE, ORANGE, Axes, axes_of
from .._checks import check_choice, check_kind
from .._types import Numbers
from ..dynamics import Trajectory
from ..noise import Paths
from ..training import EnsembleResult, FitResult, History, SkipResult
from ._many import MOST_LINES, draw_curves
from ._read import read_path, read_units


def plot_history(
    history: History | FitResult | EnsembleResult | SkipResult,
    name: str = "loss",
    ax: Axes | None = None,
    **kw: Any,
) -> Axes:
    """One quantity of a training run over its steps, with its validation values as dots.

    If there are several models, each has its own line.

    Args:
        history: a `History`, or a `FitResult`, `EnsembleResult` or `SkipResult` that holds one.
        name: a quantity, such as "loss", "accuracy" or "gradient_norm".
        ax: matplotlib axes.
        kw: passed to `ax.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: it is not a history, or no record has the quantity.
    """
    if isinstance(history, FitResult | EnsembleResult | SkipResult):
        history = history.history
    check_kind("history", history, History)
    check_choice("name", name, sorted({key for record in history.records for key in record}))
    ax = axes_of(ax)
    _draw_models(ax, history, name, {"lw": 0.8, "label": "training"} | kw)
    validation = f"validation_{name}"
    if len(history.steps(validation)):
        style = {"marker": "o", "ms": 3, "color": ORANGE, "label": "validation"}
        _draw_models(ax, history, validation, style)
        ax.legend(frameon=False)
    ax.set(xlabel="step", ylabel=name.replace("_", " "))
    return ax


def plot_trajectory(
    trajectory: Trajectory | Paths,
    name: str = "y",
    ax: Axes | None = None,
    units: Numbers | None = None,
    **kw: Any,
) -> Axes:
    """One variable of a trajectory over time, with one line per unit.

    More than 12 units are drawn as a heat map. A trajectory that failed is drawn as far as it goes.

    Args:
        trajectory: a `Trajectory` or `Paths`, a single one, not a batch.
        name: a field of its state.
        ax: matplotlib axes.
        units: which units to draw, by default all.
        kw: passed to `ax.plot`, or to `ax.pcolormesh` for a heat map.

    Returns:
        The axes.

    Raises:
        ValueError: an argument is bad.
    """
    ts, states = read_path("trajectory", trajectory)
    check_choice("name", name, states._fields)
    values = np.asarray(getattr(states, name)).reshape(len(ts), -1)
    chosen = np.arange(values.shape[1])[read_units(units, values.shape[1])]
    shown = values[:, chosen]
    ax = axes_of(ax)
    is_map = len(chosen) > MOST_LINES
    names = [f"{name} {i}" for i in chosen]
    style = {} if is_map else {"lw": 1.2}
    draw_curves(ax, ts, np.where(np.isfinite(shown), shown, np.nan), names, name, style | kw)
    ax.set(xlabel="time (ms)", ylabel="unit" if is_map else name)
    return ax


def _draw_models(ax: Axes, history: History, name: str, style: dict[str, Any]) -> None:
    """A line for each model, only one of them with the label."""
    values = history[name]
    if values.ndim > 1:
        style = {"color": BLUE, "alpha": 0.6} | style
    for line in ax.plot(history.steps(name), values, **style)[1:]:
        line.set_label("_")
