"""Responses against the contrast of a stimulus, alone and with a mask."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._axes import Axes, axes_of
from ..._cards import Card, carded
from ..._checks import check_kind, counted
from ..._tables import Table
from ..._types import Numbers
from .._read import read_contrasts, read_units
from ..populations import AbstractPopulation, Attention, check_population
from ..stimuli import AbstractStimulus
from ._experiment import AbstractExperiment, Steady, check_found, drive_at, inputs_at
from ._response import AbstractCurves, AbstractResponse, Axis


@carded
class ContrastResponse(AbstractCurves):
    """Firing rates against contrast.

    - `contrasts`: (k,). `responses`: (k, n), steady rates of the recorded `units`.
    """

    contrasts: Float[Array, " k"]
    responses: Float[Array, "k n"]
    experiment: AbstractExperiment

    @property
    def observed(self) -> Float[Array, "k n"]:
        return self.responses

    @property
    def axis(self) -> Axis:
        return Axis("contrast", np.asarray(self.contrasts), "", "contrast")

    @property
    def quantity(self) -> tuple[str, str]:
        return "response", ""


@carded
class MaskResponse(AbstractResponse):
    """Firing rates against the contrasts of a stimulus and of a mask on it.

    - `contrasts`: (k,), of the stimulus. `mask_contrasts`: (l,).
    - `responses`: (l, k, n), steady rates of the recorded `units`.
    """

    contrasts: Float[Array, " k"]
    mask_contrasts: Float[Array, " l"]
    responses: Float[Array, "l k n"]
    experiment: AbstractExperiment

    @property
    def observed(self) -> Float[Array, "rows n"]:
        return self.responses.reshape(-1, self.responses.shape[-1])

    def to_table(self) -> Table:
        """Responses for both contrasts and each unit, by its index."""
        axes = {"mask_contrast": self.mask_contrasts, "contrast": self.contrasts}
        return Table(axes | {"unit": self.units}, {"response": self.responses})

    def plot(self, ax: Axes | None = None, *, unit: int | None = None, **kw: Any) -> Axes:
        """Draw the contrast response of one unit, a curve for each mask (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            unit: which of the recorded units, from 0; by default the most responsive.
            kw: passed to `ax.plot`.

        Returns:
            The axes.
        """
        ax, values = axes_of(ax), np.asarray(self.responses)
        i = _strongest_one(values) if unit is None else unit
        for mask, rows in zip(np.asarray(self.mask_contrasts), values, strict=True):
            looks: dict[str, Any] = {"label": f"mask {mask:g}"}
            ax.plot(np.asarray(self.contrasts), rows[:, i], **looks | kw)
        ax.set(xlabel="contrast", ylabel=f"response of unit {self.units[i]}")
        ax.legend(frameon=False)
        return ax

    def _card(self) -> Card:
        values, contrasts = np.asarray(self.responses), np.asarray(self.contrasts)
        title = (
            f"MaskResponse: {counted(len(values), 'mask')}, {counted(len(contrasts), 'contrast')}"
        )
        i = _strongest_one(values)
        at = f"unit {self.units[i]} at {float(contrasts[-1]):.4g}"
        rows = [
            (float(mask), float(row[-1, i]))
            for mask, row in zip(self.mask_contrasts, values, strict=True)
        ]
        return Card(title, {}, ("mask", at), rows[:7], len(rows))


def contrast_response(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    contrasts: Numbers,
    *,
    mask: AbstractStimulus | None = None,
    attention: Attention = None,
    units: Numbers | None = None,
) -> ContrastResponse:
    """Steady firing rates against the contrast of a stimulus.

        R_i(c) = ⌊y_i⌋^p at the fixed point

    Computed for all contrasts at once by `jax.vmap`. With the defaults of a `Ring`,

        R_i = z_i²/((σ b0/b1)² + c² + m²)

    Args:
        population: a `Ring`, a `Sheet`, …
        stimulus: what is shown; its own contrast is not used.
        contrasts: (k,), 0 to 1.
        mask: a stimulus shown with it, at its own contrast m.
        attention: as for `population.input`.
        units: indices of the units to record, by default all. See `population.nearest`.

    Returns:
        A `ContrastResponse`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: no stable fixed point was found at one of the contrasts.

    Reference:
        Albrecht, Hamilton, "Striate cortex of monkey and cat: contrast response function",
        J. Neurophysiology 48 (1982).
    """
    check_population(population)
    contrasts = read_contrasts("contrasts", contrasts)
    make = drive_at(population, stimulus, mask, attention)
    experiment = Steady(population, read_units(population.size, units), inputs_at(make, contrasts))
    rates = check_found(experiment.observe(population.circuit), "contrast", contrasts)
    return ContrastResponse(contrasts=contrasts, responses=rates, experiment=experiment)


def mask_response(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    mask: AbstractStimulus,
    contrasts: Numbers,
    mask_contrasts: Numbers,
    *,
    attention: Attention = None,
    units: Numbers | None = None,
) -> MaskResponse:
    """Steady firing rates against the contrasts of a stimulus and of a mask on it.

    Args:
        population, stimulus, attention, units: as for `contrast_response`.
        mask: a stimulus shown with it; its own contrast is not used.
        contrasts: (k,), of the stimulus, 0 to 1.
        mask_contrasts: (l,), 0 to 1.

    Returns:
        A `MaskResponse`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: no stable fixed point was found at one of the contrasts.

    Reference:
        Carandini, Heeger, Movshon, "Linearity and normalization in simple cells of the macaque
        primary visual cortex", J. Neuroscience 17 (1997).
    """
    check_population(population)
    check_kind("mask", mask, AbstractStimulus)
    contrasts = read_contrasts("contrasts", contrasts)
    masks = read_contrasts("mask_contrasts", mask_contrasts).astype(contrasts.dtype)
    grid = jnp.stack(jnp.meshgrid(masks, contrasts, indexing="ij"), axis=-1).reshape(-1, 2)

    def make(pair: Array) -> Array:
        return drive_at(population, stimulus, mask.at(pair[0]), attention)(pair[1])

    experiment = Steady(population, read_units(population.size, units), inputs_at(make, grid))
    rates = check_found(experiment.observe(population.circuit), "contrast", grid[:, 1])
    rates = rates.reshape(masks.size, contrasts.size, -1)
    shown = {"contrasts": contrasts, "mask_contrasts": masks}
    return MaskResponse(**shown, responses=rates, experiment=experiment)


def _strongest_one(values: np.ndarray) -> int:
    size = np.abs(values).max(axis=(0, 1))
    return int(np.argmax(size))
