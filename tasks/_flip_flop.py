"""Flip-flop memory."""

from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._checks import KeyLike, check_integer, check_probability, check_time_step, read_key
from ._cognitive import AbstractCognitiveTask
from ._task import Trial
from ._timeline import Period, as_floats, nominal_steps


@final
class FlipFlop(AbstractCognitiveTask):
    """Hold the sign of the last pulse on every channel.

    On each channel a pulse of ±1, both signs equally likely, comes at the first step and then at
    every step with probability p; elsewhere the input is 0. The target of a channel is the sign of
    its last pulse. The mask counts every step.

    Args:
        bits: the number of channels, at least 1.
        length: the number of steps, at least 1.
        pulse: the probability p of a pulse at each step, in [0, 1].
        dt: the duration of one step in ms.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Sussillo & Barak, "Opening the black box", Neural Computation 25 (2013).
    """

    bits: int = eqx.field(static=True, default=3)
    length: int = eqx.field(static=True, default=200)
    pulse: float = eqx.field(static=True, default=0.05)
    dt: float = eqx.field(static=True, default=5.0, kw_only=True)

    reference: ClassVar[str] = "Sussillo & Barak, Neural Computation 25 (2013)"

    def __check_init__(self):
        check_integer("bits", self.bits, minimum=1)
        check_integer("length", self.length, minimum=1)
        check_probability("pulse", self.pulse)
        check_time_step("dt", self.dt)

    @property
    def channels(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The pulses of every bit."""
        return tuple(f"pulse {i + 1}" for i in range(self.bits))

    @property
    def outputs(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The memory of every bit."""
        return tuple(f"bit {i + 1}" for i in range(self.bits))

    @property
    def timeline(self) -> tuple[Period, ...]:
        """One period of all steps."""
        return (Period("stream", self.length * self.dt),)

    @property
    def chance(self) -> float:
        """Right at the pulses, and at every other step with probability ½."""
        pulses = (1 + (self.length - 1) * self.pulse) / self.length
        return (1 + pulses) / 2

    def sample(self, key: KeyLike, jitter: bool = True) -> Trial:
        """Draws one trial; there is no jitter in this task."""
        key = read_key("key", key)
        u = jax.random.uniform(key, (2, self.length, self.bits))
        is_pulse = (u[0] < self.pulse).at[0].set(True)
        inputs = as_floats(is_pulse) * (1 - 2 * as_floats(u[1] < 0.5))
        steps = nominal_steps(self.timeline, self.dt)
        return Trial(
            inputs=inputs,
            targets=_last_pulse(inputs),
            mask=jnp.ones(self.length),
            info={"periods": {k: jnp.asarray(v, jnp.int32) for k, v in steps.items()}},
        )

    def score(self, outputs: Float[Array, "time bits"], trial: Trial) -> Float[Array, ""]:
        """The share of steps and bits at which the output is within ½ of the target ±1."""
        error = jnp.abs(outputs - trial.targets.astype(outputs.dtype))
        return jnp.mean(jnp.where(error < 0.5, 1, 0).astype(outputs.dtype))

    def ideal_observer(self, inputs: Float[Array, "time bits"]) -> Float[Array, "time bits"]:
        """The sign of the last pulse."""

        def hold(last: Array, x: Array) -> tuple[Array, Array]:
            last = jnp.where(x == 0, last, x)
            return last, last

        return jax.lax.scan(hold, jnp.zeros_like(inputs[0]), inputs)[1]


def _last_pulse(inputs: Float[Array, "time bits"]) -> Float[Array, "time bits"]:
    """Found from the index of the last pulse so far, not by holding a value."""
    t = jnp.arange(len(inputs), dtype=jnp.int32)[:, None]
    last = jax.lax.cummax(jnp.where(inputs != 0, t, 0), axis=0)
    return jnp.take_along_axis(inputs, last, axis=0)
