"""`unroll`: a cell over a sequence by one `lax.scan`."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .._checks import (
    a_or_an,
    as_known_array,
    check_finite,
    check_flag,
    check_positive_integer,
    check_state,
    is_traced,
    refuse,
    shape_input_array,
)
from .._constraints import resolve
from .._types import Numbers, State, StateLike
from ..cells import (
    AbstractCell,
    CellLike,
    Stack,
    TemporalSkip,
    blank,
    hold,
    read_cell,
    read_mask,
    response,
)
from ..kernels import kernel_of

# Inputs, restarts, and which steps run, for one step or for all.
OverTime = tuple[Array, Array | None, Array | None]


def unroll(
    cell: CellLike[State],
    xs: Numbers,
    *,
    state0: StateLike | None = None,
    restarts: Numbers | None = None,
    mask: Numbers | None = None,
    last_only: bool = False,
    keep_every: int = 1,
) -> PyTree:
    """Run a cell over a sequence in one scan, as in training.

    s_t = step(s_{t−1}, x_t), t = 1 … T. For the gradient only the states are kept; the intermediate
    values of each step are recomputed. Pure (jit, vmap, grad); no batch axis.

    Args:
        cell: an `AbstractCell`, such as `Euler(circuit, dt)`.
        xs: (time, m), the inputs, one per step.
        state0: the state before the first step; `cell.initial_state()` unless given.
        restarts: (time,) of bool, for a `TemporalSkip`: the steps before which a new block of
            skips begins, such as the first step of each period of a trial.
        mask: (time,), weights ≥ 0 of the steps. The sequence ends at the last step whose weight is
            not 0: the state is held from there on, and later inputs do not matter.
        last_only: whether to return only the last state, without a time axis.
        keep_every: keep every k-th state for the gradient and recompute those between. Memory falls
            from T to T/k + k states, and time grows by about a third. For very long sequences use
            k ≈ √T with `last_only=True`.

    Returns:
        The states after each of the T steps, with a leading time axis.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: the state diverged; the text says at which step. Inside jit the state becomes
            NaN instead (`fit` then stops and says so).
    """
    keep_every = check_positive_integer("keep_every", keep_every)
    last_only = check_flag("last_only", last_only)
    cell, state0, xs, runs = _read(cell, state0, xs, ("time",), mask)
    restarts = _read_restarts(cell, restarts, len(xs))
    states = _scan(cell, state0, (xs, restarts, runs), last_only, keep_every)
    return _raise_divergence(states, last_only)


def unroll_batch(
    cell: AbstractCell[State],
    xs: Numbers,
    *,
    state0: StateLike | None = None,
    mask: Numbers | None = None,
    last_only: bool,
) -> Array:
    """The responses of a cell to many sequences (batch, time, m): what models and `fit` call.

    This uses the training kernel where one applies, and otherwise `unroll` under `jax.vmap`. The
    result is the last response (batch, n), or the response after every step (batch, time, n).
    """
    cell, state0, xs, runs = _read(cell, state0, xs, ("batch", "time"), mask)
    return _responses(cell, state0, xs, runs, last_only)


def _responses(cell: Any, state0: Any, xs: Array, runs: Array | None, last_only: bool) -> Array:
    if isinstance(cell, Stack):
        # No cell depends on later ones, so each runs over all steps first, by its own kernel.
        *before, last = zip(cell.cells, cell.split(state0), strict=True)
        for one, state in before:
            xs = _responses(one, state, xs, runs, last_only=False)
        return _responses(*last, xs, runs, last_only)
    kernel = kernel_of(cell)
    if kernel is None:
        one = lambda x, r: response(_scan(cell, state0, (x, None, r), last_only, 1))  # noqa: E731
        return jax.vmap(one)(xs, runs)
    return kernel.run(state0, xs, runs, last_only=last_only)


def _read(
    cell: CellLike[State],
    state0: StateLike | None,
    xs: Numbers,
    axes: tuple[str, ...],
    mask: Numbers | None,
) -> tuple[AbstractCell[State], State, Array, Array | None]:
    """The checked arguments: the cell with plain arrays, a state, floating inputs, and the steps
    that run before the end of their sequence (None for all)."""
    own: AbstractCell[State] = resolve(read_cell("cell", cell))
    start = check_state("state0", resolve(state0), own.initial_state())
    xs = shape_input_array("xs", xs, own.input_size, jax.tree.leaves(start)[0].dtype, *axes)
    runs = None if mask is None else read_mask(mask, xs.shape[:-1], ", ".join(axes))
    xs = xs if runs is None else blank(runs, xs)
    if not is_traced(xs):  # inside jit the check would cost a callback in every training step
        check_finite("xs", xs)
    return own, start, xs, runs


def _read_restarts(cell: AbstractCell, restarts: Numbers | None, steps: int) -> Array | None:
    if restarts is None:
        return None
    if not isinstance(cell, TemporalSkip):
        refuse(
            "restarts", "be given to a `TemporalSkip` only", f"it is {a_or_an(type(cell).__name__)}"
        )
    known = restarts if is_traced(restarts) else as_known_array("restarts", restarts)
    array = jnp.asarray(known)
    if array.shape != (steps,) or array.dtype != bool:
        found = f"it has shape {array.shape} and dtype {array.dtype}"
        refuse("restarts", f"be of bool and have shape (time,) = ({steps},)", found)
    return array


@eqx.filter_jit
def _scan(
    cell: Any,
    state0: tuple,
    over_time: OverTime,
    last_only: bool,
    keep_every: int,
) -> PyTree:
    def advance(state: State, now: OverTime) -> State:
        x, restart, runs = now
        start = state if restart is None else hold(restart, cell.restart(state), state)
        return hold(runs, cell.step(start, x), state)

    # A scan keeps the two evaluations apart: no barrier against merging them is needed.
    step = jax.checkpoint(advance, prevent_cse=False)

    def one(state: State, now: OverTime) -> tuple[State, State | None]:
        state = step(state, now)
        return state, None if last_only else state

    if keep_every == 1:
        last, states = jax.lax.scan(one, state0, over_time)
        return last if last_only else states
    whole = len(over_time[0]) // keep_every * keep_every

    def cut(x: Array) -> Array:
        return x[:whole].reshape(-1, keep_every, *x.shape[1:])

    block = jax.checkpoint(lambda s, x: jax.lax.scan(one, s, x), prevent_cse=False)
    last, states = jax.lax.scan(block, state0, jax.tree.map(cut, over_time))
    last, rest = jax.lax.scan(one, last, jax.tree.map(lambda x: x[whole:], over_time))
    if last_only:
        return last
    return jax.tree.map(
        lambda a, b: jnp.concatenate([a.reshape(whole, *a.shape[2:]), b]), states, rest
    )


def _raise_divergence(states: State, last_only: bool) -> State:
    leaves = jax.tree.leaves(states)
    if any(map(is_traced, leaves)):
        return states
    finite = np.array(
        [np.isfinite(leaf).reshape(len(leaf) if not last_only else 1, -1).all(1) for leaf in leaves]
    )
    if not finite.all():
        step = "" if last_only else f" at step {int(np.argmin(finite.all(0))) + 1}"
        raise RuntimeError(
            f"The state diverged{step}: it is no longer finite. Take a shorter step `dt`, or look "
            "at the circuit with `oo.simulate`."
        )
    return states
