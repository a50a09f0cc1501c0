"""Workarounds for faults and gaps of XLA, JAX, equinox and diffrax, and when each may be removed.

They are all here. `tests/programs/test_upstream.py` reproduces each of these faults as it is
upstream, and fails once it is fixed: then its workaround may be removed.

There are two options of XLA. They are read only once, so they are set on import; settings of the
user are kept.

- Loops of small circuits as one kernel. XLA runs a loop operation by operation, each a task for its
  threads, and for a small circuit most of the time goes into distributing them: a step of an
  adaptive solver with 16 units takes 12 to 30 µs this way, and 3 µs if the whole loop is one
  kernel. By default XLA makes one kernel only of a loop that touches less than a kilobyte per
  iteration; at 64 KB the threads are worth it. https://github.com/jax-ml/jax/issues/26145. Only
  timing shows this fault: the option may be removed once `examples/benchmarks/small_loops.py` shows
  ratios of 1.
- Operations in the order of least memory. In XLA's default order, which lets most of them run at
  once, large programs with loops lose a task between the threads and never end: second derivatives
  of a batch of fixed points hung after about twenty runs (jaxlib 0.10.2, two cores), with every
  thread idle. In this order they ran 4 000 times, and as fast. No upstream issue is known.

There are two options of single programs (`quickly_compiled`), because XLA compiles twice as slowly
as it could: its older loop emitter, and one piece rather than pieces for threads. Only timing shows
this: they may be removed once `examples/benchmarks/first_calls.py` shows the same without them.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxlib.version
from jax.sharding import AbstractMesh
from jaxtyping import Array, Bool, Float, PyTree

from .._checks import is_traced

_OPTIONS = {
    # Bytes touched per iteration of the loop.
    "--xla_backend_extra_options": "xla_cpu_small_while_loop_byte_threshold=65536",
}
# Options of single programs: those made by `quickly_compiled`.
QUICK: dict[str, bool | int] = {}
# XLA ends the process on an unknown flag, and a later version may have dropped these.
if tuple(int(part) for part in jaxlib.version.__version__.split(".")[:2]) < (0, 11):
    _OPTIONS["--xla_cpu_enable_concurrency_optimized_scheduler"] = "false"
    QUICK |= {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 1}


def with_options(flags: str) -> str:
    """These XLA flags, plus ours where the user has not set them."""
    added = [f"{name}={value}" for name, value in _OPTIONS.items() if name not in flags]
    return " ".join([flags, *added]).strip()


os.environ["XLA_FLAGS"] = with_options(os.environ.get("XLA_FLAGS", ""))


@contextlib.contextmanager
def few_threads(count: int) -> Iterator[None]:
    """CPU devices that JAX makes within this context have `count` threads in all, unless the user
    has set NPROC.

    Otherwise there would be as many as cores, and JAX has no setting for fewer: XLA reads only this
    environment variable. Programs are split into tasks for all threads, down to a few µs each; with
    64 units a training step waited for them fifty times (examples/benchmarks/company.py).
    """
    if "NPROC" in os.environ:
        yield
        return
    os.environ["NPROC"] = str(count)
    try:
        yield
    finally:
        del os.environ["NPROC"]


Value = TypeVar("Value")
Carry = TypeVar("Carry")

# An arbitrary number that no sum of results will ever equal.
_NEVER = 1.2345678e-30


def after(earlier: PyTree, value: Value) -> Value:
    """`value`, available only once `earlier` is computed.

    In a large batch on a CPU, independent LAPACK calls run at once, each on a worker of the pool
    over which it also spreads its own batch (jaxlib's `ParallelBatchMap`, which waits for it); once
    all workers wait, they wait forever. Seen with jax 0.10.2 on two cores and on four; four batched
    triangular solves show it (`SOLVES` in the tests). Where a function of ours makes two calls, the
    second waits for the first. Derivatives of a solve are calls that nothing orders: second
    derivatives of 155 fixed points in one batch hung, of 51 they did not. With NPROC=1 nothing
    hangs, for a pool of one worker spreads nothing.

    No upstream issue is known (https://github.com/jax-ml/jax/issues/39292 is about the same pool).
    """
    if not any(map(is_traced, jax.tree.leaves((earlier, value)))):
        return value  # Operations outside a program run one after the other.
    # The compiler does not see through this dependence. `jax.lax.optimization_barrier` would not
    # suffice: it is removed before scheduling.
    total = sum(jnp.sum(jnp.real(leaf)).astype(float) for leaf in jax.tree.leaves(earlier))
    never = total == _NEVER
    return jax.tree.map(lambda leaf: jnp.where(never, jnp.zeros_like(leaf), leaf), value)


def within_loop(carry: Carry, fixed: Value) -> tuple[Carry, Value]:
    """Both arguments unchanged, for the body of a `while_loop`: what the body computes from `fixed`
    alone stays inside the loop.

    XLA moves loop-invariant code, including eigenvalues, out of a loop made by `jax.vmap`, even if
    the loop never runs: then it is computed for nothing. No upstream issue is known.
    """
    arrays, others = eqx.partition((carry, fixed), eqx.is_array)
    return eqx.combine(jax.lax.optimization_barrier(arrays), others)


def lazily(
    needed: Bool[Array, ""], compute: Callable[[Any], Array], operand: PyTree, otherwise: Array
) -> Array:
    """compute(operand) if needed, else `otherwise`.

    Under `jax.vmap`, where `lax.cond` computes both, this costs nothing if no member needs it.
    """

    def body(carry: tuple) -> tuple:
        return jnp.asarray(False), compute(within_loop(carry[0], operand)[1])

    return jax.lax.while_loop(lambda carry: carry[0], body, (needed, otherwise))[1]


def as_if_alone(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """The function inside `jax.shard_map`, as if its device were the only one.

    diffrax does not support manual axes: the derivative of a solve fails there, since its parts are
    traced once with them and once without. https://github.com/patrick-kidger/diffrax/issues/765
    """

    def alone(*args: PyTree) -> PyTree:
        with jax.sharding.use_abstract_mesh(AbstractMesh((), ())):
            return function(*args)

    return alone


@jax.custom_jvp
def nextafter(t: Float[Array, "..."]) -> Float[Array, "..."]:
    """The next float, with derivative 1; after 0 the smallest normal float, as in diffrax.

    `jnp.nextafter` has no derivative: https://github.com/jax-ml/jax/issues/38679
    """
    tiny = jnp.finfo(t.dtype).tiny
    return jnp.where(t == 0, tiny, jnp.nextafter(t, jnp.inf))


@jax.custom_jvp
def prevbefore(t: Float[Array, "..."]) -> Float[Array, "..."]:
    """The previous float, likewise."""
    tiny = jnp.finfo(t.dtype).tiny
    return jnp.where(t == 0, -tiny, jnp.nextafter(t, -jnp.inf))


nextafter.defjvp(lambda primals, tangents: (nextafter(*primals), *tangents))
prevbefore.defjvp(lambda primals, tangents: (prevbefore(*primals), *tangents))


def forget_program(jitted: Any) -> None:
    """Drop everything that was compiled for a function of `jax.jit` or `equinox.filter_jit`.

    The latter has no public way to do so: https://github.com/patrick-kidger/equinox/pull/173 was
    closed, and `equinox.clear_caches` drops the programs of all functions.
    """
    getattr(getattr(jitted, "_cached", jitted), "clear_cache", int)()
