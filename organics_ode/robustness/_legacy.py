"""Diagrams from versions that wrote a compressed .npz of numpy without a header."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

_LONGEST_ARGUMENTS = 2**22  # bytes
_ARRAYS = ("classes", "abscissa", "frequency", "amplitude")


def is_legacy(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return sorted(archive.namelist()) == sorted(
            f"{name}.npy" for name in ("arguments", *_ARRAYS)
        )


def read_legacy(path: Path) -> dict[str, Any]:
    """The arguments as JSON, and the arrays (trials, Δ, z), each as large as its header says."""
    with zipfile.ZipFile(path) as archive:
        text = _member(archive, "arguments", _LONGEST_ARGUMENTS)
        classes = _member(archive, "classes", None)
        rest = {name: _member(archive, name, 8 * classes.size) for name in _ARRAYS[1:]}
    if text.dtype.kind != "U" or text.ndim or type(json.loads(str(text))) is not dict:
        raise ValueError("its arguments are not a JSON object")
    return {"arguments": str(text), "classes": classes} | rest


def _member(archive: zipfile.ZipFile, name: str, longest: int | None) -> np.ndarray:
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        is_promised = info.file_size == file.tell() + size
        if dtype.hasobject or not is_promised or (longest is not None and size > longest):
            raise ValueError(f"{name} is not of the size that it should have")
        data = file.read(size)
        # The checksum of a member is only compared after its last byte.
        if len(data) != size or file.read(1):
            raise ValueError(f"{name} is not of the size that it should have")
    return np.frombuffer(data, dtype).reshape(shape)
