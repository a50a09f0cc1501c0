"""The adding problem."""

from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._checks import KeyLike, check_integer, check_time_step, read_key
from ._task import AbstractTask, Trial

# The error below which Hochreiter & Schmidhuber count a trial as solved.
_TOLERANCE = 0.04


@final
class AddingProblem(AbstractTask):
    """Add the two marked numbers in a long stream of numbers.

    With values v_t ~ U(0, 1), and markers k_t = 1 at one step of the first half and one step of
    the second half, each uniform over its half, and 0 elsewhere:

        x_t = (v_t, k_t),    target = Σ_t k_t v_t,    t = 1 … T.

    The target is repeated at every step, and the mask counts only the last one.

    Use it to measure how long a circuit keeps analogue values. Always answering 1, without
    memory, has a mean squared error of 2 · 1/12 ≈ 0.167 at the last step; below that, something
    has been remembered. It scores 0.08, the chance that the sum lies within 0.04 of 1.

    Args:
        length: the number of steps T, at least 2.
        dt: the duration of one step in ms.

    Raises:
        ValueError: `length` is not an integer of at least 2, or `dt` is not positive and finite.

    Reference:
        Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9 (1997), task 4;
        in the form of Le, Jaitly & Hinton, arXiv:1504.00941 (2015).
    """

    length: int = eqx.field(static=True, default=100)
    dt: float = eqx.field(static=True, default=1.0, kw_only=True)

    channels: ClassVar[tuple[str, ...]] = ("value", "marker")
    outputs: ClassVar[tuple[str, ...]] = ("sum",)
    reference: ClassVar[str] = (
        "Hochreiter & Schmidhuber, Neural Computation 9 (1997); "
        "Le, Jaitly & Hinton, arXiv:1504.00941 (2015)"
    )

    def __check_init__(self):
        check_integer("length", self.length, minimum=2)
        check_time_step("dt", self.dt)

    @property
    def periods(self) -> dict[str, tuple[int, int]]:
        """The two halves; the first is one step shorter if `length` is odd."""
        half = self.length // 2
        return {"first half": (0, half), "second half": (half, self.length)}

    def sample(self, key: KeyLike) -> Trial:
        """Draws one trial; `info["markers"]` holds the two marked steps."""
        key = read_key("key", key)
        value_key, *half_keys = jax.random.split(key, 3)
        v = jax.random.uniform(value_key, (self.length,))
        markers = jnp.stack(
            [
                jax.random.randint(half_key, (), *steps, dtype=jnp.int32)
                for half_key, steps in zip(half_keys, self.periods.values(), strict=True)
            ]
        )
        k = jnp.zeros(self.length).at[markers].set(1.0)
        return Trial(
            inputs=jnp.stack([v, k], axis=-1),
            targets=jnp.full((self.length, 1), v[markers].sum()),
            mask=jnp.zeros(self.length).at[-1].set(1.0),
            info={"periods": self._period_steps(), "markers": markers},
        )

    def score(self, outputs: Float[Array, "time 1"], trial: Trial) -> Float[Array, ""]:
        """1 if the last answer lies within 0.04 of the sum, else 0."""
        answer = outputs[-1, 0]
        error = jnp.abs(answer - trial.targets[-1, 0].astype(answer.dtype))
        return (error < _TOLERANCE).astype(answer.dtype)
