from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._cards import Card, plain, summary
from ..._checks import (
    as_float_array,
    check_finite,
    check_kind,
    check_positive,
    counted,
    is_traced,
    read_integer,
    read_number,
    refuse,
    refuse_kind,
)
from ..._constraints import resolve
from ..._nonlinearities import power, root
from ..._types import Numbers, Scalar
from ...circuits import ORGaNICs
from ...dynamics import ZeroOrderHold
from .._fields import Fields
from .._read import read_orientation, read_position
from ..stimuli import AbstractStimulus, AttentionField, ContrastSteps

# The forms in which attention may be given.
Attention = AttentionField | Numbers | None


class AbstractPopulation(eqx.Module):
    """Cells with tuned receptive fields, and the circuit that normalizes their responses.

    - `circuit`: an `oo.ORGaNICs` whose inputs are the drives of its units: W_zx is the identity.
    - `fields`: the receptive fields. `orientations`: (n_θ,), degrees. `positions`: (n_x, 2), or
      None. Units are ordered by position, then orientation: first all orientations at the first
      position.
    - `spontaneous`: s, the drive of every unit while nothing is shown.
    """

    circuit: eqx.AbstractVar[ORGaNICs]
    fields: eqx.AbstractVar[Fields]
    spontaneous: eqx.AbstractVar[Scalar]

    @property
    def size(self) -> int:
        """n, the number of units."""
        return self.fields.size

    @property
    def orientations(self) -> Float[np.ndarray, " orientations"]:
        """The preferred orientations at each position, degrees."""
        return self.fields.orientations

    @property
    def positions(self) -> Float[np.ndarray, "positions 2"] | None:
        """The centres of the receptive fields, degrees of visual angle."""
        return self.fields.positions

    def input(
        self, stimulus: AbstractStimulus | ContrastSteps, attention: Attention = None
    ) -> Float[Array, " n"] | ZeroOrderHold:
        """The input x of the circuit while a stimulus is shown: the drive of its units.

            x_i = A_i √(z_i² + s²)

        Pure in the numbers of stimulus and attention (jit, vmap, grad).

        Args:
            stimulus: a stimulus, or `ContrastSteps` for one whose contrast steps over time.
            attention: gains A on the drive: an `AttentionField`, a number for all units, or (n,).

        Returns:
            (n,), or for `ContrastSteps` an `oo.ZeroOrderHold` of such inputs.

        Raises:
            ValueError: an argument is bad, or the stimulus is not on the sheet.
        """
        if isinstance(stimulus, ContrastSteps):
            shown = lambda c: self.drive(stimulus.stimulus.at(c), attention)  # noqa: E731
            return ZeroOrderHold(stimulus.ts, jax.vmap(shown)(stimulus.contrasts))
        return self.drive(stimulus, attention)

    def drive(self, stimulus: AbstractStimulus, attention: Attention = None) -> Float[Array, " n"]:
        """The drive of every unit while a constant stimulus is shown: its `input`."""
        if not isinstance(stimulus, AbstractStimulus):
            refuse_kind("stimulus", "be a stimulus, such as `cortex.Grating(45, 0.5)`", stimulus)
        self._check_place(stimulus)
        return self._driven(stimulus.drive(self.fields), attention)

    def blank(self, attention: Attention = None) -> Float[Array, " n"]:
        """The drive of every unit while nothing is shown: A_i s."""
        return self._driven(jnp.zeros(self.size, self._dtype), attention)

    def rates(self, y: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
        """The firing rates for responses y: ⌊y⌋^p with the exponent p of the circuit."""
        return power(jax.nn.relu(y), resolve(self.circuit).exponent)

    def nearest(self, orientation: Scalar, position: Numbers = (0.0, 0.0)) -> int:
        """The index of the unit whose preferred orientation and position are nearest (host)."""
        orientation = float(np.asarray(read_orientation("orientation", orientation)))
        away = np.abs((self.orientations - orientation + 90) % 180 - 90)
        place = 0
        if self.positions is not None:
            at = np.asarray(read_position("position", position))
            place = int(np.argmin(np.sum((self.positions - at) ** 2, axis=1)))
        return place * self.orientations.size + int(np.argmin(away))

    @property
    def is_silent(self) -> bool:
        """Whether it has no drive while nothing is shown."""
        return not is_traced(self.spontaneous) and float(np.asarray(self.spontaneous)) == 0

    def _driven(self, drive: Array, attention: Attention) -> Float[Array, " n"]:
        if not self.is_silent:
            drive = root(drive**2 + jnp.asarray(self.spontaneous, drive.dtype) ** 2, 2)
        return (drive * self._gains(attention, drive)).astype(self._dtype)

    def _check_place(self, stimulus: AbstractStimulus) -> None:
        shown = [patch for patch in stimulus.patches() if not patch.covers_all]
        if self.positions is None:
            if shown:
                remedy = "take a Sheet, or leave radii and windows out"
                refuse(
                    "stimulus",
                    "cover the field, as a Ring has no space",
                    f"one part does not; {remedy}",
                )
            return
        low, high = self.positions.min(axis=0), self.positions.max(axis=0)
        for patch in shown:
            x, y = patch.position
            if not (low[0] <= x <= high[0] and low[1] <= y <= high[1]):
                sides = f"x {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g} degrees"
                refuse("stimulus", f"lie on the sheet, {sides}", f"it is at ({x:g}, {y:g})")

    def _gains(self, attention: Attention, drive: Array) -> Array:
        if attention is None:
            return jnp.ones((), drive.dtype)
        if isinstance(attention, AttentionField):
            return attention.gains(self.fields).astype(drive.dtype)
        gains = check_positive(
            "attention",
            check_finite("attention", as_float_array("attention", attention, drive.dtype)),
        )
        if gains.shape not in ((), (self.size,)):
            must = f"be an AttentionField, a number or have shape (n,) = ({self.size},)"
            refuse("attention", must, f"it has shape {gains.shape}")
        return gains

    def _card(self) -> Card:
        if np.ndim(self.orientations) != 1:  # a batch, or a tree of no numbers
            return plain(self)
        degrees = 180 / self.orientations.size
        facts = {"orientations": f"{self.orientations.size}, {degrees:g} degrees apart"}
        if self.positions is not None:
            low, high = self.positions.min(axis=0), self.positions.max(axis=0)
            sides = f"x {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g} degrees"
            facts["positions"] = f"{len(self.positions)}, {sides}"
        if not self.is_silent:
            facts["spontaneous"] = summary(self.spontaneous)
        circuit = resolve(self.circuit)
        for name in ("sigma", "b0", "b1", "tau_y", "tau_a"):
            facts[name] = summary(getattr(circuit, name))
        return Card(f"{type(self).__name__}: {counted(self.size, 'unit')}", facts)

    @property
    def _dtype(self) -> jnp.dtype:
        return resolve(self.circuit).W_zx.dtype


def check_population(population: Any) -> None:
    check_kind("population", population, AbstractPopulation)


def tuned_pool(orientations: np.ndarray, spread: Any) -> np.ndarray:
    """Weights between orientations, of mean 1: uniform, or a Gaussian of their difference."""
    if spread is None:
        return np.ones((orientations.size, orientations.size))
    spread = read_number("pool_spread", spread, np.finfo(float).tiny)
    away = (orientations[:, None] - orientations[None, :] + 90) % 180 - 90
    weights = np.exp(-(away**2) / (2 * spread**2))
    return weights / weights.mean(axis=1, keepdims=True)


def read_spontaneous(value: Any) -> Scalar:
    """s ≥ 0, which may be traced."""
    if is_traced(value):
        must = "Argument `spontaneous` must be at least 0."
        return eqx.error_if(value, ~(value >= 0), must)
    return read_number("spontaneous", value, 0.0)


def even_orientations(count: int) -> np.ndarray:
    return 180 / count * np.arange(count)


def read_power(power: Any, count: int) -> int:
    if power is None:
        return max(count // 2 - 1, 0)
    must = f"be an integer from 0 to {count - 1}, below the number of orientations"
    return read_integer("power", power, 0, must, count - 1)
