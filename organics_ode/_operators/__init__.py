"""Matrices with structure: `@` needs fewer numbers than all of their entries."""

from ._circulant import Circulant as Circulant
from ._diagonal import Diagonal as Diagonal
from ._kronecker import Kronecker as Kronecker
from ._low_rank import LowRank as LowRank
from ._matrices import (
    FEW as FEW,
    has_operators as has_operators,
    is_zero as is_zero,
    products as products,
    with_matrices as with_matrices,
)
from ._operator import AbstractOperator as AbstractOperator
from ._sparse import Sparse as Sparse
