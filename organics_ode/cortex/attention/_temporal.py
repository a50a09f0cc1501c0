"""A dynamic normalization model of attention to points in time."""

import enum
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._axes import Axes, axes_of
from ..._cards import Card, carded
from ..._checks import (
    a_or_an,
    as_float_array,
    check_finite,
    counted,
    is_traced,
    read_number,
    refuse,
)
from ..._nonlinearities import highest, power
from ..._tables import AbstractTabular, Table
from ..._types import Numbers, Scalar
from .._read import read_contrast

_ONSET = 500.0  # of the first target, ms after the start of a trial
_TILT = 2.0  # degrees between a target and the vertical or the horizontal
# The impulse response of involuntary attention: shape and scale (ms) of a gamma density.
_SHAPE, _SCALE, _LENGTH = 2.2, 23.0, 800.0


class Cue(enum.Enum):
    """Which of the two targets is attended."""

    FIRST = "first"
    SECOND = "second"
    NEUTRAL = "neutral"


class _State(NamedTuple):
    sensory: Array
    second: Array
    voluntary: Array
    involuntary: Array
    decision: Array
    past: Array


class TemporalAttention(eqx.Module):
    """The dynamic normalization model of temporal attention.

    Every layer follows its normalized drive,

        τ ṙ = −r + d/(Σ|d| + σ^p)

    - sensory layer 1: d = ⌊1 + gain_v r_v⌋^p ⌊1 + gain_i r_i⌋^p ⌊Σ_targets c RF⌋^p;
    - sensory layer 2: d = ⌊r_1⌋^p;
    - voluntary attention: a window about each target, whose height is the share of attention that
      the cue gives to it; both together have min(2, 1 + SOA/recovery), at most 1 each;
    - involuntary attention: layer 1, filtered by a gamma density;
    - decision: the evidence of layer 2 for clockwise against counterclockwise, gathered for the
      first target until the second appears, and for the second until the end of the trial.

    Integrated by Euler's method at a fixed step, as by the authors, whose parameters are the
    defaults.

    Args:
        exponent: p. dt: ms. duration: ms, of a trial.
        tau_1, tau_2, tau_voluntary, tau_involuntary, tau_decision: ms.
        sigma_1, sigma_2, sigma_attention, sigma_decision: semi-saturation constants.
        gain_voluntary, gain_involuntary: the gains of attention on layer 1.
        window: (start, duration), ms, of voluntary attention relative to the onset of a target.
        recovery: ms, after which attention is fully available again.
        target_duration: ms.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Denison, Carrasco, Heeger, "A dynamic normalization model of temporal attention", Nature
        Human Behaviour 5 (2021).
    """

    exponent: float = 1.5
    dt: float = 2.0
    duration: float = 2100.0
    tau_1: float = 52.0
    tau_2: float = 100.0
    tau_voluntary: float = 50.0
    tau_involuntary: float = 2.0
    tau_decision: float = 1e5
    sigma_1: float = 1.4
    sigma_2: float = 0.1
    sigma_attention: float = 20.0
    sigma_decision: float = 0.7
    gain_voluntary: float = 40.0
    gain_involuntary: float = 8.5
    window: tuple[float, float] = (-34.0, 124.0)
    recovery: float = 918.0
    target_duration: float = 30.0

    def __check_init__(self):
        for name, value in vars(self).items():
            if name != "window" and not is_traced(value) and not read_number(name, value, 0) > 0:
                refuse(name, "be positive", "it is 0")

    def evidence(
        self, soa: Scalar, cue: Cue = Cue.NEUTRAL, *, contrast: Scalar = 0.64
    ) -> Float[Array, " 2"]:
        """The evidence for the right answer to each of two targets, in units of 1/tau_decision.

        The first is tilted from the vertical, the second from the horizontal, so that they share
        no orientation. Pure (jit, vmap, grad in the parameters); no batch axis.

        Args:
            soa: ms, between the onsets of the targets; use `jax.vmap` for several.
            cue: a `cortex.Cue`.
            contrast: of the targets, 0 to 1.

        Returns:
            (2,).
        """
        if not isinstance(cue, Cue):
            refuse("cue", "be a `cortex.Cue`, such as `cortex.Cue.FIRST`", f"it is {cue!r:.99}")
        contrast = read_contrast("contrast", contrast)
        total = jnp.minimum(2, 1 + soa / self.recovery)
        most = jnp.minimum(1, total)
        shares = {
            Cue.FIRST: jnp.stack([most, total - most]),
            Cue.SECOND: jnp.stack([total - most, most]),
            Cue.NEUTRAL: jnp.stack([total / 2, total / 2]),
        }[cue]
        # One compiled program for all numbers except those that set the steps, and the exponent.
        kept = lambda m: (m.dt, m.duration, m.window, m.exponent)  # noqa: E731
        arrays = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), self)
        model = eqx.tree_at(kept, arrays, kept(self))
        return model._run(jnp.asarray(soa, float), shares, jnp.asarray(contrast, float))

    @eqx.filter_jit
    def _run(self, soa: Array, shares: Array, contrast: Array) -> Float[Array, " 2"]:
        count = round(self.duration / self.dt)
        # Time is counted in steps, so that a window holds a whole number of them.
        onsets = jnp.stack([jnp.zeros_like(soa), soa]) + _ONSET
        ts = self.dt * jnp.arange(1.0, count + 1)
        since = ts[:, None] - onsets[None, :]
        half = self.dt / 2
        shown = (since > -half) & (since < self.target_duration + half)
        start, length = self.window
        cued = (since > start - half) & (since < start + length + half)
        ends = jnp.stack([onsets[1], jnp.asarray(jnp.inf)])
        gathers = (since > -half) & (ts[:, None] < ends[None, :] - half)
        attends = highest(jnp.where(cued, shares[None, :], 0), 1)
        inputs = (jnp.where(shown, contrast, 0.0), attends, gathers)
        # A bound method would be hashed, and with it the arrays of its object.
        end, _ = jax.lax.scan(lambda s, x: self._step(s, x), self._rest(), inputs)
        # The first target is tilted counterclockwise, the second clockwise.
        return end.decision * jnp.array([1.0, -1.0]) * self.tau_decision

    def _rest(self) -> _State:
        n = len(_TUNING[0])
        r = jnp.zeros(n)
        return _State(r, r, r, r, jnp.zeros(2), jnp.zeros(self._memory))

    @property
    def _memory(self) -> int:
        return round(_LENGTH / self.dt) + 1

    def _step(self, s: _State, inputs: Any) -> tuple[_State, None]:
        shown, attends, gathers = inputs
        p = self.exponent
        up = lambda r: power(jax.nn.relu(r), p)  # noqa: E731
        gains = up(1 + self.gain_voluntary * s.voluntary) * up(
            1 + self.gain_involuntary * s.involuntary
        )
        drive = gains * up(_TUNING[[0, 3]].T @ shown)
        sensory = self._followed(s.sensory, drive, self.sigma_1, self.tau_1)
        second = self._followed(s.second, up(sensory), self.sigma_2, self.tau_2)
        says = jnp.where(gathers, _EVIDENCE @ second, 0.0)
        decision = self._followed(s.decision, says, self.sigma_decision, self.tau_decision)
        cued = jnp.full_like(sensory, up(attends))
        voluntary = self._followed(s.voluntary, cued, self.sigma_attention, self.tau_voluntary)
        past = jnp.concatenate([jnp.sum(up(sensory))[None], s.past[:-1]])
        caught = jnp.full_like(sensory, self._filter() @ past)
        involuntary = self._followed(
            s.involuntary, caught, self.sigma_attention, self.tau_involuntary
        )
        return _State(sensory, second, voluntary, involuntary, decision, past), None

    def _followed(self, r: Array, d: Array, sigma: float, tau: float) -> Array:
        pool = jnp.sum(jnp.abs(d)) + power(jnp.asarray(sigma), self.exponent)
        return r + self.dt / tau * (-r + d / pool)

    def _filter(self) -> Float[Array, " memory"]:
        t = self.dt * jnp.arange(1.0 * self._memory)
        return self.dt * jax.scipy.stats.gamma.pdf(t, _SHAPE, scale=_SCALE)


