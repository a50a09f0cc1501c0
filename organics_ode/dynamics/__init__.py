"""Circuits in time: inputs, solutions, sequences, Lyapunov exponents."""

from ._exponents import lyapunov as lyapunov
from ._inputs import (
    AbstractInput as AbstractInput,
    Constant as Constant,
    FunctionInput as FunctionInput,
    Inputs as Inputs,
    LinearInput as LinearInput,
    ZeroOrderHold as ZeroOrderHold,
    is_over_time as is_over_time,
    ornstein_uhlenbeck as ornstein_uhlenbeck,
)
from ._simulate import inputs_over_time as inputs_over_time, simulate as simulate
from ._trajectory import Trajectory as Trajectory
from ._unroll import unroll as unroll, unroll_batch as unroll_batch
