"""Every cell that has a kernel gets it, and it is `unroll`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from kernel_cases import assert_close
from kernel_cells import CELLS, TAU, network
from marks import slow
from rate_cases import M, N

import organics_ode as oo
from organics_ode.dynamics import unroll_batch
from organics_ode.kernels import gated, kernel_of, rates, rotational

BATCH, LENGTH = 3, 2 * rates._STEPS + 5  # two whole blocks, and some steps


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
    assert_close(ours, reference, 1e-11)
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
    kind, calls = type(kernel_of(cell)), []
    run = kind.run
    monkeypatch.setattr(kind, "run", lambda *args, **kw: calls.append(kind) or run(*args, **kw))
    np.testing.assert_allclose(model.batched(xs), expected, rtol=1e-12)
    assert calls == [kind]
