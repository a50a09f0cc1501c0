"""Delayed comparison of two frequencies."""

from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ._checks import check_time_step
from ._choice import FIXATION, RESPONSE, AbstractChoiceTask, answer_when, column
from ._cognitive import segments
from ._timeline import Period, Steps

_LOWEST, _HIGHEST, _DIFFERENCE = 10.0, 34.0, 8.0


@final
class DelayedComparison(AbstractChoiceTask):
    """Which of two vibrations, before and after a delay, has the higher frequency?

    The frequencies are f and f + 8 Hz, with f ~ U(10, 26), in either order; the channel shows them
    divided by 34 Hz. The answer is given when fixation goes off. As in the experiment, the second
    frequency alone is informative, but only both together determine the answer.

    Periods in ms: fixation 500 ± 100, f1 500 ± 100, delay ± 100, f2 500 ± 100, response 500.

    Args:
        delay: the delay in ms, at least 200.
        dt: the duration of one step in ms, at most 100.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Romo, Brody, Hernández & Lemus, Nature 399 (1999).
    """

    delay: float = eqx.field(static=True, default=1000.0)
    dt: float = eqx.field(static=True, default=5.0, kw_only=True)

    channels: ClassVar[tuple[str, ...]] = ("fixation", "frequency")
    outputs: ClassVar[tuple[str, ...]] = ("fixation", "f1 > f2", "f1 < f2")
    reference: ClassVar[str] = "Romo, Brody, Hernández & Lemus, Nature 399 (1999)"

    def __check_init__(self):
        check_time_step("delay", self.delay, shortest=200.0)
        check_time_step("dt", self.dt, longest=100.0)

    @property
    def timeline(self) -> tuple[Period, ...]:
        """Fixation, f1, delay, f2, response."""
        f1, f2 = Period("f1", 500.0, 100.0), Period("f2", 500.0, 100.0)
        return (FIXATION, f1, Period("delay", self.delay, 100.0), f2, RESPONSE)

    def ideal_observer(self, inputs: Float[Array, "time 2"]) -> Float[Array, "time 3"]:
        """Compares the two frequencies separated by the delay."""
        number = segments(inputs[:, 1])
        f1, f2 = (jnp.max(jnp.where(number == i, inputs[:, 1], 0)) for i in (1, 2))
        return answer_when(1 - inputs[:, 0], f1 > f2)

    def _draw(self, key: PRNGKeyArray, steps: Steps, length: int):
        u = jax.random.uniform(key, (2,))
        low = _LOWEST + (_HIGHEST - _DIFFERENCE - _LOWEST) * u[0]
        is_first = u[1] < 0.5
        f1, f2 = low + jnp.where(jnp.stack([is_first, ~is_first]), _DIFFERENCE, 0)
        shown = f1 * column(length, steps["f1"]) + f2 * column(length, steps["f2"])
        fixation = 1 - column(length, steps["response"])
        choice = jnp.where(is_first, 1, 2).astype(jnp.int32)
        info = {"frequencies": jnp.stack([f1, f2])}
        return jnp.stack([fixation, shown / _HIGHEST], axis=-1), choice, info
