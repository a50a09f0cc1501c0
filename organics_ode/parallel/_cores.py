"""Several CPU devices, one for each core, and what is split over them automatically."""

import math
import os
from collections.abc import Callable, Sequence

import jax
from jax.sharding import Mesh
from jaxtyping import PyTree

from .._checks import check_positive_integer, refuse
from ..programs import few_threads
from ._mesh import device_mesh

# Below this many multiplications splitting costs more than it saves, by the processor time of a
# step on one and on two devices (examples/benchmarks/splitting.py). Splitting a training step and
# collecting its gradient takes 2 to 4 ms, in which a core does some 20 million. Moreover each step
# of a sequence takes a fixed time on every device, so that at 100 000 per step two devices take
# twice the time.
_LEAST_OF_ALL = 1e8
_LEAST_OF_A_STEP = 1e6


def use_cores(count: int | None = None) -> int:
    """Set how many cores to use; training runs then share them automatically (host).

    Call it first, before anything is computed, because JAX makes its devices only once. Then there
    are `count` CPU devices, with one thread each, and `fit`, `ensemble` and `evaluate` split their
    batches or members over them if the work is large enough to be worth it; a `mesh` that you pass
    takes precedence. Everything else stays on the first device. On a GPU it changes nothing.

    `use_cores(1)` leaves one thread, which is enough for small models of 64 units or fewer: their
    operations are so short that several threads would wait for each other.

    Args:
        count: how many devices to make, by default as many as this process has cores. More than
            that gain nothing, and are not used unless a mesh says so.

    Returns:
        How many devices there are.

    Raises:
        ValueError: `count` is not a positive integer, or JAX has begun with another number of
            devices. With the same number nothing changes.
    """
    wanted = cores() if count is None else check_positive_integer("count", count)
    try:
        jax.config.update("jax_num_cpu_devices", wanted)
    except RuntimeError:
        there = _cpu_devices()
        if there == wanted:
            return wanted
        remedy = (
            "JAX has computed something, and made its devices; call `oo.use_cores` before, or set "
            f"JAX_NUM_CPU_DEVICES={wanted} and NPROC={wanted} in the environment"
        )
        refuse("count", f"be {there} by now", f"it is {wanted}: {remedy}")
    with few_threads(wanted):
        _cpu_devices()
    return wanted


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # a container or `taskset` may allow only some
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usual_mesh(
    sizes: Sequence[int], work: Callable[[], tuple[float, int]], *trees: PyTree
) -> Mesh | None:
    """The mesh to use if none is given: several CPU devices if they are worth it, else None.

    As many devices as there are cores and as divide all sizes. It is None for several processes,
    for a GPU, and for arrays or defaults that the user has put on one device.

    Args:
        sizes: of the axes to split.
        work: returns the multiplications in a step of the sequence, and the number of such steps;
            called only if there is something to choose.
        trees: what the user gave.
    """
    default = jax.config.jax_default_device  # pyright: ignore
    if jax.process_count() > 1 or default is not None:
        return None
    devices = jax.devices()
    most = min(len(devices), cores())
    if most == 1 or devices[0].platform != "cpu" or any(map(_is_placed, jax.tree.leaves(trees))):
        return None
    common = math.gcd(*sizes)
    count = next(number for number in range(most, 0, -1) if common % number == 0)
    return device_mesh(devices[:count]) if count > 1 and _pays(*work()) else None


def _pays(each: float, steps: int) -> bool:
    return each >= _LEAST_OF_A_STEP and each * steps >= _LEAST_OF_ALL


def _is_placed(leaf: object) -> bool:
    """Whether it is an array that was put on its device on purpose."""
    return isinstance(leaf, jax.Array) and leaf.committed


def _cpu_devices() -> int:
    try:
        return len(jax.local_devices(backend="cpu"))
    except RuntimeError:  # the platforms that the user chose do not include the CPU
        return 0
