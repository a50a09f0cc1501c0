"""How much memory there is."""

import contextlib
import functools
import math
import os
from pathlib import Path
from typing import Any

import jax

_UNKNOWN = 2**33  # bytes, if the system does not tell: most machines have at least this much


def device_memory() -> int:
    """The memory of the default device in bytes; CPU devices share that of the machine.

    This is the total, not what is free now, so that choices based on it are the same when a
    training run is resumed.
    """
    default, devices = getattr(jax.config, "jax_default_device", None), jax.local_devices()
    device: Any = default if isinstance(default, jax.Device) else devices[0]
    own = (device.memory_stats() or {}).get("bytes_limit")
    return machine_memory() // len(devices) if own is None else own


@functools.cache
def machine_memory() -> int:
    """The bytes that this process may use: those of the machine, or of its container."""
    bounds, names = [], ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    if set(names) <= getattr(os, "sysconf_names", {}).keys():
        bounds.append(math.prod(map(os.sysconf, names)))
    with contextlib.suppress(OSError, ValueError):  # no such group, or no limit: "max"
        bounds.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(bounds, default=_UNKNOWN)
