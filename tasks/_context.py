"""Context-dependent decision with a go cue."""

from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ._checks import check_nonnegative, check_time_step
from ._choice import RESPONSE, AbstractChoiceTask, answer_when, column, noise_step
from ._timeline import Period, Steps

_COHERENCES = (0.06, 0.17, 0.5)


@final
class ContextDecision(AbstractChoiceTask):
    """Decide by the motion or by the colour of the dots, as the context says; answer on a go cue.

    Motion and colour have signed coherences c_1, c_2 of ±0.06, ±0.17 or ±0.5, drawn independently.
    While they are shown, each gives the evidence c_i + (s/√dt) ξ. One of two context channels is 1
    throughout the trial; the go cue is 1 in the response period. The right answer is the sign of
    the evidence actually shown for the feature in context, summed over time.

    Periods in ms: context 500 ± 100, stimulus 1000 ± 200, delay 500 ± 100, response 500.

    Args:
        noise: s in √ms; 0 for none.
        dt: the duration of one step in ms, at most 100.

    Raises:
        ValueError: `noise` is negative or not finite, or `dt` is not in (0, 100].

    Reference:
        Mante, Sussillo, Shenoy & Newsome, Nature 503 (2013).
    """

    noise: float = eqx.field(static=True, default=2.0)
    dt: float = eqx.field(static=True, default=5.0, kw_only=True)

    channels: ClassVar[tuple[str, ...]] = (
        "motion",
        "colour",
        "context motion",
        "context colour",
        "go",
    )
    outputs: ClassVar[tuple[str, ...]] = ("fixation", "positive", "negative")
    reference: ClassVar[str] = "Mante, Sussillo, Shenoy & Newsome, Nature 503 (2013)"

    def __check_init__(self):
        check_nonnegative("noise", self.noise)
        check_time_step("dt", self.dt, longest=100.0)

    @property
    def timeline(self) -> tuple[Period, ...]:
        """Context, stimulus, delay, response."""
        return (
            Period("context", 500.0, 100.0),
            Period("stimulus", 1000.0, 200.0),
            Period("delay", 500.0, 100.0),
            RESPONSE,
        )

    def ideal_observer(self, inputs: Float[Array, "time 5"]) -> Float[Array, "time 3"]:
        """The sign of the sum of all evidence for the feature in context."""
        return answer_when(inputs[:, 4], _evidence(inputs) > 0)

    def _draw(self, key: PRNGKeyArray, steps: Steps, length: int):
        context_key, coherence_key, noise_key = jax.random.split(key, 3)
        is_motion = jax.random.bernoulli(context_key)
        c = jax.random.choice(
            coherence_key, jnp.array([*(-c for c in _COHERENCES), *_COHERENCES]), (2,)
        )
        ξ = noise_step(self.noise, self.dt) * jax.random.normal(noise_key, (length, 2))
        shown = column(length, steps["stimulus"])[:, None] * (c[None] + ξ)
        context = jnp.where(is_motion, jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]))
        go = column(length, steps["response"])[:, None]
        inputs = jnp.concatenate([shown, jnp.tile(context, (length, 1)), go], axis=-1)
        choice = jnp.where(_evidence(inputs) > 0, 1, 2).astype(jnp.int32)
        context = jnp.where(is_motion, 0, 1).astype(jnp.int32)
        return inputs, choice, {"coherences": c, "context": context}


def _evidence(inputs: Float[Array, "time 5"]) -> Float[Array, ""]:
    # Padding has no context, and nothing is shown in it.
    return jnp.sum(inputs[:, :2] * inputs[:, 2:4])
