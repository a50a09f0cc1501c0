"""What the cognitive tasks have in common."""

import abc

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ._checks import KeyLike
from ._task import AbstractTask, Trial
from ._timeline import Period, nominal_steps


class AbstractCognitiveTask(AbstractTask):
    """A laboratory task: a trial of named periods, with a known solution.

    Durations are in ms. Trials that are drawn with jitter all have the length of the longest
    possible one; any time left after the last period is padding, with inputs 0 and mask 0.

    Attributes:
        timeline: the periods in order, each with its duration and its jitter in ms.
        chance: a bound on the mean score of an agent that does everything right except look at the
            stimuli.
    """

    @property
    @abc.abstractmethod
    def timeline(self) -> tuple[Period, ...]:
        """The periods in order."""

    @property
    @abc.abstractmethod
    def chance(self) -> float:
        """The best mean score without the stimuli."""

    @abc.abstractmethod
    def sample(self, key: KeyLike, jitter: bool = True) -> Trial:
        """Draws one trial.

        Args:
            key: a PRNG key.
            jitter: whether to draw the durations of the jittered periods, as in training, and pad
                the trial to the longest length; if False, every period has its nominal duration,
                as in evaluation.

        Returns:
            The trial, in JAX's default float type.
        """

    @abc.abstractmethod
    def ideal_observer(self, inputs: Float[Array, "time channels"]) -> Float[Array, "time outputs"]:
        """Solves a trial from its inputs alone, by hand-written rules.

        Args:
            inputs: the inputs of a trial, jittered or not.

        Returns:
            Outputs that score 1.
        """

    @property
    def periods(self) -> dict[str, tuple[int, int]]:
        """The name of every period, in order, and its (start, stop) steps without jitter."""
        return nominal_steps(self.timeline, self.dt)


def share(hits: Float[Array, " time"], weights: Float[Array, " time"]) -> Float[Array, ""]:
    """Σ_t w_t h_t / Σ_t w_t; 1 if no step has any weight."""
    hits = jnp.where(weights > 0, hits, 0)  # NaN times 0 is NaN
    total = jnp.sum(weights)
    return jnp.where(total > 0, jnp.sum(weights * hits) / jnp.where(total > 0, total, 1), 1)


def held_and_right(
    outputs: Float[Array, "time outputs"],
    targets: Int[Array, " time"],
    mask: Float[Array, " time"],
) -> Float[Array, ""]:
    """(share of steps of class 0 answered right) · (share of the other steps answered right).

    The answer at a step is the class with the highest score. The product demands both waiting and
    choosing.
    """
    mask = mask.astype(outputs.dtype)
    is_choice = jnp.where(targets > 0, 1, 0).astype(outputs.dtype)
    answers = jnp.argmax(outputs, axis=-1).astype(targets.dtype)
    # NaN is not an answer, but argmax would take it for the largest.
    hits = (answers == targets) & ~jnp.isnan(outputs).any(axis=-1)
    hits = hits.astype(outputs.dtype)
    return share(hits, mask * (1 - is_choice)) * share(hits, mask * is_choice)


def segments(is_on: Float[Array, " time"]) -> Int[Array, " time"]:
    """The number, from 1, of the run of ones that each step belongs to; 0 outside any run."""
    on = jnp.where(is_on > 0, 1, 0).astype(jnp.int32)
    onsets = jnp.where(jnp.diff(on, prepend=0) > 0, 1, 0).astype(jnp.int32)
    return jnp.cumsum(onsets, dtype=jnp.int32) * on
