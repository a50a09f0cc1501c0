"""Reaction times, and the chronometric curve."""

from typing import NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Int32

from ._cards import Card, carded
from ._checks import Numbers, check_scalar, read_array
from ._psychometric import card_of_curve, read_chosen, read_strengths


@carded
class Reaction(NamedTuple):
    """When an agent answered, and what it chose.

    Attributes:
        time: ms from the onset to the first step above the threshold; NaN without an answer.
        choice: the output that was highest there, from 0; −1 without an answer.
    """

    time: Float[Array, "*trials"]
    choice: Int32[Array, "*trials"]

    def chose(self, alternative: int) -> Int32[Array, "*trials"]:
        """1 if the answer is this alternative, 0 if it is another, −1 without an answer."""
        chosen = jnp.where(self.choice == alternative, 1, 0)
        return jnp.where(self.choice < 0, -1, chosen).astype(jnp.int32)


def reaction(outputs: Numbers, onset: ArrayLike, *, threshold: float, dt: float) -> Reaction:
    """The first time at or after an onset at which any output is above a threshold.

    Pure (jit, vmap over trials).

    Args:
        outputs: (time, k), the outputs for the k alternatives, without the fixation output.
        onset: the step from which time is counted, such as the start of the stimulus period, or of
            the response period after a go cue.
        threshold: the level of commitment.
        dt: ms, the duration of one step.

    Returns:
        A `Reaction`; an output above the threshold at the onset itself has time 0.

    Raises:
        ValueError: an argument is bad.
    """
    if not isinstance(outputs, jax.core.Tracer):
        outputs = jnp.asarray(read_array("outputs", outputs))
    if outputs.ndim != 2 or not jnp.issubdtype(outputs.dtype, jnp.floating):
        raise ValueError(
            f"Argument `outputs` must be real numbers of shape (time, k), but it is "
            f"{outputs.dtype}{list(outputs.shape)}."
        )
    for name, value in (("onset", onset), ("threshold", threshold), ("dt", dt)):
        check_scalar(name, value)
    t = jnp.arange(len(outputs))
    is_above = (jnp.max(outputs, axis=-1) > threshold) & (t >= onset)
    step, answers = jnp.argmax(is_above), jnp.any(is_above)
    time = (step - onset).astype(outputs.dtype) * dt
    choice = jnp.argmax(outputs[step]).astype(jnp.int32)
    return Reaction(jnp.where(answers, time, jnp.nan), jnp.where(answers, choice, -1))


@carded
class Chronometric(NamedTuple):
    """Reaction times as a function of a stimulus.

    Attributes:
        strengths: the distinct strengths of the stimulus, in increasing order.
        times: ms, the mean reaction time at each strength; NaN if no trial counts.
        errors: ms, the standard error of each mean; NaN for fewer than two trials.
        counts: how many trials of each strength count.
        missing: how many trials of each strength have no answer.
    """

    strengths: Float[np.ndarray, " strengths"]
    times: Float[np.ndarray, " strengths"]
    errors: Float[np.ndarray, " strengths"]
    counts: Int[np.ndarray, " strengths"]
    missing: Int[np.ndarray, " strengths"] | int = 0

    def _card(self) -> Card | None:
        columns = {"strength": self.strengths, "time (ms)": self.times, "error": self.errors}
        return card_of_curve(self, columns)


def chronometric(strengths: Numbers, times: Numbers, chosen: Numbers | None = None) -> Chronometric:
    """The mean reaction time at each strength of a stimulus (host).

    Use it with `tasks.reaction`, together with `tasks.psychometric`. For a signed strength, such as
    a coherence, pass its magnitude to combine both directions.

    Args:
        strengths: (N,), the strength in each trial, from a small set of values.
        times: (N,), ms, the reaction time; a trial without an answer (NaN) does not count.
        chosen: (N,), which trials count, such as those with the right answer; by default all.
            Bools, or 1 and 0, with −1 or NaN for a trial without an answer.

    Returns:
        The curve, over the strengths that occur.

    Raises:
        ValueError: the arguments are not arrays of the same length, a strength or a time is
            infinite, a strength is NaN, or `chosen` holds other values.
    """
    strengths, times = read_strengths(strengths), read_array("times", times)
    if np.iscomplexobj(times) or times.dtype == bool:
        raise ValueError(f"Argument `times` must hold real numbers, but it is of {times.dtype}.")
    times = times.astype(float)
    if strengths.ndim != 1 or times.shape != strengths.shape:
        raise ValueError(
            f"Argument `times` must have shape (N,) like `strengths`, but the shapes are "
            f"{times.shape} and {strengths.shape}."
        )
    if np.isinf(times).any():
        raise ValueError(
            "Argument `times` must be finite, or NaN without an answer, but it is not."
        )
    every = np.ones(times.shape, bool)
    chosen, answered = read_chosen(every if chosen is None else chosen, strengths)
    answered = answered & ~np.isnan(times)
    values, where = np.unique(strengths, return_inverse=True)
    groups = [times[(where == i) & chosen & answered] for i in range(len(values))]
    means = [group.mean() if len(group) else np.nan for group in groups]
    errors = [
        group.std(ddof=1) / len(group) ** 0.5 if len(group) > 1 else np.nan for group in groups
    ]
    counts = np.array([len(group) for group in groups], int)
    missing = np.bincount(where[~answered], minlength=len(values))
    return Chronometric(values.astype(float), np.array(means), np.array(errors), counts, missing)
