"""Laws of every public circuit and every public cell, whichever there are.

`test_laws.py` holds more of the circuits of the paper, with every kind of parameter.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import objects
import pytest

import organics_ode as oo

LENGTH = 4
# Of sums of a few terms of order one, in the precision that these tests run in (.ci/deep: both).
ROUNDING = 256 * float(jnp.finfo(jnp.zeros(()).dtype).eps)


def of_kind(kind):
    return [cls for cls in objects.public_classes() if issubclass(cls, kind)]


def inputs_of(system, dtype):
    draws = np.random.default_rng(0).normal(size=(LENGTH, system.input_size))
    return jnp.asarray(draws, dtype)


def states_of(system, count):
    """Generic states, with a leading axis: what starts at rest is moved off it."""
    rng = np.random.default_rng(1)

    def move(leaf):
        draws = jnp.asarray(rng.uniform(0.1, 1.0, (count, *leaf.shape)), jnp.result_type(leaf))
        return leaf[None] + draws if eqx.is_inexact_array(leaf) else jnp.stack([leaf] * count)

    return jax.tree.map(move, system.initial_state())


def at(tree, i):
    return jax.tree.map(lambda leaf: leaf[i], tree)


def in_single(tree):
    narrow = lambda v: v.astype(np.float32) if eqx.is_inexact_array(v) else v  # noqa: E731
    return jax.tree.map(narrow, tree)


def kinds(tree):
    return jax.tree.map(lambda v: (v.shape, v.dtype), tree)


def check_close(ours, alone, system):
    """But for the rounding of what it is computed in."""
    is_low = isinstance(system, oo.MixedPrecision)
    rounding = 4 * float(jnp.finfo(jnp.bfloat16).eps) if is_low else ROUNDING
    for a, b in zip(*map(jax.tree.leaves, (ours, alone)), strict=True):
        np.testing.assert_allclose(a, b, rtol=rounding, atol=rounding)


def check_batched(step, system, states, xs):
    """Compiled and with a batch axis it is the loop; a single precision stays one."""
    many = eqx.filter_jit(lambda c, s, x: jax.vmap(lambda s, x: step(c, s, x))(s, x))
    batched = many(system, states, xs)
    for i in range(LENGTH):
        one = step(system, at(states, i), xs[i])
        assert kinds(one) == kinds(at(states, i))
        check_close(at(batched, i), one, system)
    single = eqx.filter_eval_shape(many, *map(in_single, (system, states, xs)))
    assert kinds(single) == kinds(eqx.filter_eval_shape(in_single, batched))


def check_differentiable(step, system, state, x):
    params, rest = eqx.partition(system, oo.trainable(system))

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(params):
        new = step(eqx.combine(params, rest), state, x)
        leaves = jax.tree.leaves(eqx.filter(new, eqx.is_inexact_array))
        return sum(jnp.sum((leaf - 0.3) ** 2) for leaf in leaves)

    leaves = jax.tree.leaves(gradient(params))
    assert leaves and all(np.all(np.isfinite(leaf)) for leaf in leaves)
    assert any(np.any(np.asarray(leaf) != 0) for leaf in leaves)


@pytest.mark.parametrize("cls", of_kind(oo.AbstractCircuit), ids=lambda cls: cls.__name__)
def test_a_circuit(cls):
    circuit = objects.build(cls)
    xs, states = inputs_of(circuit, float), states_of(circuit, LENGTH)
    field = lambda c, s, x: c.vector_field(0.0, s, x)  # noqa: E731
    check_batched(field, circuit, states, xs)
    check_differentiable(field, circuit, at(states, 0), xs[0])
    assert repr(circuit).startswith(cls.__name__)
    values = oo.resolve(circuit)
    assert type(values) is cls and eqx.tree_equal(oo.resolve(values), values)
    flat, unflatten = jax.flatten_util.ravel_pytree(at(states, 1))

    def flat_field(s):
        return jax.flatten_util.ravel_pytree(field(circuit, unflatten(s), xs[1]))[0]

    # What facts know of its Jacobian is the derivative of its equations.
    found = oo.jacobian(circuit, at(states, 1), xs[1])
    np.testing.assert_allclose(found, jax.jacfwd(flat_field)(flat), rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("cls", of_kind(oo.AbstractCell), ids=lambda cls: cls.__name__)
def test_a_cell(cls):
    cell = objects.build(cls)
    dtype = jax.tree.leaves(cell.initial_state())[0].dtype
    xs, states = inputs_of(cell, dtype), states_of(cell, LENGTH)
    step = lambda c, s, x: c.step(s, x)  # noqa: E731
    check_batched(step, cell, states, xs)
    check_differentiable(step, cell, at(states, 0), xs[0])
    assert repr(cell).startswith(cls.__name__)
    state, all_states = cell.initial_state(), oo.unroll(cell, xs)
    for i in range(LENGTH):
        state = cell.step(state, xs[i])
        check_close(at(all_states, i), state, cell)
    check_close(oo.unroll(cell, xs, last_only=True), state, cell)
