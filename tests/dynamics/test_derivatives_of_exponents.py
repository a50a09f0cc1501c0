"""Derivatives of Lyapunov exponents: volumes, a normal step, the same by every way."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from jax.flatten_util import ravel_pytree

import organics_ode as oo


def turned(cell, seed=0):
    """s ↦ the cell with all of its numbers changed by s along a random direction."""
    arrays, rest = eqx.partition(oo.resolve(cell), eqx.is_inexact_array)
    rng = np.random.default_rng(seed)
    off = jax.tree.map(lambda v: jnp.asarray(rng.normal(size=v.shape)) * jnp.abs(v), arrays)
    return lambda s: eqx.combine(jax.tree.map(lambda v, w: v + s * w, arrays, off), rest)


def both_modes(f, at=0.0):
    backward = jax.jit(jax.grad(f))(at)
    forward = jax.jit(lambda s: jax.jvp(f, (s,), (jnp.ones_like(s),))[1])(jnp.asarray(at))
    np.testing.assert_allclose(backward, forward, rtol=1e-9)
    return float(backward)


@pytest.mark.parametrize("kind", ("gated", "lstm"))
def test_the_sum_has_the_derivative_of_the_mean_log_volume(kind):
    circuit = zoo.gated(zoo.AFTER, n=3, m=2)
    cell = oo.Euler(circuit, 0.2) if kind == "gated" else oo.LSTM.random(2, 5, key=0)
    at, state = turned(cell), cell.initial_state()
    xs = zoo.input_of(circuit, length=60)

    def volume(s):
        """The mean of log|det F_t|/dt, from the Jacobians of the steps themselves."""
        own, (v, unravel) = at(s), ravel_pytree(state)
        step = lambda v, x: ravel_pytree(own.step(unravel(v), x))[0]  # noqa: E731

        def one(v, x):
            return step(v, x), jnp.linalg.slogdet(jax.jacfwd(step)(v, x))[1]

        return jnp.mean(jax.lax.scan(one, v, xs)[1]) / getattr(cell, "dt", 1)

    total = lambda s: oo.lyapunov(at(s), xs, state0=state).sum()  # noqa: E731
    found = both_modes(total)
    assert found == pytest.approx(float(jax.jit(jax.grad(volume))(0.0)), rel=1e-8)
    h = 1e-5
    assert found == pytest.approx(float(total(h) - total(-h)) / (2 * h), rel=1e-5)


@pytest.mark.parametrize("k", (1, 2, 4))
def test_of_a_normal_step_each_has_that_of_its_multiplier(k):
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    values, dt, tau = np.array([0.9, 0.5, -0.3, -0.8]), 2.0, 10.0
    W = Q @ np.diag(values) @ Q.T

    def largest(gain):
        circuit = oo.RateNetwork(gain * W, np.zeros((4, 1)), np.zeros(4), tau, f=jnp.tanh)
        return oo.lyapunov(oo.Euler(circuit, dt), np.zeros((30, 1)), k).sum()

    # At rest tanh has slope 1: μ = 1 + dt/τ (gain λ − 1), and the exponent is log(μ)/dt.
    expected = np.sum((values / tau / (1 + dt / tau * (values - 1)))[:k])
    assert both_modes(largest, 1.0) == pytest.approx(expected, rel=1e-9)


def test_parts_that_share_their_vectors_have_the_derivatives_of_all_of_them():
    circuit = oo.GatedORGaNICs.random(2, 3, key=jax.random.key(0))
    silent = dict.fromkeys(("W_by0", "W_ba0", "W_by1", "W_ba1"), oo.Frozen(np.zeros((3, 3))))
    cell = oo.Euler(oo.replace(circuit, **silent), 1.0)
    at, xs = turned(cell), np.random.default_rng(1).normal(size=(50, 2))
    few = both_modes(lambda s: oo.lyapunov(at(s), xs, 1)[0])
    assert few == pytest.approx(both_modes(lambda s: oo.lyapunov(at(s), xs)[0]), rel=1e-6)


@pytest.mark.slow
def test_over_a_batch_they_are_those_of_each():
    circuit = zoo.gated(zoo.AFTER, n=3, m=2)
    at = turned(oo.Euler(circuit, 0.2))
    xs = jnp.stack([scale * zoo.input_of(circuit, length=30) for scale in (0.5, 1.0)])
    one = lambda s, xs: oo.lyapunov(at(s), xs, 2).sum()  # noqa: E731
    together = jax.jit(jax.grad(lambda s: jax.vmap(lambda xs: one(s, xs))(xs).sum()))(0.0)
    apart = jax.jit(jax.grad(one))
    np.testing.assert_allclose(together, apart(0.0, xs[0]) + apart(0.0, xs[1]), rtol=1e-9)
