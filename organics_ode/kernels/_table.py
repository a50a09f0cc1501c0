from ..cells import AbstractCell
from . import gated, rates
from ._kernel import AbstractKernel


def kernel_of(cell: AbstractCell) -> AbstractKernel | None:
    """The kernel that computes a cell, if one does: for `fit` and `fit_with_skips` alike."""
    return next((kind.Kernel(cell) for kind in (gated, rates) if kind.applies(cell)), None)
