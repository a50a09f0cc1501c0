"""Files made from a whole one: damaged, repacked, forged."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import forge
import numpy as np


class Case(NamedTuple):
    """A file to be read. A forged one says what it holds: its sums are right, or it has none."""

    family: str
    data: Any
    is_forged: bool = False
    must_refuse: bool = False


def cases(kind: Any, rng: np.random.Generator, count: int, share: float = 1.0) -> Iterator[Case]:
    """At least so many files, some of each family of this kind, and a share of the attacker's."""
    for case in kind.attacks():
        if rng.random() < share:
            yield made(case)
    count_made = 0
    families = {"bits": bits, "bytes": run_of_bytes, "cut": cut, "splice": splice}
    families |= _FAMILIES[kind.format]
    while count_made < count:
        for family, make in families.items():
            data = make(kind, rng)
            if data != kind.data:
                count_made += 1
                yield Case(family, data, family in _FORGED or kind.format in ("lines", "idx"))


def made(case: Case) -> Case:
    """With its bytes, before the next one of an attacker is asked for."""
    return case._replace(data=case.data() if callable(case.data) else case.data)


def bits(kind: Any, rng: np.random.Generator) -> bytes:
    data = bytearray(kind.data)
    for place in rng.integers(len(data), size=rng.integers(1, 9)):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def run_of_bytes(kind: Any, rng: np.random.Generator) -> bytes:
    data, size = bytearray(kind.data), int(rng.integers(1, 65))
    start = int(rng.integers(len(data)))
    fill = rng.bytes(size) if rng.random() < 0.7 else bytes([int(rng.choice([0, 255]))]) * size
    data[start : start + size] = fill[: len(data) - start]
    return bytes(data)


def cut(kind: Any, rng: np.random.Generator) -> bytes:
    data, at = kind.data, int(rng.integers(len(kind.data)))
    return [data[:at], data[at:], data + rng.bytes(at), rng.bytes(50) + data][int(rng.integers(4))]


def splice(kind: Any, rng: np.random.Generator) -> bytes:
    data = kind.data
    a, b, c = sorted(rng.integers(len(data) + 1, size=3).tolist())
    made = [data[:a] + data[b:], data[:b] + data[a:], data[:a] + data[b:c] + data[a:b] + data[c:]]
    return made[int(rng.integers(3))]


# --- zips: what is damaged by somebody who knows the format ---


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def zipped(parts: list[tuple[str, bytes]], packed: str = "") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts:
            kind = zipfile.ZIP_DEFLATED if name == packed else zipfile.ZIP_STORED
            # With an info of its own: zipfile warns of a second member of one name.
            archive.NameToInfo.pop(name, None)
            archive.writestr(zipfile.ZipInfo(name), data, kind)
    return file.getvalue()


def repack(kind: Any, rng: np.random.Generator) -> bytes:
    """Members lost, twice, exchanged, renamed, packed, added, all sums of the zip right."""
    parts = members(kind.data)
    names = list(parts)
    one, other = (names[i] for i in rng.choice(len(names), 2, replace=False))
    listed = list(parts.items())
    match int(rng.integers(7)):
        case 0:
            return zipped([(k, v) for k, v in listed if k != one])
        case 1:
            return zipped([*listed, (one, parts[other] if rng.random() < 0.5 else parts[one])])
        case 2:
            exchanged = parts | {one: parts[other], other: parts[one]}
            return zipped(list(exchanged.items()))
        case 3:
            return zipped([(k + "_" if k == one else k, v) for k, v in listed])
        case 4:
            return zipped(listed, packed=one)
        case 5:
            return zipped([*listed, ("more.npy", rng.bytes(100))])
        case _:
            return zipped([(k, parts[one] if k == other else v) for k, v in listed])


def revalue(kind: Any, rng: np.random.Generator) -> bytes:
    """A number of an array is another one, or NaN; the zip's sum is right, the header's is not."""
    parts = members(kind.data)
    arrays = [name for name in parts if "__header__" not in name]
    name = str(rng.choice(arrays))
    array = np.load(io.BytesIO(parts[name])).copy()
    if array.size:
        place = int(rng.integers(array.size))
        is_nan = array.dtype.kind == "f" and rng.random() < 0.5
        array.reshape(-1)[place] = np.nan if is_nan else array.reshape(-1)[place] + 1
    return zipped(list((parts | {name: npy(array)}).items()))


