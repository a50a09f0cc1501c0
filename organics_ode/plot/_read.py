"""Arguments of plots, read as plain arrays, or refused before a figure is made."""

import math
import numbers
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int, PyTree

from .._checks import a_or_an, counted, is_key, plain, refuse, shown
from .._types import Numbers
from ..equilibria import AbstractPoints


@runtime_checkable
class HasStates(Protocol):
    """A `Trajectory`, `Paths`, or anything else with times (time,) and states at them."""

    @property
    def ts(self) -> Array | np.ndarray: ...

    @property
    def states(self) -> PyTree: ...


@runtime_checkable
class HasEigenvalues(Protocol):
    """A `Spectrum`, an `Oscillator`, or anything else with eigenvalues."""

    @property
    def eigenvalues(self) -> Array | np.ndarray: ...


@runtime_checkable
class HasAbscissa(Protocol):
    """A `Spectrum`, a `FixedPoint`, or anything else with a spectral abscissa."""

    @property
    def abscissa(self) -> Array | np.ndarray: ...


@runtime_checkable
class HasErrors(Protocol):
    """A `tasks.Psychometric`, a `tasks.Chronometric`, or anything else measured at strengths."""

    @property
    def strengths(self) -> Array | np.ndarray: ...

    @property
    def errors(self) -> Array | np.ndarray: ...


Spectra = HasEigenvalues | AbstractPoints | Numbers
Abscissae = HasAbscissa | AbstractPoints | Numbers

_PLAIN = (int, float, complex, list, tuple, range)


def read_numbers(name: str, value: object, axes: str, *ndims: int) -> Float[np.ndarray, "..."]:
    """A real array with as many axes as the letters in one of the given shapes."""
    array = _as_array(name, value, f"be an array {axes}")
    if array.dtype.kind == "c":
        refuse(name, "hold real numbers", f"its dtype is {array.dtype}")
    if ndims and array.ndim not in ndims:
        refuse(name, f"have shape {axes}", f"it has shape {array.shape}")
    return array


def read_path(name: str, value: Any) -> tuple[np.ndarray, Any]:
    """The times (time,) and the states of one trajectory."""
    if not (hasattr(value, "ts") and hasattr(value, "states")):
        refuse(name, "be a Trajectory or Paths", f"it is {a_or_an(type(value).__name__)}")
    ts = np.asarray(value.ts)
    if ts.ndim != 1:
        refuse(name, "be one trajectory", f"its times have shape {ts.shape}: it is a batch")
    return ts, value.states


def read_eigenvalues(name: str, value: Any) -> Complex[np.ndarray, " k"]:
    """All eigenvalues along one axis; fixed and slow points are taken by their spectra."""
    held = getattr(value, "spectra", value)
    array = _as_array(name, getattr(held, "eigenvalues", held), "hold eigenvalues", value)
    if array.dtype.kind != "c" and array.ndim > 1 and array.shape[-1] == array.shape[-2]:
        found = f"it is a real square matrix {array.shape}, such as a Jacobian: see `oo.spectrum`"
        refuse(name, "hold eigenvalues", found)
    return array.astype(complex).ravel()


def read_abscissae(name: str, value: Any) -> Float[np.ndarray, " k"]:
    """All abscissae along one axis, from anything that has them."""
    has = [each for each in ("abscissae", "abscissa") if hasattr(value, each)]
    array = _as_array(name, getattr(value, has[0]) if has else value, "hold abscissae", value)
    if array.dtype.kind == "c":
        refuse(name, "hold real parts, as `Spectrum.abscissa`", f"its dtype is {array.dtype}")
    return array.astype(float).ravel()


def leave_out(name: str, values: np.ndarray) -> tuple[np.ndarray, str]:
    """The finite values, and a note of how many are not finite."""
    finite = np.isfinite(values)
    if not finite.any():
        refuse(name, "hold a finite number", "it holds none")
    missing = int(np.sum(~finite))
    return values[finite], f", {missing} not finite" if missing else ""


def read_units(
    units: Numbers | None, count: int
) -> Int[np.ndarray, " chosen"] | Bool[np.ndarray, " count"]:
    """The indices of some of the units; of all for None."""
    if units is None:
        return np.arange(count)
    must = f"name some of {counted(count, 'unit')}, 0 to {count - 1}"
    chosen = np.atleast_1d(_as_array("units", units, must, kinds="iub"))
    is_mask = chosen.dtype == bool and chosen.shape == (count,)
    is_index = chosen.dtype != bool and chosen.ndim == 1
    if not is_mask and not (is_index and np.all((chosen >= -count) & (chosen < count))):
        refuse("units", must, f"it is {units!r}")
    return chosen


def read_names(name: str, value: Any, count: int, of: str) -> list[str]:
    """A given number of names, each a text or a number."""
    is_array = hasattr(value, "dtype") and not is_key(value)
    names, must = np.asarray(value).tolist() if is_array else value, f"name {count} {of}"
    if not (isinstance(names, str | list | tuple | range) and all(map(_is_name, names))):
        refuse(name, must, f"it is {shown(value)}")
    if len(names) != count:
        refuse(name, must, f"there are {len(names)}")
    return [str(each) for each in names]


def _is_name(value: object) -> bool:
    is_number = isinstance(value, numbers.Real) and math.isfinite(value)
    return isinstance(value, str) or is_number


def read_periods(periods: Any, count: int) -> dict[str, tuple[int, int]]:
    """Names with the steps of their start and end, within the given number of steps."""
    if not isinstance(periods, Mapping | None):
        refuse("periods", "map names to (start, stop)", f"it is {a_or_an(type(periods).__name__)}")
    read = {name: np.asarray(steps) for name, steps in (periods or {}).items()}
    for name, steps in read.items():
        if steps.shape != (2,) or not 0 <= steps[0] <= min(steps[1], count):
            must = f"map names to (start, stop), steps of {count}"
            refuse("periods", must, f"{name!r} has {steps.tolist()}")
    return {name: tuple(np.minimum(steps, count - 1).tolist()) for name, steps in read.items()}


def _as_array(
    name: str, value: object, must: str, given: object = None, kinds: str = "fiuc"
) -> np.ndarray:
    """An array of numbers; a tree of them is refused, since a state would be read as a matrix."""
    value = plain(value)
    listed = value if isinstance(value, list | tuple) else [value]
    is_tree = any(hasattr(each, "_fields") for each in [value, *listed])
    is_plain = hasattr(value, "dtype") or (isinstance(value, _PLAIN) and not is_tree)
    try:
        array = np.asarray(value if is_plain else None)
    except (TypeError, ValueError):
        array = np.asarray(None)
    if array.dtype.kind not in kinds:
        refuse(name, must, f"it is {a_or_an(type(value if given is None else given).__name__)}")
    return array
