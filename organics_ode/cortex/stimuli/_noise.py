import equinox as eqx

from ..._checks import read_number
from ..._types import Scalar
from .._read import read_contrast, read_length, read_orientation
from ._patch import Patch
from ._stimulus import AbstractStimulus, as_scalars


class OrientedNoise(AbstractStimulus):
    """Noise over the whole field, made of gratings with normally distributed orientations.

        z_i² = c² ⟨RF_i(θ)²⟩,   θ ~ N(orientation, spread²)

    As the spread grows, the drives of all orientations approach c/√n; Σ z_i² remains c².

    Args:
        orientation: the mean, degrees, 0 to 180.
        contrast: c, 0 to 1, that of a single grating with the same energy.
        spread: the standard deviation of orientations, degrees.
        spatial_frequency: cycles per degree, used only for its picture.

    Raises:
        ValueError: as for a `Grating`, or a spread that is not positive.
    """

    orientation: Scalar
    contrast: Scalar
    spread: Scalar
    spatial_frequency: float

    def __init__(
        self,
        orientation: Scalar,
        contrast: Scalar,
        *,
        spread: Scalar,
        spatial_frequency: float = 1.0,
    ):
        self.orientation = read_orientation("orientation", orientation)
        self.contrast = read_contrast("contrast", contrast)
        self.spread = read_length("spread", spread)
        self.spatial_frequency = read_number("spatial_frequency", spatial_frequency, 0)

    def patches(self) -> tuple[Patch, ...]:
        theta, c, spread = as_scalars(self.orientation, self.contrast, self.spread)
        return (Patch(theta, c, (0.0, 0.0), spread=spread, frequency=self.spatial_frequency),)

    @property
    def peak_contrast(self) -> Scalar:
        return self.contrast

    def at(self, contrast: Scalar) -> "OrientedNoise":
        return eqx.tree_at(lambda s: s.contrast, self, contrast)
