"""Settings of every test: checked types, 64 bits, and no silent promotion of dtypes or ranks.

A test that calls a library which promotes ranks by itself relaxes the last one locally, with
`jax.numpy_rank_promotion("allow")`.
"""

import itertools
import os
import sys
import tempfile

# Before anything imports matplotlib or JAX.
os.environ["MPLBACKEND"] = "Agg"
# Most of the time of the tests goes into compiling. What one worker has compiled the other takes,
# and either of them again after `jax.clear_caches()` below; the folder ends with the session.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    compiled = tempfile.TemporaryDirectory(prefix="organics_ode-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = compiled.name
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Compiled fast rather than for speed: the tests compile more than they compute. With
# JAX_DISABLE_MOST_OPTIMIZATIONS=0 they run what users run.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# Before anything loads LAPACK: its own threads and XLA's fight over the cores in batched calls.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jaxtyping
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# A module imported before the hook would go unchecked.
CHECKED = ("organics_ode", "tasks")
assert not set(CHECKED) & set(sys.modules)

# An int where a float is asked for is right, as for every static type checker.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"

with jaxtyping.install_import_hook(CHECKED, CHECKER):
    import organics_ode
    import tasks

    assert organics_ode and tasks


@pytest.fixture
def unchecked():
    """Without checked types, as a user calls the library: its own checks must catch what is bad."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# A process may hold 65 530 memory maps (Linux's default), and every program that XLA compiles takes
# a few: thousands of tests in one process ran out of them, and LLVM then aborts.
MAPS, CHECKED_EVERY = 25_000, 8
finished = itertools.count(1)


def pytest_runtest_teardown():
    """Forget the compiled programs once they hold many memory maps."""
    if next(finished) % CHECKED_EVERY == 0 and sys.platform == "linux":
        with open("/proc/self/maps", "rb") as maps:
            held = sum(1 for _ in maps)
        if held > MAPS:
            jax.clear_caches()
