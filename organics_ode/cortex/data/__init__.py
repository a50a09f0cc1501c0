"""Recordings of visual cortex to analyse and fit, and synthetic cells about published medians."""

from ._cells import SyntheticCells as SyntheticCells, synthetic_cells as synthetic_cells
from ._semedo import V1V2Counts as V1V2Counts, semedo as semedo
