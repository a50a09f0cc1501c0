"""Responses of populations: each experiment is a function that returns a result."""

from ._contrast import (
    ContrastResponse as ContrastResponse,
    MaskResponse as MaskResponse,
    contrast_response as contrast_response,
    mask_response as mask_response,
)
from ._dynamics import (
    PSTH as PSTH,
    Latency as Latency,
    TransientIndex as TransientIndex,
    latency as latency,
    psth as psth,
    transient_index as transient_index,
)
from ._experiment import AbstractExperiment as AbstractExperiment
from ._response import AbstractResponse as AbstractResponse
from ._spectra import (
    GammaPeak as GammaPeak,
    PowerSpectra as PowerSpectra,
    gamma_peak as gamma_peak,
    power_spectra as power_spectra,
)
from ._tuning import (
    OrientationTuning as OrientationTuning,
    SizeTuning as SizeTuning,
    orientation_tuning as orientation_tuning,
    size_tuning as size_tuning,
)
from ._variability import (
    FanoResponse as FanoResponse,
    NoiseCorrelations as NoiseCorrelations,
    fano_response as fano_response,
    noise_correlations as noise_correlations,
)
