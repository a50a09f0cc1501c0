from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ..._axes import Axes, axes_of
from ..._checks import as_times, check_kind, refuse
from ..._types import Numbers
from .._read import read_contrasts
from ._stimulus import AbstractStimulus


class ContrastSteps(eqx.Module):
    """A stimulus whose contrast steps over time.

    The contrast is c_i from ts[i] to ts[i + 1], c_0 also before ts[0], and the last one from its
    time on. As the input of a population it becomes an `oo.ZeroOrderHold`.

    Args:
        stimulus: a stimulus; its own contrast is not used.
        ts: (time,), ms, strictly increasing.
        contrasts: (time,), 0 to 1.

    Raises:
        ValueError: an argument is bad.
    """

    stimulus: AbstractStimulus
    ts: Float[Array, " time"]
    contrasts: Float[Array, " time"]

    def __init__(self, stimulus: AbstractStimulus, ts: Numbers, contrasts: Numbers):
        check_kind("stimulus", stimulus, AbstractStimulus)
        self.stimulus = stimulus
        self.contrasts = read_contrasts("contrasts", contrasts)
        self.ts = as_times("ts", ts, self.contrasts.dtype)
        if self.ts.shape != self.contrasts.shape:
            found = f"there are {self.ts.size} and {self.contrasts.size}"
            refuse("ts", "be as many as `contrasts`", found)

    def plot(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw the contrast over time (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            kw: passed to `ax.step`.

        Returns:
            The axes.
        """
        ax = axes_of(ax)
        looks: dict[str, Any] = {"where": "post"}
        ax.step(np.asarray(self.ts), np.asarray(self.contrasts), **looks | kw)
        ax.set(xlabel="time (ms)", ylabel="contrast", ylim=(-0.05, 1.05))
        return ax
