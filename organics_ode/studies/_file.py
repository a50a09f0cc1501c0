"""The file of a sweep in progress."""

import json
import os
import zlib
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from .._checks import refuse
from ..storage import (
    Unloadable,
    flatten,
    read_stored,
    read_writable,
    reading,
    saved_name,
    write,
)

# In units of ε: how differently another machine may round.
_ROUNDING = 1e4


class StoredSweep(NamedTuple):
    """The contents of the file: a description of the sweep as JSON, and the leaves so far."""

    arguments: str
    chunk: int
    leaves: tuple[np.ndarray, ...]


class SweepFile:
    """The file of a sweep: `parts` are the leaves of each chunk that it has."""

    def __init__(
        self,
        path: str | os.PathLike,
        circuit: PyTree,
        x: Any,
        axes: dict[str, np.ndarray],
        like: PyTree,
    ):
        self.path = read_writable("path", path)
        self.arguments = _describe(circuit, x, axes, like)
        self.like = jax.tree.leaves(like)
        self.parts, self._chunk = self._load() if self.path.exists() else ([], None)

    def chunk(self, given: int | None) -> int | None:
        """The chunk size of the file, for which results agree to the bit."""
        if self._chunk is not None and given is not None and given < self._chunk:
            found = f"it holds one with `chunk` = {self._chunk}, not {given}"
            refuse("path", "be new or hold this sweep", found)
        return self._chunk

    def check_first(self, first: list[np.ndarray]) -> None:
        """Refuse the file if its first values differ from those computed here."""
        for stored, here in zip(self.parts[0], first, strict=True):
            count = min(len(stored), len(here))
            if not _agree(stored[:count], here[:count]):
                found = "its first values are others than those of this circuit and function"
                refuse("path", "be new or hold this sweep", found)

    def write(self, parts: list[list[np.ndarray]], chunk: int) -> None:
        leaves = tuple(np.concatenate(leaf) for leaf in zip(*parts, strict=True))
        stored = StoredSweep(json.dumps(self.arguments), chunk, leaves)
        write(self.path, flatten("path", stored))

    def _load(self) -> tuple[list[list[np.ndarray]], int]:
        with reading("path", self.path, "be new or hold a sweep"):
            stored = read_stored(self.path, StoredSweep)
            _check(stored)
        known = json.loads(stored.arguments)
        for name in known | self.arguments:
            if self.arguments.get(name) != known.get(name):
                found = f"in {self.path} `{name}` is {known.get(name)!s:.99}"
                here = f"here it is {self.arguments.get(name)!s:.99}"
                refuse("path", "be new or hold this sweep", f"{found}, and {here}")
        expected = [(leaf.shape, leaf.dtype) for leaf in self.like]
        if [(leaf.shape[1:], leaf.dtype) for leaf in stored.leaves] != expected:
            refuse("path", "be new or hold this sweep", "it holds arrays of another kind")
        counts = {len(leaf) for leaf in stored.leaves}
        if len(counts) > 1 or stored.chunk < 1:
            refuse("path", "be new or hold this sweep", "its arrays do not fit each other")
        return [list(stored.leaves)], stored.chunk


def _agree(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.kind not in "fc":
        return np.array_equal(one, other)
    rtol = _ROUNDING * float(np.finfo(one.dtype).eps)
    return np.allclose(one, other, rtol=rtol, atol=0, equal_nan=True)


def _describe(circuit: PyTree, x: Any, axes: dict[str, np.ndarray], like: PyTree) -> dict[str, Any]:
    """A description as JSON, with arrays by their checksums."""
    leaves = jax.tree_util.tree_leaves_with_path(circuit)
    parts = {jax.tree_util.keystr(path).removeprefix("."): _mark(leaf) for path, leaf in leaves}
    known: dict[str, Any] = {"circuit": saved_name(type(circuit))}
    known |= {f"circuit.{name}": mark for name, mark in parts.items()}
    known |= {"x": None if x is None else _mark(x)}
    known |= {f"axes[{name!r}]": _mark(values) for name, values in axes.items()}
    known["names of axes"] = list(axes)
    known["what `function` gives"] = [
        f"{leaf.dtype}{list(leaf.shape)}" for leaf in jax.tree.leaves(like)
    ]
    return known


def _mark(leaf: Any) -> str:
    if not eqx.is_array(leaf):
        return repr(leaf)
    array = np.ascontiguousarray(leaf)
    kind = f"{array.dtype}{list(array.shape)}"
    if array.size == 1:
        return f"{kind} {array.item()!r}"
    return f"{kind}, checksum {zlib.crc32(array.tobytes()):08x}"


def _check(stored: StoredSweep) -> None:
    is_counted = type(stored.chunk) is int and type(stored.leaves) is tuple
    if not is_counted or not all(type(x) is np.ndarray and x.ndim for x in stored.leaves):
        raise Unloadable("holds something else")
