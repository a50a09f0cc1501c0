"""The order of calls into LAPACK."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

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
