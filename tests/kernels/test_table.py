"""Every cell that has a kernel gets it in `fit` and in `fit_with_skips`, and both are `unroll`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from marks import slow
from rate_cases import UNITS, M, N, connectivity
from schemes import SCHEMES

import organics_ode as oo
from organics_ode import dynamics
from organics_ode.dynamics._unroll import unroll_batch
from organics_ode.kernels import Skips, gated, kernel_of, rates, rotational
from organics_ode.training.skips import _run, _runners, _trials

BATCH, LENGTH = 3, 2 * rates._STEPS + 5  # two whole blocks, and some steps


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


def test_the_table_knows_cells_by_their_equations():
    for name, build in CELLS.items():
        kind = {"gated": gated, "rotational": rotational}.get(name.split(",")[0], rates)
        assert type(kernel_of(build())) is kind.Kernel
        assert type(kernel_of(oo.resolve(build()))) is kind.Kernel
    without = [oo.Euler(zoo.organics(), 0.3), oo.RungeKutta(network(TAU), 1.0)]
    without += [oo.ShuOsher(network(TAU), 1.0), oo.Euler(oo.Noisy(network(TAU)), 1.0)]
    without += [oo.GRU.random(2, 3, key=jax.random.key(0))]
    without += [oo.TemporalSkip(CELLS["known tau"](), oo.StateSkip(), 3, 0.5)]
    assert [kernel_of(cell) for cell in without] == [None] * len(without)


def assert_close(ours, reference, tolerance=1e-11):
    """Leaf by leaf, relative to the norm of the leaf."""
    for a, b in zip(*map(jax.tree.leaves, (ours, reference)), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


def pullback(cell, state0, xs, mask, last_only, by_kernel):
    """The responses of a batch, and the gradient of a function of them in everything."""
    params, rest = eqx.partition(cell, oo.trainable(cell))

    def one(cell, state0, x, m):
        return oo.unroll(cell, x, state0=state0, mask=m, last_only=last_only)[0]

    @jax.jit
    def both(params, state0, xs):
        def value(params, state0, xs):
            cell = oo.resolve(eqx.combine(params, rest))
            if by_kernel:
                ys = unroll_batch(cell, xs, state0=state0, mask=mask, last_only=last_only)
            else:
                ys = jax.vmap(lambda x, m: one(cell, state0, x, m))(xs, mask)
            return jnp.sum(jnp.sin(3 * ys)), ys

        return jax.grad(value, argnums=(0, 1, 2), has_aux=True)(params, state0, xs)

    return both(params, state0, xs)


@pytest.mark.parametrize(
    ("name", "length", "is_masked", "last_only"),
    [
        ("known tau", LENGTH, True, False),
        slow("trained tau", LENGTH, False, False),
        ("one trained tau", 2 * rates._STEPS, True, True),
        slow("trained tau", 3, False, True),
    ],
)
def test_a_batch_of_a_rate_network_and_its_gradient_are_those_of_unroll(
    name, length, is_masked, last_only
):
    rng = np.random.default_rng(5)
    xs, state0 = jnp.asarray(rng.normal(size=(BATCH, length, M))), oo.RateNetworkState(jnp.ones(N))
    ends = np.array([length, 7, length - 2])[:, None]
    mask = (np.arange(length) < ends).astype(float) if is_masked else None
    arguments = (CELLS[name](), state0, xs, mask, last_only)
    ours, reference = pullback(*arguments, True), pullback(*arguments, False)
    assert_close(ours, reference)
    if "trained" in name:
        tau = jax.tree.leaves(ours[0][0].circuit.tau)[0]
        assert np.all(np.asarray(tau) != 0)


@pytest.mark.parametrize("name", ("trained tau", "rotational"))
def test_a_model_takes_the_kernel_of_its_cell(name, monkeypatch):
    cell = CELLS[name]()
    size = len(cell.initial_state()[0])
    readout = eqx.nn.Linear(size, 2, key=jax.random.key(0), dtype=np.float64)
    model = oo.SequenceClassifier(cell, readout)
    xs = jnp.asarray(np.random.default_rng(6).normal(size=(BATCH, 5, M)))
    expected = [model(x) for x in xs]
    monkeypatch.setattr(dynamics._unroll, "_scan", None)  # a call would fail
    np.testing.assert_allclose(model.batched(xs), expected, rtol=1e-12)


def trials(cell, steps):
    """Random trials whose periods begin anew at steps of their own."""
    rng = np.random.default_rng(7)
    starts = rng.uniform(size=(steps, BATCH)) < 0.1
    starts[0] = True
    m = cell.input_size
    values = (
        rng.normal(size=(steps, BATCH, m)),
        rng.normal(size=(BATCH, m)),
        rng.normal(size=(steps, BATCH, 2)),
        rng.uniform(size=(steps, BATCH)) / steps,
        starts,
    )
    return *jax.tree.map(jnp.asarray, values), None, None


def slopes(model, arrays, scheme):
    """The loss with skips and its gradient, compiled anew for each call."""
    params, rest = eqx.partition(model, oo.trainable(model))

    @jax.jit
    def both(params, arrays, length, beta):
        batch = _trials.TrialBatch(*arrays, 4)
        net, skips = eqx.combine(params, rest), Skips(scheme, length, beta)
        return _run.loss_and_gradient(net, batch, skips, oo.squared_error, 0.01)

    return both(params, arrays, jnp.asarray(4, jnp.int32), jnp.asarray(0.3))


SLOW = pytest.mark.slow  # they compile for long
SKIPPED = [
    ("gated", SCHEMES[0]),
    pytest.param("gated, Shu-Osher", SCHEMES[1], marks=SLOW),
    pytest.param("gated", SCHEMES[2], marks=SLOW),
    ("rotational", SCHEMES[2]),
    pytest.param("rotational, Shu-Osher", SCHEMES[0], marks=SLOW),
    ("trained tau", SCHEMES[0]),
]


@pytest.mark.slow_but_first
@pytest.mark.parametrize(("name", "scheme"), SKIPPED, ids=str)
def test_skips_and_their_gradient_are_those_of_the_scan(name, scheme, monkeypatch):
    cell = CELLS[name]()
    size = len(cell.initial_state()[0])
    readout = oo.Readout(np.random.default_rng(8).normal(size=(2, size)), activation=None)
    state0 = None if "tau" in name else zoo.state_of(cell.circuit)
    model = oo.SequenceToSequence(cell, readout, state0=state0)
    arrays = trials(cell, _run._STEPS + 7)
    ours = slopes(model, arrays, scheme)
    monkeypatch.setattr(_runners, "kernel_of", lambda cell: None)
    assert_close(ours, slopes(model, arrays, scheme))
