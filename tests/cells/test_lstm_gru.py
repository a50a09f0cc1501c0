"""LSTM and GRU as cells: equinox's own recurrence, wherever a circuit as a cell may stand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import zoo
from compared import tree_equal

import organics_ode as oo

M, N, STEPS = 2, 3, 6
KEY = jax.random.key(0)
CELLS = {
    "lstm": lambda **o: oo.LSTM(eqx.nn.LSTMCell(M, N, key=KEY, **o)),
    "gru": lambda **o: oo.GRU(eqx.nn.GRUCell(M, N, key=KEY, **o)),
}
every_cell = pytest.mark.parametrize("build", CELLS.values(), ids=CELLS)


def sequence(seed=1):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(STEPS, M)))


def classifier(cell):
    return oo.SequenceClassifier(cell, eqx.nn.Linear(N, 2, key=KEY, dtype=np.float64))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gates(cell, x, h):
    """What the gates read from x, bias included, and from h, gate by gate, in numpy."""
    number = len(cell.weight_hh) // N
    from_x = np.asarray(cell.weight_ih) @ x + np.asarray(cell.bias)
    return np.split(from_x, number), np.split(np.asarray(cell.weight_hh) @ h, number)


def lstm_by_hand(cell, x, state):
    h, c = state
    i, f, g, o = np.add(*gates(cell, x, h))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_by_hand(cell, x, state):
    (i_r, i_z, i_n), (h_r, h_z, h_n) = gates(cell, x, state[0])
    r, z = sigmoid(i_r + h_r), sigmoid(i_z + h_z)
    nu = np.tanh(i_n + r * (h_n + np.asarray(cell.bias_n)))
    return ((1 - z) * nu + z * state[0],)


@pytest.mark.parametrize(("name", "by_hand"), [("lstm", lstm_by_hand), ("gru", gru_by_hand)])
def test_unroll_is_a_loop_over_the_equations(name, by_hand):
    cell, state = CELLS[name](), tuple(np.full((2, N), [[0.3], [-0.7]]))
    start = type(cell.initial_state())
    state = state[: len(start._fields)]
    states = oo.unroll(cell, sequence(), state0=start(*map(jnp.asarray, state)))
    for t, x in enumerate(np.asarray(sequence())):
        state = by_hand(cell.cell, x, state)
        for got, expected in zip(states, state, strict=True):
            # Sums of order one, which jit may associate differently.
            np.testing.assert_allclose(got[t], expected, rtol=0, atol=1e-14)


@every_cell
def test_unroll_without_bias_is_a_loop_over_the_cell_of_equinox(build):
    cell = build(use_bias=False)
    state = tuple(jnp.zeros(N) for _ in cell.initial_state())
    for x in sequence():
        new = cell.cell(x, state if len(state) > 1 else state[0])
        state = new if isinstance(new, tuple) else (new,)
    last = oo.unroll(cell, sequence(), last_only=True)
    assert type(last) is type(cell.initial_state())
    for got, expected in zip(last, state, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14)


@every_cell
def test_the_gradient_is_finite_and_reaches_every_leaf(build):
    model = classifier(build())
    gradient = eqx.filter_jit(eqx.filter_grad(lambda m: jnp.sum(m(sequence()) ** 2)))(model)
    assert jax.tree.structure(gradient) == jax.tree.structure(
        eqx.filter(model, oo.trainable(model))
    )
    for leaf in jax.tree.leaves(gradient):
        assert jnp.isfinite(leaf).all() and jnp.any(leaf != 0)


@pytest.mark.slow_but_first
@every_cell
def test_fit_lowers_the_loss(build):
    xs = jnp.stack([sequence(seed) for seed in range(8)])
    batch = oo.Batch(xs, jnp.asarray(xs[:, 0, 0] > 0, jnp.int32))
    optimizer = zoo.relaxed(optax.adam(0.03))
    result = oo.fit(
        classifier(build()), lambda step: batch, optimizer=optimizer, steps=60, progress=False
    )
    losses = result.history["loss"]
    assert losses[-1] < losses[0] / 2


@every_cell
def test_a_model_comes_back_and_computes_the_same(build, tmp_path):
    model = classifier(build())
    oo.save(tmp_path / "model", model)
    loaded = oo.load(tmp_path / "model")
    assert tree_equal(loaded, model)
    assert tree_equal(loaded(sequence()), model(sequence()))


@pytest.mark.slow
@every_cell
def test_exponents_at_a_fixed_point_are_those_of_the_step(build):
    cell, x = build(), sequence()[0]
    rest = oo.unroll(cell, jnp.broadcast_to(x, (800, M)), last_only=True)
    F = jax.jacfwd(lambda s: jnp.stack(cell.step(type(rest)(*s), x)))(jnp.stack(rest))
    d = N * len(rest)
    moduli = np.sort(np.log(np.abs(np.linalg.eigvals(F.reshape(d, d)))))[::-1]
    np.testing.assert_allclose(oo.lyapunov(cell, x[None], state0=rest), moduli, rtol=0, atol=1e-8)


@every_cell
def test_single_precision_stays_single(build):
    cell = build(dtype=np.float32)
    state = cell.step(cell.initial_state(), sequence()[0].astype(np.float32))
    assert {leaf.dtype for leaf in (*state, *cell.initial_state())} == {np.dtype("float32")}


@every_cell
def test_weights_may_be_nodes(build):
    cell = build()
    frozen = eqx.tree_at(lambda c: c.cell.weight_hh, cell, replace_fn=oo.Frozen)
    assert not jax.tree.leaves(oo.trainable(frozen).cell.weight_hh)[0]
    assert tree_equal(oo.unroll(frozen, sequence()), oo.unroll(cell, sequence()))
    assert frozen.step(frozen.initial_state(), sequence()[0]).h.shape == (N,)


@pytest.mark.parametrize(
    ("cls", "inner"), [(oo.LSTM, eqx.nn.LSTMCell), (oo.GRU, eqx.nn.GRUCell)], ids=CELLS
)
def test_a_random_one_is_the_one_of_equinox(cls, inner):
    cell = cls.random(M, N, key=KEY)
    assert tree_equal(cell, cls(inner(M, N, key=KEY)))
    assert (cell.input_size, cell.size) == (M, N)


@pytest.mark.parametrize("cls", (oo.LSTM, oo.GRU))
def test_bad_arguments_are_refused_by_name(unchecked, cls):
    other = oo.GRU if cls is oo.LSTM else oo.LSTM
    for bad in (None, "lstm", other.random(M, N, key=KEY).cell):
        with pytest.raises(ValueError, match=r"^Argument `cell` must be an `eqx.nn"):
            cls(bad)
    with pytest.raises(ValueError, match=r"^Argument `input_size` must be a positive integer"):
        cls.random(0, N, key=KEY)
    with pytest.raises(ValueError, match=r"^Argument `size` must be a positive integer"):
        cls.random(M, 2.5, key=KEY)
