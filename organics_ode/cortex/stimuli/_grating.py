from typing import Any

import equinox as eqx

from ..._checks import read_number
from ..._types import Numbers, Scalar
from .._read import read_contrast, read_length, read_orientation, read_position
from ._patch import Patch
from ._stimulus import AbstractStimulus, as_scalars


class Grating(AbstractStimulus):
    """A sinusoidal grating, over the whole field or in a disc.

        z_i = c RF_i(θ) S_i

    Args:
        orientation: θ of its bars, degrees, 0 to 180, counterclockwise: 0 is horizontal, 90
            vertical.
        contrast: c, the Michelson contrast, 0 to 1.
        radius: of its disc, degrees of visual angle; by default it covers the whole field.
        position: (x, y), the centre of the disc, degrees of visual angle.
        spatial_frequency, phase: cycles per degree and degrees, used only for its picture: cells
            are taken to prefer the frequency that they are shown.

    Raises:
        ValueError: an orientation outside 0 to 180 degrees or in radians, a contrast outside
            0 to 1, a radius that is not positive.
    """

    orientation: Scalar
    contrast: Scalar
    radius: Scalar | None
    position: tuple[float, float]
    spatial_frequency: float
    phase: float

    def __init__(
        self,
        orientation: Scalar,
        contrast: Scalar,
        *,
        radius: Scalar | None = None,
        position: Numbers = (0.0, 0.0),
        spatial_frequency: float = 1.0,
        phase: float = 0.0,
    ):
        self.orientation = read_orientation("orientation", orientation)
        self.contrast = read_contrast("contrast", contrast)
        self.radius = None if radius is None else read_length("radius", radius)
        self.position = read_position("position", position)
        self.spatial_frequency = read_number("spatial_frequency", spatial_frequency, 0)
        self.phase = read_number("phase", phase)

    def patches(self) -> tuple[Patch, ...]:
        theta, c = as_scalars(self.orientation, self.contrast)
        outer = None if self.radius is None else as_scalars(self.radius)[0]
        picture: dict[str, Any] = {"frequency": self.spatial_frequency, "phase": self.phase}
        return (Patch(theta, c, self.position, outer=outer, **picture),)

    @property
    def peak_contrast(self) -> Scalar:
        return self.contrast

    def at(self, contrast: Scalar) -> "Grating":
        return eqx.tree_at(lambda s: s.contrast, self, contrast)
