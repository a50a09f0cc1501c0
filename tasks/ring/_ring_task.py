"""The ring family: 20 cognitive tasks with the same channels."""

import functools
from collections.abc import Callable
from typing import ClassVar, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._checks import KeyLike, check_choice, check_time_step, read_key
from .._cognitive import AbstractCognitiveTask, share
from .._task import Trial
from .._timeline import Period, counted_steps, draw_steps, spread, steps_in, within
from ._code import DEGREES, RING, bump, points_along
from ._observers import (
    Answer,
    Rings,
    is_shown,
    second_if_alike,
    second_if_near,
    stronger,
    turned,
)
from ._stimuli import (
    CHANCES,
    Chance,
    Draw,
    match_of_categories,
    match_of_directions,
    one_direction,
    two_modalities,
    two_strengths,
)

_GRACE = 200.0
_WITHIN = 0.2 * np.pi
_FIXATING, _RESPONDING, _BASELINE = 0.85, 0.05, 0.05

_FIXATION, _RESPONSE = Period("fixation", 500.0, 100.0), Period("response", 500.0)
_DELAY = Period("delay", 1000.0, 100.0)
_STIMULUS, _FIRST, _SECOND = (
    Period(name, 500.0, 100.0) for name in ("stimulus", "stimulus1", "stimulus2")
)
_IMMEDIATE = (_FIXATION, _STIMULUS, _RESPONSE)
_DELAYED = (_FIXATION, _STIMULUS, _DELAY, _RESPONSE)
_TWO = (_FIXATION, _FIRST, _DELAY, _SECOND, _RESPONSE)

_TOGETHER, _IN_TURN = ("stimulus", "stimulus"), ("stimulus1", "stimulus2")


class _Rule(NamedTuple):
    timeline: tuple[Period, ...]
    draw: Callable[[Chance], Draw]
    solve: Callable[[Rings], Answer]
    is_reaction: bool = False
    # The share of responses that are right by chance: within 0.2π of a random direction.
    blind: float = 0.2


def _one(timeline: tuple[Period, ...], turn: float, is_reaction: bool = False) -> _Rule:
    period = "response" if is_reaction else "stimulus"
    draw = functools.partial(one_direction, period=period, turn=turn)
    return _Rule(timeline, draw, functools.partial(turned, turn=turn), is_reaction)


def _decide(timeline: tuple[Period, ...], attended: int, other: bool) -> _Rule:
    periods = _IN_TURN if timeline is _TWO else _TOGETHER
    draw = functools.partial(two_strengths, periods=periods, attended=attended, other=other)
    weights = (1.0, 0.0) if attended == 0 else (0.0, 1.0)
    return _Rule(timeline, draw, functools.partial(stronger, weights=weights))


def _integrate(timeline: tuple[Period, ...]) -> _Rule:
    periods = _IN_TURN if timeline is _TWO else _TOGETHER
    draw = functools.partial(two_modalities, periods=periods)
    return _Rule(timeline, draw, functools.partial(stronger, weights=(1.0, 1.0)))


def _match(draw: Callable, solve: Callable, on_match: bool) -> _Rule:
    return _Rule(
        _TWO,
        functools.partial(draw, periods=_IN_TURN, on_match=on_match),
        functools.partial(solve, on_match=on_match),
        blind=0.5,
    )


_RULES: dict[str, _Rule] = {
    "go": _one(_IMMEDIATE, 0.0),
    "rtgo": _one(_IMMEDIATE, 0.0, is_reaction=True),
    "dlygo": _one(_DELAYED, 0.0),
    "anti": _one(_IMMEDIATE, np.pi),
    "rtanti": _one(_IMMEDIATE, np.pi, is_reaction=True),
    "dlyanti": _one(_DELAYED, np.pi),
    "dm1": _decide(_IMMEDIATE, 0, other=False),
    "dm2": _decide(_IMMEDIATE, 1, other=False),
    "ctxdm1": _decide(_IMMEDIATE, 0, other=True),
    "ctxdm2": _decide(_IMMEDIATE, 1, other=True),
    "multsendm": _integrate(_IMMEDIATE),
    "dlydm1": _decide(_TWO, 0, other=False),
    "dlydm2": _decide(_TWO, 1, other=False),
    "ctxdlydm1": _decide(_TWO, 0, other=True),
    "ctxdlydm2": _decide(_TWO, 1, other=True),
    "multsendlydm": _integrate(_TWO),
    "dms": _match(match_of_directions, second_if_near, on_match=True),
    "dnms": _match(match_of_directions, second_if_near, on_match=False),
    "dmc": _match(match_of_categories, second_if_alike, on_match=True),
    "dnmc": _match(match_of_categories, second_if_alike, on_match=False),
}

