import jax.numpy as jnp

from ..._checks import check_kind, is_traced, refuse
from ..._types import Scalar
from ._patch import Patch
from ._seen import Seen
from ._stimulus import AbstractStimulus


class Plaid(AbstractStimulus):
    """Two stimuli at once: two gratings, a grating and its mask, a centre and its surround.

    Their energies add: the drive of a unit is √(z_1² + z_2²).

    Args:
        first, second: stimuli, which may be plaids themselves.

    Raises:
        ValueError: one is not a stimulus.
    """

    first: AbstractStimulus
    second: AbstractStimulus

    def __init__(self, first: AbstractStimulus, second: AbstractStimulus):
        check_kind("first", first, AbstractStimulus)
        check_kind("second", second, AbstractStimulus)
        self.first, self.second = first, second

    def patches(self) -> tuple[Patch | Seen, ...]:
        return (*self.first.patches(), *self.second.patches())

    @property
    def peak_contrast(self) -> Scalar:
        return jnp.maximum(*map(jnp.asarray, (self.first.peak_contrast, self.second.peak_contrast)))

    def at(self, contrast: Scalar) -> "Plaid":
        """The plaid with this contrast in the stronger of the two, and their ratio unchanged."""
        peak = self.peak_contrast
        if not is_traced(peak) and peak == 0:
            refuse("stimulus", "have a contrast above 0 in one of its parts", "both have 0")
        parts = (self.first, self.second)
        return Plaid(*(part.at(contrast * (part.peak_contrast / peak)) for part in parts))
