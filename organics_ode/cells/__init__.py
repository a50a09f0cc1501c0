"""Discrete-time recurrences."""

from ._adapter import CellLike as CellLike, read_cell as read_cell
from ._cell import AbstractCell as AbstractCell, response as response
from ._gru import GRU as GRU, GRUState as GRUState
from ._lru import LRU as LRU, LRUState as LRUState
from ._lstm import LSTM as LSTM, LSTMState as LSTMState
from ._masks import (
    blank as blank,
    check_mask as check_mask,
    hold as hold,
    read_mask as read_mask,
    running as running,
    selected as selected,
)
from ._mixed_precision import LOW as LOW, MixedPrecision as MixedPrecision
from ._stack import Stack as Stack, StackState as StackState
from ._temporal_skip import (
    AbstractSkip as AbstractSkip,
    CoarseStep as CoarseStep,
    DerivativeSkip as DerivativeSkip,
    SkipBlock as SkipBlock,
    StateSkip as StateSkip,
    TemporalSkip as TemporalSkip,
    skip_step as skip_step,
)
from .steps import (
    AbstractStep as AbstractStep,
    Euler as Euler,
    RungeKutta as RungeKutta,
    SemiImplicitEuler as SemiImplicitEuler,
    ShuOsher as ShuOsher,
    runge_kutta as runge_kutta,
)

# What is public as `oo.…`; other rooms import more.
__all__ = [
    "GRU",
    "LRU",
    "LSTM",
    "AbstractCell",
    "AbstractSkip",
    "AbstractStep",
    "CoarseStep",
    "DerivativeSkip",
    "Euler",
    "GRUState",
    "LRUState",
    "LSTMState",
    "MixedPrecision",
    "RungeKutta",
    "SemiImplicitEuler",
    "ShuOsher",
    "SkipBlock",
    "Stack",
    "StackState",
    "StateSkip",
    "TemporalSkip",
]
