"""Circuits in noise: covariances, spectra, sample paths."""

from ._large import LargeNoiseWarning as LargeNoiseWarning
from ._noise import (
    Noise as Noise,
    coherence as coherence,
    covariance as covariance,
    cross_spectrum as cross_spectrum,
    power_spectrum as power_spectrum,
)
from ._peak import Peak as Peak, spectral_peak as spectral_peak
from ._sample_paths import Paths as Paths, sample_paths as sample_paths
