"""Whole files of every kind that the library reads, how each is read, and what an attacker adds."""

import contextlib
import gzip
import io
import json
import math
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import forge
import jax
import jax.numpy as jnp
import numpy as np
import optax
from file_attacks import CANARY, NAMES, bombs, headers
from file_kind import Kind, bits
from file_mutations import Case, forged
from file_studies import OldStudy, Results, Study, SweepStudy

import organics_ode as oo
from organics_ode.optimizers import State
from organics_ode.training import Progress
from organics_ode.training._checkpoints import Checkpoints
from tasks._idx import read_idx

OLD = Path(__file__).parents[1] / "old_files" / "version_1"


def kinds(folder: Path) -> dict[str, Any]:
    # A module that tells when it is imported, and a pickle that tells when it is read.
    (folder / f"{CANARY}.py").write_text("def run(*args): raise SystemExit('code has run')\n")
    sys.path.append(str(folder))
    rng = np.random.default_rng(0)
    return {
        "model": Model(folder),
        "model with `like`": Like(folder),
        "model of version 1": OldModel(),
        "checkpoint": Checkpoint(folder),
        "log": Log(),
        "results": Results(folder),
        "study": Study(folder),
        "study of before": OldStudy(folder),
        "study of a sweep": SweepStudy(folder),
        "data, packed": Packed(rng),
        "data, plain": Plain(rng),
    }


class Model(Kind):
    def __init__(self, folder: Path):
        self.model = oo.load(OLD / "model.npz"), [eqx.nn.Lambda(jnp.tanh), oo.Rectification.NONE, 3]
        oo.save(folder / "model", self.model)
        self.data = (folder / "model").read_bytes()
        self.expected = bits(self.model)

    def read(self, path: Path) -> Any:
        return oo.load(path)

    def as_it_says(self, value: Any, data: bytes) -> bool:
        """A forged header may put the same arrays into another structure, and no others."""
        there = {array.tobytes() for array in forge.read(io.BytesIO(data))[1].values()}
        arrays = [x for x in jax.tree.leaves(value) if eqx.is_array(x)]
        return all(np.asarray(x).tobytes() in there for x in arrays)

    def use(self, value: Any) -> None:
        model, others = (*value, None, None)[:2] if isinstance(value, tuple) else (value, None)
        for part in (model, *(others if isinstance(others, list) else ())):
            # What was put together wrongly may fail, and may not do harm.
            with contextlib.suppress(Exception):
                part(jnp.ones((2, 1)))

    def attacks(self) -> Iterator[Case]:
        facts, arrays = self.parts()
        named = [leaf for leaf in facts if "name" in facts[leaf]]
        for name in NAMES:
            for leaf in (named[0], named[-1], "[1][0].fn"):
                bad = facts | {leaf: facts[leaf] | {"name": name}}
                yield Case("names", partial(forged, bad, arrays), True, True)
            call = {"kind": "function", "name": name}
            yield Case("names", partial(forged, facts | {"[0].cell.dt": call}, arrays), True, True)
        yield from headers(facts, arrays)
        yield from bombs(self.data)
        for leaf in ("[0].cell.circuit.W.value", "[0].cell.circuit.sigma.theta"):
            is_sign = leaf.endswith("W.value")
            wrong = arrays | {leaf: -np.abs(arrays[leaf]) - 1}
            yield Case("sets", partial(forged, facts, wrong), True, is_sign)


class Like(Model):
    named = ("Argument `path` must ", "Argument `like` must ")

    def read(self, path: Path) -> Any:
        return oo.load(path, like=self.model)

    def attacks(self) -> Iterator[Case]:
        facts, arrays = self.parts()
        for name in NAMES:
            bad = facts | {"[1][0].fn": {"kind": "function", "name": name}}
            yield Case("names", partial(forged, bad, arrays), True, True)


class OldModel(Kind):
    format = "old zip"

    def __init__(self) -> None:
        self.data = (OLD / "model.npz").read_bytes()
        self.expected = bits(oo.load(OLD / "model.npz"))

    def read(self, path: Path) -> Any:
        return oo.load(path)


