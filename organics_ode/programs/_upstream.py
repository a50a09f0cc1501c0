"""What works around faults of XLA, and when each may go.

Loops of small circuits as one kernel. XLA runs a loop operation by operation, each a task for its
threads, and of a small circuit most of the time goes into handing them out: a step of an adaptive
solver of 16 units takes 12 to 30 µs so, and 3 µs where the whole loop is one kernel. It makes one
of a loop that touches less than a kilobyte a turn; in those of 64 KB the threads are worth it.

Operations in the order of least memory. In the order that lets most of them run at once, which is
XLA's default, large programs with loops lose a task between the threads and never end: second
derivatives of a batch of fixed points hung after twenty runs or so (jaxlib 0.10.2, two cores), with
every thread idle. In this order they ran 4 000 times, each as fast.
`tests/programs/test_compiler.py` says when this may go.

Both are read once, so they are set on import. Options that the user has set stay as they are.

Calls into LAPACK one after the other: `after`. `tests/programs/test_order.py` says when it may go.
"""

import os
from typing import TypeVar

import jax
import jax.numpy as jnp
import jaxlib.version
from jaxtyping import PyTree

_OPTIONS = {
    # Bytes that a turn of the loop touches.
    "--xla_backend_extra_options": "xla_cpu_small_while_loop_byte_threshold=65536",
}
# XLA ends the process on a flag that it does not know, and a later one may have dropped this.
if tuple(int(part) for part in jaxlib.version.__version__.split(".")[:2]) < (0, 11):
    _OPTIONS["--xla_cpu_enable_concurrency_optimized_scheduler"] = "false"

_flags = os.environ.get("XLA_FLAGS", "")
_added = [f"{name}={value}" for name, value in _OPTIONS.items() if name not in _flags]
os.environ["XLA_FLAGS"] = " ".join([_flags, *_added]).strip()

Value = TypeVar("Value")


def after(earlier: PyTree, value: Value) -> Value:
    """`value`, available only once `earlier` is computed.

    In a batch on a CPU, two calls into LAPACK that do not depend on each other run at once, each on
    a worker of the pool over which it spreads its own batch, and wait for each other forever (seen
    with jax 0.10.2 on two cores). Where a function of ours makes two, the second comes after.
    """
    # A dependence that the compiler can not see through; a barrier is gone before the schedule is
    # made. No sum is this number.
    total = sum(jnp.sum(jnp.real(leaf)).astype(float) for leaf in jax.tree.leaves(earlier))
    never = total == 1.2345678e-30
    return jax.tree.map(lambda leaf: jnp.where(never, jnp.zeros_like(leaf), leaf), value)
