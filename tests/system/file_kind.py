"""A kind of file: its bytes, its format, its reader, and how a refusal begins."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import forge
import jax
from file_mutations import Case


def bits(tree: Any) -> list[Any]:
    """Everything in a tree, each array as bytes."""
    leaves, structure = jax.tree.flatten(tree)
    whole = [
        x.dtype.str + str(x.shape) + x.tobytes().hex() if eqx.is_array(x) else x for x in leaves
    ]
    return [str(structure), [repr(x) for x in whole]]


class Kind:
    """A kind of file: its bytes, its format, its reader, and how a refusal begins."""

    format = "zip"
    file = "file"
    named: Any = "Argument `path` must "
    promised = 0
    data: bytes
    expected: Any

    def read(self, path: Path) -> Any:
        raise NotImplementedError

    def same(self, value: Any) -> bool:
        return bits(value) == self.expected

    def as_it_says(self, value: Any, data: bytes) -> bool:
        """Of a forged file: whether the arrays that were read are those in it."""
        del value, data
        return True

    def use(self, value: Any) -> None:
        del value

    def parts(self) -> Any:
        file = io.BytesIO(self.data)
        return forge.read(file)

    def attacks(self) -> Iterator[Case]:
        return iter(())
