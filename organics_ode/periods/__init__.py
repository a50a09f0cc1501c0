"""What a trained network does in the periods of its trials: `from organics_ode import periods`.

The states that it visits, the fixed and slow points near them in one period, and where it ends up
when the input of a period is held for a long time.
"""

from .._namespace import _public as _public
from ._ends import Ends as Ends, ends as ends
from ._points import PeriodPoints as PeriodPoints, points as points
from ._visit import Visit as Visit, visit as visit

__dir__ = _public(__name__)
