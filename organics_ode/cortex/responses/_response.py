"""What all responses share: a table, a card, a picture, and the experiment they come from."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int

from ..._axes import Axes, axes_of
from ..._cards import Card
from ..._checks import counted
from ..._tables import AbstractTabular, Table
from ..populations import AbstractPopulation
from ._experiment import AbstractExperiment

_SHOWN = 6  # the most units that are drawn


class AbstractResponse(eqx.Module, AbstractTabular):
    """The responses of some units of a population in an experiment.

    It prints as a card, `.plot()` draws it, `.to_dataframe()` and `.to_xarray()` turn it into
    tables, and `cortex.fit_circuit` fits it to data.
    """

    experiment: eqx.AbstractVar[AbstractExperiment]

    @property
    @abstractmethod
    def observed(self) -> Float[Array, "..."]:
        """The array that `fit_circuit` compares with data, units last."""

    @abstractmethod
    def plot(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw it into matplotlib axes, by default those of a new figure (host)."""

    @property
    def population(self) -> AbstractPopulation:
        """The population that responded."""
        return self.experiment.population

    @property
    def units(self) -> Int[np.ndarray, " n"]:
        """The indices of the recorded units."""
        return self.experiment.units


class Axis(NamedTuple):
    """What was varied: its name in tables, its values, its unit, and its label in pictures."""

    name: str
    values: np.ndarray
    unit: str
    label: str


class AbstractCurves(AbstractResponse):
    """One number for every unit, as a function of one variable."""

    @property
    @abstractmethod
    def axis(self) -> Axis:
        """What was varied."""

    @property
    @abstractmethod
    def quantity(self) -> tuple[str, str]:
        """The name of what was observed, and its unit."""

    def to_table(self) -> Table:
        """What was observed, for each value of the variable and each unit."""
        name, unit = self.quantity
        axes = {self.axis.name: self.axis.values, "unit": self.units}
        units = {self.axis.name: self.axis.unit, name: unit}
        known = {key: value for key, value in units.items() if value}
        return Table(axes, {name: np.asarray(self.observed)}, known)

    def plot(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw a curve for each unit, for at most the six with the largest responses (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            kw: passed to `ax.plot`.

        Returns:
            The axes.
        """
        ax, (name, unit) = axes_of(ax), self.quantity
        values = np.asarray(self.observed)
        for i in strongest(values):
            looks: dict[str, Any] = {"label": f"unit {self.units[i]}"}
            ax.plot(self.axis.values, values[:, i], **looks | kw)
        ax.set(xlabel=self.axis.label, ylabel=f"{name} ({unit})" if unit else name)
        return ax

    def _card(self) -> Card:
        name, unit = self.quantity
        x, values = self.axis.values, np.asarray(self.observed)
        title = (
            f"{type(self).__name__}: {counted(len(x), 'value')}, {counted(len(self.units), 'unit')}"
        )
        i = int(np.argmax(np.nan_to_num(np.abs(values)).max(axis=0)))
        facts = {
            self.axis.name: f"{x.min():.4g} to {x.max():.4g} {self.axis.unit}".rstrip(),
            name: f"{_extent(values)} {unit}".rstrip(),
            f"unit {self.units[i]}": f"{_extent(values[:, i])} {unit}".rstrip(),
        }
        return Card(title, facts)


def strongest(values: np.ndarray) -> np.ndarray:
    """Which units of the last axis are drawn: those with the largest values."""
    size = np.nan_to_num(np.abs(values)).max(axis=tuple(range(values.ndim - 1)))
    return np.sort(np.argsort(-size, kind="stable")[:_SHOWN])


def _extent(values: np.ndarray) -> str:
    finite = values[np.isfinite(values)]
    return f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "none"
