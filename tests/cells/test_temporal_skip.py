"""Skips through time around a cell: values worked out by hand, and that β = 1 leaves the cell."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from compared import tree_equal
from marks import slow
from schemes import SCHEMES

import organics_ode as oo

# Blocks of 3 from the steps 0, 4 and 9 of 11: whole ones, and ones cut short after 1 and 2 steps.
STARTS = np.isin(np.arange(11), (4, 9))
LENGTH = 3


def network(dtype=np.float64, noise=0.0):
    rng = np.random.default_rng(0)
    W, W_in, b = rng.normal(size=(4, 4)), rng.normal(size=(2, zoo.M)), rng.normal(size=4)
    arrays = (x.astype(dtype) for x in (W, W_in, b, rng.uniform(5, 10, 4)))
    return oo.RateNetwork(*arrays, f=jnp.tanh, noise=noise, input_units=(0, 2))


def lstm(dtype):
    drawn = oo.LSTM.random(zoo.M, 3, key=jax.random.key(0))
    return jax.tree.map(lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, drawn)


CELLS = {
    "rate network": lambda dtype: oo.Euler(network(dtype), 1.0),
    "gated": lambda dtype: oo.Euler(zoo.gated(dtype=dtype), 0.3),
    "LSTM": lstm,
}


def inputs(dtype=np.float64, seed=1):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(len(STARTS), zoo.M)), dtype)


def by_unroll(cell, xs, starts):
    """The states of the cell itself, by one scan."""
    if isinstance(cell, oo.TemporalSkip):
        return tuple(oo.unroll(cell, xs, restarts=starts)[:-3])
    return tuple(oo.unroll(cell, xs))


def pullback(run, cell, xs, starts):
    """The states, and the gradient of a function of them in the cell and the inputs."""
    params, rest = eqx.partition(cell, oo.trainable(cell))

    def value(params, xs):
        states = run(eqx.combine(params, rest), xs, starts)
        return sum(jnp.sum(jnp.sin(3 * leaf)) for leaf in jax.tree.leaves(states)), states

    return jax.value_and_grad(value, argnums=(0, 1), has_aux=True)(params, xs)


def check_identical(found, expected, dtype):
    pairs = zip(*map(jax.tree.leaves, (found, expected)), strict=True)
    for a, b in pairs:
        assert a.dtype == b.dtype == dtype
        np.testing.assert_array_equal(a, b)


# Compiled as users compile, whatever the other tests do: equal bits are the compiler's doing too.
AS_USERS = {"xla_backend_optimization_level": 3}


def compiled(cell, xs, starts):
    arrays, rest = eqx.partition(cell, eqx.is_array)

    def run(arrays, xs):
        return pullback(by_unroll, eqx.combine(arrays, rest), xs, starts)

    return jax.jit(run, compiler_options=AS_USERS)(arrays, xs)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("dtype", (np.float32, slow(np.float64)))
@pytest.mark.parametrize("name", CELLS)
def test_for_beta_one_states_and_gradients_are_those_of_the_cell_to_the_bit(name, dtype):
    cell, xs = CELLS[name](dtype), inputs(dtype)
    expected = compiled(cell, xs, STARTS)
    for scheme in SCHEMES:
        skipping = oo.TemporalSkip(cell, scheme, LENGTH, 1.0)
        check_identical(compiled(skipping, xs, STARTS), expected, dtype)


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_for_a_beta_of_one_among_the_data_they_are_the_same_to_rounding(scheme):
    # There a compiler is free to round the same operations otherwise.
    cell, xs = CELLS["rate network"](np.float64), inputs()
    skipping = oo.TemporalSkip(cell, scheme, LENGTH, jnp.ones(()))
    pairs = zip(*(jax.tree.leaves(compiled(c, xs, STARTS)) for c in (skipping, cell)), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-15)


def euler(net, r, x, dt):
    W, W_in, b, tau = (np.asarray(oo.resolve(v)) for v in (net.W, net.W_in, net.b, net.tau))
    return dt / tau * (-r + np.tanh(W @ r + np.concatenate([W_in @ x, np.zeros(2)]) + b))


def loop(scheme, net, xs, starts, length, beta):
    """The definitions, written as blocks: what is left of a block that is cut short is plain."""
    r, rates = np.zeros(4), []
    bounds = [0, *np.flatnonzero(starts), len(xs)]
    for begin, end in itertools.pairwise(bounds):
        for t in range(begin, end, length):
            anchor, slope = r, euler(net, r, xs[t], 1.0)
            for k in range(min(length, end - t)):
                change = euler(net, r, xs[t + k], 1.0)
                is_coarse = isinstance(scheme, oo.CoarseStep)
                r = r + ((1 - beta) * slope + beta * change if is_coarse else change)
                rates.append(r)
            if t + length <= end and not is_coarse:
                ahead = length * slope if isinstance(scheme, oo.DerivativeSkip) else 0
                r = rates[-1] = (1 - beta) * (anchor + ahead) + beta * r
    return np.array(rates)


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_a_long_run_is_the_loop_over_blocks_and_a_block_cut_short_is_not_mixed(scheme):
    net, xs = network(), inputs()
    cell = oo.TemporalSkip(oo.Euler(net, 1.0), scheme, LENGTH, 0.3)
    states = oo.unroll(cell, xs, restarts=STARTS)
    expected = loop(scheme, net, np.asarray(xs), STARTS, LENGTH, 0.3)
    np.testing.assert_allclose(states.r, expected, rtol=1e-13, atol=1e-15)
    # Without restarts the blocks are others.
    plain = loop(scheme, net, np.asarray(xs), np.zeros(11, bool), LENGTH, 0.3)
    np.testing.assert_allclose(oo.unroll(cell, xs).r, plain, rtol=1e-13, atol=1e-15)
    assert np.max(np.abs(plain - expected)) > 1e-3


def two_units(scheme, beta):
    """Two units: τ = (2, 4), dt = 1, f = ReLU, W = [[0, 1], [1, 0]], W_in = [1, 0]ᵀ, b = 0.

    From r = (2, 4) with the input 2 at every step, dr = (dt/τ)(−r + ⌊W r + W_in x⌋):

        step 1: W r + W_in x = (4 + 2, 2),    dr = (1/2 (−2 + 6), 1/4 (−4 + 2)) = (2, −1/2)
        so      r = (4, 7/2)
        step 2: W r + W_in x = (7/2 + 2, 4),  dr = (1/2 (−4 + 11/2), 1/4 (−7/2 + 4)) = (3/4, 1/8)
        so      r = (19/4, 29/8)
    """
    W, W_in = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0], [0.0]])
    net = oo.RateNetwork(W, W_in, np.zeros(2), np.array([2.0, 4.0]), noise=0.0)
    cell = oo.TemporalSkip(oo.Euler(net, 1.0), scheme, 2, beta)
    start = oo.RateNetworkState(jnp.array([2.0, 4.0]))
    return np.asarray(oo.unroll(cell, jnp.full((2, 1), 2.0), state0=cell.at_rest(start)).r)


def test_two_units_by_hand():
    # With β = 1/4 and θ = 2 the state after two steps is
    #   SCTT: 3/4 (2, 4) + 1/4 (19/4, 29/8)
    #       = (24/16 + 19/16, 96/32 + 29/32) = (43/16, 125/32)
    #   DASC: 3/4 ((2, 4) + 2 (2, −1/2)) + 1/4 (19/4, 29/8)
    #       = 3/4 (6, 3) + (19/16, 29/32) = (72/16 + 19/16, 72/32 + 29/32) = (91/16, 101/32)
    #   CoarseStep: (4, 7/2) + 3/4 (2, −1/2) + 1/4 (3/4, 1/8)
    #       = (4 + 24/16 + 3/16, 112/32 − 12/32 + 1/32) = (91/16, 101/32)
    # and before, after one step, (4, 7/2) in all. DASC and CoarseStep differ for θ > 2 only.
    expected = {
        oo.StateSkip(): (43 / 16, 125 / 32),
        oo.DerivativeSkip(): (91 / 16, 101 / 32),
        oo.CoarseStep(): (91 / 16, 101 / 32),
    }
    for scheme, last in expected.items():
        np.testing.assert_array_equal(two_units(scheme, 0.25), [(4, 7 / 2), last])
    # All of these numbers are exact in binary, and so is the base network.
    np.testing.assert_array_equal(two_units(oo.StateSkip(), 1.0)[-1], (19 / 4, 29 / 8))


def test_a_coarse_step_without_mixing_is_euler_with_a_longer_step():
    net, xs = network(), inputs()
    theta = 4
    fine = oo.unroll(oo.TemporalSkip(oo.Euler(net, 1.0), oo.CoarseStep(), theta, 0.0), xs).r
    coarse = oo.unroll(oo.Euler(net, theta * 1.0), xs[::theta]).r
    np.testing.assert_allclose(fine[theta - 1 :: theta], coarse[:2], rtol=1e-13)
    # In between it is on the straight line.
    middle = (fine[3] + fine[7]) / 2
    np.testing.assert_allclose(fine[5], middle, rtol=1e-13)


def test_blocks_are_kept_apart_with_recomputation_and_by_vmap():
    cell = oo.TemporalSkip(oo.Euler(network(), 1.0), oo.StateSkip(), LENGTH, 0.3)
    xs = jnp.stack([inputs(), inputs(seed=2)])
    starts = jnp.stack([jnp.asarray(STARTS), jnp.zeros(11, bool)])
    together = jax.vmap(lambda x, s: oo.unroll(cell, x, restarts=s))(xs, starts)
    for i in range(2):
        alone = oo.unroll(cell, xs[i], restarts=starts[i])
        kept = oo.unroll(cell, xs[i], restarts=starts[i], keep_every=4)
        last = oo.unroll(cell, xs[i], restarts=starts[i], last_only=True)
        for a, b, c, d in zip(*map(jax.tree.leaves, (alone, kept, last, together)), strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(a[-1], c)
            np.testing.assert_allclose(a, d[i], rtol=1e-13, atol=1e-15)


def test_other_lengths_and_weights_compile_nothing_anew():
    @eqx.filter_jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def run(cell, xs):
        return oo.unroll(cell, xs).r

    results = [
        run(oo.TemporalSkip(oo.Euler(network(), 1.0), oo.StateSkip(), n, jnp.array(beta)), inputs())
        for n, beta in ((2, 0.0), (5, 0.5), (5, 1.0))
    ]
    assert not np.allclose(results[0], results[1])


def test_it_is_no_parameter_and_comes_back_from_a_file(tmp_path):
    cell = oo.TemporalSkip(oo.Euler(network(), 1.0), oo.DerivativeSkip(), 5, 0.5)
    trained = oo.trainable(cell)
    assert not trained.length and not any(jax.tree.leaves(trained.beta))
    assert any(jax.tree.leaves(trained.cell))
    oo.save(tmp_path / "cell", cell)
    assert tree_equal(oo.load(tmp_path / "cell"), cell, typematch=True)


def test_a_model_takes_it_as_its_cell():
    cell = oo.TemporalSkip(CELLS["LSTM"](np.float64), oo.StateSkip(), LENGTH, 0.5)
    readout = oo.Readout(np.ones((2, 3)))
    state = cell.at_rest(cell.cell.initial_state())
    net = oo.SequenceToSequence(cell, readout, state0=state)
    xs = jnp.stack([inputs(), inputs(seed=3)])
    expected = [[readout(h) for h in oo.unroll(cell, x)[0]] for x in xs]
    np.testing.assert_allclose(net.batched(xs), expected, rtol=1e-13)


def build(**changes):
    given = {"cell": oo.Euler(network(), 1.0), "scheme": oo.StateSkip(), "length": 3, "beta": 0.5}
    return oo.TemporalSkip(**given | changes)


class Bare(oo.AbstractCell):
    """A cell whose state is a plain tuple."""

    input_size = 1

    def step(self, state, x):
        return state

    def initial_state(self):
        return (jnp.zeros(2),)


@pytest.mark.parametrize(
    ("changes", "message"),
    (
        ({"cell": network()}, "`cell` must be a cell .*RateNetwork"),
        ({"cell": Bare()}, "`cell` must have a NamedTuple of floating arrays"),
        ({"cell": build()}, "`cell` must be a cell without skips"),
        ({"scheme": "sctt"}, "`scheme` must be `oo.StateSkip"),
        ({"length": 0}, "`length` must be a whole number of steps, at least 1, but it is 0"),
        ({"length": 2.5}, "`length` must be a whole number"),
        ({"beta": 1.1}, "`beta` must lie between 0 and 1, but it is 1.1"),
        ({"beta": np.nan}, "`beta` must lie between 0 and 1"),
        ({"beta": [0.5]}, "`beta` must be a number"),
    ),
)
def test_bad_arguments_say_what_they_must_be(changes, message, unchecked):
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_bad_restarts_are_refused(unchecked):
    with pytest.raises(ValueError, match="`restarts` must be given to a `TemporalSkip` only"):
        oo.unroll(oo.Euler(network(), 1.0), inputs(), restarts=STARTS)
    for restarts in (STARTS[:-1], STARTS.astype(int)):
        with pytest.raises(ValueError, match="`restarts` must be of bool and have shape"):
            oo.unroll(build(), inputs(), restarts=restarts)
