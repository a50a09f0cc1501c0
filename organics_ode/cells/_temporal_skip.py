import collections
import functools
import numbers
from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Num, PyTree

from .._checks import as_float_array, is_traced, read_integer, refuse
from .._constraints import Frozen, resolve
from ._adapter import CellLike, read_cell
from ._cell import AbstractCell


class SkipBlock(NamedTuple):
    """A block of θ steps, as seen from one of its steps.

    Attributes:
        anchor: the state at the start of the block.
        slope: the increment of the cell's first step in it.
        is_last: whether this step completes it.
        length: θ.
        beta: β.
    """

    anchor: PyTree
    slope: PyTree
    is_last: Bool[Array, "..."]
    length: Num[Array, ""] | int
    beta: Float[Array, ""] | float


class AbstractSkip(eqx.Module):
    """How a skip through time mixes the start of a block of steps into the states of the block."""

    @abstractmethod
    def step(self, s: Array, base: Array, block: SkipBlock) -> Array:
        """The state after a step that began in s and that would end in `base` for the cell alone.

        Both are one leaf of the state, as are the anchor and the slope of the block.
        """


class CoarseStep(AbstractSkip):
    """Steps θ times as long: the increment is mixed with that of the block's first step.

        s_{t+k+1} = s_{t+k} + (1−β) ds_t + β ds_{t+k},      k < θ

    For β = 0 and an `Euler` cell this is Euler with dt' = θ·dt, interpolated between its steps.
    """

    def step(self, s: Array, base: Array, block: SkipBlock) -> Array:
        return s + (1 - block.beta) * block.slope + block.beta * (base - s)


class StateSkip(AbstractSkip):
    """Skip connections through time (SCTT): the state is carried over a block of θ steps.

    s_{t+θ} ← (1−β) s_t + β s_{t+θ}
    """

    def step(self, s: Array, base: Array, block: SkipBlock) -> Array:
        mixed = (1 - block.beta) * block.anchor + block.beta * base
        return jnp.where(block.is_last, mixed, base)


class DerivativeSkip(AbstractSkip):
    """Skips by the derivative (DASC): a block of θ steps is mixed with a single step as long.

    s_{t+θ} ← (1−β) (s_t + θ·ds_t) + β s_{t+θ}
    """

    def step(self, s: Array, base: Array, block: SkipBlock) -> Array:
        ahead = block.anchor + block.length * block.slope
        mixed = (1 - block.beta) * ahead + block.beta * base
        return jnp.where(block.is_last, mixed, base)


class TemporalSkip(AbstractCell[tuple]):
    """A cell with skips through time, to learn long-range dependencies; for β = 1, the cell alone.

    Steps are taken in blocks of θ, which do not overlap. `scheme` says how the state at the start
    of a block is mixed in, with the weight 1−β; a block that is cut short is not mixed. Blocks
    begin at the start of the sequence and wherever it is restarted: at each period of a trial, with
    `unroll(…, restarts=…)`. Annealing β to 1 during training leaves the original network.

    The state has the entries of the cell's state, followed by `anchor` and `slope` (each like that
    state: the one at the start of the block, and the block's first increment) and `since`, the
    number of steps in the block so far.

    Args:
        cell: an `AbstractCell` whose state is a NamedTuple of floating arrays. To start from
            another state than the initial one, use `state0=skipping.at_rest(state)`.
        scheme: `CoarseStep()`, `StateSkip()` or `DerivativeSkip()`.
        length: θ ≥ 1, in steps.
        beta: β, from 0 to 1. A number is compiled in; for 1 the steps equal those of the cell to
            the bit. An array is data, so new values do not recompile anything; the same holds for
            `length`. Neither is trained.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Soo, Goudar, Wang, "Training biologically plausible recurrent neural networks on cognitive
        tasks with long-term dependencies", NeurIPS 36 (2023).
    """

    cell: AbstractCell
    scheme: AbstractSkip
    length: Int[Array, ""]
    beta: Frozen | float

    def __init__(self, cell: CellLike, scheme: AbstractSkip, length: ArrayLike, beta: ArrayLike):
        if not isinstance(scheme, AbstractSkip):
            must = "be `oo.StateSkip()`, `oo.DerivativeSkip()` or `oo.CoarseStep()`"
            refuse("scheme", must, f"it is {scheme!r}")
        self.cell, self.scheme = _check_state(read_cell("cell", cell)), scheme
        self.length, self.beta = _read_length(length), _read_beta(beta)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return self.cell.input_size

    def step(self, state: tuple, x: Float[Array, " m"]) -> tuple:
        """The state after one step with the input x (m,)."""
        s, anchor, slope, since = _unpack(state)
        base = self.cell.step(s, x)
        if isinstance(self.beta, float) and self.beta == 1:
            # Computing anything else from `base` could make XLA round it differently.
            return _pack(base, anchor, slope, since)
        is_first, is_last = since == 0, since == self.length - 1
        anchor = _choose(is_first, s, anchor)
        slope = _choose(is_first, jax.tree.map(jnp.subtract, base, s), slope)
        block = SkipBlock(anchor, slope, is_last, self.length, resolve(self.beta))
        new = skip_step(self.scheme, s, base, block)
        return _pack(new, anchor, slope, jnp.where(is_last, 0, since + 1))

    def restart(self, state: PyTree) -> PyTree:
        """The state at the start of a new block."""
        return state._replace(since=jnp.zeros_like(state.since))

    def initial_state(self) -> tuple:
        """The cell's own initial state, at the start of a block."""
        return self.at_rest(self.cell.initial_state())

    def at_rest(self, s: tuple) -> tuple:
        """A state of the cell, at the start of a block."""
        zeros = jax.tree.map(jnp.zeros_like, s)
        return _pack(s, zeros, zeros, jnp.zeros((), jnp.int32))


