"""Files of diagrams and of sweeps, and of results, as attackers find them."""

import contextlib
import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import diffrax
import equinox as eqx
import forge
import jax
import jax.numpy as jnp
import numpy as np
from file_attacks import NAMES, bombs, headers
from file_kind import Kind, bits
from file_mutations import Case, forged, members, zipped

import organics_ode as oo
from organics_ode import robustness
from organics_ode.robustness import _study
from organics_ode.studies._file import SweepFile


class Study(Kind):
    def __init__(self, folder: Path):
        self.study = _study.read_study([0.0, 1.0, 2.0], [0.5, 1.0], 4, 0.5, 0.1, 2.0, 50.0, 3.0)
        self.arguments = _study.describe(self.study, jax.random.key(0), robustness.gaussian)
        rng, shape = np.random.default_rng(0), (3, 2)
        names = ("abscissa", "frequency", "amplitude")
        trials = [
            {"classes": rng.integers(-1, 4, shape).astype(np.int8)}
            | {name: rng.normal(size=shape) for name in names}
            for _ in range(2)
        ]
        self.written = folder / "study"
        self._write(trials)
        self.data = self.written.read_bytes()
        self.expected = bits(self.read(self.written))

    def _write(self, trials: Any) -> None:
        _study.save(self.written, self.arguments, trials)

    def read(self, path: Path) -> Any:
        return _study.load(path, self.study, self.arguments)

    def as_it_says(self, value: Any, data: bytes) -> bool:
        shapes = {(k, np.shape(v)) for trial in value for k, v in trial.items()}
        return all(shape == (3, 2) for _, shape in shapes)

    def attacks(self) -> Iterator[Case]:
        facts, arrays = self.parts()
        for name in NAMES:
            yield Case(
                "names",
                partial(forged, facts | {"(root)": facts["(root)"] | {"name": name}}, arrays),
                True,
                True,
            )
            call = {"kind": "function", "name": name}
            yield Case("names", partial(forged, facts | {"arguments": call}, arrays), True, True)
        yield from headers(facts, arrays)
        yield from bombs(self.data)
        yield Case(
            "sets",
            partial(forged, facts, arrays | {"classes": arrays["classes"] + np.int8(9)}),
            True,
            True,
        )


class OldStudy(Study):
    format = "old zip"

    def _write(self, trials: Any) -> None:
        arrays = {k: np.stack([trial[k] for trial in trials]) for k in trials[0]}
        with open(self.written, "wb") as file:
            np.savez_compressed(file, arguments=np.array(json.dumps(self.arguments)), **arrays)

    def attacks(self) -> Iterator[Case]:
        parts = members(self.data)
        for name in parts:
            bombed = list((parts | {name: bytes(50_000_000)}).items())
            yield Case("bombs", partial(zipped, bombed, packed=name), False, True)


class SweepStudy(Kind):
    """Read as `sweep` reads it; another circuit, input, axis or function is refused before."""

    def __init__(self, folder: Path):
        circuit = oo.ORGaNICs([[1.0]], [[1.0]], [[1.0]], 0.1, 0.5, 0.5, 2.0, 2.0)
        axes = {"tau_a": np.arange(1.0, 7.0)}
        like = jax.ShapeDtypeStruct((2,), np.float64), jax.ShapeDtypeStruct((), np.int32)
        self.written = folder / "sweep"
        self.sweep = SweepFile(self.written, circuit, np.ones(1), axes, like)
        rng = np.random.default_rng(0)
        leaves = [rng.normal(size=(6, 2)), rng.integers(0, 9, 6).astype(np.int32)]
        self.sweep.write([leaves], 3)
        self.data = self.written.read_bytes()
        self.expected = bits(self.read(self.written))

    def read(self, path: Path) -> Any:
        self.sweep.path = path
        return self.sweep._load()

    def as_it_says(self, value: Any, data: bytes) -> bool:
        (numbers, counts), chunk = value[0][0], value[1]
        fit = numbers.shape[1:] == (2,) and counts.shape == numbers.shape[:1] and chunk >= 1
        there = {array.tobytes() for array in forge.read(io.BytesIO(data))[1].values()}
        return fit and {numbers.tobytes(), counts.tobytes()} <= there

    def attacks(self) -> Iterator[Case]:
        facts, arrays = self.parts()
        for name in NAMES:
            root = facts | {"(root)": facts["(root)"] | {"name": name}}
            yield Case("names", partial(forged, root, arrays), True, True)
            for leaf in ("arguments", "chunk"):
                call = facts | {leaf: {"kind": "function", "name": name}}
                yield Case("names", partial(forged, call, arrays), True, True)
        for leaf in ("arguments", "chunk"):
            for data in ("-1", "0", "null", '"[]"', '"{"', '"{}"', "1e400", "true"):
                for kind in ("int", "str", "float", "bool", "NoneType"):
                    bad = facts | {leaf: {"kind": kind, "data": data}}
                    yield Case("kinds", partial(forged, bad, arrays), True, True)
        yield from headers(facts, arrays)
        yield from bombs(self.data)
        other = [
            arrays | {"leaves[0]": arrays["leaves[0]"][:3]},
            arrays | {"leaves[0]": arrays["leaves[0]"].astype(np.float32)},
            arrays | {"leaves[1]": arrays["leaves[1]"][:0]},
            arrays | {"leaves[1]": arrays["leaves[1]"][0]},
        ]
        for changed in other:
            yield Case("sets", partial(forged, _facts_of(facts, changed), changed), True, True)
        none = {k: v[:0] for k, v in arrays.items()}
        yield Case("sets", partial(forged, _facts_of(facts, none), none), True)


