from typing import NamedTuple

import equinox as eqx

from ..._checks import check_positive_integer, read_integer, read_number, refuse
from ...cells import AbstractSkip, CoarseStep
from ._trials import Restarts


class Stage(NamedTuple):
    """The skips that a round trains with: the number of the stage, from 0, θ and β."""

    stage: int
    length: int
    beta: float


class SkipSchedule(eqx.Module):
    """How skips are annealed away during training.

    `stages` stages of equal length share the first `rounds` rounds. In stage k of n

        β_k = β₀ + (1−β₀) k/(n−1)        (β₀ if n = 1),

    at a fixed θ; `CoarseStep` instead keeps β₀ and shortens θ evenly down to 1. After the stages,
    training continues with the base network, β = 1.

    Args:
        scheme: `StateSkip()`, `DerivativeSkip()` or `CoarseStep()`.
        length: θ, in steps; in the reference 10, 20 or 40 (10 for `CoarseStep`).
        stages: n; in the reference 1, 2, 6 or 11.
        beta: β₀, at least 0 and below 1; in the reference 0, 0.2, 0.5 or 0.8 (0 for `CoarseStep`).
        rounds: of all stages together; in the reference 2 000.
        restarts: trial ↦ (time,) of bool, the steps before which a block begins anew; by default
            the first steps of its periods. With `task.presentation_starts` of a `RuleReversal` and
            a `length` of `task.presentation_steps`, `StateSkip` becomes the reference's skip
            between trials: the state at the beginning of a presentation enters at its end.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Soo, Goudar, Wang, "Training biologically plausible recurrent neural networks on cognitive
        tasks with long-term dependencies", NeurIPS 36 (2023).
    """

    scheme: AbstractSkip
    length: int
    stages: int
    beta: float
    rounds: int
    restarts: Restarts | None

    def __init__(
        self,
        scheme: AbstractSkip,
        *,
        length: int = 20,
        stages: int = 6,
        beta: float = 0.5,
        rounds: int = 2000,
        restarts: Restarts | None = None,
    ):
        if not isinstance(scheme, AbstractSkip):
            must = "be `oo.StateSkip()`, `oo.DerivativeSkip()` or `oo.CoarseStep()`"
            refuse("scheme", must, f"it is {scheme!r}")
        length = check_positive_integer("length", length)
        stages = check_positive_integer("stages", stages)
        rounds = check_positive_integer("rounds", rounds)
        if (beta := read_number("beta", beta, 0.0)) >= 1:
            refuse("beta", "be below 1", f"it is {beta:g}")
        if rounds < stages:
            refuse("rounds", "be at least the number of `stages`", f"{rounds} < {stages}")
        if restarts is not None and (not callable(restarts) or isinstance(restarts, type)):
            must = "be a function of a trial, such as `task.presentation_starts`"
            refuse("restarts", must, f"it is {restarts!r}")
        self.scheme, self.length, self.stages = scheme, length, stages
        self.beta, self.rounds, self.restarts = beta, rounds, restarts

    def at(self, round: int) -> Stage:
        """The stage of a round, counted from 0."""
        _check_round(round)
        if round >= self.rounds:
            return Stage(self.stages, 1, 1.0)
        k = round * self.stages // self.rounds
        part = k / (self.stages - 1) if self.stages > 1 else 0.0
        if isinstance(self.scheme, CoarseStep):
            length = self.length + (1 - self.length) * part
            return Stage(k, int(length + 0.5), self.beta)
        return Stage(k, self.length, self.beta + (1 - self.beta) * part)


def _check_round(round: object) -> None:
    read_integer("round", round, 0, "be a whole number from 0")
