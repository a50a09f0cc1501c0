"""How much memory there is."""

import contextlib
import functools
import math
import os
from pathlib import Path
from typing import Any

import jax

_UNKNOWN = 2**33  # bytes, where the system does not tell: what most machines have at least


def device_memory() -> int:
    """The bytes of the device that computes by default; CPU devices share those of the machine.

    All that there are, not those that are free now: what is chosen by them is chosen again when a
    training goes on.
    """
    default, devices = getattr(jax.config, "jax_default_device", None), jax.local_devices()
    device: Any = default if isinstance(default, jax.Device) else devices[0]
    own = (device.memory_stats() or {}).get("bytes_limit")
    return machine_memory() // len(devices) if own is None else own


@functools.cache
def machine_memory() -> int:
    """The bytes that this process may take: the machine's, or its container's."""
    bounds, names = [], ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    if set(names) <= getattr(os, "sysconf_names", {}).keys():
        bounds.append(math.prod(map(os.sysconf, names)))
    with contextlib.suppress(OSError, ValueError):  # no such group, or no limit: "max"
        bounds.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(bounds, default=_UNKNOWN)
