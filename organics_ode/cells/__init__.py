"""Discrete-time recurrences."""

from ._cell import AbstractCell as AbstractCell
from ._euler import Euler as Euler
from ._gru import GRU as GRU, GRUState as GRUState
from ._lstm import LSTM as LSTM, LSTMState as LSTMState
from ._runge_kutta import RungeKutta as RungeKutta
from ._shu_osher import ShuOsher as ShuOsher
from ._temporal_skip import (
    AbstractSkip as AbstractSkip,
    CoarseStep as CoarseStep,
    DerivativeSkip as DerivativeSkip,
    SkipBlock as SkipBlock,
    StateSkip as StateSkip,
    TemporalSkip as TemporalSkip,
    skip_step as skip_step,
)
