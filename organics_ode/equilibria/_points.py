"""Points found by a search from many starts, and what the searches share."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from .._cards import SHOWN, Card, carded, first_numbers
from .._checks import as_float_array, check_finite, fields_of, on_device, refuse
from .._constraints import resolve
from .._tables import AbstractTabular, Table, named, numbered
from .._types import Numbers, StateLike
from ..circuits import AbstractCircuit
from ..linear import Equations, Spectrum, kind_of, ravel, spectrum_of
from ..programs import in_full_precision, quickly_compiled

Points = TypeVar("Points", bound="AbstractPoints")

# Points nearer than this, relative to their size, count as one: far above the tolerance, and far
# below the distance of two fixed points.
_SAME = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 1e-3}


@carded
class AbstractPoints(eqx.Module, AbstractTabular):
    """States of one circuit at one input, each with its residual and its spectrum.

    They support `len`, iteration over states, `points[i]` (an index, a slice, or a mask such as
    `points.is_stable`), `points.sort(values)`, `oo.save` and `oo.load`. Printing shows a table;
    `to_dataframe()` and `to_xarray()` make one.
    """

    states: eqx.AbstractVar[PyTree]
    residuals: eqx.AbstractVar[Float[Array, " k"]]
    spectra: eqx.AbstractVar[Spectrum]
    hits: eqx.AbstractVar[Int[Array, " k"]]
    starts: eqx.AbstractVar[int]

    @property
    def is_stable(self) -> Bool[Array, "*batch k"]:
        return self.spectra.is_stable

    @property
    def is_marginal(self) -> Bool[Array, "*batch k"]:
        return self.spectra.is_marginal

    @property
    def abscissae(self) -> Float[Array, "*batch k"]:
        return self.spectra.abscissa

    def __len__(self) -> int:
        return self.residuals.shape[0]

    def __getitem__(self: Points, index: int | slice | Numbers) -> Points:
        """Some of the points, always with their leading axis."""
        index = index if isinstance(index, slice) else np.asarray(index)
        kept = np.atleast_1d(np.arange(len(self))[index])
        return jax.tree.map(lambda leaf: leaf[kept], self)

    def __iter__(self) -> Iterator[PyTree]:
        return (jax.tree.map(lambda leaf, i=i: leaf[i], self.states) for i in range(len(self)))

    def sort(self: Points, values: Numbers) -> Points:
        """The points in increasing order of values (k,), such as `points.abscissae` or
        `points.states.y[:, 0]`."""
        values = np.asarray(values)
        if values.shape != (len(self),):
            refuse("values", f"have shape (k,) = ({len(self)},)", f"it has shape {values.shape}")
        return self[np.argsort(values, kind="stable")]

    def to_table(self) -> Table:
        """What printing shows of every point, and its whole state, along the axis `point`."""
        kinds = [self._kind(i) for i in range(len(self))]
        measure, values = self._measure
        columns = {"kind": np.asarray(kinds, str), "abscissa": self.abscissae}
        columns |= {"frequency": self.spectra.frequencies[:, 0]}
        columns |= {measure.split()[0]: values, "hits": self.hits} | named(self.states)
        units = {"abscissa": "1/ms", "frequency": "Hz"}
        return Table(numbered((len(self),), "point"), columns, units, {"starts": self.starts})

    def _kind(self, i: int) -> str:
        kind = kind_of(jax.tree.map(lambda leaf: on_device(np.asarray(leaf)[i]), self.spectra))
        return kind if self._is_at_rest[i] else "slow"

    @property
    @abstractmethod
    def _measure(self) -> tuple[str, Float[Array, " k"]]:
        """The name and the values of the column that says how close each point is to rest."""

    @property
    @abstractmethod
    def _is_at_rest(self) -> Bool[Array, " k"]:
        """Which points the table calls stable or unstable; the others are slow."""

    def _card(self) -> Card:
        hits = f"hits of {self.starts}"
        columns = ("", "", "abscissa (1/ms)", "freq. (Hz)", self._measure[0], hits, "state")
        rows = [self._row(i) for i in range(min(len(self), SHOWN))]
        title = f"{type(self).__name__}: {len(self)} found (there may be more)"
        return Card(title, columns=columns, rows=rows, total=len(self))

    def _row(self, i: int) -> tuple[Any, ...]:
        return (
            i,
            self._kind(i),
            self.abscissae[i],
            self.spectra.frequencies[i, 0],
            float(f"{self._measure[1][i]:.1e}"),
            self.hits[i],
            first_numbers(jax.tree.map(lambda leaf: leaf[i], self.states)),
        )


class FixedPoints(AbstractPoints):
    """The fixed points that a search found, the most stable first.

    - `states`: the circuit's state with a leading axis (k, …).
    - `residuals`: (k,), relative to the largest term of the equation.
    - `spectra`: a `Spectrum` with eigenvalues (k, d).
    - `hits`: (k,), how many of the starts reached each point. `starts`: how many starts there were;
      if all points were hit often, few or none are missing.
    - `is_stable`, `is_marginal`: (k,); a marginal point may be one of a continuum.
    - `abscissae`: (k,), 1/ms.

    They support `len`, iteration over states, `points[i]` (an index, a slice, or a mask such as
    `points.is_stable`), `points.sort(values)`, `oo.save` and `oo.load`. Printing shows a table;
    `to_dataframe()` and `to_xarray()` make one.
    """

    states: PyTree
    residuals: Float[Array, " k"]
    spectra: Spectrum
    hits: Int[Array, " k"]
    starts: int = eqx.field(static=True, default=0)

    @property
    def _measure(self) -> tuple[str, Float[Array, " k"]]:
        return "residual", self.residuals

    @property
    def _is_at_rest(self) -> Bool[Array, " k"]:
        return jnp.full(self.residuals.shape, True)


class Look(NamedTuple):
    """States, their spectra, and what follows from these; from `look`, with arrays of numpy."""

    states: PyTree
    spectra: Spectrum
    abscissae: Array
    is_marginal: Array


def look(circuit: AbstractCircuit, x: Array, v: np.ndarray, residuals: np.ndarray) -> Look:
    """The states and their spectra (host)."""
    k = len(v)
    # Compiled for powers of two rather than for every number of points.
    padded = np.resize(np.arange(k), 1 << (k - 1).bit_length() if k else 0)
    found = _look(circuit, x, on_device(v[padded]), on_device(residuals[padded]))
    return jax.tree.map(lambda leaf: on_device(np.asarray(leaf)[:k]), found)


@quickly_compiled
@in_full_precision
def _look(circuit: AbstractCircuit, x: Array, v: Array, residuals: Array) -> Look:
    e = Equations(circuit, x, circuit.initial_state())

    def one(v: Array, residual: Array) -> Look:
        spectrum = spectrum_of(e.jacobian(v), residual=residual)
        return Look(e.unravel(v), spectrum, spectrum.abscissa, spectrum.is_marginal)

    return jax.vmap(one)(v, residuals)


def rows(tree: PyTree, kept: np.ndarray) -> PyTree:
    """These rows of every leaf, as JAX arrays (host). numpy selects them: JAX would recompile for
    every number of rows."""
    return jax.tree.map(lambda leaf: on_device(np.asarray(leaf)[kept]), tree)


def distinct(
    circuit: AbstractCircuit,
    x: Array,
    v: np.ndarray,
    ranks: np.ndarray,
    near: float | None = None,
) -> list[np.ndarray]:
    """The members of every cluster as indices, the one of lowest rank first. Points must be near in
    every field of the state separately: next to an a of 10⁷ a y of 1 is not negligible."""
    near = _SAME[v.dtype] if near is None else near
    left, clusters = np.argsort(ranks, kind="stable"), []
    while left.size:
        size = np.asarray(_fields(circuit, x, on_device(v[left[0]])))
        same = np.all(np.abs(v[left] - v[left[0]]) <= near * size, axis=1)
        same[0] = True  # even if it is NaN: each turn removes at least one
        clusters.append(left[same])
        left = left[~same]
    return clusters


@quickly_compiled
@in_full_precision
def _fields(circuit: AbstractCircuit, x: Array, v: Array) -> Array:
    return Equations.of(circuit, x).fields(v)


def firsts(clusters: list[np.ndarray]) -> np.ndarray:
    """One member of every cluster."""
    return np.asarray([cluster[0] for cluster in clusters], int)


def read_starts(starts: StateLike, like: PyTree) -> Float[Array, "k d"]:
    """States with any leading axes, as rows."""
    starts = resolve(starts)
    pairs = zip(fields_of("starts", starts, like), jax.tree.leaves(like), strict=True)
    leaves = [(_with_units("starts", leaf, goal), goal.shape) for leaf, goal in pairs]
    leading = {leaf.shape[: leaf.ndim - len(shape)] for leaf, shape in leaves}
    ends = [leaf.shape[leaf.ndim - len(shape) :] == shape for leaf, shape in leaves]
    if not all(ends) or len(leading) != 1 or 0 in max(leading):
        shapes = [leaf.shape for leaf, _ in leaves]
        wanted = ", ".join(f"(..., {', '.join(map(str, shape))})" for _, shape in leaves)
        refuse("starts", f"have shapes {wanted}, with at least one state", f"they are {shapes}")
    rows = [leaf.reshape(-1, *shape) for leaf, shape in leaves]
    return check_finite("starts", jax.vmap(lambda *each: ravel(each))(*rows))


def _with_units(name: str, leaf: Numbers, goal: Array) -> Array:
    """A field of states with any leading axes; for one unit the axis of units may be left out."""
    array = as_float_array(name, leaf, goal.dtype)
    return array[..., None] if goal.shape == (1,) and array.shape[-1:] != (1,) else array
