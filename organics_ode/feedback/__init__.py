"""Feedback networks: training of the readout, its geometry, and the attractors it creates."""

from .._namespace import _public as _public
from ._attractors import Attractors as Attractors, attractors as attractors
from ._conditions import teacher_states as teacher_states
from ._descent import (
    AbstractRun as AbstractRun,
    AtFixedPoint as AtFixedPoint,
    FromRest as FromRest,
    all_weights as all_weights,
    descend as descend,
    readout_weights as readout_weights,
)
from ._full_force import FullForce as FullForce, full_force as full_force
from ._least_squares import least_squares as least_squares, ridge as ridge
from ._overlaps import Overlaps as Overlaps, overlaps as overlaps
from ._rls import force as force
from ._trained import Trained as Trained

__dir__ = _public(__name__)
