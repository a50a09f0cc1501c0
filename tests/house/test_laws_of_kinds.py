"""Laws of every public circuit and every public cell, whichever there are.

`test_laws.py` holds more of the circuits of the paper, with every kind of parameter.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import objects
import pytest
from compared import tree_equal

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
        draws = rng.uniform(0.1, 1.0, (count, *leaf.shape))
        if not eqx.is_inexact_array(leaf):
            return jnp.stack([leaf] * count)
        return jax.device_put(np.asarray(leaf) + draws.astype(leaf.dtype))

    return jax.tree.map(move, system.initial_state())


def at(tree, i):
    """By numpy, which compiles nothing."""
    return jax.tree.map(lambda leaf: jax.device_put(np.asarray(leaf)[i]), tree)


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


@eqx.filter_jit
def found(step, system, states, xs):
    """By one program, for each kind compiles its own: the steps of a batch at once and one after
    the other, and the gradient of the first in what is trained."""
    params, rest = eqx.partition(system, oo.trainable(system))

    def loss(params):
        new = step(eqx.combine(params, rest), jax.tree.map(lambda leaf: leaf[0], states), xs[0])
        leaves = jax.tree.leaves(eqx.filter(new, eqx.is_inexact_array))
        return sum(jnp.sum((leaf - 0.3) ** 2) for leaf in leaves)

    one = lambda each: step(system, *each)  # noqa: E731
    return (
        jax.vmap(one)((states, xs)),
        jax.lax.map(one, (states, xs)),
        eqx.filter_grad(loss)(params),
    )


def check_steps(step, system, states, xs):
    """With a batch axis it is the loop, a single precision stays one, and all that is trained is
    reached."""
    batched, looped, gradient = found(step, system, states, xs)
    check_close(batched, looped, system)
    assert kinds(looped) == kinds(states)
    given = system, states, xs
    single = eqx.filter_eval_shape(lambda given: found(step, *map(in_single, given)), given)
    assert kinds(single[0]) == kinds(eqx.filter_eval_shape(in_single, batched))
    leaves = jax.tree.leaves(gradient)
    assert leaves and all(np.all(np.isfinite(leaf)) for leaf in leaves)
    assert any(np.any(np.asarray(leaf) != 0) for leaf in leaves)


def field(circuit, state, x):
    return circuit.vector_field(0.0, state, x)


@eqx.filter_jit
def jacobians(circuit, state, x):
    """What facts know of it, and the derivative of its equations."""
    flat, unflatten = jax.flatten_util.ravel_pytree(state)
    derived = jax.jacfwd(
        lambda s: jax.flatten_util.ravel_pytree(field(circuit, unflatten(s), x))[0]
    )
    return oo.jacobian(circuit, state, x), derived(flat)


@pytest.mark.parametrize("cls", of_kind(oo.AbstractCircuit), ids=lambda cls: cls.__name__)
def test_a_circuit(cls):
    circuit = objects.build(cls)
    xs, states = inputs_of(circuit, float), states_of(circuit, LENGTH)
    check_steps(field, circuit, states, xs)
    assert repr(circuit).startswith(cls.__name__)
    values = oo.resolve(circuit)
    assert type(values) is cls and tree_equal(oo.resolve(values), values)
    known, derived = jacobians(circuit, at(states, 1), at(xs, 1))
    np.testing.assert_allclose(known, derived, rtol=ROUNDING, atol=ROUNDING)


def step(cell, state, x):
    return cell.step(state, x)


@pytest.mark.parametrize("cls", of_kind(oo.AbstractCell), ids=lambda cls: cls.__name__)
def test_a_cell(cls):
    cell = objects.build(cls)
    dtype = jax.tree.leaves(cell.initial_state())[0].dtype
    xs, states = inputs_of(cell, dtype), states_of(cell, LENGTH)
    check_steps(step, cell, states, xs)
    assert repr(cell).startswith(cls.__name__)
    state, all_states = cell.initial_state(), oo.unroll(cell, xs)
    one = eqx.filter_jit(step)
    for i in range(LENGTH):
        state = one(cell, state, at(xs, i))
        check_close(at(all_states, i), state, cell)
    check_close(oo.unroll(cell, xs, last_only=True), state, cell)