class Checkpoint(Kind):
    """Read as `fit` reads it; a training goes on from it only where it is the undisturbed one."""

    file = "checkpoint"
    named = ("Argument `checkpoint` must ", "Argument `steps` must ")

    def __init__(self, folder: Path):
        self.model = oo.load(OLD / "model.npz")
        with jax.numpy_dtype_promotion("standard"):
            state = optax.adam(0.1).init(eqx.filter(self.model, oo.trainable(self.model)))
        records = [{"step": k, "loss": 1 / (k + 1), "seconds": 0.1 * k} for k in range(1, 5)]
        records.insert(2, {"step": 2, "validation_loss": math.pi})
        self.first = Progress(0, State(self.model, state), self.model, oo.History([]))
        written = self.first._replace(step=4, history=oo.History(records, (1,)), log_start=7)
        path = folder / "checkpoint"
        self._of(path).begin(written, 8)
        self.data = path.read_bytes()
        self.expected = self._bits(self.read(path))

    def _of(self, path: Path) -> Checkpoints:
        return Checkpoints(path, 2, model=self.model, batches=None, optimizer=3)

    def _bits(self, now: Progress) -> Any:
        trees = bits((now.state, now.previous))
        return [trees, now.step, now.log_start, now.history.records, now.history.resumed]

    def read(self, path: Path) -> Any:
        return self._of(path).resume(self.first, 8)

    def same(self, value: Any) -> bool:
        return self._bits(value) == self.expected

    def as_it_says(self, value: Any, data: bytes) -> bool:
        """What a checkpoint gives is of the kinds that it must be, whatever was forged."""
        is_like = bits(value.state)[0] == bits(self.first.state)[0]
        records = value.history.records
        numbers = (int, float)
        are_numbers = all(type(v) in numbers for record in records for v in record.values())
        return is_like and are_numbers and type(value.step) is int and value.step >= 0

    def attacks(self) -> Iterator[Case]:
        facts, arrays = self.parts()
        rest = [k for k in facts if k.split(".")[0] not in ("model", "optimizer", "previous")]
        for name in NAMES:
            call = {"kind": "record", "name": name, "keys": [".func", ".args", ".keywords"]}
            inside = {"func": {"kind": "function", "name": "jax.numpy:load"}}
            inside |= {"args": {"kind": "tuple"}, "keywords": {"kind": "dict"}}
            for leaf in (
                "history",
                'history.kinds[0]["loss"]',
                "step",
                "resumed",
                "optimizer",
                "of",
            ):
                below = {
                    k: v for k, v in facts.items() if not k.startswith((f"{leaf}.", f"{leaf}["))
                }
                inner = {f"{leaf}.{k}": v for k, v in inside.items()}
                kept = {k: v for k, v in arrays.items() if k in below and k != leaf}
                yield Case("names", partial(forged, below | {leaf: call} | inner, kept), True, True)
        for leaf in rest:
            for wrong in (
                {"kind": "int", "data": "-1"},
                {"kind": "dict"},
                {"kind": "float", "data": "NaN"},
            ):
                below = {
                    k: v for k, v in facts.items() if not k.startswith((f"{leaf}.", f"{leaf}["))
                }
                kept = {k: v for k, v in arrays.items() if k in below and k != leaf}
                bad = below | {leaf: wrong}
                yield Case("kinds", partial(forged, bad, kept), True, facts[leaf] != wrong)
        yield from headers(facts, arrays)
        yield from bombs(self.data)
        wrong = arrays | {"model.cell.circuit.W.value": -np.ones((4, 4))}
        yield Case("sets", partial(forged, facts, wrong), True, True)


class Log(Kind):
    """JSON lines, which have no checksum: what is read is what is written in them."""

    format = "lines"

    def __init__(self) -> None:
        numbers = [0.1, math.nan, math.inf, -math.inf, 1e-310, 3, 0.0]
        records = [
            {"step": k + 1, "loss": x, "members": [x, -x]} for k, x in enumerate(numbers * 3)
        ]
        from organics_ode.storage import to_line

        self.data = "".join(map(to_line, records)).encode()
        self.expected = repr(records)

    def read(self, path: Path) -> Any:
        return oo.History.read(path)

    def same(self, value: Any) -> bool:
        return repr(value.records) == self.expected

    def as_it_says(self, value: Any, data: bytes) -> bool:
        """By the standard's own reading of the lines."""
        lines = data.split(b"\n")[: len(value.records)]
        return repr([_plain(json.loads(line)) for line in lines]) == repr(value.records)

    def attacks(self) -> Iterator[Case]:
        deep, wide = b"[" * 10**6, b"[" + b"0," * 10**5 + b"0]"
        for value in (deep, b'{"a":' * 10**5, wide + b"]", b'"os:system"', b"9" * 10**5, b"{}"):
            yield Case("lines", b'{"step": 1, "loss": ' + value + b"}\n" + self.data, True, True)
        for line in (b'{"step": 1, "step": 2}', b"[]", b"1", b"\xff\xfe", b"\0", b'{"step": 1.5}'):
            yield Case("lines", line + b"\n" + self.data, True, True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    words = {"Infinity": math.inf, "-Infinity": -math.inf, None: math.nan}
    return words[value] if value is None or isinstance(value, str) else value


class Packed(Kind):
    format = "gz"
    file = "data.gz"
    named = "File `"
    shape = (60, 28, 28)

    def __init__(self, rng: np.random.Generator):
        self.pixels = rng.integers(0, 9, self.shape).astype(np.uint8)
        sizes = b"".join(size.to_bytes(4, "big") for size in self.shape)
        self.plain = b"\0\0\x08\x03" + sizes + self.pixels.tobytes()
        self.data, self.promised = gzip.compress(self.plain, mtime=0), self.pixels.size
        self.expected = bits(self.pixels)

    def read(self, path: Path) -> Any:
        return read_idx(path, self.shape)

    def attacks(self) -> Iterator[Case]:
        zeros = bytes(50_000_000)
        empty = gzip.compress(b"", mtime=0)
        for data in (
            zeros,
            self.plain + zeros,
            self.plain[:16] + zeros,
            self.plain[:4] + b"\xff" * 12 + zeros,
        ):
            yield Case("bombs", partial(gzip.compress, data, mtime=0), False, True)
        yield Case("bombs", self.data + gzip.compress(zeros, mtime=0), False, True)
        yield Case("bombs", empty * 5000 + self.data)
        yield Case("bombs", self.data[:3] + b"\x08" + self.data[4:10] + b"a" * 10**6, False, True)


class Plain(Packed):
    """No checksum: the bytes of the file are those of the array."""

    format = "idx"
    file = "data"

    def __init__(self, rng: np.random.Generator):
        super().__init__(rng)
        self.data = self.plain

    def as_it_says(self, value: Any, data: bytes) -> bool:
        return value.shape == self.shape and value.tobytes() == data[16:]

    def attacks(self) -> Iterator[Case]:
        yield Case("longer", self.plain + bytes(10**7), False, True)