def skip_step(scheme: AbstractSkip, s: PyTree, base: PyTree, block: SkipBlock) -> PyTree:
    """The scheme for every leaf of a state; for β = 1 the cell's own state, to the bit."""

    def leaf(s: Array, base: Array, anchor: Array, slope: Array) -> Array:
        length, beta = jnp.asarray(block.length, s.dtype), jnp.asarray(block.beta, s.dtype)
        here = SkipBlock(anchor, slope, block.is_last, length, beta)
        return jnp.where(beta < 1, scheme.step(s, base, here), base)

    return jax.tree.map(leaf, s, base, block.anchor, block.slope)


def _choose(condition: Array, yes: PyTree, no: PyTree) -> PyTree:
    """`yes` where the condition holds, leaf by leaf."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _check_state(cell: AbstractCell) -> AbstractCell:
    like: Any = eqx.filter_eval_shape(lambda c: resolve(c).initial_state(), cell)
    if isinstance(cell, TemporalSkip):
        refuse("cell", "be a cell without skips", "it is a `TemporalSkip`")
    is_floating = all(jnp.issubdtype(x.dtype, jnp.floating) for x in jax.tree.leaves(like))
    if not hasattr(like, "_fields") or not is_floating:
        refuse("cell", "have a NamedTuple of floating arrays as its state", f"it has {like}")
    return cell


def _read_length(length: ArrayLike) -> Int[Array, ""]:
    """θ, checked."""
    if is_traced(length):
        return jnp.asarray(length, jnp.int32)
    must = "be a whole number of steps, at least 1"
    return jnp.asarray(read_integer("length", length, 1, must), jnp.int32)


def _read_beta(beta: ArrayLike) -> Frozen | float:
    """β, checked."""
    array = as_float_array("beta", beta)
    if array.shape != ():
        refuse("beta", "be a number", f"it has shape {array.shape}")
    if not is_traced(array) and not 0 <= float(array) <= 1:
        refuse("beta", "lie between 0 and 1", f"it is {float(array)}")
    return float(beta) if isinstance(beta, numbers.Real) else Frozen(array)


@functools.cache
def _state_type(fields: tuple[str, ...]) -> type:
    return collections.namedtuple("TemporalSkipState", (*fields, "anchor", "slope", "since"))


def _pack(s: PyTree, anchor: PyTree, slope: PyTree, since: Array) -> tuple:
    """The state of the wrapped cell."""
    # The response stays the first entry, and every other one keeps its name.
    return _state_type(s._fields)(*s, anchor, slope, since)


def _unpack(state: tuple) -> tuple[PyTree, PyTree, PyTree, Array]:
    """The cell's own state, the anchor, the slope and the number of steps in the block."""
    *s, anchor, slope, since = state
    return type(anchor)(*s), anchor, slope, since
