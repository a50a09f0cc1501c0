"""The arguments of a phase diagram, and its file."""

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import as_known_array, check_positive_integer, check_positive_number, refuse, shown
from .._paths import read_path

RandomMatrix = Callable[[PRNGKeyArray, int], Float[Array, "n n"]]


class Study(NamedTuple):
    """What a phase diagram is made of."""

    deltas: np.ndarray
    norms: np.ndarray
    size: int
    b: float
    sigma: float
    tau: float
    duration: float
    slow: float


def read_study(
    deltas: Any, norms: Any, size: int, b: float, sigma: float, tau: float, T: float, slow: float
) -> Study:
    deltas, norms = _read_axis("deltas", deltas), _read_axis("norms", norms)
    if norms[0] == 0:
        refuse("norms", "be positive", "the first is 0")
    size = check_positive_integer("size", size)
    numbers = {"b": b, "sigma": sigma, "tau": tau, "duration": T, "slow": slow}
    for name, value in numbers.items():
        check_positive_number(name, value)
    return Study(deltas, norms, size, *map(float, numbers.values()))


def _read_axis(name: str, value: Any) -> Float[np.ndarray, " k"]:
    array = as_known_array(name, value)
    if np.iscomplexobj(array) or array.dtype == bool:
        refuse(name, "be a list of finite numbers", f"it is {shown(value)}")
    array = array.astype(float)
    if array.ndim != 1 or array.size == 0 or not np.all(np.isfinite(array)):
        refuse(name, "be a list of finite numbers", f"it is {value}")
    if array[0] < 0 or not np.all(np.diff(array) > 0):
        refuse(name, "be increasing and not negative", f"it is {value}")
    return array


def describe(study: Study, key: PRNGKeyArray, random: RandomMatrix) -> dict[str, Any]:
    """The arguments as JSON knows them. A function is known by its name and its first matrix."""
    values = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in study._asdict().items()}
    name = getattr(random, "__qualname__", type(random).__name__)
    mark = np.asarray(random(jax.random.fold_in(key, 0), 2), np.float32).ravel().tolist()
    key_data = key if jnp.issubdtype(key.dtype, jnp.integer) else jax.random.key_data(key)
    known = {"key": np.asarray(key_data).tolist(), "random": [name, *mark]}
    return values | known | {"dtype": jnp.zeros(()).dtype.name}


def read_file(path: str | os.PathLike | None) -> Path | None:
    """Where the diagram is kept, known before hours of work to be a place for a file."""
    if path is None:
        return None
    file = read_path("path", path)
    if not file.parent.is_dir():
        refuse("path", "lie in an existing folder", f"{file.parent} is none; create it first")
    if file.exists() and not file.is_file():
        refuse("path", "name a file", f"{file} is a folder or a device")
    return file


def load(path: Path | None, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    if path is None or not path.exists():
        return []
    stored, arrays = _read(path)
    for name, value in arguments.items():
        if stored.get(name) != value:
            found = f"it holds one with `{name}` = {stored.get(name)}, not {value}"
            refuse("path", "be new or hold a diagram of the same arguments", found)
    count = len(arrays["classes"])
    return [{name: array[i] for name, array in arrays.items()} for i in range(count)]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        # numpy leaves a file that it can not read open.
        with open(path, "rb") as raw, np.load(raw) as file:
            stored = json.loads(str(file["arguments"]))
            arrays = {name: file[name] for name in file.files if name != "arguments"}
    # Foreign or damaged bytes make zipfile, zlib, numpy and json raise nearly anything.
    except Exception as error:
        found = f"{path} is another file, or damaged ({error!r})"
        refuse("path", "be new or hold a diagram", found)
    return stored, arrays


def save(path: Path | None, arguments: dict[str, Any], done: list[dict[str, Any]]) -> None:
    if path is None:
        return
    arrays: dict[str, Any] = {k: np.stack([trial[k] for trial in done]) for k in done[0]}
    arrays["arguments"] = np.array(json.dumps(arguments))
    temporary = path.with_name(f".{uuid.uuid4().hex}.npz")
    try:
        with open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
