"""The psychometric curve, and the cumulative normal distribution that describes it."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ._cards import Card, carded, counted, table
from ._checks import Numbers, check_kind, read_array


@carded
class Psychometric(NamedTuple):
    """A choice as a function of a stimulus.

    Attributes:
        strengths: the distinct strengths of the stimulus, in increasing order.
        rates: the share of answers at each strength that chose the alternative; NaN if there are
            none.
        errors: the standard error of each rate, √(p (1 - p)/n).
        counts: the number of answers at each strength, n.
        missing: the number of trials of each strength without an answer, left out everywhere else.
    """

    strengths: Float[np.ndarray, " strengths"]
    rates: Float[np.ndarray, " strengths"]
    errors: Float[np.ndarray, " strengths"]
    counts: Int[np.ndarray, " strengths"]
    missing: Int[np.ndarray, " strengths"] | int = 0

    def _card(self) -> Card | None:
        columns = {"strength": self.strengths, "rate": self.rates, "error": self.errors}
        return card_of_curve(self, columns)


def card_of_curve(curve: Any, columns: dict[str, Any]) -> Card | None:
    """A row for each strength; None for a batch of curves."""
    if np.ndim(curve.strengths) != 1:
        return None
    answers, missing = int(np.sum(curve.counts)), int(np.sum(curve.missing))
    facts = {"answers": str(answers)} | ({"missing": str(missing)} if missing else {})
    title = f"{type(curve).__name__}: {counted(len(curve.strengths), 'strength')}"
    return Card(title, facts, table(columns | {"answers": curve.counts}))


def psychometric(strengths: Numbers, chosen: Numbers) -> Psychometric:
    """How often an alternative is chosen at each strength of a stimulus (host).

    Use it with `task.choose` on the trials of `tasks.PerceptualDecision`: the strengths are
    `trials.info["coherence"]`, and `chosen` is whether "right" (class 1) was chosen. If a trial may
    end without an answer, use `reaction.chose(alternative)`: a comparison such as `choice == 0`
    would count such a trial as an answer for the other alternative.

    Args:
        strengths: (N,), the strength in each trial, from a small set of values.
        chosen: (N,), whether the alternative was chosen: bools, or 1 and 0, with −1 or NaN if there
            was no answer.

    Returns:
        The curve, over the strengths that occur.

    Raises:
        ValueError: the arguments are not two arrays of the same length, a strength is not finite,
            or `chosen` holds other values.
    """
    strengths = read_strengths(strengths)
    chosen, answered = read_chosen(chosen, strengths)
    values, where = np.unique(strengths, return_inverse=True)
    counts, missing = (np.bincount(where[x], minlength=len(values)) for x in (answered, ~answered))
    hits = np.bincount(where, weights=chosen & answered, minlength=len(values))
    rates = np.where(counts > 0, hits / np.maximum(counts, 1), np.nan)
    errors = np.sqrt(rates * (1 - rates) / np.maximum(counts, 1))
    return Psychometric(values.astype(float), rates, errors, counts, missing)


def read_strengths(strengths: Numbers) -> np.ndarray:
    """Strengths (N,), all of them known."""
    strengths = read_array("strengths", strengths)
    if np.iscomplexobj(strengths):
        raise ValueError("Argument `strengths` must hold real numbers, but they are complex.")
    if strengths.ndim == 1 and not np.isfinite(strengths).all():
        raise ValueError(
            "Argument `strengths` must be finite, but some are NaN or infinite: leave their trials "
            "out."
        )
    return strengths


def read_chosen(chosen: Numbers, strengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the alternative was chosen, and whether there was an answer, in each trial."""
    chosen = read_array("chosen", chosen)
    if np.iscomplexobj(chosen):
        raise ValueError("Argument `chosen` must hold real numbers, but they are complex.")
    if strengths.ndim != 1 or strengths.shape != chosen.shape:
        raise ValueError(
            f"Argument `chosen` must have shape (N,) like `strengths`, but the shapes are "
            f"{chosen.shape} and {strengths.shape}."
        )
    if chosen.dtype == bool:
        return chosen, np.ones(chosen.shape, bool)
    numbers = chosen.astype(float)
    numbers = np.where(np.isnan(numbers), -1, numbers)
    if not np.isin(numbers, (-1, 0, 1)).all():
        wrong = numbers[~np.isin(numbers, (-1, 0, 1))][0]
        raise ValueError(
            "Argument `chosen` must hold 0 and 1, or -1 where there was no answer, but it holds "
            f"{wrong:g}."
        )
    return numbers == 1, numbers >= 0


