"""Tasks that end in a choice: wait, look, remember, and choose when told."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from ._checks import KeyLike, read_key
from ._cognitive import AbstractCognitiveTask, held_and_right
from ._task import Trial
from ._timeline import Period, Steps, as_floats, counted_steps, draw_steps, steps_in, within

FIXATION, RESPONSE = Period("fixation", 500.0, 100.0), Period("response", 500.0)
_GRACE = 200.0


class AbstractChoiceTask(AbstractCognitiveTask):
    """Choose one of two alternatives in the response period, and wait (class 0) until then.

    The first output is fixation, the others are the alternatives; targets are class indices. The
    mask leaves out the first 200 ms of the trial and of the response period.
    """

    @abc.abstractmethod
    def _draw(
        self, key: PRNGKeyArray, steps: Steps, length: int
    ) -> tuple[Float[Array, "time channels"], Int32[Array, ""], dict[str, Any]]:
        """The inputs over time, the class to choose, and a description of the trial."""

    @property
    def chance(self) -> float:
        """Waiting until told, and then tossing a coin."""
        return 0.5

    def sample(self, key: KeyLike, jitter: bool = True) -> Trial:
        """Draws one trial; `info["choice"]` is the class to choose."""
        key = read_key("key", key)
        time_key, own_key = jax.random.split(key)
        u = jax.random.uniform(time_key, (len(self.timeline),))
        steps, length = draw_steps(self.timeline, self.dt, u, jitter)
        inputs, choice, info = self._draw(own_key, steps, length)
        before, during = counted_steps(length, steps["response"], steps_in(_GRACE, self.dt))
        is_trial = jnp.arange(length, dtype=jnp.int32) < steps["response"][1]
        return Trial(
            inputs=jnp.where(is_trial[:, None], inputs, 0),
            targets=jnp.where(within(length, steps["response"]), choice, 0),
            mask=before + during,
            info={"periods": steps, "choice": choice} | info,
        )

    def score(self, outputs: Float[Array, "time 3"], trial: Trial) -> Float[Array, ""]:
        """(share of steps waited before the response) · (share of steps right in it)."""
        return held_and_right(outputs, trial.targets, trial.mask)

    def loss_weights(self, trial: Trial) -> Float[Array, " time"]:
        """The weight of each step in the loss: half for waiting and half for the response.

            w = ½ mask·[before]/Σ_t mask·[before] + ½ mask·[in response]/Σ_t mask·[in response]

        With the mask alone, the response, an eighth of the steps, would hardly count.
        """
        in_response = as_floats(within(len(trial.mask), trial.info["periods"]["response"]))
        before, during = trial.mask * (1 - in_response), trial.mask * in_response
        return 0.5 * (before / jnp.sum(before) + during / jnp.sum(during))

    def choose(self, outputs: Float[Array, "time 3"], trial: Trial) -> Int32[Array, ""]:
        """The alternative, 1 or 2, with the higher mean output over the counted response.

        Args:
            outputs: the answers of a model at every step.
            trial: the trial that it answered.

        Returns:
            The chosen class, −1 if outputs that count are NaN; `tasks.psychometric` makes a curve
            of many.
        """
        is_choice = within(len(trial.mask), trial.info["periods"]["response"])
        weights = jnp.where(is_choice, trial.mask, 0).astype(outputs.dtype)
        sums = weights @ jnp.where(weights[:, None] > 0, outputs[:, 1:], 0)
        highest = 1 + jnp.argmax(sums).astype(jnp.int32)
        return jnp.where(jnp.isnan(sums).any(), -1, highest)


def column(length: int, steps: Int32[Array, "2"]) -> Float[Array, " time"]:
    """1 in a period, 0 elsewhere."""
    return as_floats(within(length, steps))


def noise_step(noise: float, dt: float) -> float:
    """The standard deviation per step of white noise of `noise` √ms: s/√dt."""
    return noise / dt**0.5


def answer_when(go: Float[Array, " time"], is_first: Array | bool) -> Float[Array, "time 3"]:
    """Fixation until `go`, then alternative 1 or 2."""
    choice = jnp.where(is_first, 1, 2)
    return jax.nn.one_hot(jnp.where(go > 0.5, choice, 0), 3, dtype=go.dtype)
