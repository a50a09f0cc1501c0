"""Laws that every circuit of the registry keeps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from compared import tree_equal

import organics_ode as oo

ORGANICS = ("W_zx", "W_r", "W", "sigma", "b0", "b1", "tau_y", "tau_a")
GATED = ("W_zx", "W_r", "W", "sigma", *zoo.GATES, *zoo.TIMES)
FIELDS = {oo.ORGaNICs: ORGANICS, oo.GatedORGaNICs: GATED}
POSITIVE = ("sigma", "b0", "b1", *zoo.TIMES)


@pytest.fixture(scope="module", params=zoo.NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def circuit(name):
    return zoo.CIRCUITS[name]()


@pytest.fixture(scope="module")
def gradient(circuit):
    """Of the squared states of a short unroll, in the trainable leaves.

    Step by step, not compiled: `unroll` has its own tests, and this one runs for every circuit.
    """
    params, rest = eqx.partition(circuit, oo.trainable(circuit))
    xs = zoo.input_of(circuit, length=4)

    def loss(params):
        cell = oo.Euler(eqx.combine(params, rest), 0.3)
        state, total = zoo.state_of(circuit), 0.0
        for x in xs:
            state = cell.step(state, x)
            total += sum(jnp.sum((leaf - 0.3) ** 2) for leaf in state)
        return total

    return eqx.filter_grad(loss)(params)


def dtypes(tree):
    return {leaf.dtype for leaf in jax.tree.leaves(tree) if eqx.is_inexact_array(leaf)}


def dtype_of(name):
    return np.dtype(np.float32) if "float32" in name else jnp.zeros(()).dtype  # .ci/deep: both


def test_the_gradient_reaches_every_trainable_leaf_and_is_finite(circuit, gradient):
    marks = jax.tree.leaves(oo.trainable(circuit))
    named = jax.tree_util.tree_leaves_with_path(gradient)
    assert len(named) == sum(marks) > 0
    for path, leaf in named:
        assert np.all(np.isfinite(leaf)), jax.tree_util.keystr(path)
        assert np.any(np.asarray(leaf) != 0), jax.tree_util.keystr(path)


def test_constraints_hold_after_an_update(circuit, gradient):
    params, rest = eqx.partition(circuit, oo.trainable(circuit))
    # Steps of up to three in both directions, as a sign gradient descent would take them.
    updates = jax.tree.map(lambda g: -3 * jnp.sign(g), gradient)
    new = oo.project(eqx.combine(eqx.apply_updates(params, updates), rest))
    values, old = oo.resolve(new), oo.resolve(circuit)
    assert np.all(values.W >= 0)
    assert not np.array_equal(values.W, old.W)
    for field in set(POSITIVE) & set(FIELDS[type(circuit)]):
        assert np.all(getattr(values, field) > 0), field
    for field in FIELDS[type(circuit)]:
        node = getattr(circuit, field)
        if isinstance(node, oo.Frozen):
            np.testing.assert_array_equal(getattr(values, field), getattr(old, field))
        elif isinstance(node, oo.Bounded):
            value = np.asarray(getattr(values, field))
            assert np.all((value >= node.low) & (value <= node.high)), field
        elif isinstance(node, oo.SpectralBound):
            largest = np.linalg.norm(getattr(values, field), 2)
            # The rounding of an SVD of a small matrix.
            assert largest <= node.bound * (1 + 256 * np.finfo(largest.dtype).eps), field


def test_the_dtype_is_kept_from_parameters_to_gradients(name, circuit, gradient):
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)
    velocity = circuit.vector_field(0.0, state, x)
    for tree in (circuit, oo.resolve(circuit), circuit.initial_state(), velocity, gradient):
        assert dtypes(tree) == {dtype_of(name)}


def test_jit_and_vmap_are_an_eager_loop(name, circuit):
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)
    scales = jnp.linspace(-1, 2, 3, dtype=x.dtype)
    xs = scales[:, None] * x[None, :]
    states = jax.tree.map(lambda leaf: scales[:, None] * leaf[None, :], state)
    field = eqx.filter_jit(lambda c, s, x: jax.vmap(lambda s, x: c.vector_field(0.0, s, x))(s, x))
    many = field(circuit, states, xs)
    for i in range(3):
        one = circuit.vector_field(0.0, jax.tree.map(lambda leaf, i=i: leaf[i], states), xs[i])
        # Sums of at most a dozen terms of order one, associated differently.
        atol = 64 * np.finfo(dtype_of(name)).eps
        for batched, eager in zip(many, one, strict=True):
            np.testing.assert_allclose(batched[i], eager, rtol=0, atol=atol)


def test_a_saved_circuit_comes_back_to_the_bit_without_like(circuit, tmp_path):
    oo.save(tmp_path / "circuit", circuit)
    back = oo.load(tmp_path / "circuit")
    assert tree_equal(back, circuit, typematch=True)
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)
    fields = (c.vector_field(0.0, state, x) for c in (circuit, back))
    assert tree_equal(*fields)


def test_a_circuit_prints_its_class_and_fields(circuit):
    text = repr(circuit)
    assert text.startswith(type(circuit).__name__)
    assert all(field in text for field in FIELDS[type(circuit)])


def test_resolve_gives_plain_arrays_under_the_names_of_the_contract(circuit):
    values = oo.resolve(circuit)
    assert type(values) is type(circuit)
    n, m = circuit.size, circuit.input_size
    for field in FIELDS[type(circuit)]:
        value = getattr(values, field)
        assert isinstance(value, jax.Array), field
        columns = m if field in ("W_zx", "W_bx0", "W_bx1") else n
        shapes = {(n, columns)} if field.startswith("W") else {(), (n,)}
        assert value.shape in shapes, field
    assert len(jax.tree.leaves(values)) <= len(FIELDS[type(circuit)]) + 1  # and the exponent


def test_states_have_the_documented_fields(circuit):
    fields = {oo.ORGaNICs: ("y", "a"), oo.GatedORGaNICs: ("y", "a", "b0", "b1")}[type(circuit)]
    state = circuit.initial_state()
    velocity = circuit.vector_field(0.0, state, zoo.input_of(circuit))
    for each in (state, velocity):
        assert each._fields == fields
        assert {leaf.shape for leaf in each} == {(circuit.size,)}
