"""Perceptual decision making with moving dots."""

from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ._checks import check_nonnegative, check_time_step
from ._choice import FIXATION, RESPONSE, AbstractChoiceTask, answer_when, column, noise_step
from ._timeline import Period, Steps

COHERENCES = (0.0, 0.032, 0.064, 0.128, 0.256, 0.512)


@final
class PerceptualDecision(AbstractChoiceTask):
    """Which way do most of the dots move? Weigh noisy evidence; answer when fixation goes off.

    The signed coherence c is one of ±0, ±0.032, ±0.064, ±0.128, ±0.256, ±0.512. While the dots
    move, the evidence for right and for left is, with independent white noise,

        x_R = ½ (1 + c) + (s/√dt) ξ_R,    x_L = ½ (1 - c) + (s/√dt) ξ_L.

    The correct answer is what was actually shown: right if Σ_t (x_R - x_L) > 0. So an observer that
    weighs all the evidence scores 1, and its psychometric curve is P(right) = Φ(c √(T/2) / s), with
    T the duration of motion in ms. To score the sign of the nominal coherence instead, use
    `info["coherence"]`.

    Periods in ms: fixation 500 ± 100, motion 1000 ± 200, response 500.

    Args:
        noise: s in √ms; 0 for none.
        dt: the duration of one step in ms, at most 100.

    Raises:
        ValueError: `noise` is negative or not finite, or `dt` is not in (0, 100].

    Reference:
        Britten, Shadlen, Newsome & Movshon, Journal of Neuroscience 12 (1992); Roitman & Shadlen,
        Journal of Neuroscience 22 (2002), whose coherences these are.
    """

    noise: float = eqx.field(static=True, default=2.0)
    dt: float = eqx.field(static=True, default=5.0, kw_only=True)

    channels: ClassVar[tuple[str, ...]] = ("fixation", "motion right", "motion left")
    outputs: ClassVar[tuple[str, ...]] = ("fixation", "right", "left")
    reference: ClassVar[str] = (
        "Britten et al., Journal of Neuroscience 12 (1992); "
        "Roitman & Shadlen, Journal of Neuroscience 22 (2002)"
    )

    def __check_init__(self):
        check_nonnegative("noise", self.noise)
        check_time_step("dt", self.dt, longest=100.0)

    @property
    def timeline(self) -> tuple[Period, ...]:
        """Fixation, motion, response."""
        return (FIXATION, Period("motion", 1000.0, 200.0), RESPONSE)

    def ideal_observer(self, inputs: Float[Array, "time 3"]) -> Float[Array, "time 3"]:
        """Right if the sum of all evidence is positive."""
        return answer_when(1 - inputs[:, 0], _evidence(inputs) > 0)

    def _draw(self, key: PRNGKeyArray, steps: Steps, length: int):
        coherence_key, noise_key = jax.random.split(key)
        signed = jnp.array([*(-c for c in COHERENCES), *COHERENCES])
        c = jax.random.choice(coherence_key, signed)
        ξ = noise_step(self.noise, self.dt) * jax.random.normal(noise_key, (length, 2))
        dots = column(length, steps["motion"])[:, None] * (
            0.5 * jnp.stack([1 + c, 1 - c])[None] + ξ
        )
        fixation = 1 - column(length, steps["response"])
        inputs = jnp.concatenate([fixation[:, None], dots], axis=-1)
        choice = jnp.where(_evidence(inputs) > 0, 1, 2).astype(jnp.int32)
        return inputs, choice, {"coherence": c}


def _evidence(inputs: Float[Array, "time 3"]) -> Float[Array, ""]:
    return jnp.sum(inputs[:, 1] - inputs[:, 2])
