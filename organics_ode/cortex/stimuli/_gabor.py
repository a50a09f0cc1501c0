from typing import Any

import equinox as eqx

from ..._checks import read_number
from ..._types import Numbers, Scalar
from .._read import read_contrast, read_length, read_orientation, read_position
from ._patch import Patch
from ._stimulus import AbstractStimulus, as_scalars


class Gabor(AbstractStimulus):
    """A grating in a Gaussian window.

        z_i = c RF_i(θ) w²/(w² + s²) exp(−d²/(2(w² + s²)))

    for a receptive field of standard deviation s whose centre is d away.

    Args:
        orientation, contrast: as for a `Grating`; the contrast is that at the centre.
        width: w, the standard deviation of the window, degrees of visual angle.
        position: (x, y), its centre, degrees of visual angle.
        spatial_frequency, phase: cycles per degree and degrees, used only for its picture.

    Raises:
        ValueError: as for a `Grating`, or a width that is not positive.
    """

    orientation: Scalar
    contrast: Scalar
    width: Scalar
    position: tuple[float, float]
    spatial_frequency: float
    phase: float

    def __init__(
        self,
        orientation: Scalar,
        contrast: Scalar,
        *,
        width: Scalar,
        position: Numbers = (0.0, 0.0),
        spatial_frequency: float = 1.0,
        phase: float = 0.0,
    ):
        self.orientation = read_orientation("orientation", orientation)
        self.contrast = read_contrast("contrast", contrast)
        self.width = read_length("width", width)
        self.position = read_position("position", position)
        self.spatial_frequency = read_number("spatial_frequency", spatial_frequency, 0)
        self.phase = read_number("phase", phase)

    def patches(self) -> tuple[Patch, ...]:
        theta, c, width = as_scalars(self.orientation, self.contrast, self.width)
        picture: dict[str, Any] = {"frequency": self.spatial_frequency, "phase": self.phase}
        return (Patch(theta, c, self.position, window=width, **picture),)

    @property
    def peak_contrast(self) -> Scalar:
        return self.contrast

    def at(self, contrast: Scalar) -> "Gabor":
        return eqx.tree_at(lambda s: s.contrast, self, contrast)
