"""How well one population predicts another, and through how many dimensions."""

from ._communication import communication as communication
from ._reduced_rank import (
    ReducedRank as ReducedRank,
    reduced_rank_regression as reduced_rank_regression,
)
