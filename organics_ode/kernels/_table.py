from ..cells import AbstractCell
from . import gated, rates, rotational
from ._kernel import AbstractKernel


def kernel_of(cell: AbstractCell) -> AbstractKernel | None:
    """The kernel that computes a cell, if there is one, for `fit` and `fit_with_skips` alike."""
    kinds = (gated, rotational, rates)
    return next((kind.Kernel(cell) for kind in kinds if kind.applies(cell)), None)
