"""Kinds of noise: what drives a circuit, and what an observation adds to it."""

from ._amplitudes import spread as spread
from ._kind import AbstractNoise as AbstractNoise, NoiseSum as NoiseSum, check_noise as check_noise
from ._measurement import MeasurementNoise as MeasurementNoise
from ._noise import Noise as Noise
from ._ornstein_uhlenbeck import OrnsteinUhlenbeckNoise as OrnsteinUhlenbeckNoise
from ._poisson import PoissonNoise as PoissonNoise
from ._shared import SharedNoise as SharedNoise
from ._source import (
    LowPass as LowPass,
    Source as Source,
    low_pass as low_pass,
    stationary as stationary,
)
