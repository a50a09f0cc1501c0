"""Trees in files: a zip of .npy members, one for each array, and a JSON header. No pickle.

The sizes in the header are compared with those in the zip's directory before any array is read, and
members are not compressed: reading takes at most a few times the bytes of the file.
"""

import contextlib
import io
import os
import uuid
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from .._checks import refuse
from .._version import __version__
from ._encoding import Facts, Flat, Unloadable, to_numpy
from ._functions import current_name
from ._header import Stored, check_sum, header_text, promised, read_header
from ._paths import read_target

_HEADER, _ENDING = "__header__", ".npy"
_LONGEST_PREAMBLE = 10_000  # bytes before the data of a .npy file; numpy has the same limit
_LOADABLE = "name a file that organics_ode.save wrote and this can load"


@contextlib.contextmanager
def reading(argument: str, path: object, must: str = _LOADABLE) -> Iterator[None]:
    """Refuse the argument if anything done with the file at `path` fails."""
    try:
        yield
    except Unloadable as error:
        refuse(argument, must, f"{path} {error}")
    # Damaged bytes make zipfile, zlib, numpy, json and jax raise nearly anything.
    except Exception as error:
        what = f"is not a saved model, or is damaged ({error!r:.300})"
        refuse(argument, must, f"{path} {what}; save it again, or restore a copy")


def library() -> str:
    """The version of organics_ode."""
    return __version__


def write(target: Path, flat: Flat, values: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write a flattened tree to the file `target`, atomically; `values` are for human readers."""
    arrays = {name: to_numpy(name, value) for name, value in flat.arrays.items()}
    header = header_text(library(), flat.facts, arrays, values)
    _write(target, {_HEADER: np.array(header)} | arrays)


def _write(target: Path, members: dict[str, np.ndarray]) -> None:
    # open() rather than tempfile, whose files only the owner may read.
    temporary = _temporary(target)
    try:
        with open(temporary, "xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                for name, array in members.items():
                    with archive.open(f"{name}{_ENDING}", "w", force_zip64=True) as out:
                        np.save(out, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def read_writable(name: str, path: str | os.PathLike[str]) -> Path:
    """The path of a file to be written, checked to be writable before hours of work."""
    target = read_target(name, path)
    temporary = _temporary(target)
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        refuse(name, "name a file that can be written", f"{target}: {error.strerror}")
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _temporary(target: Path) -> Path:
    return target.with_name(f"{hidden_prefix(target)}{uuid.uuid4().hex[:12]}.tmp")


def remove_leftovers(target: Path) -> None:
    """Remove what a process left beside the file when it was killed while writing it."""
    for file in target.parent.iterdir():
        if file.name.startswith(hidden_prefix(target)) and file.suffix == ".tmp":
            file.unlink(missing_ok=True)


def hidden_prefix(target: Path) -> str:
    """The prefix of the temporary files beside a file."""
    # A checksum, because the name itself may be as long as a name can be.
    return f".{zlib.crc32(os.fsencode(target.name)):08x}-"


def read(path: Path) -> tuple[dict[str, Facts], dict[str, np.ndarray]]:
    """The facts and arrays in a file, as from `flatten`, checked to describe a tree."""
    with zipfile.ZipFile(path) as archive:
        members = _members(archive)
        header = read_header(_text(archive, members.pop(_HEADER)) if _HEADER in members else "null")
        _check_sizes(members.values(), path.stat().st_size)
        expected = promised(header["model"])
        for name in sorted(expected.keys() ^ members.keys()):
            where = "the header, but not the file" if name in expected else "no header"
            raise Unloadable(f"is damaged: `{name:.99}` is in {where}")
        arrays = {name: _array(archive, members[name], to) for name, to in expected.items()}
    check_sum(header, arrays)
    for fact in header["model"].values():
        if "name" in fact:
            fact["name"] = current_name(fact["name"])
    return header["model"], arrays


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    found = {info.filename.removesuffix(_ENDING): info for info in archive.infolist()}
    if len(found) < len(archive.infolist()):
        raise Unloadable("is damaged: it has two members of one name")
    return found


def _check_sizes(members: Collection[zipfile.ZipInfo], size: int) -> None:
    if any(info.compress_type or info.compress_size != info.file_size for info in members):
        raise Unloadable("is packed, as `save` never does; restore the file that it wrote")
    if sum(info.file_size for info in members) > size:
        raise Unloadable("is damaged: its members are larger than the file")


def _text(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    size = os.fstat(archive.fp.fileno()).st_size  # pyright: ignore
    if info.compress_type or info.file_size > size:
        raise Unloadable("was not written by organics_ode.save; use numpy.load for other files")
    data = archive.read(info)
    dtype, shape, _, start = _preamble(data)
    if dtype.kind != "U" or shape or start + dtype.itemsize != len(data):
        raise Unloadable("has a header that is not a text")
    return str(np.frombuffer(data, dtype, offset=start)[0])


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, expected: Stored) -> np.ndarray:
    if not 0 <= info.file_size - expected.size <= _LONGEST_PREAMBLE + 12:
        raise ValueError(f"{info.filename} does not have the size that the header says")
    # read() rather than open(), since the checksum is only compared at a member's end.
    data = archive.read(info)
    dtype, shape, order, start = _preamble(data)
    if (dtype, shape) != expected or start + expected.size != len(data):
        raise ValueError(f"{info.filename} is not the array that the header describes")
    array = np.frombuffer(data, dtype, expected.size // dtype.itemsize, start)
    return array.reshape(shape, order=order).copy(order="K")


def _preamble(data: bytes) -> tuple[np.dtype, tuple[int, ...], Any, int]:
    """The dtype, shape and order of a .npy file, and where its data begin."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, is_fortran, dtype = read[version](file, max_header_size=_LONGEST_PREAMBLE)
    return dtype, shape, "F" if is_fortran else "C", file.tell()
