"""Kinds of noise of any size, in circuits of every sort."""

from typing import NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import zoo

import organics_ode as oo


class Two(NamedTuple):
    u: jax.Array
    v: jax.Array


class Own(oo.AbstractCircuit):
    """Of a user: u̇ = −u/2 − v, v̇ = .3 tanh u − v/5 + x, two units of each."""

    input_size = 2

    def initial_state(self):
        return Two(jnp.zeros(2), jnp.zeros(2))

    def vector_field(self, t, state, x):
        u, v = state
        return Two(-u / 2 - v, 0.3 * jnp.tanh(u) - v / 5 + x)


def rates():
    rng = np.random.default_rng(5)
    weights = 0.4 * rng.normal(size=(3, 3))
    return oo.RateNetwork(weights, rng.normal(size=(3, 2)), np.ones(3), 20.0, f=jnp.tanh)


CIRCUITS = {
    "constant gains": lambda: zoo.organics(seed=3, n=2, m=2),
    "user's own": Own,
    "dynamic gains": lambda: zoo.gated(zoo.NONE, identity=True, n=2, m=2),
    "rates": rates,
}
RHO = 0.3  # between the channels of the measurement
TAUS = np.array([3.0, 8.0])  # ms, of the coloured noise that variables share
KINDS = ("white", "poisson", "coloured", "shared", "shared coloured", "measured", "twice")


def amplitudes(d):
    """α, κ, σ and τ of every variable, L white and coloured, σ of the measurement."""
    rng = np.random.default_rng(d)
    return {
        "alpha": rng.uniform(0.005, 0.02, d),
        "kappa": rng.uniform(0.005, 0.02, d),
        "sigma": rng.uniform(0.005, 0.02, d),
        "tau": rng.uniform(1, 20, d),
        "L": 0.01 * rng.normal(size=(d, len(TAUS))),
        "M": 0.01 * rng.normal(size=(d, len(TAUS))),
        "m": rng.uniform(0.01, 0.02, d),
    }


def noise_of(circuit, p, row):
    """The sum of all kinds, their amplitudes times the numbers of a row."""
    state = circuit.initial_state()
    unravel = jax.flatten_util.ravel_pytree(state)[1]
    by_field = lambda v: unravel(jnp.asarray(v, state[0].dtype))  # noqa: E731
    return (
        oo.Noise(by_field(row[0] * p["alpha"]))
        + oo.PoissonNoise(by_field(row[1] * p["kappa"]))
        + oo.OrnsteinUhlenbeckNoise(by_field(row[2] * p["sigma"]), by_field(p["tau"]))
        + oo.SharedNoise(row[3] * p["L"])
        + oo.SharedNoise(row[4] * p["M"], tau=TAUS)
        + oo.MeasurementNoise(by_field(row[5] * p["m"]), 5.0, correlation=RHO)
        + oo.MeasurementNoise(by_field(row[6] * p["m"]), 8.0, order=2)
    )


class Decay(oo.AbstractCircuit):
    """τ ẋ = −x + input, τ = 4 ms."""

    input_size = 1

    def initial_state(self):
        return Two(jnp.zeros(1), jnp.zeros(1))

    def vector_field(self, t, state, x):
        return Two(*((x - leaf) / 4 for leaf in state))
