from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Float

from ._adapter import AbstractAdapter


class LSTMState(NamedTuple):
    """The response h and the memory c, (n,) each."""

    h: Float[Array, "*batch n"]
    c: Float[Array, "*batch n"]


class LSTM(AbstractAdapter[LSTMState, eqx.nn.LSTMCell]):
    """A long short-term memory, equinox's own, as a cell: what a circuit is compared with.

        (i, f, g, o) = W_ih x + W_hh h + b
        c ← sigmoid(f)⊙c + sigmoid(i)⊙tanh(g)
        h ← sigmoid(o)⊙tanh(c)

    It is a recurrence in steps, not a differential equation: it has no `dt`, and `oo.lyapunov`
    gives its exponents per step. `LSTM.random(input_size, size, key=key)` draws one as equinox
    does.

    Args:
        cell: an `eqx.nn.LSTMCell`, with or without bias.

    Raises:
        ValueError: `cell` is something else.

    Reference:
        Hochreiter, Schmidhuber, "Long short-term memory", Neural Computation 9 (1997).
    """

    kind = eqx.nn.LSTMCell
    state = LSTMState
