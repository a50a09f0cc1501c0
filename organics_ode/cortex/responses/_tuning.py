"""Responses against the orientation or the size of a stimulus."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._cards import carded
from ..._checks import a_or_an, check_kind, refuse
from ..._nonlinearities import highest
from ..._types import Numbers
from .._read import read_lengths, read_orientations, read_units
from ..populations import AbstractPopulation, Attention, check_population
from ..stimuli import AbstractStimulus, Grating, Plaid
from ._experiment import AbstractExperiment, Steady, check_found, inputs_at
from ._response import AbstractCurves, Axis


@carded
class OrientationTuning(AbstractCurves):
    """Firing rates against orientation.

    - `orientations`: (k,), degrees. `responses`: (k, n), steady rates of the recorded `units`.
    - `preferred`: (n,), degrees. `selectivity`: (n,), 1 − circular variance, from 0 to 1. Both come
      from the vector sum Σ_k R_k e^{2iθ_k}, so the orientations must be evenly spaced over 180
      degrees.
    """

    orientations: Float[Array, " k"]
    responses: Float[Array, "k n"]
    experiment: AbstractExperiment

    @property
    def preferred(self) -> Float[Array, " n"]:
        return jnp.degrees(jnp.arctan2(*self._sums[::-1])) / 2 % 180

    @property
    def selectivity(self) -> Float[Array, " n"]:
        return jnp.hypot(*self._sums) / jnp.sum(self.responses, axis=0)

    @property
    def observed(self) -> Float[Array, "k n"]:
        return self.responses

    @property
    def axis(self) -> Axis:
        degrees = np.asarray(self.orientations)
        return Axis("orientation", degrees, "degrees", "orientation (degrees)")

    @property
    def quantity(self) -> tuple[str, str]:
        return "response", ""

    @property
    def _sums(self) -> tuple[Array, Array]:
        twice = 2 * jnp.radians(self.orientations)
        return jnp.cos(twice) @ self.responses, jnp.sin(twice) @ self.responses


@carded
class SizeTuning(AbstractCurves):
    """Firing rates against the radius of a disc.

    - `radii`: (k,), degrees of visual angle. `responses`: (k, n), rates of the recorded `units`.
    - `preferred`: (n,), the shown radius with the largest response.
    - `suppression`: (n,), 1 − R(largest disc)/R(preferred disc).
    """

    radii: Float[Array, " k"]
    responses: Float[Array, "k n"]
    experiment: AbstractExperiment

    @property
    def preferred(self) -> Float[Array, " n"]:
        return self.radii[jnp.argmax(self.responses, axis=0)]

    @property
    def suppression(self) -> Float[Array, " n"]:
        return 1 - self.responses[jnp.argmax(self.radii)] / highest(self.responses, 0)

    @property
    def observed(self) -> Float[Array, "k n"]:
        return self.responses

    @property
    def axis(self) -> Axis:
        return Axis("radius", np.asarray(self.radii), "degrees", "radius (degrees)")

    @property
    def quantity(self) -> tuple[str, str]:
        return "response", ""


def orientation_tuning(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    orientations: Numbers,
    *,
    mask: AbstractStimulus | None = None,
    attention: Attention = None,
    units: Numbers | None = None,
) -> OrientationTuning:
    """Steady firing rates against the orientation of a stimulus.

    Args:
        population, attention, units: as for `contrast_response`.
        stimulus: a `Grating`, a `Gabor`, an `Annulus` or `OrientedNoise`; its own orientation is
            not used.
        orientations: (k,), degrees, 0 to 180.
        mask: a stimulus shown with it, unchanged.

    Returns:
        An `OrientationTuning`.

    Raises:
        ValueError: an argument is bad, such as orientations in radians.
        RuntimeError: no stable fixed point was found at one of the orientations.

    Reference:
        Ringach, Shapley, Hawken, "Orientation selectivity in macaque V1: diversity and laminar
        dependence", J. Neuroscience 22 (2002), for the circular variance.
    """
    check_population(population)
    if not hasattr(stimulus, "orientation"):
        must = "have one orientation, as a Grating has"
        refuse("stimulus", must, f"it is {a_or_an(type(stimulus).__name__)}")
    orientations = read_orientations("orientations", orientations)
    turned = lambda theta: _replaced(stimulus, "orientation", theta)  # noqa: E731
    parts = (turned, mask, attention, units, "orientation", orientations)
    rates, experiment = _run(population, *parts)
    return OrientationTuning(orientations=orientations, responses=rates, experiment=experiment)


def size_tuning(
    population: AbstractPopulation,
    stimulus: Grating,
    radii: Numbers,
    *,
    mask: AbstractStimulus | None = None,
    attention: Attention = None,
    units: Numbers | None = None,
) -> SizeTuning:
    """Steady firing rates against the radius of a disc of grating.

    Args:
        population, attention, units: as for `contrast_response`; the population is a `Sheet`.
        stimulus: a `Grating`; its own radius is not used.
        radii: (k,), degrees of visual angle, > 0.
        mask: a stimulus shown with it, unchanged.

    Returns:
        A `SizeTuning`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: no stable fixed point was found at one of the radii.

    Reference:
        Cavanaugh, Bair, Movshon, "Nature and interaction of signals from the receptive field center
        and surround in macaque V1 neurons", J. Neurophysiology 88 (2002).
    """
    check_population(population)
    check_kind("stimulus", stimulus, Grating)
    radii = read_lengths("radii", radii)
    sized = lambda radius: _replaced(stimulus, "radius", radius)  # noqa: E731
    rates, experiment = _run(population, sized, mask, attention, units, "radius", radii)
    return SizeTuning(radii=radii, responses=rates, experiment=experiment)


def _run(
    population: AbstractPopulation,
    stimulus_at: Any,
    mask: AbstractStimulus | None,
    attention: Attention,
    units: Numbers | None,
    name: str,
    values: Array,
) -> tuple[Array, Steady]:
    if mask is not None:
        check_kind("mask", mask, AbstractStimulus)

    def make(value: Array) -> Array:
        one = stimulus_at(value)
        return population.drive(one if mask is None else Plaid(one, mask), attention)

    experiment = Steady(population, read_units(population.size, units), inputs_at(make, values))
    return check_found(experiment.observe(population.circuit), name, values), experiment


def _replaced(stimulus: Any, field: str, value: Array) -> Any:
    is_none = lambda leaf: leaf is None  # noqa: E731
    return eqx.tree_at(lambda s: getattr(s, field), stimulus, value, is_leaf=is_none)
