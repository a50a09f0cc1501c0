"""Training with skip connections through time that are annealed away."""

from ._fit import fit_with_skips as fit_with_skips
from ._schedule import SkipSchedule as SkipSchedule, Stage as Stage