def edit(kind: Any, rng: np.random.Generator) -> bytes:
    """A letter of the header is another one; the zip's sum is right."""
    parts = members(kind.data)
    name = next(name for name in parts if "__header__" in name)
    text = bytearray(parts[name])
    start = len(text) // 50
    place = start + 4 * int(rng.integers((len(text) - start) // 4))
    text[place] = int(rng.integers(32, 127))
    return zipped(list((parts | {name: bytes(text)}).items()))


def reheader(kind: Any, rng: np.random.Generator) -> bytes:
    """Facts of a leaf changed, exchanged, lost; all checksums right."""
    facts, arrays = kind.parts()
    leaf, other = (str(name) for name in rng.choice(list(facts), 2, replace=False))
    fact = dict(facts[leaf])
    match int(rng.integers(6)):
        case 0:
            facts[leaf] = facts[other]
        case 1:
            del facts[leaf]
        case 2:
            fact.pop(str(rng.choice(list(fact))))
            facts[leaf] = fact
        case 3:
            what = str(rng.choice(list(fact)))
            facts[leaf] = fact | {what: _WRONG[int(rng.integers(len(_WRONG)))]}
        case 4:
            facts[leaf] = fact | {"keys": [*fact.get("keys", []), *fact.get("keys", ["[0]"])]}
        case _:
            keys = list(fact.get("keys", ["[0]"]))
            facts[leaf] = fact | {"keys": rng.permutation(keys).tolist()[: int(rng.integers(9))]}
    return forged(facts, arrays)


def forged(facts: Any, arrays: Any, **options: Any) -> bytes:
    """A file with right checksums of whatever it says."""
    parts = forge.members(facts, arrays, **options)
    return zipped([(f"{name}.npy", npy(array)) for name, array in parts.items()])


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


_WRONG = [
    None,
    1,
    -1,
    "",
    "x",
    "(3,)",
    "object",
    "jax.nn:relu",
    "os:system",
    [],
    {},
    "NaN",
    "1e400",
]
_WRONG += ["(99999999999,)", "list", "record", "float64", "PRNG key", "9" * 5000, "[" * 5000]


# --- text and data ---


def reword(kind: Any, rng: np.random.Generator) -> bytes:
    """A word of a line is another one, or a line is lost, doubled, exchanged."""
    lines = kind.data.split(b"\n")
    i = int(rng.integers(len(lines) - 1))
    words = [b"null", b"NaN", b'"Infinity"', b'"os"', b"[1, 2]", b"[[]]", b"{}", b"true", b"1e400"]
    match int(rng.integers(4)):
        case 0:
            record = json.loads(lines[i])
            value = str(record[str(rng.choice(list(record)))]).encode()
            lines[i] = lines[i].replace(value, words[int(rng.integers(len(words)))], 1)
        case 1:
            del lines[i]
        case 2:
            lines.insert(i, lines[int(rng.integers(len(lines) - 1))])
        case _:
            lines[i] = (
                lines[i].replace(b"}", b', "step": 3}') if rng.random() < 0.5 else lines[i][::-1]
            )
    return b"\n".join(lines)


def regzip(kind: Any, rng: np.random.Generator) -> bytes:
    """Packed again: longer, shorter, of other sizes, twice, or with another byte."""
    data = bytearray(gzip.decompress(kind.data))
    match int(rng.integers(5)):
        case 0:
            data += rng.bytes(int(rng.integers(1, 10_000)))
        case 1:
            del data[-int(rng.integers(1, len(data))) :]
        case 2:
            data[int(rng.integers(16))] ^= 1 << int(rng.integers(8))
        case 3:
            return kind.data + gzip.compress(bytes(data), mtime=0)
        case _:
            return gzip.compress(
                bytes(data), int(rng.integers(1, 10)), mtime=int(rng.integers(1, 99))
            )
    return gzip.compress(bytes(data), mtime=0)


_FAMILIES = {
    "zip": {"members": repack, "values": revalue, "header": edit, "forged header": reheader},
    "old zip": {},
    "lines": {"words": reword},
    "gz": {"packed again": regzip},
    "idx": {},
}
_FORGED = {"forged header", "words"}
