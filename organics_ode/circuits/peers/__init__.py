"""Other models of recurrent circuits, for comparison: one per file."""

from ._antisymmetric import (
    AntisymmetricRNN as AntisymmetricRNN,
    AntisymmetricRNNState as AntisymmetricRNNState,
)
from ._balanced import balanced_network as balanced_network
from ._cornn import CoRNN as CoRNN, CoRNNState as CoRNNState
from ._lem import LEM as LEM, LEMState as LEMState
from ._lipschitz import LipschitzRNN as LipschitzRNN, LipschitzRNNState as LipschitzRNNState
from ._ssn import SSN as SSN, SSNState as SSNState
from ._unicornn import UnICORNN as UnICORNN, UnICORNNState as UnICORNNState
from ._wilson_cowan import WilsonCowan as WilsonCowan, WilsonCowanState as WilsonCowanState
