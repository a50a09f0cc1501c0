"""The arguments of a phase diagram, and its file."""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import (
    as_known_array,
    check_kind,
    check_positive_integer,
    check_positive_number,
    check_reach,
    read_number,
    refuse,
    shown,
)
from .._nonlinearities import Rectification
from .._types import Numbers
from ..storage import (
    Unloadable,
    flatten,
    read_stored,
    read_writable,
    reading,
    write,
)
from ._ensembles import anywhere
from ._legacy import is_legacy, read_legacy

RandomMatrix = Callable[[PRNGKeyArray, int], Float[Array, "n n"]]
Direction = Callable[[PRNGKeyArray, int], Float[Array, " n"]]


class Study(NamedTuple):
    """The arguments that define a phase diagram."""

    deltas: np.ndarray
    norms: np.ndarray
    size: int
    b: float
    sigma: float
    tau: float
    duration: float
    slow: float


class Variant(NamedTuple):
    """Further arguments of a phase diagram: the mean of R, the input, and the rectification."""

    mean: Any = 0.0
    direction: Callable[..., Any] = anywhere
    rectification: Rectification = Rectification.NONE

    @property
    def arguments(self) -> dict[str, Any]:
        """Those that differ from what versions without these arguments did, as JSON."""
        known: dict[str, Any] = {} if self.mean == 0 else {"mean": self.mean}
        if self.direction is not anywhere:
            known["direction"] = _known_by(self.direction, (2,))
        if self.rectification is not Rectification.NONE:
            known["rectification"] = self.rectification.name
        return known


def read_variant(mean: float, direction: Any, rectification: Any) -> Variant:
    mean = read_number("mean", mean)
    if not callable(direction) or isinstance(direction, type):
        refuse("direction", "be a function of a key and n", f"it is {shown(direction)}")
    check_kind("rectification", rectification, Rectification)
    return Variant(float(mean), direction, rectification)


def _known_by(random: Callable, shape: tuple[int, ...]) -> list[Any]:
    """The name of a function of a key and n, its data, and its first result."""
    name = _name_of(random)
    made = random(jax.random.fold_in(jax.random.key(0), 0), 2)
    if np.shape(made) != shape:
        refuse("direction", "make a vector of n numbers", f"for n = 2 it has shape {made.shape}")
    return [name, *np.asarray(made, np.float32).ravel().tolist()]


def _name_of(random: Callable) -> str:
    """The name, and for a module its fields: the first entries of sparse matrices may all be 0."""
    if isinstance(random, eqx.Module):
        return repr(random)
    return getattr(random, "__qualname__", type(random).__name__)


def read_study(
    deltas: Numbers,
    norms: Numbers,
    size: int,
    b: float,
    sigma: float,
    tau: float,
    T: float,
    slow: float,
) -> Study:
    deltas, norms = _read_axis("deltas", deltas), _read_axis("norms", norms)
    if norms[0] == 0:
        refuse("norms", "be positive", "the first is 0")
    size = check_positive_integer("size", size)
    numbers = {"b": b, "sigma": sigma, "tau": tau, "duration": T, "slow": slow}
    for name, value in numbers.items():
        check_positive_number(name, value)
    rest = jnp.square(jnp.asarray(float(b)) * float(sigma))
    check_reach("sigma" if sigma > b else "b", rest, "the modulators at rest, (sigma b)^2,")
    return Study(deltas, norms, size, *map(float, numbers.values()))


def _read_axis(name: str, value: Numbers) -> Float[np.ndarray, " k"]:
    array = as_known_array(name, value)
    if np.iscomplexobj(array) or array.dtype == bool:
        refuse(name, "be a list of finite numbers", f"it is {shown(value)}")
    array = array.astype(float)
    if array.ndim != 1 or array.size == 0 or not np.all(np.isfinite(array)):
        refuse(name, "be a list of finite numbers", f"it is {value}")
    if array[0] < 0 or not np.all(np.diff(array) > 0):
        refuse(name, "be increasing and not negative", f"it is {value}")
    return array


def describe(
    study: Study, key: PRNGKeyArray, random: RandomMatrix, variant: Variant = Variant()
) -> dict[str, Any]:
    """The arguments as JSON. A function is identified by its name and its first matrix."""
    values = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in study._asdict().items()}
    name = _name_of(random)
    mark = np.asarray(random(jax.random.fold_in(key, 0), 2), np.float32).ravel().tolist()
    key_data = key if jnp.issubdtype(key.dtype, jnp.integer) else jax.random.key_data(key)
    known = {"key": np.asarray(key_data).tolist(), "random": [name, *mark]}
    return values | known | {"dtype": jnp.zeros(()).dtype.name} | variant.arguments


class Stored(NamedTuple):
    """The contents of a diagram's file: its arguments as JSON, and the trials (trials, Δ, z)."""

    arguments: str
    classes: Any
    abscissa: Any
    frequency: Any
    amplitude: Any


class StoredDistances(NamedTuple):
    """The same with the distance from normalization, which older files do not have."""

    arguments: str
    classes: Any
    abscissa: Any
    frequency: Any
    amplitude: Any
    distance: Any


_NUMBERS = ("abscissa", "frequency", "amplitude", "distance")
_DTYPES = {"classes": np.int8} | dict.fromkeys(_NUMBERS, np.float64)
_ADDED = ("mean", "direction", "rectification")


def read_file(path: str | os.PathLike | None) -> Path | None:
    """The path of the file where the diagram is kept."""
    return None if path is None else read_writable("path", path)


def load(path: Path | None, study: Study, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    if path is None or not path.exists():
        return []
    stored = _read(path)
    known = json.loads(stored.arguments)
    given = dict.fromkeys(_ADDED) | arguments
    for name, value in given.items():
        if known.get(name) != value:
            found = f"it holds one with `{name}` = {known.get(name)!s:.99}, not {value}"
            refuse("path", "be new or hold a diagram of the same arguments", found)
    arrays = {name: v for name, v in stored._asdict().items() if name != "arguments"}
    arrays.setdefault("distance", np.full(np.shape(arrays["abscissa"]), np.nan))
    count = np.size(arrays["classes"]) // (study.deltas.size * study.norms.size)
    shape = (count, study.deltas.size, study.norms.size)
    if any(array.shape != shape or array.dtype != _DTYPES[k] for k, array in arrays.items()):
        refuse("path", "be new or hold a diagram", f"{path} holds arrays of another kind")
    if not np.isin(arrays["classes"], range(-1, 4)).all():
        refuse("path", "be new or hold a diagram", f"{path} holds unknown classes")
    return [{name: array[i] for name, array in arrays.items()} for i in range(count)]


def _read(path: Path) -> Stored | StoredDistances:
    with reading("path", path, "be new or hold a diagram"):
        stored = Stored(**read_legacy(path)) if is_legacy(path) else _read_stored(path)
        if not all(type(x) is np.ndarray for x in stored[1:]):
            raise Unloadable("holds something else")
        return stored


def _read_stored(path: Path) -> Stored | StoredDistances:
    # Outside the `except`, which would keep the part already read in memory during the next read.
    with contextlib.suppress(Unloadable):
        return read_stored(path, StoredDistances)
    return read_stored(path, Stored)


def save(path: Path | None, arguments: dict[str, Any], done: list[dict[str, Any]]) -> None:
    if path is not None:
        arrays: dict[str, Any] = {k: np.stack([trial[k] for trial in done]) for k in done[0]}
        kind = StoredDistances if "distance" in arrays else Stored
        write(path, flatten("path", kind(json.dumps(arguments), **arrays)))
