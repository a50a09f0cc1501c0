"""Programs of the tests share MLIR contexts, and a context ends after so many programs."""

import itertools
import threading

import contexts
import jax
import jax.numpy as jnp


def test_a_thread_has_one_context_for_so_many_programs():
    made = itertools.count()
    context = contexts.for_many(lambda: next(made))
    assert [context() for _ in range(2 * contexts.PROGRAMS)] == [
        *[0] * contexts.PROGRAMS,
        *[1] * contexts.PROGRAMS,
    ]
    other = threading.Thread(target=context)
    other.start()
    other.join()
    assert next(made) == 3


def test_programs_that_share_a_context_are_their_own():
    found = [jax.jit(lambda x, k=k: x + k)(jnp.zeros(())) for k in range(3)]
    assert [float(x) for x in found] == [0, 1, 2]
