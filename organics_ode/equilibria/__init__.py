"""Where a circuit comes to rest."""

from ._branches import Continued as Continued, continued as continued
from ._family import Family as Family, read_family as read_family
from ._find_fixed_points import find_fixed_points as find_fixed_points
from ._fixed_point import FixedPoint as FixedPoint, fixed_point as fixed_point
from ._loops import in_turns as in_turns
from ._points import (
    AbstractPoints as AbstractPoints,
    FixedPoints as FixedPoints,
    distinct as distinct,
    firsts as firsts,
    look as look,
)
from ._routes import polish as polish
from ._slow_points import SlowPoints as SlowPoints, slow_points as slow_points
from ._stable_point import StablePoint as StablePoint, stable_point as stable_point
from ._steady import SteadyStates as SteadyStates, steady_states as steady_states
