"""The copy-memory task."""

from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._checks import KeyLike, check_integer, check_time_step, read_key
from ._task import AbstractTask, Trial

_BLANK, _DELIMITER = 0, 9
_SYMBOLS = range(1, 9)
_SEQUENCE = 10


@final
class CopyMemory(AbstractTask):
    """Repeat ten symbols after a long delay.

    With symbols s_1 … s_10 uniform on 1 … 8, the blank 0 and the delimiter 9, the stream and
    the targets, of T = delay + 20 steps each, are

        stream:   s_1 … s_10,  delay - 1 blanks,  9,  10 blanks
        targets:  delay + 10 blanks,  s_1 … s_10

    and the inputs are the stream in one-hot form. The mask counts every step.

    Use it to measure how long a circuit keeps discrete symbols. Without memory, answering the blank
    until the delimiter and then guessing has a cross-entropy of 10 · ln 8 / T nats per step and a
    score of 1/8.

    Args:
        delay: the steps from the last symbol to the delimiter, at least 1.
        dt: the duration of one step in ms.

    Raises:
        ValueError: `delay` is not an integer of at least 1, or `dt` is not positive and finite.

    Reference:
        Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9 (1997);
        in the form of Arjovsky, Shah & Bengio, "Unitary evolution recurrent neural networks",
        ICML (2016), whose T is `delay` here.
    """

    delay: int = eqx.field(static=True, default=100)
    dt: float = eqx.field(static=True, default=1.0, kw_only=True)

    channels: ClassVar[tuple[str, ...]] = ("blank", *map(str, _SYMBOLS), "delimiter")
    outputs: ClassVar[tuple[str, ...]] = ("blank", *map(str, _SYMBOLS))
    reference: ClassVar[str] = (
        "Hochreiter & Schmidhuber, Neural Computation 9 (1997); "
        "Arjovsky, Shah & Bengio, ICML (2016)"
    )

    def __check_init__(self):
        check_integer("delay", self.delay, minimum=1)
        check_time_step("dt", self.dt)

    @property
    def periods(self) -> dict[str, tuple[int, int]]:
        """Symbols, delay, the single step of the delimiter, recall."""
        recall = _SEQUENCE + self.delay
        return {
            "symbols": (0, _SEQUENCE),
            "delay": (_SEQUENCE, recall - 1),
            "delimiter": (recall - 1, recall),
            "recall": (recall, recall + _SEQUENCE),
        }

    def sample(self, key: KeyLike) -> Trial:
        """Draws one trial; `info["symbols"]` holds the ten symbols."""
        key = read_key("key", key)
        recall, length = self.periods["recall"]
        low, high = _SYMBOLS.start, _SYMBOLS.stop
        symbols = jax.random.randint(key, (_SEQUENCE,), low, high, dtype=jnp.int32)
        blank = jnp.full(length, _BLANK, jnp.int32)
        stream = blank.at[:_SEQUENCE].set(symbols).at[recall - 1].set(_DELIMITER)
        return Trial(
            inputs=jax.nn.one_hot(stream, self.input_size),
            targets=blank.at[recall:].set(symbols),
            mask=jnp.ones(length),
            info={"periods": self._period_steps(), "symbols": symbols},
        )

    def score(self, outputs: Float[Array, "time outputs"], trial: Trial) -> Float[Array, ""]:
        """The fraction of the ten symbols that are recalled; `outputs` are class scores."""
        recalled = jnp.argmax(outputs[-_SEQUENCE:], axis=-1)
        # NaN is not an answer, but argmax would take it for the largest.
        are_answers = ~jnp.isnan(outputs[-_SEQUENCE:]).any(axis=-1)
        hits = (recalled.astype(jnp.int32) == trial.targets[-_SEQUENCE:]) & are_answers
        return jnp.mean(hits.astype(outputs.dtype))
