"""One MLIR context for many programs.

JAX makes a context for each program that it lowers, which takes milliseconds, a quarter of the time
of a small program, and two megabytes that stay with the program. Users' programs have one each:
with `share` left out of conftest.py the tests run as theirs do. JAX has no public way to do this; a
version that has no such function is left as it is.
"""

import threading

from jax._src.interpreters import mlir

# What a context has read, constants too, stays with it.
PROGRAMS = 64


def share():
    """All programs that this process lowers from now on share contexts."""
    make = getattr(mlir, "make_ir_context", None)
    if make is not None:
        mlir.make_ir_context = for_many(make)


def for_many(make):
    """`make`, called once for so many contexts asked for, in each thread."""
    here = threading.local()

    def context():
        if getattr(here, "left", 0) == 0:
            here.context, here.left = make(), PROGRAMS
        here.left -= 1
        return here.context

    return context
