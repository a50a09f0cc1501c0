"""Save a model to one `.npz` file and load it again: a JSON header beside the arrays, no pickle."""

import functools
import json
import os
import warnings
from pathlib import Path
from typing import TypeVar

from jaxtyping import PyTree

from .._checks import refuse
from .._constraints import described
from ._archive import read, reading, write
from ._differences import differences, listed
from ._encoding import Facts, Flat, Unloadable, flatten, unflatten
from ._functions import current_name, saved_name
from ._names import find
from ._paths import read_path, read_target
from ._ranges import out_of_range

Record = TypeVar("Record", bound=tuple)


def save(path: str | os.PathLike[str], model: PyTree) -> None:
    """Write `model` to the file `path`, whole or not at all (host).

    The file holds the structure (JSON, in the member `__header__`), every array bit for bit under
    its path in the tree (`cell.circuit.W`), numbers and texts, enum members and functions by name,
    and a checksum of everything; weak types and shardings are not stored. For human readers the
    header also lists the values of the parameters, time constants in ms; these are never loaded.
    Plain numpy can read the file. The page "What a file can and cannot do" of the documentation
    says what a file may name.

    Args:
        path: the file, replaced if it exists; its extension is kept as given, and `~` is your home
            folder.
        model: equinox Modules, NamedTuples, tuples, lists, dicts with keys of text or bool,
            numpy and jax arrays, PRNG keys, numbers, texts, None, enum members and importable
            functions, nested.

    Raises:
        ValueError: a leaf, named in the message, cannot be stored, or `path` is not a plain file.
        FileNotFoundError: the folder is missing.
    """
    target = read_target("path", path, FileNotFoundError)
    write(target, flatten("model", model), described(model))


def load(path: str | os.PathLike[str], like: PyTree = None) -> PyTree:
    """Read the model that `save` wrote to the file `path` (host).

    Arrays come back as saved (numpy or jax, the dtype, every bit). No file runs code. Without
    `like`, a file may name this library's classes, equinox's layers, elementwise functions of jax
    and the states of optax's optimizers, which are looked up in a table. With `like`, classes and
    functions are taken from it; arrays come from the file, and so do numbers and texts outside
    Modules (such as the steps done). Everything else must agree: classes, numbers and texts in
    Modules (dt, an exponent), enum members, functions.

    Args:
        path: a file written by `save`.
        like: a model of the same structure, needed for classes from elsewhere, or to be sure of
            what is loaded; its arrays may be `jax.ShapeDtypeStruct`s (`equinox.filter_eval_shape`).

    Returns:
        The model.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, foreign, from a newer version, names something it may not,
            holds 64-bit jax arrays while x64 is off, holds parameters out of range (a negative W;
            with `like` this is only a warning, since a tree of gradients has them), or differs from
            `like` (the message names each leaf).
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
            model = unflatten(facts, arrays, find)
    else:
        expected = flatten("like", like)
        _check_like(path, facts, expected)
        with reading("path", path):
            model = unflatten(facts, arrays, lambda label, name: expected.named[label])
    _check_ranges(path, model, may_be=like is not None)
    return model


def read_stored(path: Path, cls: type[Record]) -> Record:
    """The NamedTuple `cls` in a file, whose `arguments` are a JSON object; `Unloadable` if it is
    anything else, or holds anything but arrays, numbers and texts."""
    record = unflatten(*read(path), functools.partial(_only, cls))
    arguments = getattr(record, "arguments", "null")
    if not isinstance(record, cls) or type(json.loads(arguments)) is not dict:
        raise Unloadable("holds something else")
    return record


def _only(cls: type, label: str, name: str) -> type:
    """The one class that a stored record may name, at its root."""
    if (label, name) != ("(root)", current_name(saved_name(cls))):
        raise Unloadable(f"holds `{name}` as `{label}`")
    return cls


def _check_like(path: object, saved: dict[str, Facts], like: Flat) -> None:
    if found := list(differences(saved, like.facts, "in `like`")):
        remedy = f"pass a `like` that is built as the model in {path} was"
        refuse("like", "match the file", f"{listed(found)}; {remedy}")


def _check_ranges(path: object, model: PyTree, may_be: bool) -> None:
    if not (found := list(out_of_range(model))):
        return
    if not may_be:
        remedy = "with `like` it is loaded for `oo.project` to put them back, or as a gradient"
        refuse("path", "hold parameters in their sets", f"in {path} {listed(found)}; {remedy}")
    warnings.warn(f"Parameters in {path} are out of their sets: {listed(found)}.", stacklevel=3)
