"""Continuous-time vector fields, one circuit per file."""

from ._circuit import AbstractCircuit as AbstractCircuit, check_circuit as check_circuit
from ._feedback import (
    FeedbackNetwork as FeedbackNetwork,
    FeedbackNetworkState as FeedbackNetworkState,
    orthogonal_directions as orthogonal_directions,
)
from ._fourier_memory import fourier_memory as fourier_memory
from ._gated import GatedORGaNICs as GatedORGaNICs, GatedORGaNICsState as GatedORGaNICsState
from ._hierarchy import Hierarchy as Hierarchy, hierarchy_state as hierarchy_state
from ._initial import (
    AbstractInitializer as AbstractInitializer,
    LogitNormal as LogitNormal,
    LogUniform as LogUniform,
    check_sizes as check_sizes,
    input_matrix as input_matrix,
    uniform_fan_in as uniform_fan_in,
)
from ._obeys import obeys as obeys, what_is as what_is
from ._organics import ORGaNICs as ORGaNICs, ORGaNICsState as ORGaNICsState
from ._parameters import (
    EXPONENT as EXPONENT,
    INPUT as INPUT,
    POOL as POOL,
    POSITIVE as POSITIVE,
    RECURRENT as RECURRENT,
    Kind as Kind,
    Parameter as Parameter,
    check_elementwise as check_elementwise,
    read_parameters as read_parameters,
)
from ._rate import (
    Noisy as Noisy,
    RateNetwork as RateNetwork,
    RateNetworkState as RateNetworkState,
    check_units as check_units,
)
from ._rotational import (
    RotationalORGaNICs as RotationalORGaNICs,
    RotationalORGaNICsState as RotationalORGaNICsState,
    per_unit as per_unit,
)
from ._time import NO_TIME as NO_TIME, Time as Time, TimeUnitWarning as TimeUnitWarning
from .family import (
    FLOOR as FLOOR,
    ORGaNICs2019 as ORGaNICs2019,
    ORGaNICs2019State as ORGaNICs2019State,
    ORGaNICs2020 as ORGaNICs2020,
    ORGaNICs2020State as ORGaNICs2020State,
    ORGaNICs2025 as ORGaNICs2025,
    ORGaNICs2025State as ORGaNICs2025State,
    at_rest as at_rest,
    complex_weights as complex_weights,
    floored as floored,
)
from .peers import (
    LEM as LEM,
    SSN as SSN,
    AntisymmetricRNN as AntisymmetricRNN,
    AntisymmetricRNNState as AntisymmetricRNNState,
    CoRNN as CoRNN,
    CoRNNState as CoRNNState,
    LEMState as LEMState,
    LipschitzRNN as LipschitzRNN,
    LipschitzRNNState as LipschitzRNNState,
    SSNState as SSNState,
    UnICORNN as UnICORNN,
    UnICORNNState as UnICORNNState,
    WilsonCowan as WilsonCowan,
    WilsonCowanState as WilsonCowanState,
    balanced_network as balanced_network,
)

# What is public as `oo.…`; other rooms import more.
__all__ = [
    "LEM",
    "SSN",
    "AbstractCircuit",
    "AbstractInitializer",
    "AntisymmetricRNN",
    "AntisymmetricRNNState",
    "CoRNN",
    "CoRNNState",
    "FeedbackNetwork",
    "FeedbackNetworkState",
    "GatedORGaNICs",
    "GatedORGaNICsState",
    "Hierarchy",
    "LEMState",
    "LipschitzRNN",
    "LipschitzRNNState",
    "LogUniform",
    "LogitNormal",
    "Noisy",
    "ORGaNICs",
    "ORGaNICs2019",
    "ORGaNICs2019State",
    "ORGaNICs2020",
    "ORGaNICs2020State",
    "ORGaNICs2025",
    "ORGaNICs2025State",
    "ORGaNICsState",
    "RateNetwork",
    "RateNetworkState",
    "RotationalORGaNICs",
    "RotationalORGaNICsState",
    "SSNState",
    "TimeUnitWarning",
    "UnICORNN",
    "UnICORNNState",
    "WilsonCowan",
    "WilsonCowanState",
    "balanced_network",
    "complex_weights",
    "fourier_memory",
    "orthogonal_directions",
]
