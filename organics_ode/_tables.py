"""Results as tables with units, for pandas, xarray, and everything that reads these."""

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from ._cards import SHOWN, Card, carded, summary
from ._checks import a_or_an, is_key, is_traced, refuse, shown

# pandas and xarray are only imported when a table is requested.
if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import Dataset
else:
    DataFrame = Dataset = object


class AbstractTabular(ABC):
    """What can be read as a table."""

    @abstractmethod
    def to_table(self) -> "Table":
        """Its numbers as named columns over named rows, with units."""

    def to_dataframe(self) -> DataFrame:
        """Its numbers as a `pandas.DataFrame` with a row for each time, step or point (host).

        Arrays become columns `y[0]`, `y[1]`, …; complex numbers become two columns, `.real` and
        `.imag`. Units are in `.attrs["units"]`, by column.

        Raises:
            ImportError: pandas is missing; the text says how to install it.
        """
        return self.to_table()._as_dataframe()

    def to_xarray(self) -> Dataset:
        """Its numbers as an `xarray.Dataset`, with separate axes for rows and neural units (host).

        Units of measurement are in the `units` of each variable's `attrs`.

        Raises:
            ImportError: xarray is missing; the text says how to install it.
        """
        return self.to_table()._as_xarray()


@carded
class Table(eqx.Module, AbstractTabular):
    """Named columns of numbers over the grid of some named axes, with units.

    Results make one of themselves in `to_dataframe` and `to_xarray`. For arrays of your own, such
    as power spectra, make one yourself and call its `to_dataframe` or `to_xarray`.

    Args:
        axes: name ↦ (k,), numbers or texts that index the rows, the slowest axis first.
        columns: name ↦ array (k, …), with one leading axis for each of `axes` and any further ones;
            or a tree of such arrays, such as a state, which gives a column for each of its fields.
        units: name of an axis or a column ↦ its unit; those not named have none.
        notes: further facts by name, which become the `attrs` of the whole table.

    Raises:
        ValueError: an argument is bad, or the shapes do not fit.
    """

    axes: dict[str, np.ndarray]
    columns: dict[str, np.ndarray]
    units: dict[str, str]
    notes: dict[str, Any]

    def __init__(
        self,
        axes: Mapping[str, Any],
        columns: Mapping[str, PyTree],
        units: Mapping[str, str] | None = None,
        notes: Mapping[str, Any] | None = None,
    ):
        self.axes = {name: _known("axes", v) for name, v in _mapping("axes", axes).items()}
        for name, values in self.axes.items():
            if values.ndim != 1:
                refuse("axes", "have shape (k,) each", f"`{name}` has shape {values.shape}")
        columns = _mapping("columns", columns)
        self.columns, self.units = {}, {}
        units = _mapping("units", {} if units is None else units)
        if not all(isinstance(unit, str) for unit in units.values()):
            refuse("units", "map names to texts", f"they are {shown(units)}")
        if unknown := sorted(units.keys() - self.axes.keys() - set(columns)):
            refuse("units", "be of axes or columns", f"there is no {unknown[0]!r:.99}")
        for name, tree in columns.items():
            self.columns |= (own := named(tree, name))
            self.units |= dict.fromkeys(own, units[name]) if name in units else {}
        self.units |= {name: units[name] for name in self.axes if name in units}
        self.notes = dict(_mapping("notes", {} if notes is None else notes))
        self._check()

    def _check(self) -> None:
        rows = self._rows
        for name, column in self.columns.items():
            if name in self.axes:
                refuse("columns", "have names of their own", f"`{name}` is one of the axes")
            if column.shape[: len(rows)] != rows:
                must = f"have the axes {tuple(self.axes)}, of lengths {rows}, in front"
                refuse("columns", must, f"`{name}` has shape {column.shape}")

    def to_table(self) -> "Table":
        return self

    def _card(self) -> Card:
        rows = [
            (name, summary(values), self.units.get(name, ""))
            for name, values in {**self.axes, **self.columns}.items()
        ]
        sizes = " x ".join(str(size) for size in self._rows)
        return Card(f"Table: {sizes}", {}, ("", "values", "unit"), rows[:SHOWN], len(rows))

    @property
    def _rows(self) -> tuple[int, ...]:
        return tuple(values.size for values in self.axes.values())

    def _as_dataframe(self) -> DataFrame:
        pandas, rows = _imported("pandas"), self._rows
        grid = np.meshgrid(*self.axes.values(), indexing="ij") if self.axes else []
        data = {name: v.ravel() for name, v in zip(self.axes, grid, strict=True)}
        units = {name: self.units[name] for name in self.axes if name in self.units}
        for name, column in self.columns.items():
            own = _entries(name, column, rows)
            data |= own
            units |= dict.fromkeys(own, self.units[name]) if name in self.units else {}
        frame = pandas.DataFrame(data)
        frame.attrs = {"units": units} | self.notes
        return frame

    def _as_xarray(self) -> Dataset:
        xarray, axes = _imported("xarray"), tuple(self.axes)
        own = {name: column.shape[len(axes) :] for name, column in self.columns.items()}
        vectors = {shape for shape in own.values() if len(shape) == 1}
        variables = {
            name: ((*axes, *_dimensions(name, own[name], len(vectors) == 1)), column)
            for name, column in self.columns.items()
        }
        coordinates = {name: (name, values) for name, values in self.axes.items()}
        data = xarray.Dataset(variables, coordinates, attrs=self.notes)
        for name, unit in self.units.items():
            data[name].attrs["units"] = unit
        return data


