"""Reaction times, and the chronometric curve."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32


class Reaction(NamedTuple):
    """When an agent answered, and what.

    Attributes:
        time: ms from the onset to the first step above the threshold; NaN without an answer.
        choice: the output that was highest there, from 0; −1 without an answer.
    """

    time: Float[Array, ""]
    choice: Int32[Array, ""]


def reaction(
    outputs: Float[Array, "time k"], onset: Any, *, threshold: float, dt: float
) -> Reaction:
    """The first time at or after an onset at which any output is above a threshold.

    Pure (jit, vmap over trials).

    Args:
        outputs: (time, k), what stands for the k alternatives, without the fixation output.
        onset: the step from which time counts, such as the start of a period of the trial: of the
            stimulus, or of the response after a go cue.
        threshold: the level of commitment.
        dt: ms, the duration of one step.

    Returns:
        A `Reaction`; an output above the threshold at the onset itself has time 0.
    """
    t = jnp.arange(len(outputs))
    is_above = (jnp.max(outputs, axis=-1) > threshold) & (t >= onset)
    step, answers = jnp.argmax(is_above), jnp.any(is_above)
    time = (step - onset).astype(outputs.dtype) * dt
    choice = jnp.argmax(outputs[step]).astype(jnp.int32)
    return Reaction(jnp.where(answers, time, jnp.nan), jnp.where(answers, choice, -1))


class Chronometric(NamedTuple):
    """Reaction times as a function of a stimulus.

    Attributes:
        strengths: the distinct strengths of the stimulus, in increasing order.
        times: ms, the mean reaction time at each strength; NaN where no trial counts.
        errors: ms, the standard error of each mean; NaN for fewer than two trials.
        counts: how many trials of each strength count.
    """

    strengths: Float[np.ndarray, " strengths"]
    times: Float[np.ndarray, " strengths"]
    errors: Float[np.ndarray, " strengths"]
    counts: Int[np.ndarray, " strengths"]


def chronometric(strengths: Any, times: Any, chosen: Any = None) -> Chronometric:
    """The mean reaction time at each strength of a stimulus (host).

    Use it with `tasks.reaction`, and beside `tasks.psychometric`. For a signed strength, such as
    a coherence, give its magnitude to join both directions.

    Args:
        strengths: (N,), the strength in each trial, from a small set of values.
        times: (N,), ms, the reaction time; a trial without an answer (NaN) does not count.
        chosen: (N,), which trials count, such as those with the right answer; all unless given.

    Returns:
        The curve, over the strengths that occur.

    Raises:
        ValueError: the arguments are not arrays of the same length.
    """
    strengths, times = np.asarray(strengths), np.asarray(times, float)
    chosen = np.ones(times.shape, bool) if chosen is None else np.asarray(chosen, bool)
    for name, values in (("times", times), ("chosen", chosen)):
        if strengths.ndim != 1 or values.shape != strengths.shape:
            raise ValueError(
                f"Argument `{name}` must have shape (N,) like `strengths`, but the shapes are "
                f"{values.shape} and {strengths.shape}."
            )
    values, where = np.unique(strengths, return_inverse=True)
    groups = [times[(where == i) & chosen & np.isfinite(times)] for i in range(len(values))]
    means = [group.mean() if len(group) else np.nan for group in groups]
    errors = [
        group.std(ddof=1) / len(group) ** 0.5 if len(group) > 1 else np.nan for group in groups
    ]
    counts = np.array([len(group) for group in groups], int)
    return Chronometric(values.astype(float), np.array(means), np.array(errors), counts)
