"""What the kernels have in common: states of a batch, units first, and skips through time."""

from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..cells import AbstractSkip, AbstractStep, MixedPrecision, SkipBlock, hold, skip_step


class Skips(NamedTuple):
    """A scheme of skips, its θ in steps, and its β."""

    scheme: AbstractSkip
    length: Int[Array, ""]
    beta: Float[Array, ""]


class Carry(NamedTuple):
    """The states, those at the start of the current block of skips, and its first increment.

    Leaves are (n, batch); without skips there are only the states.
    """

    s: PyTree[Float[Array, "n batch"]]
    anchor: PyTree[Float[Array, "n batch"]] | None = None
    slope: PyTree[Float[Array, "n batch"]] | None = None


class Marks(NamedTuple):
    """Which steps begin a block of skips, which complete one, and which run (None: all)."""

    is_first: Bool[Array, "*time batch"] | None = None
    is_last: Bool[Array, "*time batch"] | None = None
    runs: Bool[Array, "*time batch"] | None = None


class AbstractKernel(eqx.Module):
    """A cell over a batch of sequences, with its own reverse-mode gradient."""

    cell: AbstractStep | MixedPrecision

    @abstractmethod
    def run(
        self,
        state0: PyTree,
        xs: Float[Array, "batch time m"],
        runs: Bool[Array, "batch time"] | None,
        *,
        last_only: bool,
    ) -> Float[Array, "batch *time n"]:
        """The responses after every step, or after the last one, all from the same initial state.

        Sequences may have any length; the state of one that has ended is held.
        """

    @abstractmethod
    def rest(
        self,
        state0: PyTree,
        inputs: Float[Array, "batch m"],
        noise: Float[Array, "before batch n"] | None,
        steps: int,
    ) -> Carry:
        """The states after some steps with the inputs held, at the start of a block of skips."""

    @abstractmethod
    def block(
        self,
        carry: Carry,
        inputs: Float[Array, "time batch m"],
        noise: Float[Array, "time batch n"] | None,
        marks: Marks,
        skips: Skips,
    ) -> tuple[Carry, Float[Array, "n time batch"]]:
        """The carry after a few steps with skips, and the responses after each of them."""


def wide(state0: PyTree, size: int) -> PyTree:
    """One state for all sequences of a batch, (n, batch) each."""
    return jax.tree.map(lambda s: jnp.broadcast_to(s[:, None], (len(s), size)), state0)


def at_rest(s: PyTree) -> Carry:
    """The carry at the start of a block of skips."""
    return Carry(s, s, jax.tree.map(jnp.zeros_like, s))


def mixed(skips: Skips | None, carry: Carry, base: PyTree, marks: Marks) -> Carry:
    """The carry after a step that would end in `base` for the cell alone."""
    if skips is None:
        new = Carry(base)
    else:
        is_first, is_last = _rows(marks.is_first), _rows(marks.is_last)
        anchor = hold(is_first, carry.s, carry.anchor)
        slope = hold(is_first, jax.tree.map(jnp.subtract, base, carry.s), carry.slope)
        block = SkipBlock(anchor, slope, is_last, skips.length, skips.beta)
        new = Carry(skip_step(skips.scheme, carry.s, base, block), anchor, slope)
    return hold(_rows(marks.runs), new, carry)


def _rows(mark: Array | None) -> PyTree:
    return None if mark is None else mark[None]
