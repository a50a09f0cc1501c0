"""Circuits with noise: covariances, spectra, Fano factors, sample paths."""

from ._fano import fano as fano
from ._large import LargeNoiseWarning as LargeNoiseWarning
from ._many import counts_about as counts_about, powers_about as powers_about
from ._peak import Peak as Peak, spectral_peak as spectral_peak
from ._sample_paths import Paths as Paths, sample_paths as sample_paths
from ._spectra import (
    coherence as coherence,
    covariance as covariance,
    cross_spectrum as cross_spectrum,
    power_spectrum as power_spectrum,
)
from .kinds import (
    AbstractNoise as AbstractNoise,
    MeasurementNoise as MeasurementNoise,
    Noise as Noise,
    NoiseSum as NoiseSum,
    OrnsteinUhlenbeckNoise as OrnsteinUhlenbeckNoise,
    PoissonNoise as PoissonNoise,
    SharedNoise as SharedNoise,
    check_noise as check_noise,
)
