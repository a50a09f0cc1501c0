"""Trials whose inputs depend on the answers of the model."""

from collections.abc import Callable
from typing import Any, Protocol, TypeGuard, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..._constraints import resolve
from ...cells import response
from ...models import SequenceToSequence
from ..batches import Task
from ._run import outputs
from ._runners import Skips, advance, scan_runner
from ._trials import TrialBatch, cast


@runtime_checkable
class ClosedTask(Task, Protocol):
    """A task that runs an agent itself."""

    def play(
        self, step: Callable[[Any, Array], tuple[Any, Array]], state: Any, trial: Any
    ) -> tuple[Float[Array, "time k"], Float[Array, "time m"]]: ...


def is_closed(task: Task) -> TypeGuard[ClosedTask]:
    """Whether the task runs an agent itself, by `play(step, state, trial)`."""
    return isinstance(task, ClosedTask)


def seen(
    task: Task, model: SequenceToSequence, trials: PyTree, batch: TrialBatch, skips: Skips
) -> TrialBatch:
    """The batch with the inputs that the model gets to see.

    For the gradient they are constants, so it is that of an open loop with these inputs, and the
    same code and kernel compute it.
    """
    if not is_closed(task):
        return batch
    _, inputs = _play(task, model, trials, batch, skips)
    return batch._replace(inputs=jnp.swapaxes(inputs, 0, 1))


def answers(
    task: Task, model: SequenceToSequence, trials: PyTree, batch: TrialBatch, skips: Skips
) -> Float[Array, "batch time k"]:
    """The outputs after each step."""
    if not is_closed(task):
        return outputs(model, batch, skips)
    return _play(task, model, trials, batch, skips)[0]


def _play(
    task: ClosedTask, model: SequenceToSequence, trials: PyTree, batch: TrialBatch, skips: Skips
) -> tuple[Float[Array, "batch time k"], Float[Array, "batch time m"]]:
    """The outputs of a model with skips, and the inputs that it saw."""
    run = scan_runner(model, skips, is_noisy=batch.noise is not None)
    cell, readout = run.wrapped(), resolve(model.readout)

    def of_trial(
        trial: PyTree, state: PyTree, noise: Array | None, starts: Array
    ) -> tuple[Array, Array]:
        # A task passes only inputs, so the agent counts steps to find its noise and restarts.
        def step(now: tuple[Any, Array], x: Array) -> tuple[Any, Array]:
            state, t = now
            eta = None if noise is None else noise[t]
            state = advance(cell, state, x, eta, starts[t])
            return (state, t + 1), readout(response(state))

        return task.play(step, (state, jnp.zeros((), jnp.int32)), trial)

    trials = jax.tree.map(lambda x: cast(x, batch.inputs.dtype), trials)
    each = jax.vmap(of_trial, in_axes=(0, 0, 1, 1))
    return each(trials, run.rest(batch), batch.noise, batch.starts)
