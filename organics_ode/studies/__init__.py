"""Sweeps of a circuit over values of its parameters, and fits of its parameters to data."""

from ._curve import CurveFit as CurveFit, fit_curve as fit_curve
from ._file import StoredSweep as StoredSweep
from ._fit import (
    ParameterFit as ParameterFit,
    Unidentified as Unidentified,
    fit_parameters as fit_parameters,
)
from ._free import read_names as read_names
from ._observations import fit_observations as fit_observations
from ._sweep import Sweep as Sweep, sweep as sweep

# What is public as `oo.…`.
__all__ = ["ParameterFit", "Sweep", "Unidentified", "fit_parameters", "sweep"]
