"""Save a model to one `.npz` file and load it again: a JSON header beside the arrays, no pickle."""

import contextlib
import importlib.metadata
import io
import json
import os
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import PyTree

from ._checks import refuse
from ._encoding import Facts, Flat, Unloadable, find, flatten, is_allowed, to_numpy, unflatten
from ._paths import read_path

_FORMAT, _VERSION, _HEADER = "organics_ode", 1, "__header__"
_SHOWN = 5  # differences in one error message


def save(path: str | os.PathLike[str], model: PyTree) -> None:
    """Write `model` to the file `path`, whole or not at all (host).

    Stored are the structure (JSON, in the member `__header__`), every array bit for bit under its
    path in the tree (`cell.circuit.W`), numbers and texts, enum members and functions by name; weak
    types and shardings are not. Plain numpy reads the file.

    Args:
        path: the file, replaced if it exists; its extension is kept as given, and `~` is your home.
        model: equinox Modules, NamedTuples, tuples, lists, dicts with keys of text or bool,
            numpy and jax arrays, PRNG keys, numbers, texts, None, enum members and importable
            functions, nested.

    Raises:
        ValueError: a leaf that cannot be stored, by its name, or a `path` that is no plain file.
        FileNotFoundError: the folder is missing.
    """
    target = read_path("path", path).resolve()
    if not target.parent.is_dir():
        missing = f"Argument `path` must lie in an existing folder, but {target.parent} is none"
        raise FileNotFoundError(f"{missing}; create it first.")
    if target.exists() and not target.is_file():
        refuse("path", "name a file", f"{path} is a folder or a device")
    flat = flatten("model", model)
    arrays = {name: to_numpy(name, value) for name, value in flat.arrays.items()}
    header = {"format": _FORMAT, "version": _VERSION, "library": library(), "model": flat.facts}
    _write(target, {_HEADER: np.array(json.dumps(header))} | arrays)


def load(path: str | os.PathLike[str], like: PyTree = None) -> PyTree:
    """Read the model that `save` wrote to the file `path` (host).

    Arrays come back as saved (numpy or jax, the dtype, every bit). Without `like`, classes and
    functions are looked up by name, in organics_ode, equinox, jax and optax only. With `like` they
    are taken from it, and arrays come from the file; so do numbers and texts outside of Modules
    (the steps done). All else must agree: classes, numbers and texts in Modules (dt, an exponent),
    enum members, functions.

    Args:
        path: a file written by `save`.
        like: a model of the same structure, for classes from elsewhere or to be sure of what is
            loaded; its arrays may be `jax.ShapeDtypeStruct`s (`equinox.filter_eval_shape`).

    Returns:
        The model.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, foreign, from a newer version, holds 64-bit jax arrays
            while x64 is off, or differs from `like` (naming each leaf).
    """
    file = read_path("path", path)
    if not file.is_file():
        missing = f"Argument `path` must name a saved model, but {path} is not a file"
        raise FileNotFoundError(
            f"{missing}; check the folder and the extension (`save` adds none)."
        )
    with reading("path", path):
        facts, arrays = read(file)
    if like is None:
        with reading("path", path):
            return unflatten(facts, arrays, find)
    expected = flatten("like", like)
    _check_like(path, facts, expected)
    with reading("path", path):
        return unflatten(facts, arrays, lambda label, name: expected.named[label])


@contextlib.contextmanager
def reading(argument: str, path: Any) -> Iterator[None]:
    """Refuse the argument if what is done with the file at `path` fails."""
    must = "name a file that organics_ode.save wrote and this can load"
    try:
        yield
    except Unloadable as error:
        refuse(argument, must, f"{path} {error}")
    # Damaged bytes make zipfile, zlib, numpy, json and jax raise nearly anything.
    except Exception as error:
        what = f"is not a saved model, or is damaged ({error!r})"
        refuse(argument, must, f"{path} {what}; save it again, or restore a copy")


def _check_like(path: Any, saved: dict[str, Facts], like: Flat) -> None:
    if found := list(differences(saved, like.facts, "in `like`")):
        remedy = f"pass a `like` that is built as the model in {path} was"
        refuse("like", "match the file", f"{listed(found)}; {remedy}")


def listed(differences: list[str]) -> str:
    """The first few differences as one text."""
    more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    return "; ".join(differences[:_SHOWN]) + more


def differences(saved: dict[str, Facts], like: dict[str, Facts], here: str) -> Iterator[str]:
    """What differs between a file's facts and those expected, which stand `here`."""
    for path in saved | like:
        if path in saved and path in like:
            yield from _leaf_differences(path, saved[path], like[path], here)
        else:
            yield f"leaf `{path}` is missing {here if path in saved else 'in the file'}"


def _leaf_differences(path: str, saved: Facts, like: Facts, here: str) -> Iterator[str]:
    # `like` may be silent on a fact: a ShapeDtypeStruct stands for arrays of numpy and of jax.
    for what in [what for what in like if what not in ("keys", "data")]:
        ours, theirs = saved.get(what), like[what]
        if _portable(str(ours)) != _portable(theirs) if what == "name" else ours != theirs:
            yield f"leaf `{path}` has {what} {ours} in the file and {theirs} {here}"
            if what == "kind":
                return


def _portable(name: str) -> str:
    # A script's own module is `__main__` when it runs and `script` when another one imports it.
    return name if is_allowed(name) else name.partition(":")[2]


def library() -> str:
    """The version of organics_ode."""
    try:
        return importlib.metadata.version("organics_ode")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _write(target: Path, members: dict[str, np.ndarray]) -> None:
    # open() rather than tempfile, whose files only their owner may read.
    temporary = target.with_name(f"{_temporary_prefix(target)}{uuid.uuid4().hex[:12]}.tmp")
    try:
        with open(temporary, "xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                for name, array in members.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as out:
                        np.save(out, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove what a process that was killed while writing `path` left beside it."""
    target = path.resolve()
    for file in target.parent.iterdir():
        if file.name.startswith(_temporary_prefix(target)) and file.suffix == ".tmp":
            file.unlink(missing_ok=True)


def _temporary_prefix(target: Path) -> str:
    # A checksum, for the name itself may be as long as a name can be.
    return f".{zlib.crc32(os.fsencode(target.name)):08x}-"


def read(path: Path) -> tuple[dict[str, Facts], dict[str, np.ndarray]]:
    """The facts and arrays in a file, as `flatten` gave them."""
    with zipfile.ZipFile(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        # The header first: a foreign file's arrays may be of any kind.
        header = _checked(json.loads(str(_member(archive, _HEADER))) if _HEADER in names else None)
        return header["model"], {name: _member(archive, name) for name in names - {_HEADER}}


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    # read() rather than open(): the checksum is compared only at a member's end.
    return np.load(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)


def _checked(header: Any) -> Facts:
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise Unloadable("was not written by organics_ode.save; use numpy.load for other files")
    if header["version"] > _VERSION:
        newer = f"a newer version of organics_ode ({header['library']})"
        raise Unloadable(f"was written by {newer}; upgrade organics_ode")
    return header