def named(tree: PyTree, name: str = "") -> dict[str, np.ndarray]:
    """The arrays of a tree, named by their places in it: those of a state by its fields."""
    found = {}
    is_list = lambda part: type(part) is list  # noqa: E731
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_list):
        # Result codes are wrapped in objects of their own.
        parts = [_part(key) for key in path if _part(key) != "_value"]
        label = ".".join([name, *parts] if name else parts)
        found[label or "value"] = _known("columns", leaf)
    return found


def entries_of(state: PyTree) -> tuple[list[str], list[str]]:
    """The names of the entries of a state, "y[0]", and short names: "y" if it is the only entry."""
    names, short = [], []
    fields = getattr(state, "_fields", [str(i) for i in range(len(state))])
    for field, leaf in zip(fields, state, strict=True):
        own = [
            f"{field}[{', '.join(map(str, index))}]" if index else field
            for index in np.ndindex(leaf.shape)
        ]
        names += own
        short += [field] if leaf.size == 1 else own
    return names, short


def numbered(shape: tuple[int, ...], name: str = "batch") -> dict[str, np.ndarray]:
    """Axes counted from 0: `batch`, or `batch_0`, `batch_1`, … if there are several."""
    names = [name] if len(shape) == 1 else [f"{name}_{i}" for i in range(len(shape))]
    return {each: np.arange(size) for each, size in zip(names, shape, strict=True)}


def over_time(ts: Any, states: PyTree, **notes: str) -> Table:
    """The table of states over time; if the times differ within a batch, over the step number."""
    ts, columns = _known("ts", ts), named(states)
    *batch, length = ts.shape
    axes, each = numbered(tuple(batch)), ts.reshape(math.prod(batch), length)
    if len(each) and np.array_equal(each, np.broadcast_to(each[:1], each.shape)):
        axes["t"] = each[0]
    else:
        axes, columns = axes | numbered((length,), "step"), {"t": ts} | columns
    return Table(axes, columns, {"t": "ms"}, notes)


def unit_of(parameter: str) -> str:
    """The unit of a parameter by its name: times are in ms, everything else has none."""
    name = parameter.partition("[")[0]
    return "ms" if name.startswith("tau") or name == "dt" else ""


def _part(key: Any) -> str:
    for attribute in ("name", "key", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _known(argument: str, value: Any) -> np.ndarray:
    """The numbers or texts as a numpy array, in a type that tables support."""
    if is_traced(value) or is_key(value):
        refuse(argument, "hold known numbers", "some are traced: make tables outside of jax.jit")
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        array = np.asarray(None)
    if array.dtype.isbuiltin == 2:  # of ml_dtypes, such as bfloat16
        array = array.astype(np.float32)
    if array.dtype.kind not in "biufcU":
        refuse(argument, "hold arrays of numbers", f"one is {a_or_an(type(value).__name__)}")
    return array


def _mapping(argument: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        refuse(argument, "map names to values", f"it is {a_or_an(type(value).__name__)}")
    return value


def _entries(name: str, column: np.ndarray, rows: tuple[int, ...]) -> dict[str, np.ndarray]:
    """A column for each entry of a row, and for each part of complex numbers."""
    own = column.shape[len(rows) :]
    flat = column.reshape(math.prod(rows), math.prod(own))
    labels = [name + (f"[{','.join(map(str, i))}]" if i else "") for i in np.ndindex(own)]
    if column.dtype.kind != "c":
        return dict(zip(labels, flat.T, strict=True))
    parts = {"real": np.real(flat).T, "imag": np.imag(flat).T}
    return {
        f"{label}.{part}": values[i]
        for i, label in enumerate(labels)
        for part, values in parts.items()
    }


def _dimensions(name: str, own: tuple[int, ...], is_shared: bool) -> tuple[str, ...]:
    """The names of the further axes; vectors of equal length are over the same units."""
    if len(own) == 1:
        return ("unit",) if is_shared else (f"{name}_unit",)
    return tuple(f"{name}_{i}" for i in range(len(own)))


def _imported(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        message = f"Tables need {package}: pip install 'organics_ode[tables]'."
        raise ImportError(message) from error
