"""Tasks, from which trials are drawn."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, PRNGKeyArray


@runtime_checkable
class Sampler(Protocol):
    """An object from which trials are drawn; if written in numpy, its method is `sample(rng)`."""

    def sample(self, key: PRNGKeyArray) -> Any:
        """One trial."""


@runtime_checkable
class Task(Sampler, Protocol):
    """What `fit_with_skips` trains on: a task of the package `tasks`, or an object of your own.

    It needs no base class, but must have

    - `dt`: ms per step. `input_size`: m.
    - `sample(key)`: one trial with `inputs` (time, m), `targets` (time, …), `mask` (time,), the
      weights ≥ 0 of the steps, and `info`, a dict whose optional `"periods"` map names to
      (start, stop) steps. It is vmapped over keys. `trials` needs neither `mask` nor `info`, and
      also accepts (inputs, targets) and (inputs, targets, mask). A task written in numpy has
      `sample(rng)` instead, and works only with `trials`.
    - `score(outputs, trial)`: how well the outputs (time, k) solve a trial, 1 for solved.

    and optionally

    - `sample(key, jitter=False)`: trials with fixed durations, for evaluation.
    - `loss_weights(trial)`: (time,), the weights of the steps in the loss; by default the mask,
      scaled to sum to 1.
    - `burn_in_inputs(trial)`: (m,), the inputs held before the trial; by default its first inputs.
    - `play(step, state, trial)`: runs an agent in closed loop, and returns its outputs (time, k)
      and the inputs (time, m) that it saw; `step` maps (state, inputs (m,)) to (state, outputs
      (k,)). `output_size` is then the k that it needs.
    """

    @property
    def dt(self) -> float:
        """ms per step."""
        ...

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        ...

    def score(self, outputs: Array, trial: Any) -> Array:
        """How well a trial is solved."""
        ...
