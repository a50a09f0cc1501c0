"""Trainings and trajectories over time."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import refuse
from .._history import History
from .._trajectory import Trajectory
from ._axes import axes_of


def plot_history(history: History, name: str = "loss", ax: Any = None, **kw: Any) -> Any:
    """One quantity of a training over its steps, with its validation values as dots.

    Args:
        history: a `History`.
        name: a quantity, such as "loss", "accuracy" or "gradient_norm".
        ax: matplotlib axes.
        kw: passed to `ax.plot`.

    Returns:
        The axes.
    """
    values = history[name]  # Before a figure is made: the name may be wrong.
    ax = axes_of(ax)
    ax.plot(history.steps(name), values, **{"lw": 0.8, "label": "training"} | kw)
    validation = f"validation_{name}"
    if len(history.steps(validation)):
        ax.plot(history.steps(validation), history[validation], "o-", ms=3, label="validation")
        ax.legend(frameon=False)
    ax.set(xlabel="step", ylabel=name.replace("_", " "))
    return ax


def plot_trajectory(
    trajectory: Trajectory, name: str = "y", ax: Any = None, units: Any = None, **kw: Any
) -> Any:
    """One variable of a trajectory over time, a line per unit.

    Args:
        trajectory: a `Trajectory`.
        name: a field of its state.
        ax: matplotlib axes.
        units: which units, all unless given.
        kw: passed to `ax.plot`.

    Returns:
        The axes.
    """
    names = trajectory.states._fields
    if name not in names:
        refuse("name", f"be one of {', '.join(names)}", f"it is {name!r}")
    ax = axes_of(ax)
    values: Float[Array, "time n"] = getattr(trajectory.states, name)
    chosen = values if units is None else values[:, jnp.asarray(units)]
    ax.plot(np.asarray(trajectory.ts), np.asarray(chosen), **{"lw": 1.2} | kw)
    ax.set(xlabel="time (ms)", ylabel=name)
    return ax
