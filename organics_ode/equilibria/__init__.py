"""Where a circuit comes to rest."""

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
from .branches import (
    Branches as Branches,
    BranchEvent as BranchEvent,
    Continued as Continued,
    Family as Family,
    HopfCycles as HopfCycles,
    SteadyBranch as SteadyBranch,
    check_legal as check_legal,
    continuation as continuation,
    continued as continued,
    read_family as read_family,
    read_values as read_values,
)
