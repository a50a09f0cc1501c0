"""Models of attention."""

from ._reynolds_heeger import ReynoldsHeeger as ReynoldsHeeger
from ._temporal import (
    Cue as Cue,
    CueingEffect as CueingEffect,
    TemporalAttention as TemporalAttention,
    cueing_effect as cueing_effect,
)
