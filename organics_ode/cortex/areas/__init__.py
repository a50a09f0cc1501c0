"""Areas of visual cortex that drive each other, and what they share."""

from ._areas import (
    membrane_noise as membrane_noise,
    three_areas as three_areas,
    two_areas as two_areas,
)
from ._shared import SharedSpectra as SharedSpectra, shared_spectra as shared_spectra
