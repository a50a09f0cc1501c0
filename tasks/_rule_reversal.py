"""Rule reversal: the feedback depends on what was chosen."""

from collections.abc import Callable
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ._checks import KeyLike, check_integer, check_time_step, read_key
from ._cognitive import AbstractCognitiveTask, share
from ._task import Trial
from ._timeline import Period, as_floats, nominal_steps, steps_in

_PERIODS = ("stimulus", "response", "feedback", "wait")
_DURATION, _GRACE = 500.0, 200.0


@final
class RuleReversal(AbstractCognitiveTask):
    """Answer two stimuli by a hidden rule that may reverse; only the feedback reveals it.

    A trial is a sequence of k presentations, each of stimulus, response, feedback and wait, 500 ms
    each. One of two stimuli is shown. Under the first rule, stimulus i is answered by choice i,
    under the second by the other choice. The initial rule of a sequence is drawn at random; it
    reverses at most once, before the second, third, … or next-to-last presentation, or never, all
    equally likely. In the feedback period one of two channels tells whether the choice was right.

    The feedback depends on the choices, so inputs cannot all be drawn beforehand. There are two
    ways to use the task:

    - `task.play(step, state, trial)` runs an agent in closed loop, with feedback on its own
      choices: this is how a network is trained and evaluated.
    - `trial.inputs` is what the ideal observer sees; it assumes the first rule until told that it
      is wrong.

    The choice is the output with the larger mean over the response, after its first 200 ms. The
    mask counts those steps, in presentations with the same rule as the previous one: the first
    answer, and the first one after a reversal, can only be guesses.

    Args:
        presentations: k, at least 3; five take 10 s.
        dt: the duration of one step in ms, at most 100.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Soo, Goudar & Wang, bioRxiv 2023.10.10.561588 (2023).
    """

    presentations: int = eqx.field(static=True, default=5)
    dt: float = eqx.field(static=True, default=5.0, kw_only=True)

    channels: ClassVar[tuple[str, ...]] = ("stimulus 1", "stimulus 2", "right", "wrong")
    outputs: ClassVar[tuple[str, ...]] = ("choice 1", "choice 2")
    reference: ClassVar[str] = "Soo, Goudar & Wang, bioRxiv 2023.10.10.561588 (2023)"

    def __check_init__(self):
        check_integer("presentations", self.presentations, minimum=3)
        check_time_step("dt", self.dt, longest=100.0)

    @property
    def timeline(self) -> tuple[Period, ...]:
        """Stimulus 1, response 1, feedback 1, wait 1, stimulus 2, …"""
        numbers = range(1, self.presentations + 1)
        return tuple(Period(f"{name} {i}", _DURATION) for i in numbers for name in _PERIODS)

    @property
    def chance(self) -> float:
        """A coin at every presentation."""
        return 0.5

    def sample(self, key: KeyLike, jitter: bool = True) -> Trial:
        """Draws one sequence; there is no jitter in this task.

        `info` holds the `stimuli` and the `rules` (0 or 1) of the presentations, and which of them
        are `counted`; the right choice is the sum of stimulus and rule, modulo 2.
        """
        key = read_key("key", key)
        u = jax.random.uniform(key, (self.presentations + 2,))
        k = jnp.arange(self.presentations, dtype=jnp.int32)
        # Presentations count from 0: the reversal is before 1 … k - 2; k - 1 stands for never.
        at = 1 + jnp.floor(u[0] * (self.presentations - 1)).astype(jnp.int32)
        is_reversed = (k >= at) & (at < self.presentations - 1)
        rules = _int32(is_reversed) ^ _int32(u[1] < 0.5)
        stimuli = _int32(u[2:] < 0.5)
        supposed = jnp.concatenate([jnp.zeros_like(rules[:1]), rules[:-1]])
        right = rules == supposed
        counted = right & (k > 0)
        weights = as_floats(counted)[:, None] * self._spans()
        info = {"stimuli": stimuli, "rules": rules, "counted": counted}
        return Trial(
            inputs=self._inputs(stimuli, right),
            targets=jnp.repeat(rules ^ stimuli, self._steps, total_repeat_length=self._length),
            mask=weights.sum(axis=0),
            info={name: _int32(value) for name, value in info.items()}
            | {"periods": self._period_arrays()},
        )

    @property
    def presentation_steps(self) -> int:
        """The number of steps from one stimulus to the next."""
        return self._steps

    def presentation_starts(self, trial: Trial) -> Bool[Array, " time"]:
        """Which steps begin a presentation, for skips from one to the next."""
        return jnp.arange(len(trial.inputs)) % self._steps == 0

    def burn_in_inputs(self, trial: Trial) -> Float[Array, "4"]:
        """The inputs of a network before the sequence: nothing, as in a wait."""
        return jnp.zeros_like(trial.inputs[0])

    def score(self, outputs: Float[Array, "time 2"], trial: Trial) -> Float[Array, ""]:
        """The share of the counted presentations whose choice is right."""
        targets = trial.info["stimuli"] ^ trial.info["rules"]
        hits = self.choices(outputs) == (targets == 1)
        weights = trial.info["counted"].astype(outputs.dtype)
        return share(jnp.where(hits, 1, 0).astype(outputs.dtype), weights)

    def choices(self, outputs: Float[Array, "time 2"]) -> Bool[Array, " presentations"]:
        """Whether the second choice was made in each presentation."""
        evidence = self._spans().astype(outputs.dtype) @ outputs
        return evidence[:, 1] > evidence[:, 0]

    def ideal_observer(self, inputs: Float[Array, "time 4"]) -> Float[Array, "time 2"]:
        """Keeps a rule as long as it is right, and switches when told that it was wrong."""
        frames = inputs.reshape(self.presentations, self._steps, 4)
        stimulus, was_wrong = frames[:, 0, 1] > 0.5, jnp.max(frames[..., 3], axis=1) > 0.5
        reversals = jnp.cumsum(was_wrong.astype(jnp.int32)) - was_wrong.astype(jnp.int32)
        choice = (reversals + stimulus.astype(jnp.int32)) % 2
        answers = jax.nn.one_hot(choice, 2, dtype=inputs.dtype)
        return jnp.repeat(answers, self._steps, axis=0, total_repeat_length=self._length)

    def play(
        self, step: Callable[[Any, Array], tuple[Any, Array]], state: PyTree, trial: Trial
    ) -> tuple[Float[Array, "time 2"], Float[Array, "time 4"]]:
        """Runs an agent through a sequence, with feedback on its own choices.

        Args:
            step: (state, x (4,)) ↦ (next state, outputs (2,)), one step of the agent. In gradients
                through the outputs, the feedback is a constant.
            state: the state before the first step.
            trial: the sequence; only the stimuli of its inputs are used.

        Returns:
            The outputs (time, 2) to score, and the inputs (time, 4) that the agent saw.
        """
        response = jnp.sum(self._spans(), axis=0)
        counts = response.astype(trial.inputs.dtype)
        frame = jnp.arange(self._length) % self._steps
        is_feedback = frame // self._quarter == _PERIODS.index("feedback")
        correct = trial.targets == 1

        def advance(carry: tuple[Any, Array], now: tuple[Array, ...]) -> tuple[Any, Any]:
            state, evidence = carry
            stimulus, counted, starts, feedback, correct = now
            is_right = (evidence[1] > evidence[0]) == correct
            told = jnp.where(feedback, jnp.stack([is_right, ~is_right]), False)
            x = jnp.concatenate([stimulus, told.astype(stimulus.dtype)])
            state, output = step(state, x)
            evidence = jnp.where(starts, 0, evidence) + counted * output.astype(evidence.dtype)
            return (state, evidence), (output, x)

        over_time = (trial.inputs[:, :2], counts, frame == 0, is_feedback, correct)
        carry = (state, jnp.zeros_like(trial.inputs[0, :2]))
        return jax.lax.scan(advance, carry, over_time)[1]

    @property
    def _quarter(self) -> int:
        return steps_in(_DURATION, self.dt)

    @property
    def _steps(self) -> int:
        return len(_PERIODS) * self._quarter

    @property
    def _length(self) -> int:
        return self.presentations * self._steps

    def _period_arrays(self) -> dict[str, Array]:
        steps = nominal_steps(self.timeline, self.dt)
        return {name: jnp.asarray(pair, jnp.int32) for name, pair in steps.items()}

    def _spans(self) -> Float[Array, "presentations time"]:
        """1 in the counted part of every response."""
        t = jnp.arange(self._quarter)
        quarter = as_floats(t >= steps_in(_GRACE, self.dt))
        frame = jnp.concatenate([0 * quarter, quarter, 0 * quarter, 0 * quarter])
        return jnp.kron(jnp.eye(self.presentations), frame[None])

    def _inputs(
        self, stimuli: Array, right: Bool[Array, " presentations"]
    ) -> Float[Array, "time 4"]:
        """The stimulus in each first quarter, the feedback in each third."""
        shown = jnp.stack([stimuli == 0, stimuli == 1], axis=-1)
        told = jnp.stack([right, ~right], axis=-1)
        none = jnp.zeros_like(told)
        rows = [[shown, none], [none, none], [none, told], [none, none]]
        frames = jnp.stack([jnp.concatenate(row, axis=-1) for row in rows], axis=1)
        frames = as_floats(frames).reshape(-1, 4)
        return jnp.repeat(frames, self._quarter, axis=0, total_repeat_length=self._length)


def _int32(x: Array) -> Array:
    return x.astype(jnp.int32)
