"""Visual cortex: stimuli, tuned populations, their responses, attention, and fits to data."""

from .._namespace import _public as _public
from . import data as data
from ._reweighting import (
    Adaptation as Adaptation,
    Reweighting as Reweighting,
    ReweightingState as ReweightingState,
    adapt as adapt,
    mean_products as mean_products,
)
from .areas import (
    SharedSpectra as SharedSpectra,
    membrane_noise as membrane_noise,
    shared_spectra as shared_spectra,
    three_areas as three_areas,
    two_areas as two_areas,
)
from .attention import (
    Cue as Cue,
    CueingEffect as CueingEffect,
    ReynoldsHeeger as ReynoldsHeeger,
    TemporalAttention as TemporalAttention,
    cueing_effect as cueing_effect,
)
from .communication import (
    ReducedRank as ReducedRank,
    communication as communication,
    reduced_rank_regression as reduced_rank_regression,
)
from .fits import (
    AbstractFitted as AbstractFitted,
    NakaRushton as NakaRushton,
    PeakAndSlope as PeakAndSlope,
    RatioOfGaussians as RatioOfGaussians,
    fit_circuit as fit_circuit,
    fit_naka_rushton as fit_naka_rushton,
    fit_size_tuning as fit_size_tuning,
    fit_spectrum as fit_spectrum,
)
from .populations import AbstractPopulation as AbstractPopulation, Ring as Ring, Sheet as Sheet
from .responses import (
    PSTH as PSTH,
    AbstractResponse as AbstractResponse,
    ContrastResponse as ContrastResponse,
    FanoResponse as FanoResponse,
    GammaPeak as GammaPeak,
    Latency as Latency,
    MaskResponse as MaskResponse,
    NoiseCorrelations as NoiseCorrelations,
    OrientationTuning as OrientationTuning,
    PowerSpectra as PowerSpectra,
    SizeTuning as SizeTuning,
    TransientIndex as TransientIndex,
    contrast_response as contrast_response,
    fano_response as fano_response,
    gamma_peak as gamma_peak,
    latency as latency,
    mask_response as mask_response,
    noise_correlations as noise_correlations,
    orientation_tuning as orientation_tuning,
    power_spectra as power_spectra,
    psth as psth,
    size_tuning as size_tuning,
    transient_index as transient_index,
)
from .stimuli import (
    AbstractStimulus as AbstractStimulus,
    Annulus as Annulus,
    AttentionField as AttentionField,
    ContrastSteps as ContrastSteps,
    Gabor as Gabor,
    Grating as Grating,
    Image as Image,
    OrientedNoise as OrientedNoise,
    Plaid as Plaid,
    from_image as from_image,
    from_stimupy as from_stimupy,
)

__dir__ = _public(__name__)
