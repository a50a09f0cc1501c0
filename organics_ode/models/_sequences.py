"""Sequence models, which map one sequence to its outputs."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._checks import a_or_an, check_state, refuse
from .._constraints import Frozen, resolve, table
from .._types import Numbers
from ..cells import AbstractCell, CellLike, read_cell, response, selected
from ..dynamics import unroll, unroll_batch

Readout = Callable[..., Any]


class SequenceClassifier(eqx.Module):
    """Class scores from the response after the last step of a sequence, (time, m) → (k,).

    With a mask, the last step is the last one with a weight above 0: the circuit runs up to there,
    also through steps of weight 0, and steps after it have no effect.

    Args:
        cell: an `AbstractCell`.
        readout: the response (n,) ↦ scores (k,), such as `eqx.nn.Linear(n, k, key=key)`.
        state0: the state before the first step, kept as frozen data; by default
            `cell.initial_state()`.

    Raises:
        ValueError: an argument is bad.
    """

    cell: AbstractCell
    readout: Readout
    state0: Frozen | None

    def __init__(self, cell: CellLike, readout: Readout, *, state0: PyTree = None):
        self.cell, self.readout, self.state0 = _read(cell, readout, state0)

    def __call__(
        self, xs: Float[Array, "time m"], mask: Numbers | None = None
    ) -> Float[Array, " k"]:
        """The class scores (k,) of one sequence; `mask` (time,) has the weights of its steps."""
        _check_one(xs)
        last = unroll(self.cell, xs, state0=resolve(self.state0), mask=mask, last_only=True)
        return self.readout(_if_any(mask, response(last)))

    def batched(
        self, xs: Float[Array, "batch time m"], mask: Numbers | None = None
    ) -> Float[Array, "batch k"]:
        """The scores (batch, k) of many sequences, by the training kernel where it applies.

        Differentiable in reverse mode only; for forward mode use `jax.vmap` of the model.
        """
        state0 = resolve(self.state0)
        last = unroll_batch(self.cell, xs, state0=state0, mask=mask, last_only=True)
        return jax.vmap(self.readout)(_if_any(mask, last))

    def __repr__(self) -> str:
        return table(self)


class SequenceToSequence(eqx.Module):
    """Outputs from the response after each step of a sequence, (time, m) → (time, k).

    With a mask, the circuit runs up to the last step with a weight above 0; from there on the
    response is held, and later steps have no effect.

    Args:
        cell, readout, state0: as for `SequenceClassifier`.

    Raises:
        ValueError: an argument is bad.
    """

    cell: AbstractCell
    readout: Readout
    state0: Frozen | None

    def __init__(self, cell: CellLike, readout: Readout, *, state0: PyTree = None):
        self.cell, self.readout, self.state0 = _read(cell, readout, state0)

    def __call__(
        self, xs: Float[Array, "time m"], mask: Numbers | None = None
    ) -> Float[Array, "time k"]:
        """The outputs (time, k) of one sequence; `mask` (time,) has the weights of its steps."""
        _check_one(xs)
        states = unroll(self.cell, xs, state0=resolve(self.state0), mask=mask)
        return jax.vmap(self.readout)(response(states))

    def batched(
        self, xs: Float[Array, "batch time m"], mask: Numbers | None = None
    ) -> Float[Array, "batch time k"]:
        """The outputs (batch, time, k) of many sequences, by the training kernel where it applies.

        Differentiable in reverse mode only; for forward mode use `jax.vmap` of the model.
        """
        state0 = resolve(self.state0)
        ys = unroll_batch(self.cell, xs, state0=state0, mask=mask, last_only=False)
        return jax.vmap(jax.vmap(self.readout))(ys)

    def __repr__(self) -> str:
        return table(self)


def _check_one(xs: Numbers) -> None:
    """Refuse a batch, and name the call that takes it: that of the model, not of its cell."""
    if np.ndim(xs) == 3:
        found = f"it has shape {np.shape(xs)}; for a batch write `jax.vmap(model)(xs)`"
        refuse("xs", "have shape (time, m)", found)


def _if_any(mask: Numbers | None, last: Array) -> Array:
    """The last response of each sequence; NaN, inside jit, if all its steps have weight 0."""
    if mask is None:
        return last
    return jnp.where(selected(mask).any(axis=-1, keepdims=True), last, jnp.nan)


def _read(
    cell: CellLike, readout: Readout, state0: PyTree
) -> tuple[AbstractCell, Readout, Frozen | None]:
    own: AbstractCell = read_cell("cell", cell)
    if not callable(readout) or isinstance(readout, type):
        refuse("readout", "be callable", f"it is {a_or_an(type(readout).__name__)}")
    if state0 is None:
        return own, readout, None
    like = eqx.filter_eval_shape(lambda c: resolve(c).initial_state(), own)
    return own, readout, Frozen(check_state("state0", resolve(state0), like))
