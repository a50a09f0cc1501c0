"""A value that waits for another one stays the same value."""

import re

import jax
import jax.numpy as jnp
import numpy as np

from organics_ode.programs._upstream import after


def eigenvalues_in_turn(A):
    values = jnp.linalg.eigvalsh(A)
    return values, jnp.linalg.inv(after(values, A))


def test_the_value_and_its_derivative_do_not_change():
    x = jnp.array([1.0, -2.0])
    np.testing.assert_array_equal(after(jnp.nan * x, x), x)
    earlier = {"any": x, "tree": x.astype(complex), "flag": x > 0}
    np.testing.assert_array_equal(jax.jit(after)(earlier, (x, x))[1], x)
    np.testing.assert_array_equal(jax.grad(lambda v: after(v**2, v) @ x)(x), x)


def test_the_compiled_program_computes_one_from_the_other():
    A = jnp.broadcast_to(jnp.eye(3), (4, 3, 3))
    compiled = jax.jit(jax.vmap(eigenvalues_in_turn)).lower(A).compile().as_text()
    entry = compiled[compiled.index("ENTRY") :]
    lines = re.findall(r"%(\S+) = (.*)", entry)
    operands = {name: re.findall(r"%([\w.\-]+)", rest) for name, rest in lines}
    (factored,) = [name for name, rest in lines if "getrf" in rest]
    (solved,) = [name for name, rest in lines if "syevd" in rest]
    reached, todo = set(), [factored]
    while todo:
        name = todo.pop()
        reached.add(name)
        todo += [used for used in operands.get(name, []) if used not in reached]
    assert solved in reached
