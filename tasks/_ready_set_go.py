"""Ready, set, go: measure an interval and produce it."""

from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from ._checks import KeyLike, check_time_step, read_key
from ._cognitive import AbstractCognitiveTask
from ._task import Trial
from ._timeline import Period, as_floats, draw_steps, steps_in

_READY = Period("fixation", 300.0, 100.0)
_MEASURE, _PRODUCE = Period("measure", 750.0, 250.0), Period("produce", 750.0, 250.0)
_DONE = Period("done", 300.0)
_TOLERANCE, _PULSE = 0.1, 50.0


@final
class ReadySetGo(AbstractCognitiveTask):
    """Two pulses, ready and set, mark an interval; answer when the same interval has passed again.

    The interval lasts t_s ~ U(500, 1000) ms. Each pulse is 1 for 50 ms on its channel. The target
    is 0 until t_s after set, and 1 from then on; the answer is the first step after set at which
    the output exceeds ½. The mask counts every step of the trial.

    Periods in ms: fixation 300 ± 100, measure t_s, produce t_s, done 300. Without jitter the
    fixation lasts 300 ms, but the interval, which is what the trial is about, is still random.

    Args:
        dt: the duration of one step in ms, at most 50.

    Raises:
        ValueError: `dt` is not in (0, 50].

    Reference:
        Jazayeri & Shadlen, Nature Neuroscience 13 (2010).
    """

    dt: float = eqx.field(static=True, default=5.0)

    channels: ClassVar[tuple[str, ...]] = ("ready", "set")
    outputs: ClassVar[tuple[str, ...]] = ("go",)
    reference: ClassVar[str] = "Jazayeri & Shadlen, Nature Neuroscience 13 (2010)"

    def __check_init__(self):
        check_time_step("dt", self.dt, longest=50.0)

    @property
    def timeline(self) -> tuple[Period, ...]:
        """Fixation, measure, produce, done; the middle two are equally long."""
        return (_READY, _MEASURE, _PRODUCE, _DONE)

    @property
    def chance(self) -> float:
        """The largest share of intervals that one fixed answer meets, within the tolerance."""
        low, high = (steps_in(750.0 + sign * 250.0, self.dt) for sign in (-1, 1))
        intervals = np.arange(low, high + 1)
        error = np.abs(intervals[:, None] - intervals[None])
        return float((error <= _TOLERANCE * intervals).mean(axis=1).max())

    def sample(self, key: KeyLike, jitter: bool = True) -> Trial:
        """Draws one trial; `info["interval"]` is t_s in ms."""
        key = read_key("key", key)
        u_fixation, u_interval = jax.random.uniform(key, (2,))
        u = jnp.stack([u_interval, u_interval, jnp.zeros_like(u_interval)])
        fixation, start = draw_steps((_READY,), self.dt, u_fixation[None], jitter)
        rest, length = draw_steps(self.timeline[1:], self.dt, u, jitter=True)
        offset = fixation["fixation"][1]
        periods = fixation | {name: steps + offset for name, steps in rest.items()}
        t = jnp.arange(start + length, dtype=jnp.int32)
        (ready, set_), (go, stop) = periods["measure"], periods["done"]
        return Trial(
            inputs=jnp.stack([self._pulse(t, at) for at in (ready, set_)], axis=-1),
            targets=as_floats(t >= go)[:, None],
            mask=as_floats(t < stop),
            info={"periods": periods, "interval": self.dt * as_floats(set_ - ready)},
        )

    def score(self, outputs: Float[Array, "time 1"], trial: Trial) -> Float[Array, ""]:
        """1 if the interval produced is within 10 % of the one shown, else 0."""
        ready, set_ = trial.info["periods"]["measure"]
        t = jnp.arange(len(outputs), dtype=jnp.int32)
        answers = (outputs[:, 0] > 0.5) & (t >= set_) & (trial.mask > 0)
        produced = (jnp.argmax(answers).astype(jnp.int32) - set_).astype(outputs.dtype)
        shown = (set_ - ready).astype(outputs.dtype)
        is_right = jnp.any(answers) & (jnp.abs(produced - shown) <= _TOLERANCE * shown)
        return jnp.where(is_right, 1, 0).astype(outputs.dtype)

    def ideal_observer(self, inputs: Float[Array, "time 2"]) -> Float[Array, "time 1"]:
        """Counts the steps from ready to set, and the same number from set on."""
        since_ready, since_set = jnp.cumsum(jax.lax.cummax(inputs, axis=0), axis=0).T
        # At any step after both pulses, the two counts differ by the interval.
        is_go = (since_set > 0) & (since_set - 1 >= since_ready - since_set)
        return jnp.where(is_go, 1, 0).astype(inputs.dtype)[:, None]

    def _pulse(self, t: Int32[Array, " time"], start: Int32[Array, ""]) -> Float[Array, " time"]:
        return as_floats((t >= start) & (t < start + steps_in(_PULSE, self.dt)))