def _tuning(count: int = 12, sharpness: int = 23) -> np.ndarray:
    """(4, 12): responses to vertical targets tilted counterclockwise and clockwise, then to
    horizontal targets tilted so."""
    targets = np.array([90 + _TILT, 90 - _TILT, _TILT, 180 - _TILT])
    centres = 180 / count * np.arange(count)
    return np.abs(np.cos(np.radians(targets[:, None] - centres[None, :]))) ** sharpness


_TUNING = _tuning()
# Counterclockwise against clockwise, about each axis.
_EVIDENCE = np.stack([_TUNING[0] - _TUNING[1], _TUNING[2] - _TUNING[3]])


@carded
class CueingEffect(eqx.Module, AbstractTabular):
    """How a cue to one of two targets changes the evidence for each.

    - `soas`: (k,), ms. `cued`, `uncued`: (k, 2), the evidence for a target when it was cued, and
      when the other one was. `effect`: (k, 2), their difference.
    """

    soas: Float[Array, " k"]
    cued: Float[Array, "k 2"]
    uncued: Float[Array, "k 2"]

    @property
    def effect(self) -> Float[Array, "k 2"]:
        return self.cued - self.uncued

    def to_table(self) -> Table:
        """Evidence and effect for each onset asynchrony and target."""
        axes = {"soa": np.asarray(self.soas), "target": np.array(["first", "second"])}
        columns = {"cued": self.cued, "uncued": self.uncued, "effect": self.effect}
        return Table(axes, columns, {"soa": "ms"})

    def plot(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw the effect on both targets against the onset asynchrony (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            kw: passed to `ax.plot`.

        Returns:
            The axes.
        """
        ax = axes_of(ax)
        for values, label in zip(np.asarray(self.effect).T, ("first", "second"), strict=True):
            looks = {"marker": "o", "ms": 4, "label": f"{label} target"}
            ax.plot(np.asarray(self.soas), values, **looks | kw)
        ax.set(xlabel="stimulus onset asynchrony (ms)", ylabel="cued - uncued evidence")
        ax.legend(frameon=False)
        return ax

    def _card(self) -> Card:
        rows = np.column_stack([np.asarray(self.soas), np.asarray(self.effect)]).tolist()
        names = ("SOA (ms)", "first target", "second target")
        title = f"CueingEffect: {counted(len(rows), 'asynchrony', 'asynchronies')}"
        return Card(title, {}, names, list(map(tuple, rows))[:7], len(rows))


def cueing_effect(
    model: TemporalAttention, soas: Numbers, *, contrast: Scalar = 0.64
) -> CueingEffect:
    """How a temporal cue changes the evidence for each of two targets, against their asynchrony.

    When the second target follows soon, attending to one leaves little attention for the other.

    Args:
        model: a `TemporalAttention`.
        soas: (k,), ms, times between the onsets of the targets, multiples of the model's `dt`.
        contrast: of the targets, 0 to 1.

    Returns:
        A `CueingEffect`.

    Raises:
        ValueError: an argument is bad.
    """
    if not isinstance(model, TemporalAttention):
        refuse("model", "be a `cortex.TemporalAttention`", f"it is {a_or_an(type(model).__name__)}")
    soas = jnp.atleast_1d(check_finite("soas", as_float_array("soas", soas, float)))
    last = model.duration - _ONSET
    if soas.ndim != 1 or not (is_traced(soas) or np.all((np.asarray(soas) > 0) & (soas < last))):
        refuse("soas", f"lie above 0 and below {last:g} ms", f"they are {soas!r:.99}")
    run = lambda cue: jax.vmap(lambda soa: model.evidence(soa, cue, contrast=contrast))(soas)  # noqa: E731
    first, second = run(Cue.FIRST), run(Cue.SECOND)
    cued = jnp.stack([first[:, 0], second[:, 1]], axis=1)
    uncued = jnp.stack([second[:, 0], first[:, 1]], axis=1)
    return CueingEffect(soas, cued, uncued)
