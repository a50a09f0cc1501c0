"""The variability of responses against contrast: Fano factors and noise correlations."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._axes import Axes, axes_of
from ..._cards import Card, carded
from ..._checks import as_float_array, check_positive_number, counted, is_traced, refuse
from ..._tables import Table
from ..._types import Numbers, Scalar
from ...linear import refuse_unresolved
from ...noise import AbstractNoise, check_noise
from .._read import read_contrasts, read_units
from ..populations import AbstractPopulation, Attention, check_population
from ..stimuli import AbstractStimulus
from ._counts import Correlations, Factors, correlations_of, factors_of
from ._experiment import AbstractExperiment, check_found, drive_at, inputs_at
from ._response import AbstractCurves, AbstractResponse, Axis


@carded
class FanoResponse(AbstractCurves):
    """Fano factors of spike counts against contrast.

    - `contrasts`: (k,). `factors`: (k, n), of the recorded `units`, variance/mean of the counts;
      NaN where a rate is 0. `means`: (k, n), of the counts. `window`: ms.
    """

    contrasts: Float[Array, " k"]
    factors: Float[Array, "k n"]
    means: Float[Array, "k n"]
    window: Float[Array, ""]
    experiment: AbstractExperiment

    @property
    def observed(self) -> Float[Array, "k n"]:
        return self.factors

    @property
    def axis(self) -> Axis:
        return Axis("contrast", np.asarray(self.contrasts), "", "contrast")

    @property
    def quantity(self) -> tuple[str, str]:
        return "Fano factor", ""


@carded
class NoiseCorrelations(AbstractResponse):
    """Correlations of the spike counts of pairs of units, against contrast.

    - `contrasts`: (k,). `correlations`: (k, n, n), of the recorded `units`, symmetric, 1 on the
      diagonal; NaN where a rate is 0. `window`: ms.
    - `mean`: (k,), over pairs of different units.
    """

    contrasts: Float[Array, " k"]
    correlations: Float[Array, "k n n"]
    window: Float[Array, ""]
    experiment: AbstractExperiment

    @property
    def mean(self) -> Float[Array, " k"]:
        first, second = np.triu_indices(len(self.units), 1)
        return jnp.nanmean(self.correlations[:, first, second], axis=1)

    @property
    def observed(self) -> Float[Array, "k n n"]:
        return self.correlations

    def to_table(self) -> Table:
        """Correlations for each contrast and each pair of units."""
        axes = {"contrast": self.contrasts, "unit": self.units, "other": self.units}
        return Table(axes, {"correlation": self.correlations})

    def plot(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw the mean correlation of pairs against the difference between their preferred
        orientations, a curve for each contrast (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            kw: passed to `ax.plot`.

        Returns:
            The axes.
        """
        ax, values = axes_of(ax), np.asarray(self.correlations)
        preferred = self.population.orientations
        own = np.asarray(preferred)[self.units % preferred.size]
        first, second = np.triu_indices(own.size, 1)
        apart = np.round(np.abs((own[first] - own[second] + 90) % 180 - 90), 6)
        degrees = np.unique(apart)
        for contrast, rho in zip(np.asarray(self.contrasts), values, strict=True):
            pairs = rho[first, second]
            mean = [np.mean(pairs[apart == d]) for d in degrees]
            looks: dict[str, Any] = {"marker": "o", "label": f"contrast {contrast:.3g}"}
            ax.plot(degrees, mean, **looks | kw)
        ax.set(xlabel="difference in preferred orientation (degrees)", ylabel="noise correlation")
        ax.legend(frameon=False)
        return ax

    def _card(self) -> Card:
        pairs = np.asarray(self.correlations)[:, ~np.eye(len(self.units), dtype=bool)]
        # Silent units have none.
        known = [row[~np.isnan(row)] if not np.isnan(row).all() else row[:1] for row in pairs]
        rows = [
            (float(contrast), float(mean), float(rho.min()), float(rho.max()))
            for contrast, mean, rho in zip(self.contrasts, self.mean, known, strict=True)
        ]
        sizes = f"{counted(len(rows), 'contrast')}, {counted(len(self.units), 'unit')}"
        names = ("contrast", "mean", "lowest", "highest")
        facts = {"window": f"{float(self.window):g} ms"}
        return Card(f"NoiseCorrelations: {sizes}", facts, names, rows[:7], len(rows))