@carded
class PsychometricFit(NamedTuple):
    """The psychometric function of signal detection theory, P(s) = Φ((s − μ)/σ).

    Attributes:
        bias: μ, the strength at which both alternatives are chosen equally often.
        threshold: σ, how far above μ a stimulus must be to be chosen in 84 % of the trials.
    """

    bias: float
    threshold: float

    def rates(self, strengths: Numbers) -> Float[np.ndarray, "*shape"]:
        """P at given strengths, for a smooth line through the points of a curve."""
        return _normal((np.asarray(strengths, float) - self.bias) / self.threshold)


_STEPS, _FARTHEST = 100, 6.0


def fit_psychometric(curve: Psychometric) -> PsychometricFit:
    """The maximum-likelihood μ and σ of P(s) = Φ((s − μ)/σ), for independent choices (host).

    Found by Fisher scoring on z = a + b s. The log-likelihood of a and b is concave. If some
    strength separates the choices without error, there is no most likely σ > 0, and the returned
    one is merely small. The ideal observer of `tasks.PerceptualDecision` has μ = 0 and
    σ = noise/√(T/2).

    Args:
        curve: a `Psychometric` of signed strengths, such as coherences.

    Returns:
        A `PsychometricFit`. Strengths and trials without an answer are left out.

    Raises:
        ValueError: it is not a `Psychometric` of finite strengths, fewer than two of them have
            answers, a rate is not in [0, 1], or the rates do not rise.
    """
    check_kind("curve", curve, Psychometric)
    parts = {name: getattr(curve, name) for name in ("strengths", "rates", "counts")}
    s, rates, counts = (read_array(f"curve.{k}", v).astype(float) for k, v in parts.items())
    if s.ndim != 1 or not s.shape == rates.shape == counts.shape:
        raise ValueError(
            "Argument `curve` must have a rate and a count for each strength, but the shapes of "
            f"strengths, rates and counts are {s.shape}, {rates.shape} and {counts.shape}."
        )
    s, rates, counts = (x[counts > 0] for x in (s, rates, counts))
    if not np.isfinite(s).all():
        raise ValueError(f"Argument `curve` must have finite strengths, but they are {s.tolist()}.")
    if len(np.unique(s)) < 2:
        raise ValueError(
            f"Argument `curve` must have two strengths or more with answers, but it has "
            f"{len(np.unique(s))}: "
            "one says nothing about a slope."
        )
    if not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError(
            f"Argument `curve` must have rates in [0, 1], but they are {rates.tolist()}."
        )
    design = np.stack([np.ones_like(s), s / np.abs(s).max()], axis=1)
    (a, b), previous = np.zeros(2), np.full(2, np.inf)
    for _ in range(_STEPS):
        z = np.clip(design @ (a, b), -_FARTHEST, _FARTHEST)
        p, density = _normal(z), np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        root = np.sqrt(counts / (p * (1 - p))) * density
        target = root * (z + (rates - p) / density)
        (a, b), previous = np.linalg.lstsq(root[:, None] * design, target)[0], (a, b)
        if np.allclose((a, b), previous, rtol=1e-10, atol=1e-12):
            break
    if not b > 0:
        raise ValueError(
            "Argument `curve` must rise with the strength, but the slope of its fit is "
            f"{b:.3g}: give the strengths the sign of the alternative whose rate it shows."
        )
    scale = float(np.abs(s).max() / b)
    return PsychometricFit(float(-a * scale), scale)


def _normal(z: Numbers) -> np.ndarray:
    """Φ(z)."""
    return np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)))(z)
