"""Visual cortex: stimuli, tuned populations, their responses, attention, and fits to data."""

from .._namespace import _public as _public
from .populations import AbstractPopulation as AbstractPopulation, Ring as Ring, Sheet as Sheet
from .responses import (
    AbstractResponse as AbstractResponse,
    ContrastResponse as ContrastResponse,
    MaskResponse as MaskResponse,
    OrientationTuning as OrientationTuning,
    SizeTuning as SizeTuning,
    contrast_response as contrast_response,
    mask_response as mask_response,
    orientation_tuning as orientation_tuning,
    size_tuning as size_tuning,
)
from .stimuli import (
    AbstractStimulus as AbstractStimulus,
    Annulus as Annulus,
    AttentionField as AttentionField,
    ContrastSteps as ContrastSteps,
    Gabor as Gabor,
    Grating as Grating,
    OrientedNoise as OrientedNoise,
    Plaid as Plaid,
)

__dir__ = _public(__name__)
