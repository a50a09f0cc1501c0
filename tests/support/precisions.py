"""The precisions of the products in a traced function, and a user's circuit to trace."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import Precision

import organics_ode as oo

X = jnp.array([0.3, -0.2, 0.5], np.float32)


class OwnState(NamedTuple):
    y: jax.Array


class Own(oo.AbstractCircuit[OwnState]):
    """A user's circuit, which knows nothing of precisions."""

    W: jax.Array
    U: jax.Array
    input_size: int = eqx.field(static=True, default=3)

    def vector_field(self, t, state, x):
        return OwnState(-state.y + 0.5 * jnp.tanh(self.W @ state.y + jnp.dot(self.U, x)))

    def initial_state(self):
        return OwnState(jnp.zeros(4, np.float32))


def own():
    rng = np.random.default_rng(0)
    return Own(*(jnp.asarray(rng.normal(size=shape), np.float32) for shape in ((4, 4), (4, 3))))


def products(jaxpr):
    """The precisions of all products of floats, wherever they are nested; one with a number, as
    diffrax takes it, sums nothing."""
    for eqn in jaxpr.eqns:
        factors = [v.aval for v in eqn.invars]
        if eqn.primitive.name == "dot_general" and all(map(_is_summed, factors)):
            yield eqn.params["precision"]
        for value in eqn.params.values():
            for inner in _jaxprs(value):
                yield from products(inner)


def _is_summed(factor):
    return factor.ndim > 0 and jnp.issubdtype(factor.dtype, jnp.inexact)


def _jaxprs(value):
    if isinstance(value, tuple | list):
        for each in value:
            yield from _jaxprs(each)
    elif hasattr(value, "eqns"):
        yield getattr(value, "jaxpr", value)


def precisions(function, *args):
    arrays, static = eqx.partition(args, eqx.is_array)
    with jax.enable_x64(False):
        traced = jax.make_jaxpr(lambda arrays: function(*eqx.combine(arrays, static)))(arrays)
    return list(products(traced.jaxpr))


def check_full(function, *args):
    """It has products, all in full precision."""
    found = precisions(function, *args)
    assert found and set(found) == {(Precision.HIGHEST, Precision.HIGHEST)}
