"""The IDX file format of the MNIST family: unsigned bytes in any number of dimensions."""

import gzip
import io
import math
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from ._checks import counted

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
    """Reads an IDX file of unsigned bytes, plain or gzipped, and checks its whole format.

    The file is, with big-endian 32-bit sizes,

        0x00 0x00 0x08 d,    size_1 … size_d,    size_1 · … · size_d bytes in row-major order.

    Args:
        path: the file; if it ends in `.gz`, it is unpacked no further than the shape needs.
        shape: the sizes that the file must have.

    Returns:
        The bytes in that shape, read-only, not copied a second time.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the compression, the magic number, the sizes or the length are wrong.

    Reference:
        LeCun, Cortes & Burges, "The MNIST database of handwritten digits", file formats.
    """
    header, count = 4 + 4 * len(shape), math.prod(shape)
    try:
        with _opened(path) as file:
            start = file.read(header)
            _check_header(path, start, shape)
            # One byte more than there may be; a longer file is not unpacked further.
            content = file.read(count + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise corrupt(path, "intact gzip data", f"broken gzip data ({error})") from error
    if len(content) != count:
        found = f"{len(content)}" + (" or more" if len(content) > count else "")
        raise corrupt(path, f"{counted(count, 'byte')} after its header", found)
    return np.frombuffer(content, np.uint8).reshape(shape)


def corrupt(path: Path, expected: str, found: str) -> ValueError:
    """The error for a file that exists but is wrong, for the caller to raise."""
    return ValueError(
        f"File `{path}` must hold {expected}, but it holds {found}. "
        "Delete it and download it again."
    )


def _opened(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")


def _check_header(path: Path, start: bytes, shape: tuple[int, ...]) -> None:
    magic = bytes((0, 0, _UNSIGNED_BYTE, len(shape)))
    header = 4 + 4 * len(shape)
    if len(start) < header:
        raise corrupt(
            path,
            f"an IDX header of {counted(header, 'byte')}",
            f"{counted(len(start), 'byte')} in all",
        )
    if start[:4] != magic:
        raise corrupt(
            path,
            f"the IDX magic number 0x{magic.hex()} (unsigned bytes, {len(shape)} dimensions)",
            f"0x{start[:4].hex()}",
        )
    sizes = tuple(np.frombuffer(start[4:], ">u4").tolist())
    if sizes != shape:
        raise corrupt(path, f"an array of shape {shape}", f"one of shape {sizes}")