def _facts_of(facts: Any, arrays: Any) -> Any:
    """The facts with the shapes and dtypes of these arrays."""
    told = {k: {"shape": str(v.shape), "dtype": str(v.dtype)} for k, v in arrays.items()}
    return facts | {k: facts[k] | more for k, more in told.items()}


class Results(Kind):
    """Tables, sweeps and solutions as `oo.save` writes them, read without `like`."""

    def __init__(self, folder: Path):
        rng = np.random.default_rng(0)
        table = oo.Table({"t": np.arange(3.0)}, {"y": rng.normal(size=(3, 2))}, {"t": "ms"})
        sweep = oo.Sweep({"sigma": np.arange(2.0)}, {"rate": rng.normal(size=2)})
        state = oo.ORGaNICsState(jnp.asarray(rng.normal(size=2)), jnp.ones(2))
        ended: Any = diffrax.RESULTS.successful
        oo.save(folder / "results", [table, sweep, state, ended])
        self.data = (folder / "results").read_bytes()
        self.expected = bits(oo.load(folder / "results"))
        self.use([table])  # imports pandas, which no file asks for

    def read(self, path: Path) -> Any:
        return oo.load(path)

    def as_it_says(self, value: Any, data: bytes) -> bool:
        there = {array.tobytes() for array in forge.read(io.BytesIO(data))[1].values()}
        arrays = [x for x in jax.tree.leaves(value) if eqx.is_array(x)]
        return all(np.asarray(x).tobytes() in there for x in arrays)

    def use(self, value: Any) -> None:
        for part in value if isinstance(value, list) else ():
            # What was put together wrongly may fail, and may not do harm.
            with contextlib.suppress(Exception):
                part.to_dataframe()
            with contextlib.suppress(Exception):
                bool(part == diffrax.RESULTS.successful)
            with contextlib.suppress(Exception):
                repr(part)

    def attacks(self) -> Iterator[Case]:
        facts, arrays = self.parts()
        named = [leaf for leaf in facts if "name" in facts[leaf]]
        for name in NAMES:
            for leaf in named:
                bad = facts | {leaf: facts[leaf] | {"name": name}}
                yield Case("names", partial(forged, bad, arrays), True, True)
        for name in ("diffrax:RESULTS", "organics_ode:Table", "jax.numpy:tanh"):
            for leaf in named:
                kind = "function" if "keys" not in facts[leaf] else facts[leaf]["kind"]
                bad = facts | {leaf: facts[leaf] | {"name": name, "kind": kind}}
                yield Case("kinds", partial(forged, bad, arrays), True)
        for wrong in (-1, 99, 2**31 - 1):
            changed = arrays | {"[3]._value": np.asarray(wrong, np.int32)}
            yield Case("sets", partial(forged, facts, changed), True)
        yield from headers(facts, arrays)
        yield from bombs(self.data)
