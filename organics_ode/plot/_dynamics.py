"""Trainings and trajectories over time."""

from typing import Any

import numpy as np

from .._checks import check_choice, check_kind
from .._types import Numbers
from ..dynamics import Trajectory
from ..noise import Paths
from ..training import FitResult, History
from ._axes import Axes, axes_of
from ._read import read_path, read_units


def plot_history(
    history: History | FitResult, name: str = "loss", ax: Axes | None = None, **kw: Any
) -> Axes:
    """One quantity of a training over its steps, with its validation values as dots.

    Args:
        history: a `History`, or a `FitResult` for its own.
        name: a quantity, such as "loss", "accuracy" or "gradient_norm".
        ax: matplotlib axes.
        kw: passed to `ax.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: not a history, or no record has the quantity.
    """
    history = history.history if isinstance(history, FitResult) else history
    check_kind("history", history, History)
    check_choice("name", name, sorted({key for record in history.records for key in record}))
    ax = axes_of(ax)
    ax.plot(history.steps(name), history[name], **{"lw": 0.8, "label": "training"} | kw)
    validation = f"validation_{name}"
    if len(history.steps(validation)):
        ax.plot(history.steps(validation), history[validation], "o-", ms=3, label="validation")
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
    """One variable of a trajectory over time, a line per unit; of one that failed, what there is.

    Args:
        trajectory: a `Trajectory` or `Paths`, one and no batch.
        name: a field of its state.
        ax: matplotlib axes.
        units: which units, all unless given.
        kw: passed to `ax.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: an argument is bad.
    """
    ts, states = read_path("trajectory", trajectory)
    check_choice("name", name, states._fields)
    values = np.asarray(getattr(states, name)).reshape(len(ts), -1)
    shown = values[:, read_units(units, values.shape[1])]
    ax = axes_of(ax)
    style: dict[str, Any] = {"lw": 1.2}
    ax.plot(ts, np.where(np.isfinite(shown), shown, np.nan), **style | kw)
    ax.set(xlabel="time (ms)", ylabel=name)
    return ax
