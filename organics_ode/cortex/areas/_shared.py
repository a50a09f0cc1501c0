from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from ..._axes import Axes, axes_of
from ..._cards import Card, carded
from ..._checks import check_kind, refuse
from ..._nonlinearities import root
from ..._tables import AbstractTabular, Table
from ..._types import Numbers, StateLike
from ...circuits import Hierarchy
from ...linear import by_field
from ...noise import AbstractNoise, cross_spectrum
from .._read import read_units
from ..communication import communication

_SILENT = 1e-12  # Relative to the largest power: units whose rates rest at their floor have none.


@carded
class SharedSpectra(eqx.Module, AbstractTabular):
    """Power of the areas of a noisy hierarchy, and what they share, against frequency.

    - `names`: of the areas. `units`: (k,), the recorded units of each area.
    - `frequencies`: (f,), Hz.
    - `cross`: (f, areas·k, areas·k), cross-spectra of the responses of all areas, per Hz.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    units: np.ndarray
    frequencies: Float[Array, " f"]
    cross: Complex[Array, "f d d"]

    @property
    def power(self) -> Float[Array, "f areas"]:
        """The power of the first recorded unit of each area, per Hz, two-sided."""
        first = self._first
        return jnp.real(self.cross[:, first, first])

    @property
    def coherence(self) -> Float[Array, "f areas areas"]:
        """|S_ij|²/(S_ii S_jj), in [0, 1], between the first recorded units of any two areas."""
        S, size = self.cross[:, self._first][:, :, self._first], root(self.power, 2)
        safe = jnp.where(size > 0, size, 1).astype(S.dtype)
        return jnp.abs(S / safe[:, :, None] / safe[:, None, :]) ** 2

    def communication(self, source: str, target: str) -> Float[Array, "f ranks"]:
        """The share of the target's power that the source predicts through each number of
        dimensions, at each frequency: `communication` of the cross-spectra. Units that do not
        fluctuate are left out.

        Args:
            source, target: names of areas.

        Raises:
            ValueError: there is no such area, or both are the same.
        """
        i, j = self._numbers("source", source), self._numbers("target", target)
        power = np.asarray(jnp.real(jnp.einsum("fii->fi", self.cross)).sum(0))
        i, j = (v[power[v] > _SILENT * power.max()] for v in (i, j))
        return jax.vmap(lambda S: communication(S, i, j))(self.cross)

    def dimensions(self, source: str, target: str, *, share: float = 0.95) -> np.ndarray:
        """How many dimensions predict this share of what all predict, at each frequency (host).

        Args:
            source, target: names of areas.
            share: of the performance at full rank.

        Returns:
            (f,), integers.

        Raises:
            ValueError: as for `communication`.
        """
        found = np.asarray(self.communication(source, target))
        return 1 + np.argmax(found >= share * found[:, -1:], axis=1)

    def to_table(self) -> Table:
        """Power and coherence over frequency."""
        columns = {f"power_{n}": self.power[:, i] for i, n in enumerate(self.names)}
        columns |= {
            f"coherence_{a}_{b}": self.coherence[:, i, j]
            for i, a in enumerate(self.names)
            for j, b in enumerate(self.names)
            if i < j
        }
        units = {"frequency": "Hz"} | {f"power_{n}": "1/Hz" for n in self.names}
        return Table({"frequency": self.frequencies}, columns, units)

    def plot(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw the power of each area (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            kw: passed to `ax.loglog`.

        Returns:
            The axes.
        """
        ax, power = axes_of(ax), np.asarray(self.power)
        for i, name in enumerate(self.names):
            ax.loglog(np.asarray(self.frequencies), power[:, i], **({"label": name} | kw))
        ax.set(xlabel="frequency (Hz)", ylabel="power (1/Hz)")
        ax.legend(frameon=False)
        return ax

    @property
    def _first(self) -> np.ndarray:
        return np.arange(len(self.names)) * len(self.units)

    def _numbers(self, argument: str, name: str) -> np.ndarray:
        if name not in self.names:
            refuse(argument, f"be one of {', '.join(self.names)}", f"it is {name!r}")
        k = len(self.units)
        return self.names.index(name) * k + np.arange(k)

    def _card(self) -> Card:
        f = np.asarray(self.frequencies)
        facts = {"units": str(list(map(int, self.units)))}
        facts |= {"frequency": f"{f.min():.4g} to {f.max():.4g} Hz, {f.size} of them"}
        return Card(f"SharedSpectra: {', '.join(self.names)}", facts)


def shared_spectra(
    model: Hierarchy,
    x: Numbers,
    frequencies: Numbers,
    noise: AbstractNoise,
    *,
    units: Numbers = (0,),
    state0: StateLike | None = None,
) -> SharedSpectra:
    """Cross-spectra of the noisy responses of all areas about the fixed point (host).

    `oo.cross_spectrum` of the first entry of each area's state, for some units of each. The power,
    the coherence between areas and the communication at each frequency follow from it.

    Args:
        model: a hierarchy whose areas have the same number of units, such as `two_areas()`.
        x: (m,), its input.
        frequencies: (f,), Hz.
        noise: an `oo.Noise`, another kind, or a sum of kinds, such as `membrane_noise(model)`.
        units: (k,), indices of the recorded units; power and coherence are those of the first.
        state0: as in `oo.fixed_point`.

    Returns:
        A `SharedSpectra`.

    Raises:
        ValueError: an argument is bad, or no stable fixed point was found.
    """
    check_kind("model", model, Hierarchy)
    d = sum(leaf.size for leaf in model.initial_state())
    places = by_field(model, jnp.arange(d))
    rows = [np.asarray(part[0]) for part in model.split(places)]
    units = read_units(min(map(len, rows)), units)
    chosen = np.concatenate([row[units] for row in rows])
    cross = cross_spectrum(model, x, frequencies, noise, state0=state0, variables=chosen)
    return SharedSpectra(model.names, units, jnp.asarray(frequencies), cross)
