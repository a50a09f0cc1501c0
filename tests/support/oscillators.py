"""Circuits of a user's own: pendulums, linear equations, a single unit."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import organics_ode as oo


class Pendulum(NamedTuple):
    """Angle and velocity of a user's own circuit."""

    y: jax.Array
    v: jax.Array


class Damped(oo.AbstractCircuit):
    """ÿ + γẏ + sin y = x, one pendulum per unit."""

    gamma: jax.Array

    @property
    def input_size(self):
        """m."""
        return self.gamma.size

    def vector_field(self, t, state, x):
        """(ẏ, v̇)."""
        return Pendulum(state.v, x - self.gamma * state.v - jnp.sin(state.y))

    def initial_state(self):
        """Rest."""
        return Pendulum(jnp.zeros_like(self.gamma), jnp.zeros_like(self.gamma))


def unit(w_r, b0, sigma):
    """The circuit of the worked values: b1 = .5, τ = 2 ms, w = 1."""
    one = np.ones((1, 1))
    return oo.ORGaNICs(one, w_r * one, one, sigma, b0, 0.5, 2.0, 2.0)


def unit_points(w_r, b0, sigma, c=0.5):
    """All fixed points (y, a) of `unit` at x = 1, from the quartic in s = √a."""
    k, w = (sigma * b0) ** 2, w_r
    quartic = [
        w**2,
        2 * w * (1 - w),
        (1 - w) ** 2 - c**2 - k * w**2,
        -2 * w * (1 - w) * k,
        -((1 - w) ** 2) * k,
    ]
    found = np.roots(quartic)
    s = np.sort(found[(abs(found.imag) < 1e-12) & (found.real > 0)].real)[::-1]
    return [(c / (1 - w + w * v), v**2) for v in s]


class Two(NamedTuple):
    u: jax.Array
    v: jax.Array


class Linear(oo.AbstractCircuit):
    """ṡ = A s + x with s = (u, v): known to no registry."""

    A: jax.Array

    @property
    def input_size(self):
        return 2

    def vector_field(self, t, state, x):
        return Two(*jnp.split(self.A @ jnp.concatenate(state) + x, 2))

    def initial_state(self):
        return Two(jnp.zeros(1), jnp.zeros(1))
