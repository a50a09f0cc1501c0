from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Float

from ._adapter import AbstractAdapter


class GRUState(NamedTuple):
    """The response h, (n,)."""

    h: Float[Array, "*batch n"]


class GRU(AbstractAdapter[GRUState, eqx.nn.GRUCell]):
    """A gated recurrent unit, equinox's own, as a cell: what a circuit is compared with.

        (i_r, i_z, i_n) = W_ih x + b,   (h_r, h_z, h_n) = W_hh h
        r = sigmoid(i_r + h_r),   z = sigmoid(i_z + h_z),   ν = tanh(i_n + r⊙(h_n + b_n))
        h ← (1 − z)⊙ν + z⊙h

    It is a recurrence in steps, not a differential equation: it has no `dt`, and `oo.lyapunov`
    gives its exponents per step. `GRU.random(input_size, size, key=key)` draws one as equinox does.

    Args:
        cell: an `eqx.nn.GRUCell`, with or without bias.

    Raises:
        ValueError: `cell` is something else.

    Reference:
        Cho et al., "Learning phrase representations using RNN encoder–decoder for statistical
        machine translation", EMNLP (2014), arXiv:1406.1078.
    """

    kind = eqx.nn.GRUCell
    state = GRUState
