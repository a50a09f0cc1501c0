"""Delayed match to sample."""

from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ._checks import check_integer, check_time_step
from ._choice import FIXATION, RESPONSE, AbstractChoiceTask, answer_when, column
from ._cognitive import segments
from ._timeline import Period, Steps


@final
class DelayedMatch(AbstractChoiceTask):
    """Is the test stimulus the same as the sample before the delay?

    The sample is one of k stimuli, each with its own channel; the test is the same with probability
    ½, otherwise one of the others. The answer, match or non-match, is given when fixation goes off.

    Periods in ms: fixation 500 ± 100, sample 500 ± 100, delay ± 100, test 500 ± 100, response 500.

    Args:
        stimuli: k, at least 2.
        delay: the delay in ms, at least 200.
        dt: the duration of one step in ms, at most 100.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Miller, Erickson & Desimone, Journal of Neuroscience 16 (1996).
    """

    stimuli: int = eqx.field(static=True, default=2)
    delay: float = eqx.field(static=True, default=1000.0)
    dt: float = eqx.field(static=True, default=5.0, kw_only=True)

    outputs: ClassVar[tuple[str, ...]] = ("fixation", "match", "non-match")
    reference: ClassVar[str] = "Miller, Erickson & Desimone, Journal of Neuroscience 16 (1996)"

    def __check_init__(self):
        check_integer("stimuli", self.stimuli, minimum=2)
        check_time_step("delay", self.delay, shortest=200.0)
        check_time_step("dt", self.dt, longest=100.0)

    @property
    def channels(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Fixation and the stimuli."""
        return ("fixation", *(f"stimulus {i + 1}" for i in range(self.stimuli)))

    @property
    def timeline(self) -> tuple[Period, ...]:
        """Fixation, sample, delay, test, response."""
        sample, test = Period("sample", 500.0, 100.0), Period("test", 500.0, 100.0)
        return (FIXATION, sample, Period("delay", self.delay, 100.0), test, RESPONSE)

    def ideal_observer(self, inputs: Float[Array, "time channels"]) -> Float[Array, "time 3"]:
        """Compares the two stimuli separated by the delay."""
        shown = inputs[:, 1:]
        number = segments(jnp.max(shown, axis=-1))
        sample, test = (
            jnp.argmax(jnp.where((number == i)[:, None], shown, 0).sum(axis=0)) for i in (1, 2)
        )
        return answer_when(1 - inputs[:, 0], sample == test)

    def _draw(self, key: PRNGKeyArray, steps: Steps, length: int):
        k = self.stimuli
        u = jax.random.uniform(key, (3,))
        is_match = u[0] < 0.5
        sample = jnp.floor(k * u[1]).astype(jnp.int32)
        other = (sample + 1 + jnp.floor((k - 1) * u[2]).astype(jnp.int32)) % k
        test = jnp.where(is_match, sample, other)
        shown = jnp.outer(column(length, steps["sample"]), jax.nn.one_hot(sample, k))
        shown += jnp.outer(column(length, steps["test"]), jax.nn.one_hot(test, k))
        fixation = 1 - column(length, steps["response"])
        inputs = jnp.concatenate([fixation[:, None], shown], axis=-1)
        choice = jnp.where(is_match, 1, 2).astype(jnp.int32)
        return inputs, choice, {"sample": sample, "test": test}
