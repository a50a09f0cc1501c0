import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from ...cells import blank, running
from ...dynamics import ornstein_uhlenbeck
from ..batches import Task

Restarts = Callable[[Any], Bool[Array, " time"]]


class TrialBatch(NamedTuple):
    """Trials side by side, time first, and what to show before them.

    For `burn_in` steps before the trial, `inputs_before` are held. `starts` are the steps before
    which blocks of skips begin anew. `noise`, and `noise_before` for the burn-in, are None if there
    is no noise.
    """

    inputs: Float[Array, "time batch m"]
    inputs_before: Float[Array, "batch m"]
    targets: Any
    weights: Float[Array, "time batch"]
    starts: Bool[Array, "time batch"]
    noise: Float[Array, "time batch n"] | None
    noise_before: Float[Array, "before batch n"] | None
    burn_in: int


@runtime_checkable
class HasLossWeights(Protocol):
    """A task that gives the weight of each step in the loss."""

    def loss_weights(self, trial: Any) -> Float[Array, " time"]: ...


@runtime_checkable
class HasBurnInInputs(Protocol):
    """A task that gives the inputs before a trial."""

    def burn_in_inputs(self, trial: Any) -> Float[Array, " m"]: ...


class Source(eqx.Module):
    """Where trials come from: everything that a resumed run must share with the one it continues.

    Attributes:
        task: a `Task`.
        noise: the size and the time constant of the noise of each trial, or None.
        dt: ms per step.
        burn_in: steps before a trial.
        key: a PRNG key.
        batch_size: trials per iteration.
        dtype: of the models, to which trials are cast.
    """

    task: Task
    noise: tuple[int, Any] | None
    dt: Any
    burn_in: int
    key: PRNGKeyArray
    batch_size: int
    dtype: Any = eqx.field(static=True)

    def draw(
        self, key: PRNGKeyArray, size: int, restarts: Restarts | None = None, **jitter: bool
    ) -> tuple[Any, TrialBatch]:
        """Trials, with a leading axis, and the same as a batch in the dtype of the models."""
        key_trials, key_noise = jax.random.split(key)
        keys = jax.random.split(key_trials, size)
        trials = jax.vmap(lambda k: self.task.sample(k, **jitter))(keys)
        inputs, targets = jax.tree.map(_time_first, (trials.inputs, trials.targets))
        steps = len(inputs)
        weights = jax.vmap(self._weights)(trials).T
        inputs = blank(running(weights.T).T, inputs)  # whatever the padding of a trial holds
        noise = before = None
        if self.noise is not None:
            n, tau = self.noise
            total = self.burn_in + steps
            eta = ornstein_uhlenbeck(total, (size, n), dt=self.dt, tau=tau, key=key_noise)
            before, noise = eta[: self.burn_in], eta[self.burn_in :]
        begin = starts(trials, steps) if restarts is None else jax.vmap(restarts)(trials).T
        shown = inputs, self._inputs_before(trials)
        batch = TrialBatch(*shown, targets, weights, begin, noise, before, self.burn_in)
        return trials, jax.tree.map(lambda x: cast(x, self.dtype), batch)

    def _inputs_before(self, trials: PyTree) -> Float[Array, "batch m"]:
        """The inputs held before each trial: its first ones, unless the task says otherwise."""
        if isinstance(self.task, HasBurnInInputs):
            return jax.vmap(self.task.burn_in_inputs)(trials)
        return trials.inputs[:, 0]

    def _weights(self, trial: PyTree) -> Float[Array, " time"]:
        """The weight of each step in the loss."""
        if isinstance(self.task, HasLossWeights):
            return self.task.loss_weights(trial)
        mask = jnp.asarray(trial.mask)
        mask = mask if eqx.is_inexact_array(mask) else mask.astype(jnp.zeros(()).dtype)
        total = jnp.sum(mask)
        return mask / jnp.where(total > 0, total, 1)


def starts(trials: PyTree, steps: int) -> Bool[Array, "time batch"]:
    """The first steps of the periods of trials with a leading axis."""
    t = jnp.arange(steps, dtype=jnp.int32)
    begin = jnp.zeros((steps, len(trials.mask)), bool)
    for span in trials.info.get("periods", {}).values():
        first = span[0] if isinstance(span, tuple) else span[:, 0]
        begin = begin | (t[:, None] == first.astype(t.dtype)[None, :])
    return begin.at[0].set(True)


def cast(x: PyTree, dtype: Any) -> Any:
    """Floats in another dtype."""
    return x.astype(dtype) if eqx.is_inexact_array(x) else x


def has_jitter(task: Task) -> bool:
    """Whether the durations of a task's periods can be fixed for evaluation."""
    return "jitter" in inspect.signature(task.sample).parameters


def _time_first(x: Array) -> Array:
    return jnp.swapaxes(x, 0, 1)
