"""The training kernel of circuits with shared modulators against the plain scan."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from kernel_cases import BATCH, assert_close, kernel, pullback, scanned, sequences
from marks import slow

import organics_ode as oo
from organics_ode.kernels import _chunked, rotational

KEY = jax.random.key(0)
LENGTH = _chunked._CHUNK + 3
TIMES = ("tau_y", "tau_a", "tau_b0", "tau_b1")


def circuit(n=6, groups=1, dtype=np.float64, **options):
    options = dict.fromkeys(("sigma", *TIMES), oo.LogUniform(1.0, 5.0)) | options
    drawn = oo.RotationalORGaNICs.random(zoo.M, n, key=KEY, groups=groups, **options)
    return jax.tree.map(lambda v: v.astype(dtype) if eqx.is_inexact_array(v) else v, drawn)


def with_nodes():
    """Scalar time constants, and nodes of every kind: W_r with a symmetric part that is trained."""
    drawn = circuit(groups=2, sigma=oo.Frozen(0.7), floor=0.3)
    W_r = oo.resolve(drawn.W_r) - 0.4 * np.diag(np.linspace(0.1, 1, 6))
    nodes = {"W_r": oo.SymmetricPart(W_r, groups=2), "W": oo.Positive(oo.resolve(drawn.W))}
    nodes |= {"tau_y": oo.Bounded(2.0, 1.0, 4.0), "tau_a": 1.5, "W_by1": oo.Frozen(drawn.W_by1)}
    fields = {name: getattr(drawn, name) for name in drawn.kinds}
    return oo.RotationalORGaNICs(**(fields | nodes))


CASES = {
    "groups, p = 3": (functools.partial(circuit, groups=3, exponent=3.0), oo.ShuOsher, False),
    "one group": (circuit, oo.Euler, True),
    "nodes": (with_nodes, oo.Euler, False),
    "a group for each unit, p = 1.5": (
        functools.partial(circuit, groups=6, exponent=1.5),
        oo.Euler,
        False,
    ),
    "float32": (functools.partial(circuit, groups=2, dtype=np.float32), oo.ShuOsher, True),
    "one unit": (functools.partial(circuit, n=1), oo.ShuOsher, True),
    "32 units": (functools.partial(circuit, n=32, groups=4), oo.Euler, True),
}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", CASES)
def test_values_and_all_gradients_equal_those_of_the_scan(name):
    build, cell, last_only = CASES[name]
    system = build()
    state0, xs = zoo.state_of(system), sequences(system, LENGTH)
    state0 = state0._replace(y=state0.y / system.size)  # of many units a step would diverge
    arguments = (system, state0, xs, last_only, cell)
    ours, reference = pullback(kernel, *arguments), pullback(scanned, *arguments)
    assert_close(ours, reference, 1e-5 if name == "float32" else 1e-10)
    if system.size > system.groups:  # else W_r is I, and has no gradient
        assert all(np.any(np.asarray(leaf) != 0) for leaf in jax.tree.leaves(ours[1][0]))


@pytest.mark.parametrize(
    ("length", "last_only"), ((1, True), slow(_chunked._CHUNK, False), slow(35, True))
)
def test_what_is_too_much_to_keep_is_computed_again(length, last_only, monkeypatch):
    monkeypatch.setattr(_chunked, "_KEPT", 0)
    system = circuit(groups=2)
    xs, state0 = sequences(system, length), zoo.state_of(system)
    ours = pullback(kernel, system, state0, xs, last_only)
    assert_close(ours, pullback(scanned, system, state0, xs, last_only), 1e-10)


def test_masked_sequences_end_where_those_of_unroll_do():
    system, length = circuit(groups=2), 9
    xs, state0 = sequences(system, length), zoo.state_of(system)
    mask = (np.arange(length) < np.array([length, 1, 4])[:, None]).astype(float)

    def by_kernel(cell, state0, xs, last_only):
        return oo.dynamics.unroll_batch(cell, xs, state0=state0, mask=mask, last_only=last_only)

    def by_scan(cell, state0, xs, last_only):
        run = functools.partial(oo.unroll, cell, state0=state0, last_only=last_only)
        return jax.vmap(lambda x, m: run(x, mask=m)[0])(xs, jnp.asarray(mask))

    arguments = (system, state0, xs, False)
    assert_close(pullback(by_kernel, *arguments), pullback(by_scan, *arguments), 1e-10)


@pytest.mark.slow
def test_the_gradient_is_that_of_finite_differences():
    system = circuit(groups=2)
    xs, state0 = sequences(system, 20), zoo.state_of(system)
    params, rest = eqx.partition(system, oo.trainable(system))

    @jax.jit
    def loss(params):
        cell = oo.Euler(eqx.combine(params, rest), 0.3)
        return jnp.sum(jnp.sin(kernel(cell, state0, xs, True)))

    rng, step = np.random.default_rng(1), 1e-6
    along = jax.tree.map(lambda v: jnp.asarray(rng.normal(size=v.shape)), params)
    ahead, behind = (
        loss(jax.tree.map(lambda v, d, h=h: v + h * d, params, along)) for h in (step, -step)
    )
    slope = sum(map(jnp.vdot, *map(jax.tree.leaves, (jax.grad(loss)(params), along))))
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-7)


def test_it_applies_to_circuits_with_shared_modulators_and_a_known_exponent():
    known, trained = circuit(), circuit(exponent=oo.Bounded(2.0, 1.0, 3.0))
    assert all(rotational.applies(cell(known, 1.0)) for cell in (oo.Euler, oo.ShuOsher))
    others = oo.RungeKutta(known, 1.0), oo.Euler(trained, 1.0), oo.Euler(zoo.gated(), 1.0)
    assert not any(map(rotational.applies, others))


@pytest.mark.slow
def test_circuits_can_be_vectorised_and_differentiated_in_any_order():
    systems = [
        circuit(groups=2, exponent=3.0),
        oo.replace(circuit(groups=2, exponent=3.0), tau_a=2.0),
    ]
    xs = sequences(systems[0], 7)

    def gradient(system):
        def value(system):
            return jnp.sum(kernel(oo.Euler(oo.resolve(system), 0.3), None, xs, False) ** 2)

        return eqx.filter_grad(value)(system)

    stacked = jax.tree.map(lambda *v: jnp.stack(v) if eqx.is_array(v[0]) else v[0], *systems)
    together = eqx.filter_vmap(gradient)(stacked)
    for i, system in enumerate(systems):
        member = jax.tree.map(lambda v: v[i], together)  # noqa: B023
        assert_close(member, gradient(system), 1e-10)


def test_a_nan_in_one_sequence_stays_its_own():
    system = circuit(groups=2)
    xs = sequences(system, 7)
    run = eqx.filter_jit(lambda xs: kernel(oo.Euler(system, 0.3), None, xs, True))
    whole, broken = run(xs), run(xs.at[1, 2].set(jnp.nan))
    others = [i for i in range(BATCH) if i != 1]
    np.testing.assert_array_equal(broken[jnp.array(others)], whole[jnp.array(others)])
    assert np.isnan(broken[1]).all()
