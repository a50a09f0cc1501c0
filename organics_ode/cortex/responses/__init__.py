"""What populations do, each experiment a function that returns a result."""

from ._contrast import (
    ContrastResponse as ContrastResponse,
    MaskResponse as MaskResponse,
    contrast_response as contrast_response,
    mask_response as mask_response,
)
from ._response import AbstractResponse as AbstractResponse
from ._tuning import (
    OrientationTuning as OrientationTuning,
    SizeTuning as SizeTuning,
    orientation_tuning as orientation_tuning,
    size_tuning as size_tuning,
)
