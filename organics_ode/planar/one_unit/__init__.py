"""A circuit of one unit in its plane (y, a), in closed form: an `ORGaNICs` with n = 1 and no
rectification. With c = b1 z, β = (σb0)^p, s = a^(1/p) and u = 1 − w_r + w_r s,

    τ_y ẏ = −y + c + (1 − s) w_r y,      τ_a ȧ = −a + β + w a |y|^p

and its fixed points solve y u = c, s^p (1 − w|c/u|^p) = β.
"""

from ._fixed_points import quartic as quartic
from ._nullclines import Nullclines as Nullclines, nullclines as nullclines
from ._plane import UnitPlane as UnitPlane
from ._table import PARAMETERS as PARAMETERS
