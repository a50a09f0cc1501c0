"""A cell of every kind that has a training kernel."""

import jax
import jax.numpy as jnp
import numpy as np
import zoo
from rate_cases import UNITS, M, N, connectivity

import organics_ode as oo


def network(tau):
    rng = np.random.default_rng(3)
    W_in, b = rng.normal(size=(UNITS[1] - UNITS[0], M)), rng.normal(size=N)
    options = {"f": jnp.tanh, "noise": 0.3, "input_units": UNITS}
    return oo.RateNetwork(connectivity(), W_in, b, tau, **options)


def rotational_circuit():
    times = dict.fromkeys(("tau_y", "tau_a", "tau_b0", "tau_b1"), oo.LogUniform(2.0, 8.0))
    return oo.RotationalORGaNICs.random(M, 6, key=jax.random.key(0), groups=2, **times)


TAU = np.random.default_rng(4).uniform(5, 9, N)
CELLS = {
    "known tau": lambda: oo.Euler(network(TAU), 1.0),
    "trained tau": lambda: oo.Euler(network(oo.Bounded(TAU, 4.0, 10.0)), 1.0),
    "one trained tau": lambda: oo.Euler(network(oo.Positive(6.0)), 1.0),
    "gated": lambda: oo.Euler(zoo.gated(), 0.3),
    "gated, Shu-Osher": lambda: oo.ShuOsher(zoo.gated(oo.Rectification.NONE), 0.3),
    "rotational": lambda: oo.Euler(rotational_circuit(), 0.3),
    "rotational, Shu-Osher": lambda: oo.ShuOsher(rotational_circuit(), 0.3),
}
