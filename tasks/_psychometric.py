"""The psychometric curve."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Psychometric(NamedTuple):
    """A choice as a function of a stimulus.

    Attributes:
        strengths: the distinct strengths of the stimulus, in increasing order.
        rates: the share of trials of each strength in which the alternative was chosen.
        errors: the standard error of each rate, √(p (1 - p)/n).
        counts: the number of trials of each strength.
    """

    strengths: Float[np.ndarray, " strengths"]
    rates: Float[np.ndarray, " strengths"]
    errors: Float[np.ndarray, " strengths"]
    counts: Int[np.ndarray, " strengths"]


def psychometric(strengths: Any, chosen: Any) -> Psychometric:
    """How often an alternative is chosen at each strength of a stimulus (host).

    Use it with `task.choose` on the trials of `tasks.PerceptualDecision`: the strengths are
    `trials.info["coherence"]`, and `chosen` is whether the choice was right (class 1).

    Args:
        strengths: (N,), the strength in each trial, from a small set of values.
        chosen: (N,), whether the alternative was chosen.

    Returns:
        The curve, over the strengths that occur.

    Raises:
        ValueError: the arguments are not two arrays of the same length.
    """
    strengths, chosen = np.asarray(strengths), np.asarray(chosen, bool)
    if strengths.ndim != 1 or strengths.shape != chosen.shape:
        raise ValueError(
            f"Argument `chosen` must have shape (N,) like `strengths`, but the shapes are "
            f"{chosen.shape} and {strengths.shape}."
        )
    values, where, counts = np.unique(strengths, return_inverse=True, return_counts=True)
    rates = np.bincount(where, weights=chosen) / counts
    errors = np.sqrt(rates * (1 - rates) / counts)
    return Psychometric(values.astype(float), rates, errors, counts)
