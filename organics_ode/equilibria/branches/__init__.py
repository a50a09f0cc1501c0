"""Branches of fixed points over a parameter."""

from ._continuation import continuation as continuation
from ._continued import Continued as Continued, continued as continued
from ._family import (
    Family as Family,
    check_legal as check_legal,
    read_family as read_family,
    read_values as read_values,
)
from ._results import (
    Branches as Branches,
    BranchEvent as BranchEvent,
    HopfCycles as HopfCycles,
    SteadyBranch as SteadyBranch,
)
