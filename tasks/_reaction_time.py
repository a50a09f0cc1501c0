"""The reaction-time version of a task that ends in a choice."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from ._checks import KeyLike, check_choice, check_kind, read_key
from ._choice import AbstractChoiceTask
from ._cognitive import AbstractCognitiveTask
from ._task import Trial
from ._timeline import Period, as_floats, within


@final
class ReactionTime(AbstractCognitiveTask):
    """A task with a choice in which one may answer before being told: when is the agent sure?

    From the onset of the stimulus on, the target is the choice. A network that is trained by cross
    entropy then says at every step how likely each alternative is by what it has seen so far, and
    `tasks.reaction` finds when that reaches a bound. The score is that of the task: fixation before
    the stimulus, the choice in the response; what is answered in between counts in the loss alone.

        weights = ⅔ (those of the task) + ⅓ [t in stimulus]/Σ_t [t in stimulus]

    Args:
        task: a task with a choice, such as `tasks.PerceptualDecision()`.
        stimulus: the name of the period from whose onset one may answer.

    Raises:
        ValueError: not a task with a choice, or it has no such period.

    Reference:
        Roitman & Shadlen, Journal of Neuroscience 22 (2002).
    """

    task: AbstractChoiceTask
    stimulus: str = eqx.field(static=True, default="motion")

    def __check_init__(self):
        check_kind("task", self.task, AbstractChoiceTask)
        check_choice("stimulus", self.stimulus, tuple(p.name for p in self.task.timeline))

    @property
    def dt(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the task, as are the names and the reference."""
        return self.task.dt

    @property
    def channels(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Those of the task."""
        return self.task.channels

    @property
    def outputs(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Those of the task."""
        return self.task.outputs

    @property
    def reference(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the task."""
        return self.task.reference

    @property
    def timeline(self) -> tuple[Period, ...]:
        """That of the task."""
        return self.task.timeline

    @property
    def chance(self) -> float:
        """That of the task."""
        return self.task.chance

    def sample(self, key: KeyLike, jitter: bool = True) -> Trial:
        """Draws a trial of the task, with the choice as target from the stimulus on."""
        key = read_key("key", key)
        trial = self.task.sample(key, jitter)
        (start, _), (go, stop) = (trial.info["periods"][k] for k in (self.stimulus, "response"))
        t = jnp.arange(len(trial.mask), dtype=jnp.int32)
        is_free = (t >= start) & (t < go)
        is_asked = (t >= start) & (t < stop)
        return trial._replace(
            targets=jnp.where(is_asked, trial.info["choice"], 0),
            mask=jnp.where(is_free, 0, trial.mask),
        )

    def loss_weights(self, trial: Trial) -> Float[Array, " time"]:
        """The weight of each step in the loss: a third each for waiting, stimulus and response."""
        shown = as_floats(within(len(trial.mask), trial.info["periods"][self.stimulus]))
        return (2 * self.task.loss_weights(trial) + shown / jnp.sum(shown)) / 3

    def score(self, outputs: Float[Array, "time 3"], trial: Trial) -> Float[Array, ""]:
        """(share of steps waited before the stimulus) · (share of steps right when told)."""
        return self.task.score(outputs, trial)

    def choose(self, outputs: Float[Array, "time 3"], trial: Trial) -> Int32[Array, ""]:
        """The alternative, 1 or 2, or −1, as the task reads it from the response."""
        return self.task.choose(outputs, trial)

    def ideal_observer(self, inputs: Float[Array, "time channels"]) -> Float[Array, "time 3"]:
        """That of the task, which waits until told."""
        return self.task.ideal_observer(inputs)
