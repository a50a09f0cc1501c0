"""The training kernel and the scan of `oo.unroll`: responses and gradients in everything."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import organics_ode as oo
from organics_ode.dynamics import unroll_batch

BATCH = 3


def sequences(circuit, length, seed=0):
    x = np.random.default_rng(seed).normal(size=(BATCH, length, circuit.input_size))
    return jnp.asarray(x, circuit.initial_state().y.dtype)


def scanned(cell, state0, xs, last_only):
    """The same by the scan of `oo.unroll`, sample by sample."""
    run = functools.partial(oo.unroll, cell, state0=state0, last_only=last_only)
    return jax.vmap(lambda x: run(x)[0])(xs)


def pullback(run, circuit, state0, xs, last_only, cell=oo.Euler):
    """The responses, and the gradients of a function of them in everything."""
    params, rest = eqx.partition(circuit, oo.trainable(circuit))

    @jax.jit
    def both(params, state0, xs):
        def responses(params, state0, xs):
            ys = run(cell(eqx.combine(params, rest), 0.3), state0, xs, last_only)
            return jnp.sum(jnp.sin(3 * ys)), ys

        gradient = jax.grad(responses, argnums=(0, 1, 2), has_aux=True)
        return gradient(params, state0, xs)

    gradients, ys = both(params, state0, xs)
    return ys, gradients


def kernel(cell, state0, xs, last_only):
    return unroll_batch(cell, xs, state0=state0, last_only=last_only)


def assert_close(ours, reference, tolerance):
    """Leaf by leaf, relative to the norm of the leaf."""
    pairs = zip(*map(jax.tree.leaves, (ours, reference)), strict=True)
    for a, b in pairs:
        assert a.dtype == b.dtype and a.shape == b.shape
        error = np.linalg.norm(np.asarray(a - b))
        assert error <= tolerance * np.linalg.norm(np.asarray(b)), error
