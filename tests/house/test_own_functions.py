"""A circuit of a user's own may hold functions and numbers as equinox's layers do, not static."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oscillators import Two

import organics_ode as oo

X = jnp.array([1.0, -0.5])


class Held(oo.AbstractCircuit):
    """τ ẏ = −y + φ(W y) + x in two variables of one unit each."""

    W: jax.Array
    phi: Callable
    tau: float

    @property
    def input_size(self):
        """m."""
        return 2

    def vector_field(self, t, state, x):
        """u̇, v̇."""
        y = jnp.concatenate(state)
        return Two(*jnp.split((-y + self.phi(self.W @ y) + x) / self.tau, 2))

    def initial_state(self):
        """Rest."""
        return Two(jnp.zeros(1), jnp.zeros(1))


class Static(Held):
    """The same, with all but the weights static."""

    phi: Callable = eqx.field(static=True)
    tau: float = eqx.field(static=True)


CALLS = {
    "simulate": lambda c: oo.simulate(c, X, [0.0, 10.0]).states.u[-1],
    "fixed_point": lambda c: oo.fixed_point(c, X).state.u,
    "covariance": lambda c: oo.covariance(c, X, oo.Noise(0.01))[0],
    "unroll": lambda c: oo.unroll(oo.Euler(c, 0.1), jnp.tile(X, (20, 1))).u[-1],
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_gradients_are_those_of_static_fields(name):
    W = jnp.array([[0.5, -0.3], [0.2, 0.1]])
    both = eqx.filter_value_and_grad(lambda circuit: jnp.sum(CALLS[name](circuit)))
    found, gradient = both(Held(W, jnp.tanh, 2.0))
    expected, its_gradient = eqx.filter_jit(both)(Static(W, jnp.tanh, 2.0))  # one program
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient.W, its_gradient.W, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(CALLS[name](Held(W, jnp.tanh, 2.0)).sum(), found, rtol=1e-9)
