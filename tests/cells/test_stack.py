"""Stacks of cells: the loop over their steps, in models, with masks, skips and kernels."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import zoo
from compared import tree_equal

import organics_ode as oo
from organics_ode import periods

KEY = jax.random.key(0)
M, UNITS, STEPS, CLASSES = zoo.M, 3, 19, 2  # more steps than a chunk of the kernel
DT = 0.3


def stack():
    """A circuit that the training kernel takes, equinox's GRU, and a circuit of the scan."""
    top = oo.ORGaNICs(**zoo.values(5, UNITS, seed=3))
    return oo.Stack(
        oo.Euler(zoo.gated(), DT), eqx.nn.GRUCell(zoo.N, UNITS, key=KEY), oo.Euler(top, DT)
    )


def classifier(cell, size=5):
    return oo.SequenceClassifier(cell, eqx.nn.Linear(size, CLASSES, key=KEY, dtype=np.float64))


def sequences(count=3, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, STEPS, M)))


def by_hand(cell, xs):
    """A Python loop over the steps of each cell; the states of all of them after every step."""
    states, over_time = [c.initial_state() for c in cell.cells], []
    for x in xs:
        for i, one in enumerate(cell.cells):
            states[i] = one.step(states[i], x)
            x = states[i][0]
        over_time.append(tuple(states))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *over_time)


def check_close(found, expected, rtol=1e-10):
    for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-13)


def test_a_stack_is_the_loop_over_its_cells():
    cell, xs = stack(), sequences()[0, :5]
    assert cell.input_size == M and cell.dt == DT
    expected = jax.jit(lambda xs: by_hand(oo.resolve(cell), xs))(xs)
    states = oo.unroll(cell, xs)
    check_close(cell.split(states), expected)
    check_close(cell.join(*cell.split(states)), states)
    # What a readout sees is the last cell's response, after every step or after the last.
    readout = classifier(cell).readout
    check_close(oo.SequenceToSequence(cell, readout)(xs), jax.vmap(readout)(expected[-1].y))
    check_close(classifier(cell)(xs), readout(expected[-1].y[-1]))


@pytest.mark.slow
def test_padded_sequences_through_a_stack_are_those_without_padding():
    """By the kernel of the cell that has one, against the plain scan of the unpadded ones."""
    net, xs, lengths = classifier(stack()), sequences(2), np.array([STEPS, 4])
    params, rest = eqx.partition(net, oo.trainable(net))
    mask = np.arange(STEPS) < lengths[:, None]

    def value(params, outputs):
        return jnp.sum(jnp.sin(outputs(oo.resolve(eqx.combine(params, rest)))))

    def unpadded(net):
        short = [xs[i, :length] for i, length in enumerate(lengths)]
        last = [oo.unroll(net.cell, x, last_only=True).last.y for x in short]
        return jax.vmap(net.readout)(jnp.stack(last))

    expected = jax.jit(jax.value_and_grad(lambda p: value(p, unpadded)))(params)
    for fill in (np.nan, -100.0):
        padded = jnp.where(mask[..., None], xs, fill)
        found = jax.value_and_grad(lambda p, x=padded: value(p, lambda n: n.batched(x, mask)))
        check_close(jax.jit(found)(params), expected)
    one = jax.value_and_grad(lambda p: value(p, lambda n: jax.vmap(n)(padded, mask)))
    check_close(jax.jit(one)(params), expected)


