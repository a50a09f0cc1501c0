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
    """A choice task in which the agent may answer before being told: when is it sure?

    From the onset of the stimulus on, the target is the choice. A network trained with the cross
    entropy then tells at every step how likely each alternative is given what it has seen so far,
    and `tasks.reaction` finds when this reaches a bound. The score is that of the task: fixation
    before the stimulus, the choice in the response; answers in between count only in the loss.

        weights = ⅔ (those of the task) + ⅓ [t in stimulus]/Σ_t [t in stimulus]

    Args:
        task: a choice task, such as `tasks.PerceptualDecision()`.
        stimulus: the name of the period from whose onset on the agent may answer.

    Raises:
        ValueError: it is not a choice task, or it has no such period.

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
        """That of the task, like the names and the reference."""
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
        """Draws a trial of the task, with the choice as the target from the stimulus on."""
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
        """The alternative, 1 or 2, or −1, read from the response as by the task."""
        return self.task.choose(outputs, trial)

    def ideal_observer(self, inputs: Float[Array, "time channels"]) -> Float[Array, "time 3"]:
        """That of the task, which waits until told."""
        return self.task.ideal_observer(inputs)
