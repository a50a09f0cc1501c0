"""Two variables of a circuit in their plane: `from organics_ode import planar`.

Flow, nullclines, fixed points, separatrices, basins, limit cycles and bifurcations of any circuit
with two state variables, or of a chosen pair of variables of a larger one. For an `ORGaNICs` with
n = 1 and no rectification they use closed forms (`one_unit`); `quartic` and `nullclines` are for it
alone.
"""

from .._namespace import _public as _public
from ._basins import basins as basins, separatrices as separatrices
from ._cycles import limit_cycles as limit_cycles
from ._fixed_points import (
    bifurcation as bifurcation,
    fixed_points as fixed_points,
    window as window,
)
from ._flow import nullcline_curves as nullcline_curves, vector_field as vector_field
from ._results import (
    Bifurcation as Bifurcation,
    BifurcationEvent as BifurcationEvent,
    Branch as Branch,
    LimitCycle as LimitCycle,
    NullclineCurves as NullclineCurves,
    Pair as Pair,
    PlanarFixedPoints as PlanarFixedPoints,
)
from .one_unit import (
    PARAMETERS as PARAMETERS,
    Nullclines as Nullclines,
    nullclines as nullclines,
    quartic as quartic,
)

__dir__ = _public(__name__)
