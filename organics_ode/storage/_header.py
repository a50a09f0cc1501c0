"""The header of a file, read strictly: everything in it is checked before an array is read."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ._encoding import CONSTANTS, Facts, Unloadable, label_of

FORMAT, VERSION = "organics_ode", 3
# For each version, the further entries of the header.
_BASE = {"format", "version", "library", "model"}
_VERSIONS = {1: _BASE, 2: _BASE | {"checksum"}, VERSION: _BASE | {"checksum", "values"}}
# The number of words in the data of a PRNG key.
_KEY_WORDS = {"threefry2x32": 2, "rbg": 4, "unsafe_rbg": 4}
_ARRAYS = ("jax array", "numpy array", "numpy scalar", "PRNG key")
# For each kind of leaf, its facts other than `kind` and `keys`.
_FACTS = {
    "record": {"name"},
    "function": {"name"},
    "enum": {"name", "member"},
    **{kind: set() for kind in ("dict", "tuple", "list", "identity")},
    **{kind: {"shape", "dtype"} for kind in _ARRAYS},
    "PRNG key": {"shape", "dtype", "impl"},
}


class Stored(NamedTuple):
    """How an array is stored in the file."""

    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The size in bytes, as a Python integer: a header may claim any size."""
        return math.prod(self.shape) * self.dtype.itemsize


def header_text(
    library: str,
    facts: dict[str, Facts],
    arrays: dict[str, np.ndarray],
    values: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The header for a tree, as JSON; `values` are for human readers, and are never loaded."""
    header = {"format": FORMAT, "version": VERSION, "library": library, "values": dict(values)}
    header |= {"model": facts}
    return json.dumps(header | {"checksum": _checksum(header, arrays)})


def read_header(text: str) -> dict[str, Any]:
    """The header again; `Unloadable` if it is not a header, or of an unknown version."""
    header = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_number)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise Unloadable("was not written by organics_ode.save; use numpy.load for other files")
    version = header.get("version")
    if type(version) is int and version > VERSION:
        newer = f"a newer version of organics_ode ({header.get('library')!s:.40})"
        raise Unloadable(f"was written by {newer}; upgrade organics_ode")
    if type(version) is not int or header.keys() != _VERSIONS.get(version):
        raise Unloadable(f"has a header of no known version ({version!r:.40})")
    return header


def check_sum(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Refuse a file that is not exactly as it was saved."""
    if header["version"] == 1:
        return
    rest = {key: value for key, value in header.items() if key != "checksum"}
    if header["checksum"] != _checksum(rest, arrays):
        raise Unloadable(
            "is not as it was saved: its checksum is another one; restore a copy, or save it again"
        )


def promised(facts: object) -> dict[str, Stored]:
    """How each array of a tree is stored in the file; `Unloadable` if the facts describe no tree.

    Every fact belongs to one leaf and every leaf has one, so walking the tree takes as many steps
    as it has leaves.
    """
    if not isinstance(facts, dict):
        raise Unloadable("has a header that describes no model")
    found: dict[str, Stored] = {}
    seen, left = set(), [""]
    while left:
        path = left.pop()
        label = label_of(path)
        if label in seen or label not in facts:
            raise Unloadable(f"describes `{label:.99}` {'twice' if label in seen else 'nowhere'}")
        seen.add(label)
        fact = facts[label]
        keys = _checked_keys(label, fact)
        if fact["kind"] in _ARRAYS:
            found[label] = _stored(label, fact)
        left += [path + key for key in keys]
    if lost := facts.keys() - seen:
        raise Unloadable(f"describes `{min(lost):.99}`, which is part of nothing")
    return found


def _checksum(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(header).encode())
    for name in sorted(arrays):
        array = arrays[name]
        what = f"{name} {array.dtype.str} {array.shape} "
        digest.update(what.encode("utf-8", "surrogatepass"))
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unloadable("has a header with repeated keys")
    return found


def _no_number(word: str) -> None:
    raise Unloadable(f"has a header with {word}, which is not JSON")


def _checked_keys(label: str, fact: Any) -> list[str]:
    """The keys of the nodes below a leaf, if it is a leaf as `flatten` describes it."""
    is_dict = isinstance(fact, dict) and isinstance(fact.get("kind"), str)
    if not is_dict or not _is_of_its_kind(fact["kind"], {*fact} - {"kind", "keys"}):
        raise Unloadable(f"describes `{label:.99}` as nothing that is known: {fact!r:.99}")
    keys = fact.get("keys", [])
    texts = [value for name, value in fact.items() if name != "keys"]
    if not isinstance(keys, list) or not all(isinstance(x, str) for x in (*keys, *texts)):
        raise Unloadable(f"describes `{label:.99}` by what is not a text")
    if not _are_keys(fact["kind"], keys):
        raise Unloadable(f"describes parts of `{label:.99}` that it cannot have: {keys!r:.99}")
    return keys


def _is_of_its_kind(kind: str, facts: set[str]) -> bool:
    if kind in CONSTANTS:
        return facts in ({"value"}, {"data"})
    return kind in _FACTS and facts == _FACTS[kind]


def _are_keys(kind: str, keys: list[str]) -> bool:
    match kind:
        case "record":
            return all(key[:1] == "." and key[1:].isidentifier() for key in keys)
        case "tuple" | "list":
            return keys == [f"[{i}]" for i in range(len(keys))]
        case "dict":
            return all(map(_is_dict_key, keys))
    return not keys


def _is_dict_key(key: str) -> bool:
    try:
        (name,) = json.loads(key)
    except (ValueError, TypeError, RecursionError):
        return False
    return type(name) in (str, bool) and json.dumps([name]) == key


def _stored(label: str, fact: Facts) -> Stored:
    shape = tuple(int(size) for size in re.findall(r"\d{1,18}", fact["shape"]))
    if str(shape) != fact["shape"]:
        raise Unloadable(f"gives `{label:.99}` the shape {fact['shape']:.99}")
    if fact["kind"] == "PRNG key":
        if fact["impl"] not in _KEY_WORDS:
            raise Unloadable(f"holds `{label:.99}`, a PRNG key of the kind {fact['impl']:.99}")
        return Stored(np.dtype(np.uint32), (*shape, _KEY_WORDS[fact["impl"]]))
    return Stored(_dtype(label, fact["dtype"]), shape)


def _dtype(label: str, text: str) -> np.dtype:
    # Neither a list of fields nor a dtype of several numbers.
    dtype = np.dtype(text) if re.fullmatch(r"[<>]?[a-z]\w{0,30}", text) else None
    if dtype is None or str(dtype) != text:
        raise Unloadable(f"gives `{label:.99}` the dtype {text:.99}")
    # The .npy format keeps only the width of the dtypes that ml_dtypes adds, such as bfloat16.
    if dtype.isbuiltin == 2:
        return np.dtype(f"u{dtype.itemsize}")
    if dtype.kind not in "biufc":
        raise Unloadable(f"gives `{label:.99}` the dtype {text:.99}")
    return dtype
