"""Continuous-time vector fields, one circuit per file."""

from ._circuit import AbstractCircuit as AbstractCircuit
from ._gated import GatedORGaNICs as GatedORGaNICs, GatedORGaNICsState as GatedORGaNICsState
from ._initial import (
    AbstractInitializer as AbstractInitializer,
    LogitNormal as LogitNormal,
    LogUniform as LogUniform,
)
from ._organics import ORGaNICs as ORGaNICs, ORGaNICsState as ORGaNICsState