RING_TASKS: tuple[str, ...] = tuple(_RULES)
"""The names of the 20 tasks of `RingTask`."""


@final
class RingTask(AbstractCognitiveTask):
    """One of the 20 tasks in `tasks.RING_TASKS`: look at a ring of directions, answer on a ring.

    Inputs (85): fixation, 1 except in the response period; two modalities of 32 channels; the rule,
    one of 20, always on. Outputs (33): fixation, and a ring of 32. A direction θ is shown and
    answered as a bump over the preferred directions θ_i = 2πi/32, with circular distance d:

        b_i(θ) = 0.8 exp(-½ (8 d(θ_i, θ)/π)²).

    Targets are fixation 0.85 and ring 0.05; in the response period fixation 0.05 and ring
    0.05 + b(θ). If a match task asks for no response, fixation is held to the end.

    - `go`, `anti`: answer the direction that was shown, or the opposite one. `rtgo`, `rtanti`: it
      is shown only in the response period, while fixation stays on, and answered at once.
      `dlygo`, `dlyanti`: answer after a delay.
    - `dm1`, `dm2`: two directions at least π/2 apart are shown in modality 1 (2); answer the
      stronger. `ctxdm1`, `ctxdm2`: the other modality shows other strengths, to be ignored.
      `multsendm`: both modalities count, and each alone is misleading. `dlydm1`, `dlydm2`,
      `ctxdlydm1`, `ctxdlydm2`, `multsendlydm`: one direction before a delay, one after it.
    - `dms`, `dnms`: answer the second direction if it is (is not) the first one, up to π/18.
      `dmc`, `dnmc`: if it is (is not) in the same category, [0, π/2] or [π, 3π/2].

    Periods in ms, J = U(-100, 100) with jitter: fixation 500+J; stimulus 500+J, or stimulus1,
    delay and stimulus2; delay 1000+J; response 500. The mask leaves out the first 200 ms of the
    trial and of the response. Burn-in before the trial is up to the training function.

    Args:
        name: one of `tasks.RING_TASKS`.
        dt: the duration of one step in ms, at most 100.

    Raises:
        ValueError: there is no task of that name, or `dt` is not in (0, 100].

    Reference:
        Yang, Joglekar, Song, Newsome & Wang, Nature Neuroscience 22 (2019); in the form of Soo,
        Goudar & Wang, bioRxiv 2023.10.10.561588 (2023).
    """

    name: str = eqx.field(static=True)
    dt: float = eqx.field(static=True, default=5.0)

    channels: ClassVar[tuple[str, ...]] = (
        "fixation",
        *(f"modality {modality}: {degrees}" for modality in (1, 2) for degrees in DEGREES),
        *(f"rule: {name}" for name in _RULES),
    )
    outputs: ClassVar[tuple[str, ...]] = ("fixation", *(f"ring: {degrees}" for degrees in DEGREES))
    reference: ClassVar[str] = (
        "Yang et al., Nature Neuroscience 22 (2019); "
        "Soo, Goudar & Wang, bioRxiv 2023.10.10.561588 (2023)"
    )

    def __check_init__(self):
        check_choice("name", self.name, RING_TASKS)
        check_time_step("dt", self.dt, longest=100.0)

    @property
    def timeline(self) -> tuple[Period, ...]:
        """The periods in order."""
        return self._rule.timeline

    @property
    def chance(self) -> float:
        """Fixation held, and a response in a random direction or, in the match tasks, withheld."""
        return 1 - self._response_weight * (1 - self._rule.blind)

    def sample(self, key: KeyLike, jitter: bool = True) -> Trial:
        """Draws one trial; `info` holds the `direction` to answer and whether it `responds`."""
        key = read_key("key", key)
        u = jax.random.uniform(key, (CHANCES + len(self.timeline),))
        steps, length = draw_steps(self.timeline, self.dt, u[CHANCES:], jitter)
        draw = self._rule.draw(u[:CHANCES])
        before, during = counted_steps(length, steps["response"], steps_in(_GRACE, self.dt))
        return Trial(
            inputs=spread(length, steps, self._shown(draw)),
            targets=spread(length, steps, self._asked(draw)),
            mask=before + during,
            info={"periods": steps, "direction": draw.answer, "responds": draw.responds},
        )

    def score(self, outputs: Float[Array, "time 33"], trial: Trial) -> Float[Array, ""]:
        """w · (share of right steps before the response) + (1 - w) · (share in the response).

        A step is right if fixation is held (above ½) when it should be, or otherwise released, with
        the population vector of the ring within 0.2π of that of the target. The weight w is the
        share of the time before the response: 2/3 without a delay, 4/5 with one, 5/6 with two
        stimuli.
        """
        targets = trial.targets.astype(outputs.dtype)
        holds, should_hold = outputs[:, 0] > 0.5, targets[:, 0] > 0.5
        along = points_along(outputs[:, 1:], targets[:, 1:], _WITHIN)
        is_right = jnp.where(should_hold, holds, ~holds & along).astype(outputs.dtype)
        before, during = (part.astype(outputs.dtype) for part in self._counted(trial))
        w = 1 - self._response_weight
        return w * share(is_right, before) + (1 - w) * share(is_right, during)

    def ideal_observer(self, inputs: Float[Array, "time 85"]) -> Float[Array, "time 33"]:
        """Remembers what was shown, and answers when fixation goes off (`rt…`: at once)."""
        rings = inputs[:, 1 : 1 + 2 * RING].reshape(-1, 2, RING)
        answer, responds = self._rule.solve(rings)
        is_trial = jnp.max(inputs[:, 1 + 2 * RING :], axis=-1) > 0.5
        is_go = is_shown(rings) if self._rule.is_reaction else is_trial & (inputs[:, 0] < 0.5)
        return _answers(is_go & responds, answer)

    def loss_weights(self, trial: Trial) -> Float[Array, " time"]:
        """The mask, scaled so that Σ_t w_t e_t = (mean e before the response) + (mean e in it).

        Args:
            trial: one trial, without a batch axis.

        Returns:
            The weight of every step in the loss of the reference.
        """
        before, during = self._counted(trial)
        return before / jnp.sum(before) + during / jnp.sum(during)

    @property
    def _rule(self) -> _Rule:
        return _RULES[self.name]

    @property
    def _response_weight(self) -> float:
        return _RESPONSE.duration / sum(period.duration for period in self.timeline)

    def _counted(self, trial: Trial) -> tuple[Float[Array, " time"], Float[Array, " time"]]:
        is_response = within(len(trial.mask), trial.info["periods"]["response"])
        return jnp.where(is_response, 0, trial.mask), jnp.where(is_response, trial.mask, 0)

    def _shown(self, draw: Draw) -> Float[Array, "periods 85"]:
        """The inputs in every period."""
        names = [period.name for period in self.timeline]
        rings = jnp.zeros((len(names), 2 * RING))
        for period, direction, strengths in draw.stimuli:
            image = jnp.outer(strengths, bump(direction)).ravel()
            rings = rings.at[names.index(period)].add(image)
        fixation = jnp.ones((len(names), 1)).at[-1].set(1.0 if self._rule.is_reaction else 0.0)
        rules = jnp.zeros((len(names), len(_RULES))).at[:, RING_TASKS.index(self.name)].set(1.0)
        return jnp.concatenate([fixation, rings, rules], axis=-1)

    def _asked(self, draw: Draw) -> Float[Array, "periods 33"]:
        """The targets in every period."""
        is_last = jnp.arange(len(self.timeline)) == len(self.timeline) - 1
        return _answers(is_last & draw.responds, draw.answer)


def _answers(
    responds: Bool[Array, " time"], direction: Float[Array, ""]
) -> Float[Array, "time 33"]:
    """Fixation 0.85 and ring 0.05, or, during a response, fixation 0.05 and the bump."""
    fixation = jnp.where(responds, _RESPONDING, _FIXATING).astype(direction.dtype)
    ring = _BASELINE + jnp.where(responds[:, None], bump(direction), 0)
    return jnp.concatenate([fixation[:, None], ring], axis=-1)
