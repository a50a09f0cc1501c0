"""Training kernels: blocks of steps over a batch, each with its own gradient."""

from . import gated as gated, rates as rates, rotational as rotational
from ._kernel import (
    AbstractKernel as AbstractKernel,
    Carry as Carry,
    Marks as Marks,
    Skips as Skips,
)
from ._table import kernel_of as kernel_of
