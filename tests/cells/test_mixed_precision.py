"""Products in bfloat16, sums in float32: what is rounded, what is not, and that it trains."""

import equinox as eqx
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
import zoo
from compared import tree_equal
from marks import slow

import organics_ode as oo
from organics_ode.kernels import gated, kernel_of

KEY = jax.random.key(0)
BATCH, STEPS, N = 6, 20, 8
LOW = float(jnp.finfo(jnp.bfloat16).eps)


def step(dt=0.5, kind=oo.Euler, **options):
    return kind(zoo.gated(n=N, dtype=np.float32, **options), dt)


def rotational_step(kind=oo.Euler):
    times = dict.fromkeys(("tau_y", "tau_a", "tau_b0", "tau_b1"), oo.LogUniform(2.0, 8.0))
    circuit = oo.RotationalORGaNICs.random(zoo.M, N, key=KEY, groups=2, **times)
    to_32 = lambda v: v.astype(np.float32) if eqx.is_inexact_array(v) else v  # noqa: E731
    return kind(jax.tree.map(to_32, circuit), 0.5)


def classifier(cell):
    return oo.SequenceClassifier(cell, eqx.nn.Linear(N, 2, key=KEY, dtype=np.float32))


def sequences(seed=0):
    draws = np.random.default_rng(seed).normal(size=(BATCH, STEPS, zoo.M))
    return jnp.asarray(draws, np.float32)


def low(x):
    return np.asarray(x, ml_dtypes.bfloat16).astype(np.float64)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(c, dt, state, x):
    """An Euler step in float64 by numpy, in which factors and results of products are rounded."""
    c = jax.tree.map(lambda v: np.asarray(v, np.float64), oo.resolve(c))
    y, a, b0, b1 = state
    times = lambda A, v: low(A) @ low(v)  # noqa: E731
    gates = [
        low(sigmoid(times(Wx, x) + times(Wy, y) + times(Wa, a)))
        for Wx, Wy, Wa in ((c.W_bx0, c.W_by0, c.W_ba0), (c.W_bx1, c.W_by1, c.W_ba1))
    ]
    z, recurrent = np.maximum(times(c.W_zx, x), 0), np.maximum(low(times(c.W_r, y)), 0)
    pool = low(times(c.W, np.maximum(a, 0) * np.maximum(y, 0) ** 2))
    dy = -y + b1 * z + (1 - np.sqrt(np.maximum(a, 0))) * recurrent
    da = -a + (c.sigma * b0) ** 2 + pool
    slopes = dy / c.tau_y, da / c.tau_a, (gates[0] - b0) / c.tau_b0, (gates[1] - b1) / c.tau_b1
    return [s + dt * v for s, v in zip((y, a, b0, b1), slopes, strict=True)]


def test_the_kernel_rounds_the_factors_and_results_of_products_and_nothing_else():
    cell, xs = step(), sequences()[:1, :5]
    assert gated.applies(oo.MixedPrecision(cell))
    run = kernel_of(oo.MixedPrecision(cell)).run
    ys = jax.jit(lambda xs: run(oo.resolve(cell).initial_state(), xs, None, last_only=False))(xs)
    state = [np.asarray(s, np.float64) for s in cell.initial_state()]
    for t in range(5):
        state = by_hand(cell.circuit, cell.dt, state, np.asarray(xs[0, t], np.float64))
        # In float32 a factor may fall on the other side of a tie.
        np.testing.assert_allclose(ys[0, t], state[0], atol=LOW**2, rtol=0)
    exact = oo.unroll(cell, xs[0])[0]
    assert LOW / 50 < np.abs(ys[0] - exact).max() < LOW


def slopes(model, apply):
    params, rest = eqx.partition(model, oo.trainable(model))

    def value(params):
        return jnp.mean(jnp.sin(apply(oo.resolve(eqx.combine(params, rest)), sequences())))

    return jax.jit(jax.value_and_grad(value))(params)


