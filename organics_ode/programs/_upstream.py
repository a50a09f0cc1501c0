"""What works around faults and gaps of XLA, JAX, equinox and diffrax, and when each may go.

Nothing else in the library does. `tests/programs/test_upstream.py` holds every one of these faults
as it is upstream, and fails once it is mended: then what is here for it may go.

Two options of XLA. They are read once, so they are set on import; what the user has set stays.

- Loops of small circuits as one kernel. XLA runs a loop operation by operation, each a task for its
  threads, and of a small circuit most of the time goes into handing them out: a step of an adaptive
  solver of 16 units takes 12 to 30 µs so, and 3 µs where the whole loop is one kernel. It makes one
  of a loop that touches less than a kilobyte a turn; in those of 64 KB the threads are worth it.
  https://github.com/jax-ml/jax/issues/26145. Only the time tells: the option may go once
  `examples/benchmarks/small_loops.py` shows ratios of 1.
- Operations in the order of least memory. In the order that lets most of them run at once, which is
  XLA's default, large programs with loops lose a task between the threads and never end: second
  derivatives of a batch of fixed points hung after twenty runs or so (jaxlib 0.10.2, two cores),
  with every thread idle. In this order they ran 4 000 times, each as fast. No upstream issue known.

Two options of single programs (`quickly_compiled`), for XLA compiles twice as slowly as it could:
its older emitter of loops, in one piece rather than in pieces for threads. Only the time tells:
they may go once `examples/benchmarks/first_calls.py` shows the same without them.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import jaxlib.version
from jax.sharding import AbstractMesh
from jaxtyping import Array, Bool, Float, PyTree

from .._checks import is_traced

_OPTIONS = {
    # Bytes that a turn of the loop touches.
    "--xla_backend_extra_options": "xla_cpu_small_while_loop_byte_threshold=65536",
}
# Of single programs: those that `quickly_compiled` makes.
QUICK: dict[str, bool | int] = {}
# XLA ends the process on a flag that it does not know, and a later one may have dropped these.
if tuple(int(part) for part in jaxlib.version.__version__.split(".")[:2]) < (0, 11):
    _OPTIONS["--xla_cpu_enable_concurrency_optimized_scheduler"] = "false"
    QUICK |= {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 1}


def with_options(flags: str) -> str:
    """These flags of XLA, and ours in so far as the user has not set them."""
    added = [f"{name}={value}" for name, value in _OPTIONS.items() if name not in flags]
    return " ".join([flags, *added]).strip()


os.environ["XLA_FLAGS"] = with_options(os.environ.get("XLA_FLAGS", ""))


@contextlib.contextmanager
def few_threads(count: int) -> Iterator[None]:
    """The devices of the CPU that JAX makes meanwhile have so many threads in all; those that the
    user has asked for by NPROC stay.

    Otherwise as many as there are cores, and no setting of JAX says less: XLA reads only this name
    of the environment. Programs are cut into tasks for all threads, down to a few µs each; with 64
    units a step of training waited fifty times for them (examples/benchmarks/company.py).
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

# Any number that no sum of results ever is.
_NEVER = 1.2345678e-30


def after(earlier: PyTree, value: Value) -> Value:
    """`value`, available only once `earlier` is computed.

    In a batch on a CPU, two calls into LAPACK that do not depend on each other run at once, each on
    a worker of the pool over which it spreads its own batch, and wait for each other forever (seen
    with jax 0.10.2 on two cores). Where a function of ours makes two, the second comes after.

    No upstream issue known (https://github.com/jax-ml/jax/issues/39292 is of the same pool), and no
    small program that shows it: batches of eigenvalues and inverses alone ran 50 000 times.
    """
    if not any(map(is_traced, jax.tree.leaves((earlier, value)))):
        return value  # Operations outside a program come in turn.
    # The compiler does not see through this dependence. `jax.lax.optimization_barrier` would not
    # do: it is gone before the schedule is made.
    total = sum(jnp.sum(jnp.real(leaf)).astype(float) for leaf in jax.tree.leaves(earlier))
    never = total == _NEVER
    return jax.tree.map(lambda leaf: jnp.where(never, jnp.zeros_like(leaf), leaf), value)


def within_loop(carry: Carry, fixed: Value) -> tuple[Carry, Value]:
    """Both as they are, for the body of a `while_loop`: what it computes from `fixed` alone stays
    in it.

    XLA moves what does not change from turn to turn out of a loop that `jax.vmap` made, eigenvalues
    included, also where the loop never turns: then they are computed for nothing. No upstream issue
    known.
    """
    return jax.lax.optimization_barrier((carry, fixed))


def lazily(
    needed: Bool[Array, ""], compute: Callable[[Any], Array], operand: PyTree, otherwise: Array
) -> Array:
    """compute(operand) where needed, else `otherwise`.

    Under `jax.vmap`, where `lax.cond` computes both, it costs nothing where no member needs it.
    """

    def body(carry: tuple) -> tuple:
        return jnp.asarray(False), compute(within_loop(carry[0], operand)[1])

    return jax.lax.while_loop(lambda carry: carry[0], body, (needed, otherwise))[1]


def as_if_alone(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """The function inside `jax.shard_map`, as if its device were the only one.

    diffrax knows nothing of manual axes: the derivative of a solve fails there, since its parts are
    traced once with them and once without. https://github.com/patrick-kidger/diffrax/issues/765
    """

    def alone(*args: PyTree) -> PyTree:
        with jax.sharding.use_abstract_mesh(AbstractMesh((), ())):
            return function(*args)

    return alone


@jax.custom_jvp
def nextafter(t: Float[Array, "..."]) -> Float[Array, "..."]:
    """The next float, with derivative 1; after 0 the smallest normal one, as diffrax has it.

    `jnp.nextafter` has no derivative: https://github.com/jax-ml/jax/issues/38679
    """
    tiny = jnp.finfo(t.dtype).tiny
    return jnp.where(t == 0, tiny, jnp.nextafter(t, jnp.inf))


@jax.custom_jvp
def prevbefore(t: Float[Array, "..."]) -> Float[Array, "..."]:
    """The float before, likewise."""
    tiny = jnp.finfo(t.dtype).tiny
    return jnp.where(t == 0, -tiny, jnp.nextafter(t, -jnp.inf))


nextafter.defjvp(lambda primals, tangents: (nextafter(*primals), *tangents))
prevbefore.defjvp(lambda primals, tangents: (prevbefore(*primals), *tangents))


def forget_program(jitted: Any) -> None:
    """Drop all that was compiled for a function of `jax.jit` or `equinox.filter_jit`.

    The latter has no public way: https://github.com/patrick-kidger/equinox/pull/173 was closed, and
    `equinox.clear_caches` forgets those of every function.
    """
    getattr(getattr(jitted, "_cached", jitted), "clear_cache", int)()