def test_exponents_of_a_stack_are_those_of_its_cells():
    """Leaks, of which the upper one hears the lower one: log(1 − dt/τ)/dt each."""

    def leak(inputs, tau, dt=0.5):
        weights = np.zeros((2, 2)), np.ones((2, inputs)), np.zeros(2)
        return oo.Euler(oo.RateNetwork(*weights, tau, f=jnp.tanh), dt)

    found = oo.lyapunov(oo.Stack(leak(1, 3.0), leak(2, 7.0)), np.ones((5, 1)))
    expected = np.log(1 - 0.5 / np.array([7.0, 7.0, 3.0, 3.0])) / 0.5
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.slow
def test_a_stack_is_trained_skipped_and_saved(tmp_path):
    cell = stack()
    net = classifier(cell)
    xs = sequences(8)
    data = oo.Batch(xs, (xs[:, :, 0].mean(axis=1) > 0).astype(int))
    batches = oo.minibatches(data, 8, key=KEY)
    fitted = oo.fit(net, batches, optimizer=optax.adam(0.02), steps=12, progress=False)
    assert fitted.history["loss"][-1] < 0.9 * fitted.history["loss"][0]
    for old, new in zip(net.cell.cells, fitted.model.cell.cells, strict=True):
        params = eqx.filter(old, oo.trainable(old))
        assert not tree_equal(params, eqx.filter(new, oo.trainable(new)))
    first, last = zoo.state_of(cell.cells[0]), zoo.state_of(cell.cells[2])
    start = cell.join(first, oo.GRUState(jnp.ones(UNITS)), last)
    model = oo.SequenceClassifier(cell, net.readout, state0=start)
    oo.save(tmp_path / "stack", model)
    back = oo.load(tmp_path / "stack")
    np.testing.assert_array_equal(back(xs[0]), model(xs[0]))
    for skipping in (oo.TemporalSkip(cell, oo.StateSkip(), 4, 1.0), skips_inside(cell)):
        np.testing.assert_allclose(classifier(skipping)(xs[0]), net(xs[0]), rtol=1e-10)


def skips_inside(cell):
    first, *others = cell.cells
    return oo.Stack(oo.TemporalSkip(first, oo.StateSkip(), 4, 1.0), *others)


@pytest.mark.parametrize("layer", (eqx.nn.GRUCell, eqx.nn.LSTMCell))
def test_equinoxs_own_layers_stand_where_cells_do(layer):
    own = layer(M, UNITS, key=KEY)
    cell = {eqx.nn.GRUCell: oo.GRU, eqx.nn.LSTMCell: oo.LSTM}[layer](own)
    xs, state = sequences()[0], cell.initial_state()
    assert tree_equal(classifier(own, UNITS), classifier(cell, UNITS))
    assert tree_equal(oo.Stack(own), oo.Stack(cell))
    assert tree_equal(
        oo.TemporalSkip(own, oo.StateSkip(), 2, 0.5), oo.TemporalSkip(cell, oo.StateSkip(), 2, 0.5)
    )
    check_close(oo.unroll(own, xs), oo.unroll(cell, xs))
    check_close(periods.visit(own, xs[None]), periods.visit(cell, xs[None]))
    assert tree_equal(cell.initial_state(), state)


def gru(inputs, size):
    return eqx.nn.GRUCell(inputs, size, key=KEY)


@pytest.mark.parametrize(
    ("build", "message"),
    (
        (oo.Stack, "`cells` must hold at least one cell"),
        (lambda: oo.Stack(gru(2, 3), zoo.gated()), r"`cells\[1\]` must be a cell such as"),
        (lambda: oo.Stack([gru(2, 3)]), r"it is a list; the call is `oo\.Stack\(\*cells\)`"),
        (
            lambda: oo.Stack(gru(2, 3), gru(3, 5), gru(4, 1)),
            r"`cells\[2\]` must have 5 inputs, the units of cell 1 below it, but it has 4",
        ),
        (
            lambda: oo.Stack(oo.Euler(zoo.organics(), 1.0), oo.Euler(zoo.organics(m=zoo.N), 2.0)),
            r"`cells` must have one time step `dt`, but there are 1.0, 2.0 ms",
        ),
        (lambda: oo.Stack(gru(1, 2)).join(), "`states` must be those of 1 cell,"),
        (lambda: oo.SequenceClassifier(eqx.nn.Linear(2, 2, key=KEY), len), "equinox's `GRUCell`"),
    ),
)
def test_bad_stacks_are_refused_by_name(unchecked, build, message):
    with pytest.raises(ValueError, match=message):
        build()