@pytest.mark.parametrize(
    ("build", "kind"), ((step, oo.Euler), slow(step, oo.ShuOsher), slow(rotational_step, oo.Euler))
)
def test_kernel_and_scan_have_the_gradients_of_float32_within_the_rounding(build, kind):
    exact, rounded = classifier(build(kind=kind)), classifier(oo.MixedPrecision(build(kind=kind)))
    scanned = slopes(rounded, lambda m, xs: jax.vmap(m)(xs))
    batched = slopes(rounded, lambda m, xs: m.batched(xs))
    expected = slopes(exact, lambda m, xs: m.batched(xs))
    for found, most in ((batched, 4 * LOW), (scanned, 8 * LOW)):
        for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
            assert a.dtype == np.float32
            assert np.linalg.norm(a - b) < most * np.linalg.norm(b)


def test_small_steps_add_up_where_bfloat16_stands_still():
    """y' = (1 − y)/τ from ½: each step moves y by 1/1000 of itself, a tenth of what is lost."""

    def leak(dtype):
        weights = np.zeros((1, 1)), np.ones((1, 1)), np.zeros(1)
        parts = [np.asarray(w, dtype) for w in weights]
        return oo.Euler(oo.RateNetwork(*parts, np.asarray(100.0, dtype), noise=0.0), 0.1)

    xs, start = np.ones((1000, 1)), oo.RateNetworkState([0.5])
    still = oo.unroll(leak(jnp.bfloat16), xs, state0=start, last_only=True)
    moved = oo.unroll(oo.MixedPrecision(leak(np.float32)), xs, state0=start, last_only=True)
    assert float(still.r[0]) == 0.5
    assert float(moved.r[0]) == pytest.approx(1 - 0.5 * np.exp(-1), rel=2 * LOW)


@pytest.mark.slow
def test_it_learns_as_float32_does_and_bfloat16_stands_still_and_says_so():
    xs = np.asarray(sequences())
    data = oo.Batch(xs, (xs[:, :, 0].mean(axis=1) > 0).astype(np.int32))
    options = {"optimizer": optax.adam(0.02), "steps": 20, "progress": False}
    batches = oo.minibatches(data, BATCH, key=KEY)
    exact = oo.fit(classifier(step()), batches, **options)
    rounded = oo.fit(classifier(oo.MixedPrecision(step())), batches, **options)
    losses = [r.history["loss"][-1] / r.history["loss"][0] for r in (exact, rounded)]
    assert losses[0] < 0.3 and losses[1] == pytest.approx(losses[0], rel=0.05)
    trained = eqx.filter(oo.resolve(rounded.model.cell.circuit), eqx.is_array)
    assert {v.dtype for v in jax.tree.leaves(trained)} == {np.dtype(np.float32)}
    half = jax.tree.map(
        lambda v: v.astype(jnp.bfloat16) if eqx.is_inexact_array(v) else v, classifier(step())
    )
    options |= {"optimizer": optax.sgd(1e-3), "steps": 2, "metric": None}
    with pytest.warns(UserWarning, match=r"`cell.circuit.W_zx` is trained in bfloat16"):
        still = oo.fit(half, batches, **options)
    np.testing.assert_array_equal(still.model.cell.circuit.W_r, half.cell.circuit.W_r)


def test_it_goes_into_files(tmp_path):
    network = oo.RateNetwork.random(zoo.M, N, key=KEY, tau_noise=30.0)
    network = jax.tree.map(
        lambda v: v.astype(np.float32) if eqx.is_inexact_array(v) else v, network
    )
    cell = oo.MixedPrecision(oo.Euler(network, 1.0))
    readout = eqx.nn.Linear(N, 2, key=KEY, dtype=np.float32)
    model = oo.SequenceToSequence(cell, readout)
    assert kernel_of(cell) is None
    oo.save(tmp_path / "model", model)
    assert tree_equal(oo.load(tmp_path / "model"), model)
    assert cell.dt == 1.0 and cell.circuit is cell.cell.circuit


@pytest.mark.parametrize(
    ("cell", "message"),
    (
        (lambda: zoo.gated(), "`cell` must be a step of a circuit"),
        (lambda: oo.Stack(step()), "`cell` must be a step of a circuit"),
        (lambda: oo.Euler(zoo.gated(), 1.0), "in float32, but they are in float64"),
    ),
)
def test_what_is_no_step_in_float32_is_refused(unchecked, cell, message):
    with pytest.raises(ValueError, match=message):
        oo.MixedPrecision(cell())