def fano_response(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    contrasts: Numbers,
    noise: AbstractNoise,
    *,
    window: Scalar = 100.0,
    scale: Scalar = 0.1,
    mask: AbstractStimulus | None = None,
    attention: Attention = None,
    units: Numbers | None = None,
) -> FanoResponse:
    """Fano factors of spike counts in a window, against contrast.

        F = 1 + Var(∫r dt)/E(∫r dt),   r_i = scale ⌊y_i⌋^p

    `oo.fano`, for all contrasts at once. Spikes are Poisson given the rates of the noisy circuit,
    which is linearised about its steady state, so the noise must be small. Where F falls with
    contrast, variability is quenched.

    Args:
        population, stimulus, contrasts, mask, attention: as for `contrast_response`. Where a
            population has no `spontaneous` drive, it has no rate at contrast 0, and F is NaN.
        noise: an `oo.Noise`, another kind, or a sum of kinds; measurement noise does not enter F.
        window: T > 0, ms.
        scale: spikes per ms at a response of 1.
        units: indices of the units to record, by default all.

    Returns:
        A `FanoResponse`.

    Raises:
        ValueError: an argument is bad, or rounding may change a variance by more than 1 %.
        RuntimeError: no stable fixed point was found at one of the contrasts.

    Reference:
        Churchland et al., "Stimulus onset quenches neural variability: a widespread cortical
        phenomenon", Nature Neuroscience 13 (2010).
    """
    contrasts, parts = _read(population, stimulus, contrasts, noise, mask, attention, units)
    experiment = _experiment(Factors, parts, window, scale)
    means, variances = _counted(experiment, contrasts)
    found = {"factors": factors_of(means, variances), "means": means}
    return FanoResponse(
        contrasts=contrasts, **found, window=experiment.window, experiment=experiment
    )


def noise_correlations(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    contrasts: Numbers,
    noise: AbstractNoise,
    *,
    window: Scalar = 100.0,
    scale: Scalar = 0.1,
    mask: AbstractStimulus | None = None,
    attention: Attention = None,
    units: Numbers | None = None,
) -> NoiseCorrelations:
    """Correlations of the spike counts of pairs of units in a window, against contrast.

        ρ_ij = Cov(∫r_i dt, ∫r_j dt)/√(Var N_i Var N_j),   Var N = E N + Var(∫r dt)

    Spikes are Poisson given the rates, so counts are correlated only as far as rates are.

    Args:
        population, stimulus, contrasts, noise, window, scale, mask, attention: as for
            `fano_response`.
        units: indices of the units to record, at least two, by default all.

    Returns:
        A `NoiseCorrelations`.

    Raises:
        ValueError: an argument is bad, or rounding may change a variance by more than 1 %.
        RuntimeError: no stable fixed point was found at one of the contrasts.

    Reference:
        Cohen, Kohn, "Measuring and interpreting neuronal correlations", Nature Neuroscience 14
        (2011).
    """
    contrasts, parts = _read(population, stimulus, contrasts, noise, mask, attention, units)
    if len(parts[1]) < 2:
        refuse("units", "number at least two units, whose counts are compared", "there is one")
    experiment = _experiment(Correlations, parts, window, scale)
    rho = correlations_of(*_counted(experiment, contrasts))
    return NoiseCorrelations(
        contrasts=contrasts, correlations=rho, window=experiment.window, experiment=experiment
    )


def _counted(experiment: Any, contrasts: Array) -> tuple[Array, Array]:
    means, variances = experiment.counts(experiment.population.circuit)
    means = check_found(means, "contrast", contrasts)
    return means, variances if is_traced(variances) else refuse_unresolved(variances)


def _read(
    population: AbstractPopulation,
    stimulus: AbstractStimulus,
    contrasts: Numbers,
    noise: AbstractNoise,
    mask: AbstractStimulus | None,
    attention: Attention,
    units: Numbers | None,
) -> tuple[Array, tuple[Any, ...]]:
    check_population(population)
    check_noise(noise)
    contrasts = read_contrasts("contrasts", contrasts)
    inputs = inputs_at(drive_at(population, stimulus, mask, attention), contrasts)
    return contrasts, (population, read_units(population.size, units), inputs, noise)


def _experiment(kind: type, parts: tuple[Any, ...], window: Scalar, scale: Scalar) -> Any:
    dtype = parts[2].dtype
    window = as_float_array("window", check_positive_number("window", window), dtype)
    scale = as_float_array("scale", check_positive_number("scale", scale), dtype)
    return kind(*parts, window, scale)
