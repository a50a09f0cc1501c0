"""The circuit of one unit, in its plane (y, a): `from organics_ode import planar`.

Everything here is about an `ORGaNICs` with n = 1 and no rectification. With c = b1 z, β = (σb0)^p,
s = a^(1/p) and u = 1 − w_r + w_r s,

    τ_y ẏ = −y + c + (1 − s) w_r y,      τ_a ȧ = −a + β + w a |y|^p

and its fixed points solve y u = c, s^p (1 − w|c/u|^p) = β.
"""

from .._namespace import _public as _public
from ._basins import basins as basins
from ._bifurcation import (
    PARAMETERS as PARAMETERS,
    Bifurcation as Bifurcation,
    BifurcationEvent as BifurcationEvent,
    bifurcation as bifurcation,
)
from ._fixed_points import (
    PlanarFixedPoints as PlanarFixedPoints,
    fixed_points as fixed_points,
    quartic as quartic,
)
from ._flow import (
    NullclineCurves as NullclineCurves,
    Nullclines as Nullclines,
    nullcline_curves as nullcline_curves,
    nullclines as nullclines,
    vector_field as vector_field,
)
from ._separatrices import separatrices as separatrices

__dir__ = _public(__name__)
