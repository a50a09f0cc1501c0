from typing import Any

import equinox as eqx

from ..._checks import is_traced, read_number, refuse
from ..._types import Numbers, Scalar
from .._read import read_contrast, read_length, read_orientation, read_position
from ._patch import Patch
from ._stimulus import AbstractStimulus, as_scalars


class Annulus(AbstractStimulus):
    """A grating in a ring about its centre, such as a surround.

    Args:
        orientation, contrast: as for a `Grating`.
        inner, outer: its radii, degrees of visual angle; without `outer` it extends to the edge of
            the field.
        position: (x, y), its centre, degrees of visual angle.
        spatial_frequency, phase: cycles per degree and degrees, used only for its picture.

    Raises:
        ValueError: as for a `Grating`, or `outer` is not above `inner`.
    """

    orientation: Scalar
    contrast: Scalar
    inner: Scalar
    outer: Scalar | None
    position: tuple[float, float]
    spatial_frequency: float
    phase: float

    def __init__(
        self,
        orientation: Scalar,
        contrast: Scalar,
        inner: Scalar,
        outer: Scalar | None = None,
        *,
        position: Numbers = (0.0, 0.0),
        spatial_frequency: float = 1.0,
        phase: float = 0.0,
    ):
        self.orientation = read_orientation("orientation", orientation)
        self.contrast = read_contrast("contrast", contrast)
        self.inner = read_length("inner", inner)
        self.outer = None if outer is None else read_length("outer", outer)
        if outer is not None and not is_traced(inner) and not is_traced(outer) and outer <= inner:
            refuse("outer", f"be above `inner` = {float(inner):g}", f"it is {float(outer):g}")
        self.position = read_position("position", position)
        self.spatial_frequency = read_number("spatial_frequency", spatial_frequency, 0)
        self.phase = read_number("phase", phase)

    def patches(self) -> tuple[Patch, ...]:
        theta, c, inner = as_scalars(self.orientation, self.contrast, self.inner)
        outer = None if self.outer is None else as_scalars(self.outer)[0]
        picture: dict[str, Any] = {"frequency": self.spatial_frequency, "phase": self.phase}
        return (Patch(theta, c, self.position, inner=inner, outer=outer, **picture),)

    @property
    def peak_contrast(self) -> Scalar:
        return self.contrast

    def at(self, contrast: Scalar) -> "Annulus":
        return eqx.tree_at(lambda s: s.contrast, self, contrast)
