"""How far a circuit may deviate from W_r = I: `from organics_ode import robustness`.

The phase diagram of W_r = I + ΔR, with random R, over Δ and the size of the input; how far the
responses are from normalization; and the response to first order in W_r − I.
"""

from .._namespace import _public as _public
from ._classes import (
    CLASSES as CLASSES,
    CYCLE as CYCLE,
    DIVERGING as DIVERGING,
    SLOW as SLOW,
    STABLE as STABLE,
    UNDECIDED as UNDECIDED,
)
from ._diagram import PhaseDiagram as PhaseDiagram, phase_diagram as phase_diagram
from ._ensembles import (
    Diluted as Diluted,
    anywhere as anywhere,
    delocalised as delocalised,
    gaussian as gaussian,
    localised as localised,
    symmetric as symmetric,
)
from ._first_order import FirstOrder as FirstOrder, first_order as first_order
from ._loss import (
    distance as distance,
    first_order_distance as first_order_distance,
    loss_line as loss_line,
)

__dir__ = _public(__name__)
