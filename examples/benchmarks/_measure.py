"""What the benchmarks share: the machine, separate processes, times, memory, tables."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple


class Side(NamedTuple):
    """One whole training step, compiled: `run()` gives its loss and gradients once they are there.

    `run` carries parameters and optimizer state along; `planned` is the memory in GB that its
    program will take, if that is known before it runs, and `peak` reads the peak memory in GB.
    """

    run: Callable[[], tuple[Any, list[Any]]]
    peak: Callable[[], float]
    compile_s: float | None = None
    planned_gb: float | None = None


def with_huge_pages() -> None:
    """Restarts this script with memory pages of 2 MB, if Linux supports it.

    A training step allocates and frees hundreds of MB; with pages of 4 KB this takes a tenth of its
    time. The C library reads the setting when a process starts.
    """
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        os.execv(sys.executable, [sys.executable, *sys.argv])


def resident_gb() -> float:
    """The largest resident set of this process so far."""
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def warmed_up(side: Side) -> tuple[dict[str, float], list[Any]]:
    """After two steps: the peak in GB, the part of it that was in use before the first, and the
    gradients of the first."""
    before = side.peak()
    _, gradients = side.run()
    side.run()
    return {"before_gb": before, "peak_gb": side.peak()}, gradients


def seconds_of(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_its_own_process(arguments: list[str], timeout: float | None = None) -> dict[str, Any]:
    """What this script prints as JSON when it is run again, or `{"left_out": why}`."""
    command = [sys.executable, sys.argv[0], *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"left_out": f"longer than {timeout:g} s"}
    if done.returncode == -9:
        return {"left_out": "ended by the system, likely for want of memory"}
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


class Worker:
    """This script run again as a persistent process: it prints a line of JSON when it is ready, and
    one for each line that it is sent."""

    def __init__(self, arguments: list[str]):
        command = [sys.executable, sys.argv[0], *arguments]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def answer(self) -> Any:
        """What it prints next, or `{"left_out": why}` if the system ended it."""
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return json.loads(line)
        if self._process.wait() == -9:
            return {"left_out": "ended by the system, likely for want of memory"}
        raise RuntimeError(f"{self._process.args} ended")

    def ask(self) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def machine(*packages: str) -> dict[str, Any]:
    """The processor, cores, devices and versions."""
    import jax

    known = {"cpu": _processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    known["device"] = f"{jax.local_device_count()} × {jax.devices()[0].device_kind}"
    if "GLIBC_TUNABLES" in os.environ:
        known["GLIBC_TUNABLES"] = os.environ["GLIBC_TUNABLES"]
    return known | {name: _version(name) for name in packages}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def in_words(facts: dict[str, Any]) -> str:
    """The machine in a line."""
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def print_machine(facts: dict[str, Any]) -> None:
    print(in_words(facts), end="\n\n")


def print_table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    print("\n".join(table(columns, rows)))


def table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    """The lines of a Markdown table; missing values are a dash, numbers have three digits."""
    lines = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"
