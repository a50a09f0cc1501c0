"""Fits of curves and of circuits to responses."""

from ._circuit import fit_circuit as fit_circuit
from ._fitted import AbstractFitted as AbstractFitted
from ._naka_rushton import NakaRushton as NakaRushton, fit_naka_rushton as fit_naka_rushton
from ._size import RatioOfGaussians as RatioOfGaussians, fit_size_tuning as fit_size_tuning
from ._spectrum import PeakAndSlope as PeakAndSlope, fit_spectrum as fit_spectrum
