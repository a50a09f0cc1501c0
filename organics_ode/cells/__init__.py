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
    StateSkip as StateSkip,
    TemporalSkip as TemporalSkip,
    choose as choose,
    read_beta as read_beta,
    read_length as read_length,
    skip_step as skip_step,
)
