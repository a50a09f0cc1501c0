"""Feedback networks of many units: `from organics_ode import mean_field`.

A network ẋ = −x + gχφ(x) + m z + I has readout z = n·φ(x)/N, random χ and fixed directions m, I, n.
For large N a few numbers describe its states at rest, their spectra, its chaos, and the result of
training it by least squares.
"""

from .._namespace import _public as _public
from ._averages import average as average
from ._chaos import Chaos as Chaos, chaos as chaos
from ._geometry import Geometry as Geometry, ReadoutClass as ReadoutClass
from ._least_squares import LeastSquares as LeastSquares, least_squares as least_squares
from ._maps import PhaseMap as PhaseMap, phase_map as phase_map
from ._padded import PaddedSolutions as PaddedSolutions, padded_solutions as padded_solutions
from ._solutions import Solutions as Solutions, calibrate as calibrate, solutions as solutions

__dir__ = _public(__name__)
