"""Thousands of damaged and forged files against every reader of the library.

    python tests/system/attack_files.py --write

Each kind of file is damaged (bits, cuts, spliced blocks), repacked (members lost, twice, exchanged,
packed, renamed, of other values, with right sums of the zip), and forged (headers with right
checksums, among them those of an attacker), and then read. Watched are: code that runs, modules
that are imported, files that are touched, time, memory, errors that name nothing, and values.
"""

import argparse
import collections
import contextlib
import functools
import os
import shutil
import signal
import sys
import tempfile
import time
import tracemalloc
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support"), str(Path(__file__).parent)]

import file_mutations  # noqa: E402
import file_readers  # noqa: E402
import page  # noqa: E402

SECONDS, TIMES = 5.0, 4
# What reading takes in any case: the parser's own objects, a first frame of a traceback.
_FLOOR = 2**20
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FAULTS = ("code", "imports", "touched", "slow", "large", "raw", "changed")


class Watch:
    """What the interpreter does while it is entered, by its own audit events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.is_on = False
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_on:
            self.events += [
                (kind, f"{event} {arguments!r:.200}") for kind in _kinds(event, arguments)
            ]

    def __enter__(self) -> "Watch":
        self.events, self.is_on = [], True
        return self

    def __exit__(self, *exception: object) -> None:
        self.is_on = False


@functools.cache
def watch() -> Watch:
    """The only one: a hook stays until the interpreter ends."""
    return Watch()


def _kinds(event: str, arguments: tuple[Any, ...]) -> list[str]:
    if event == "import":
        return ["imports"]
    if event == "exec" or event.startswith(
        ("pickle.", "os.system", "subprocess.", "os.exec", "ctypes.d")
    ):
        return ["code"]
    if event == "open":
        mode, flags = arguments[1], arguments[2] or 0
        is_written = flags & _WRITES or (isinstance(mode, str) and set(mode) & set("wax+"))
        return ["touched"] if is_written else []
    if event.startswith(("os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "shutil.")):
        return ["touched"]
    return ["touched"] if event.startswith(("socket.", "os.putenv", "os.chmod")) else []


class Result(NamedTuple):
    outcome: str  # refused, same, as it says
    faults: dict[str, str]
    seconds: float
    times: float


def attack(kind: Any, case: file_mutations.Case, path: Path) -> Result:
    """Read one file, and say what came of it."""
    path.write_bytes(case.data)
    faults: dict[str, str] = {}
    modules = set(sys.modules)
    tracemalloc.start()
    start = time.process_time()
    signal.setitimer(signal.ITIMER_REAL, 12 * SECONDS)
    try:
        with watch() as heard, warnings.catch_warnings(action="ignore"):
            outcome = _judged(kind, case, path, faults)
    except BaseException as error:
        outcome, faults["raw"] = "refused", f"{error!r:.300}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    if new := set(sys.modules) - modules:
        faults["imports"] = f"{sorted(new)}"
    for what, event in heard.events:
        faults.setdefault(what, event)
    promised = max(len(case.data), kind.promised)
    if seconds > SECONDS:
        faults["slow"] = f"{seconds:.1f} s"
    if peak > TIMES * promised + _FLOOR:
        faults["large"] = f"{peak} bytes for {promised}"
    return Result(outcome, faults, seconds, max(0, peak - _FLOOR) / promised)


def _judged(kind: Any, case: file_mutations.Case, path: Path, faults: dict[str, str]) -> str:
    try:
        value = kind.read(path)
    except (ValueError, FileNotFoundError) as error:
        if not str(error).startswith(kind.named):
            faults["raw"] = f"{error!r:.300}"
        return "refused"
    if kind.same(value):
        return "same"
    if case.is_forged and not case.must_refuse and kind.as_it_says(value, case.data):
        kind.use(value)  # what was forged may also not do harm when it is used
        return "as it says"
    faults["changed"] = f"{case.family}: {value!r:.200}"
    return "changed"


def run(
    kinds: dict[str, Any], count: int, seed: int, folder: Path, share: float = 1.0
) -> dict[str, Any]:
    """For each kind of file, what came of at least so many files."""
    found: dict[str, Any] = {}
    before = signal.signal(signal.SIGALRM, _stop)
    try:
        for name, kind in kinds.items():
            rng, path = np.random.default_rng([seed, len(found)]), folder / kind.file
            _warm_up(kind, path)
            cases = file_mutations.cases(kind, rng, count, share)
            found[name] = [(case, attack(kind, case, path)) for case in cases]
    finally:
        signal.signal(signal.SIGALRM, before)
    return found


def _warm_up(kind: Any, path: Path) -> None:
    """What reading and refusing import at first is there before the watch begins."""
    for data in (kind.data, kind.data[:50], kind.data[:-50], b""):
        path.write_bytes(data)
        _quietly(kind.read, path)
    # Programs of what is used are compiled, and may be written into JAX's cache.
    path.write_bytes(kind.data)
    _quietly(lambda path: kind.use(kind.read(path)), path)


def _quietly(read: Any, path: Path) -> None:
    with contextlib.suppress(ValueError, FileNotFoundError):
        read(path)


def _stop(*arguments: Any) -> None:
    raise TimeoutError("it hangs")


def table(found: dict[str, Any]) -> list[str]:
    """The counts as Markdown."""
    head = ["file", "tried", "refused", "as it was", "as it says", "code run", "names imported"]
    head += ["files touched", "over 5 s", f"over {TIMES} × the memory", "raw errors"]
    head += ["silent changes", "slowest", "most memory"]
    lines = [" | ".join(["", *head, ""]).strip(), "|---" * len(head) + "|"]
    for name, results in found.items():
        outcomes = collections.Counter(result.outcome for _, result in results)
        faults = collections.Counter(fault for _, result in results for fault in result.faults)
        slowest = max(result.seconds for _, result in results)
        most = max(result.times for _, result in results)
        cells = [name, len(results), *(outcomes[k] for k in ("refused", "same", "as it says"))]
        cells += [faults[k] for k in _FAULTS] + [f"{slowest:.2f} s", f"{most:.1f} ×"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=600, help="files of each kind, at least")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into docs/trust.md")
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    folder = Path(tempfile.mkdtemp(prefix="attack-"))
    try:
        kinds = file_readers.kinds(folder)
        found = {}
        for i, name in enumerate(kinds):
            found |= run({name: kinds[name]}, arguments.count, arguments.seed + 1000 * i, folder)
            print(f"{name}: {len(found[name])} files", flush=True)
            for case, result in found[name]:
                for fault, what in result.faults.items():
                    print(f"  {case.family}: {fault}: {what}", flush=True)
    finally:
        shutil.rmtree(folder)
    lines = table(found)
    print("\n".join(lines))
    if arguments.write:
        command = f"`python tests/system/attack_files.py --count {arguments.count} --write`"
        where = f"seed {arguments.seed}, AMD EPYC, 2 cores, jax {jax.__version__}"
        page.write_table("files", [*lines, "", f"{command}, {where}."])


if __name__ == "__main__":
    main()
