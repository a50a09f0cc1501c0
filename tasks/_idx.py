"""The IDX file format of the MNIST family: unsigned bytes in any number of dimensions."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
    """Reads an IDX file of unsigned bytes, plain or gzipped, and checks all of its format.

    The file is, with big-endian 32-bit sizes,

        0x00 0x00 0x08 d,    size_1 … size_d,    size_1 · … · size_d bytes in row-major order.

    Args:
        path: the file; a name that ends in `.gz` is unpacked in memory.
        shape: the sizes that the file must have.

    Returns:
        The bytes in that shape, read-only and without a second copy.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the compression, the magic number, the sizes or the length are wrong.

    Reference:
        LeCun, Cortes & Burges, "The MNIST database of handwritten digits", file formats.
    """
    content = _unpacked(path)
    _check_magic(path, content, dimensions=len(shape))
    start = 4 + 4 * len(shape)
    sizes = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    if sizes != shape:
        raise corrupt(path, f"an array of shape {shape}", f"one of shape {sizes}")
    if len(content) - start != math.prod(shape):
        expected, found = math.prod(shape), len(content) - start
        raise corrupt(path, f"{expected} bytes after its header", f"{found}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def corrupt(path: Path, expected: str, found: str) -> ValueError:
    """The error for a file that is there but wrong, for the caller to raise."""
    return ValueError(
        f"File `{path}` must hold {expected}, but it holds {found}. "
        "Delete it and download it again."
    )


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise corrupt(path, "intact gzip data", f"broken gzip data ({error})") from error


def _check_magic(path: Path, content: bytes, *, dimensions: int) -> None:
    magic = bytes((0, 0, _UNSIGNED_BYTE, dimensions))
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise corrupt(path, f"an IDX header of {header} bytes", f"{len(content)} bytes in all")
    if content[:4] != magic:
        raise corrupt(
            path,
            f"the IDX magic number 0x{magic.hex()} (unsigned bytes, {dimensions} dimensions)",
            f"0x{content[:4].hex()}",
        )
