from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._axes import Axes, axes_of
from ..._checks import check_positive_number, refuse
from ..._types import Numbers, Scalar
from .._fields import Fields
from .._read import read_length, read_orientation, read_position


class AttentionField(eqx.Module):
    """A field of gains on the drive of units, highest where attention is directed.

        A(x, θ) = 1 + (gain − 1) exp(−|x − position|²/2 width²) exp(−(θ − orientation)²/2 spread²)

    Differences in orientation are at most 90 degrees. Without `position` the gain is the same
    everywhere, without `orientation` the same for all orientations; without both it is one gain
    for all units.

    Args:
        gain: at the peak, > 0; far from it the gain is 1.
        position, width: (x, y) and a standard deviation, degrees of visual angle; give both or
            neither.
        orientation, spread: degrees, 0 to 180, and a standard deviation, degrees; give both or
            neither.

    Raises:
        ValueError: an argument is bad, or only one of a pair is given.
    """

    gain: Scalar
    position: tuple[float, float] | None
    width: Scalar | None
    orientation: Scalar | None
    spread: Scalar | None

    def __init__(
        self,
        gain: Scalar,
        *,
        position: Numbers | None = None,
        width: Scalar | None = None,
        orientation: Scalar | None = None,
        spread: Scalar | None = None,
    ):
        self.gain = check_positive_number("gain", gain)
        if (position is None) != (width is None):
            refuse("width", "be given where `position` is", "one is given without the other")
        if (orientation is None) != (spread is None):
            refuse("spread", "be given where `orientation` is", "one is given without the other")
        self.position = None if position is None else read_position("position", position)
        self.width = None if width is None else read_length("width", width)
        given = orientation is not None
        self.orientation = read_orientation("orientation", orientation) if given else None
        self.spread = None if spread is None else read_length("spread", spread)

    def gains(self, fields: Fields) -> Float[Array, " n"]:
        """The gain A of every unit, given the receptive fields."""
        near: Any = np.ones(1 if fields.positions is None else len(fields.positions))
        alike: Any = np.ones(fields.orientations.size)
        if self.position is not None and self.width is not None:
            if fields.positions is None:
                found = "it is a Ring, which has orientations alone"
                refuse("attention", "have no position for a population without space", found)
            squared = np.sum((fields.positions - np.asarray(self.position)) ** 2, axis=1)
            near = jnp.exp(-jnp.asarray(squared) / (2 * self.width**2))
        if self.orientation is not None and self.spread is not None:
            away = (fields.orientations - self.orientation + 90) % 180 - 90
            alike = jnp.exp(-jnp.asarray(away**2) / (2 * self.spread**2))
        peak = jnp.asarray(near)[:, None] * jnp.asarray(alike)[None, :]
        return jnp.ravel(1 + (self.gain - 1) * peak)

    def plot(self, ax: Axes | None = None, *, extent: float = 2.0, **kw: Any) -> Axes:
        """Draw it over space if it has a position, otherwise over orientation (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            extent: degrees of visual angle from the middle to a side.
            kw: passed to `ax.imshow` or `ax.plot`.

        Returns:
            The axes.
        """
        ax = axes_of(ax)
        if self.position is None:
            degrees = np.linspace(0, 180, 181)
            ax.plot(degrees, np.asarray(self.gains(Fields(degrees, 0))), **kw)
            ax.set(xlabel="orientation (degrees)", ylabel="gain", xticks=range(0, 181, 45))
            return ax
        at = np.linspace(-extent, extent, 101)
        places = np.stack(np.meshgrid(at, at[::-1]), axis=-1).reshape(-1, 2)
        best = np.asarray([0.0 if self.orientation is None else float(self.orientation)])
        gains = np.asarray(self.gains(Fields(best, 0, places, 1.0))).reshape(101, 101)
        looks: dict[str, Any] = {"extent": (-extent, extent, -extent, extent)}
        image = ax.imshow(gains, **looks | kw)
        ax.figure.colorbar(image, ax=ax, label="gain")
        ax.set(xlabel="x (degrees)", ylabel="y (degrees)")
        return ax
