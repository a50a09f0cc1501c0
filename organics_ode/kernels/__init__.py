"""Training kernels: blocks of steps over a batch, each with its own gradient."""

from . import gated as gated, rates as rates
