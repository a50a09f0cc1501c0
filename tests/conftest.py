"""Settings of every test: checked types, 64 bits, and no silent promotion of dtypes or ranks.

A test that calls a library which promotes ranks by itself relaxes the last one locally, with
`jax.numpy_rank_promotion("allow")`.
"""

import contextlib
import ctypes
import gc
import itertools
import math
import mmap
import os
import signal
import sys
import threading
from importlib.metadata import version
from pathlib import Path

from disk import kept

# Before anything imports matplotlib or JAX.
os.environ["MPLBACKEND"] = "Agg"

# Most of the time of the tests goes into compiling. What a worker has compiled the others take, and
# it takes it again itself after `jax.clear_caches()` below, and in the next run of the tests.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    programs = Path(__file__).parents[1] / ".pytest_cache" / "jax"
    os.environ["JAX_COMPILATION_CACHE_DIR"] = kept(programs)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Compiled fast rather than for speed: the tests compile more than they compute. With
# JAX_DISABLE_MOST_OPTIMIZATIONS=0 they run what users run.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] == "1" and version("jaxlib").startswith("0.10."):
    # XLA's older emitter compiles in half of the time, in one module rather than in pieces for
    # threads. Another version may not know these flags, and ends on one that it does not know.
    flags = ["--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1"]
    os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *flags]).strip()
# Before anything loads LAPACK: its own threads and XLA's fight over the cores in batched calls.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import checked
import jax
import jaxtyping
import memory
import pytest

# A shell starts what it puts into the background with SIGINT ignored, and so its children: the
# library leaves it so, and the tests of interruptions would wait for nothing.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

jax.config.update("jax_enable_x64", os.environ.get("JAX_ENABLE_X64", "1") == "1")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# A module imported before the hook would go unchecked.
CHECKED = ("organics_ode", "tasks")
assert not set(CHECKED) & set(sys.modules)


def pytest_configure(config):
    """Import the library with checked types, but not into a process that only hands tests out."""
    if config.getoption("tx", None) and not hasattr(config, "workerinput"):
        return
    # For good: functions inside of functions are decorated whenever they are made.
    jaxtyping.jaxtyped = checked.by_dimensions(jaxtyping.jaxtyped)
    with jaxtyping.install_import_hook(CHECKED, "checked.when_called"):
        import organics_ode
        import tasks

        assert organics_ode and tasks


@pytest.fixture
def compiled():
    """How many programs were compiled since the last look."""
    seen = []

    def listen(event, duration, **_):
        if event.endswith("backend_compile_duration"):
            seen.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)

    def since():
        count = len(seen)
        seen.clear()
        return count

    yield since
    jax.monitoring.unregister_event_duration_listener(listen)


SYSTEM = Path(__file__).parent / "system"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What runs whole programs is marked, and left out of a plain `pytest`, and so are all but the
    first case of a test that is `slow_but_first`."""
    begun = set()
    for item in items:
        if item.path.is_relative_to(SYSTEM):
            item.add_marker("system")
        if item.get_closest_marker("slow_but_first") and not item.get_closest_marker("slow"):
            test = item.path, item.originalname
            if test in begun:
                item.add_marker("slow")
            begun.add(test)


def pytest_collection_finish():
    """A million objects live on from here: no collection of garbage need look through them."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def unchecked():
    """Without checked types, as a user calls the library: its own checks must catch what is bad."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# A process may hold 65 530 memory maps (Linux's default), and every program that XLA compiles takes
# a few: thousands of tests in one process ran out of them, and LLVM then aborts. Programs also take
# memory, until XLA is told to forget them: 1.2 GB of a worker go down to 0.6.
MAPS, MAPS_COUNTED_EVERY = 25_000, 8  # counting them takes milliseconds
MEMORY = 1.3 * 2**30
# What stays is no program, and forgetting again after every test compiles everything again.
GROWTH = 0.3 * 2**30
stayed = 0
# A worker at that bound, in a test that takes much itself or starts a process.
PER_WORKER = 2 * 2**30
finished = itertools.count(1)


def pytest_runtest_teardown(item, nextitem):
    """With a file of tests goes what its cached functions keep, a gigabyte of trials once."""
    if nextitem is None or nextitem.path != item.path:
        for function in vars(item.module).values():
            is_own = getattr(function, "__module__", None) == item.module.__name__
            if is_own and hasattr(function, "cache_clear"):
                function.cache_clear()
    forget_programs()


def forget_programs():
    """Once they hold much memory, or many memory maps."""
    global stayed
    most = max(MEMORY, stayed + GROWTH)
    if sys.platform == "linux" and (memory.held() > most or holds_many_maps()):
        jax.clear_caches()
        gc.collect()
        # glibc keeps what is freed; musl has no such function.
        getattr(ctypes.CDLL(None), "malloc_trim", int)(0)
        stayed = memory.held()


def holds_many_maps():
    if next(finished) % MAPS_COUNTED_EVERY:
        return False
    with open("/proc/self/maps", "rb") as maps:
        return sum(1 for _ in maps) > MAPS


def available_memory():
    """Bytes that programs can still take here, as far as the system tells; else infinite."""
    limits = [math.inf]
    if sys.platform == "linux":
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
        group = Path("/sys/fs/cgroup")
        with contextlib.suppress(OSError, ValueError):  # no such group, or no limit: "max"
            taken = int((group / "memory.current").read_text())
            limits.append(int((group / "memory.max").read_text()) - taken)
    elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE / 2)
    return min(limits)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """For `-n auto`: no more workers than there is room for, or as many as the environment says."""
    workers = yield
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return workers
    return max(1, int(min(workers, available_memory() / PER_WORKER)))
