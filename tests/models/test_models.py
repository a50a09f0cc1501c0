"""Models are an unrolled cell and a readout."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo

import organics_ode as oo

K = 5
MODELS = (oo.SequenceClassifier, oo.SequenceToSequence)


def parts(**options):
    circuit = zoo.gated(**options)
    dtype = circuit.initial_state().y.dtype
    readout = eqx.nn.Linear(zoo.N, K, key=jax.random.key(0), dtype=dtype)
    return oo.Euler(circuit, 0.3), readout


def by_hand(cell, readout, xs, state):
    """The outputs (time, k) of a Python loop over `step`."""
    outputs = []
    for x in xs:
        state = cell.step(state, x)
        outputs.append(readout.weight @ state.y + readout.bias)
    return np.stack(outputs)


def assert_close(a, b):
    # Ten steps of sums of order one, which jit may associate differently.
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


@pytest.mark.parametrize("with_state", (False, True))
def test_models_are_a_loop_over_steps_and_a_readout(with_state):
    cell, readout = parts()
    xs = zoo.input_of(cell, length=10)
    state0 = zoo.state_of(cell) if with_state else None
    expected = by_hand(cell, readout, xs, state0 if with_state else cell.initial_state())
    classifier = oo.SequenceClassifier(cell, readout, state0=state0)
    sequence = oo.SequenceToSequence(cell, readout, state0=state0)
    assert classifier(xs).shape == (K,) and sequence(xs).shape == (10, K)
    assert_close(classifier(xs), expected[-1])
    assert_close(sequence(xs), expected)


@pytest.mark.parametrize("cls", MODELS)
def test_a_given_start_is_frozen_data(cls):
    cell, readout = parts()
    model = cls(cell, readout, state0=zoo.state_of(cell))
    assert not any(jax.tree.leaves(oo.trainable(model).state0))
    xs = zoo.input_of(cell, length=3)
    slope = eqx.filter_grad(lambda m: jnp.sum(m(xs)))(model)
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(slope.state0))
    assert np.any(np.asarray(slope.cell.circuit.W_r) != 0)


@pytest.mark.parametrize("cls", MODELS)
def test_without_a_start_the_cell_gives_it_anew(cls):
    # The rest state depends on σ, so its gradient must pass through the start.
    model = cls(*parts())
    assert model.state0 is None
    xs = zoo.input_of(model.cell, length=2)
    slope = eqx.filter_grad(lambda m: jnp.sum(m(xs)))(model)
    assert np.all(np.asarray(slope.cell.circuit.sigma.theta) != 0)


@pytest.mark.parametrize("cls", MODELS)
def test_a_model_with_nodes_equals_the_resolved_one(cls):
    model = cls(*parts(nodes={"W_r": oo.Frozen, "W_zx": oo.SpectralBound}))
    xs = zoo.input_of(model.cell, length=3)
    assert_close(model(xs), oo.resolve(model)(xs))


@pytest.mark.parametrize("cls", MODELS)
def test_a_batch_given_for_one_sample_is_told_the_line_of_the_model(cls, unchecked):
    cell, readout = parts()
    xs = np.ones((2, 3, cell.input_size))
    line = r"it has shape \(2, 3, .*\); for a batch write `jax\.vmap\(model\)\(xs\)`"
    for call in (cls(cell, readout), eqx.filter_jit(cls(cell, readout))):
        with pytest.raises(ValueError, match=line):
            call(xs)


@pytest.mark.parametrize("cls", MODELS)
def test_a_batch_is_a_vmap(cls):
    model = cls(*parts())
    xs = jnp.stack([zoo.input_of(model.cell, seed=seed, length=4) for seed in range(3)])
    many = jax.vmap(model)(xs)
    for one, x in zip(many, xs, strict=True):
        assert_close(one, model(x))


@pytest.mark.parametrize("cls", MODELS)
def test_single_precision_models_stay_single(cls):
    cell, readout = parts(dtype=np.float32)
    model = cls(cell, readout, state0=zoo.state_of(cell))
    assert model(zoo.input_of(cell, length=3)).dtype == jnp.float32


def test_a_start_of_numpy_arrays_takes_the_dtype_of_the_cell():
    cell, readout = parts(dtype=np.float32)
    state = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), zoo.state_of(cell))
    model = oo.SequenceClassifier(cell, readout, state0=state)
    assert {leaf.dtype for leaf in oo.resolve(model.state0)} == {np.dtype("float32")}


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("width", (zoo.M - 1, zoo.M + 1))
def test_inputs_of_another_width_are_refused(cls, width):
    with pytest.raises(ValueError, match=rf"^Argument `xs` must have shape .*{zoo.M}"):
        cls(*parts())(jnp.zeros((6, width)))


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("shape", ((zoo.M,), (0, zoo.M), (2, 6, zoo.M)))
def test_inputs_without_one_time_axis_are_refused(unchecked, cls, shape):
    with pytest.raises(ValueError, match=r"^Argument `xs` must have shape"):
        cls(*parts())(jnp.zeros(shape))


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("bad", (None, "cell", zoo.organics()))
def test_a_model_needs_a_cell(unchecked, cls, bad):
    with pytest.raises(ValueError, match=r"^Argument `cell` must be a cell such as"):
        cls(bad, parts()[1])


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("bad", (None, jnp.ones((K, zoo.N))))
def test_a_model_needs_a_readout_that_can_be_called(unchecked, cls, bad):
    with pytest.raises(ValueError, match=r"^Argument `readout` must be callable"):
        cls(parts()[0], bad)


@pytest.mark.parametrize("cls", MODELS)
def test_bad_starts_are_refused_by_name(unchecked, cls):
    cell, readout = parts()
    state = zoo.state_of(cell)
    bad = {
        "`state0` must be a GatedORGaNICsState": (state.y, state.a),
        r"`state0.a` must have shape": state._replace(a=jnp.ones(zoo.N + 1)),
        r"`state0.b1` must be finite": state._replace(b1=jnp.full(zoo.N, jnp.nan)),
    }
    for message, state0 in bad.items():
        with pytest.raises(ValueError, match=f"^Argument {message}"):
            cls(cell, readout, state0=state0)
