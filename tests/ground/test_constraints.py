"""Parameter nodes: their values, and that no update, however violent, leaves their sets."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import zoo
from compared import tree_equal

import organics_ode as oo

EPS = np.finfo(np.float64).eps
VALUES = np.array((1e-6, 0.3, 1.0, 42.0, 1e6))


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_positive_gives_back_its_value_to_rounding(dtype):
    value = VALUES.astype(dtype)
    back = oo.resolve(oo.Positive(value))
    assert back.dtype == dtype
    # exp multiplies the rounding of θ = log v by |log 1e6| ≈ 14.
    np.testing.assert_allclose(back, value, rtol=16 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize(("low", "high"), ((0.0, np.inf), (1.0, np.inf), (-2.0, 5.0), (0.0, 1.0)))
def test_bounded_gives_back_its_value_to_rounding(low, high, dtype):
    span = 10.0 if np.isinf(high) else high - low
    value = (low + span * np.array((1e-3, 0.1, 0.5, 0.9, 0.999))).astype(dtype)
    back = oo.resolve(oo.Bounded(value, low, high))
    assert back.dtype == dtype
    np.testing.assert_allclose(back, value, atol=32 * np.finfo(dtype).eps * (span + abs(low)))


def test_projected_nodes_give_back_their_value_to_the_bit():
    W = np.random.default_rng(0).uniform(size=(3, 3)) * (np.eye(3) == 0)
    for node in (oo.NonNegative(W), oo.SpectralBound(W, bound=10.0), oo.Frozen(jnp.asarray(W))):
        np.testing.assert_array_equal(oo.resolve(node), W)
        np.testing.assert_array_equal(oo.resolve(oo.project(node)), W)


def test_project_sets_negative_weights_to_zero_and_keeps_the_others():
    node = eqx.tree_at(lambda w: w.value, oo.NonNegative(np.ones(3)), jnp.array((-1.0, 0.0, 2.0)))
    np.testing.assert_array_equal(oo.resolve(oo.project(node)), (0, 0, 2))


@pytest.mark.parametrize("shape", ((4, 4), (5, 2), (2, 5)))
def test_project_cuts_singular_values_and_keeps_the_singular_vectors(shape):
    rng = np.random.default_rng(1)
    u, s, vt = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    small = oo.SpectralBound(np.zeros(shape), bound=0.8)
    node = eqx.tree_at(lambda w: w.value, small, jnp.asarray((u * s) @ vt))
    cut = oo.resolve(oo.project(node))
    # 1e-14: the backward error of an SVD of a matrix of norm below 5.
    np.testing.assert_allclose(cut, (u * np.minimum(s, 0.8)) @ vt, atol=1e-14)


def violent(tree, steps=50, scale=1e8):
    """AdamW at learning rate 1, gradients of alternating and random sign and huge size."""
    params, rest = eqx.partition(tree, oo.trainable(tree))
    optimizer = zoo.relaxed(optax.adamw(1.0, weight_decay=0.1))
    state = optimizer.init(params)

    @eqx.filter_jit
    def step(params, state, key):
        leaves, structure = jax.tree.flatten(params)
        keys = jax.random.split(key, len(leaves))
        pairs = zip(keys, leaves, strict=True)
        drawn = [scale * jax.random.normal(k, p.shape, p.dtype) for k, p in pairs]
        updates, state = optimizer.update(jax.tree.unflatten(structure, drawn), state, params)
        tree = oo.project(eqx.combine(eqx.apply_updates(params, updates), rest))
        return eqx.filter(tree, oo.trainable(tree)), state, oo.resolve(tree)

    for i in range(steps):
        params, state, values = step(params, state, jax.random.key(i))
        yield eqx.combine(params, rest), values


@pytest.mark.slow_but_first
@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_sets_hold_through_fifty_violent_steps(dtype):
    rng = np.random.default_rng(2)
    one = np.ones(4, dtype)
    tree = {
        "tau": oo.Positive(10 * one),
        "above": oo.Bounded(10 * one, low=2.0),
        "between": oo.Bounded(10 * one, low=2.0, high=300.0),
        "W": oo.NonNegative(rng.uniform(size=(4, 4)).astype(dtype)),
        "W_r": oo.SpectralBound(np.eye(4, dtype=dtype)),
        "sigma": oo.Frozen(jnp.asarray(one)),
    }
    start, hit_zero, hit_bound = oo.resolve(tree), False, False
    for _, values in violent(tree):
        assert all(np.isfinite(v).all() for v in jax.tree.leaves(values))
        assert np.all(values["tau"] > 0)
        assert np.all(values["above"] >= 2)
        assert np.all((values["between"] >= 2) & (values["between"] <= 300))
        assert np.all(values["W"] >= 0)
        largest = np.linalg.norm(np.asarray(values["W_r"], np.float64), 2)
        # The rounding of an SVD and a product of 4 × 4 matrices.
        assert largest <= 1 + 32 * np.finfo(dtype).eps
        hit_zero |= bool(np.any(values["W"] == 0))
        hit_bound |= bool(largest > 0.999)
        np.testing.assert_array_equal(values["sigma"], start["sigma"])
    assert hit_zero and hit_bound  # the steps were violent enough to be put back
    assert not np.allclose(values["tau"], start["tau"])


@pytest.mark.slow_but_first
@pytest.mark.parametrize("build", (zoo.organics, zoo.gated))
def test_a_circuit_stays_a_circuit_through_fifty_violent_steps(build):
    circuit = build(nodes={"tau_a": lambda v: oo.Bounded(v, 1.0, 20.0), "sigma": oo.Frozen})
    fixed = oo.resolve(circuit).sigma
    for _, values in violent(circuit):
        assert np.all(values.tau_y > 0) and np.all(values.W >= 0)
        assert np.all((values.tau_a >= 1) & (values.tau_a <= 20))
        np.testing.assert_array_equal(values.sigma, fixed)


def test_zero_weights_are_legal_and_keep_finite_nonzero_gradients():
    circuit = oo.ORGaNICs(**(zoo.values() | {"W": np.zeros((zoo.N, zoo.N))}))
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)

    @eqx.filter_grad
    def gradient(circuit):
        return circuit.vector_field(None, state, x).a.sum()

    slope = gradient(circuit).W.value
    assert np.isfinite(slope).all()
    tau = zoo.values()["tau_a"][:, None]
    np.testing.assert_allclose(slope, (state.a * state.y**2)[None, :] / tau, rtol=1e-13)


def test_trainable_marks_neither_frozen_nor_integer_nor_other_leaves():
    tree = {
        "free": jnp.ones(2),
        "tau": oo.Positive(1.0),
        "W": oo.NonNegative(np.ones(2)),
        "frozen": oo.Frozen({"a": jnp.ones(2), "b": oo.Positive(2.0)}),
        "steps": jnp.arange(3),
        "number": 1.0,
        "name": "relu",
    }
    marks = oo.trainable(tree)
    assert marks["free"] is marks["tau"].theta is marks["W"].value is True
    assert not any(jax.tree.leaves(marks["frozen"]))
    assert len(jax.tree.leaves(marks["frozen"])) == 2
    assert marks["steps"] is marks["number"] is marks["name"] is False


def test_frozen_blocks_the_gradient_and_keeps_what_is_no_array():
    node = oo.Frozen((jnp.asarray(2.0), "name", oo.Positive(3.0)))
    slope = eqx.filter_grad(lambda n: oo.resolve(n)[0] + oo.resolve(n)[2])(node)
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(slope))
    assert oo.resolve(node)[1] == "name"
    np.testing.assert_allclose(oo.resolve(node)[2], 3, rtol=4 * EPS)


def test_nodes_nest():
    frozen = oo.Frozen(oo.Bounded(np.full(zoo.N, 3.0), 1.0, 20.0))
    circuit = oo.ORGaNICs(**(zoo.values() | {"tau_y": frozen}))
    np.testing.assert_allclose(oo.resolve(circuit).tau_y, 3, rtol=32 * EPS)
    assert not any(jax.tree.leaves(oo.trainable(circuit).tau_y))
    for _, values in violent(circuit, steps=3):
        np.testing.assert_array_equal(values.tau_y, oo.resolve(circuit).tau_y)


def test_a_frozen_projected_node_is_not_projected_away():
    node = oo.Frozen(oo.NonNegative(np.ones(2)))
    assert tree_equal(oo.project(node), node)


@pytest.mark.parametrize("name", ("organics none p=1.5", "gated bounded tau", "gated frozen W_r"))
def test_resolve_is_idempotent(name):
    once = oo.resolve(zoo.CIRCUITS[name]())
    assert tree_equal(once, oo.resolve(once))


def test_nodes_and_plain_arrays_give_equal_vector_fields():
    plain = zoo.organics()
    nodes = {
        "W_r": functools.partial(oo.SpectralBound, bound=2.0),
        "W": oo.Positive,
        "tau_y": functools.partial(oo.Bounded, low=0.5),
        "tau_a": functools.partial(oo.Bounded, low=0.5, high=90.0),
        "sigma": oo.Frozen,
        "W_zx": oo.Frozen,
    }
    wrapped, x, state = zoo.organics(nodes=nodes), zoo.input_of(plain), zoo.state_of(plain)
    for other in (wrapped, oo.resolve(wrapped), oo.resolve(plain)):
        for a, b in zip(
            plain.vector_field(0.0, state, x), other.vector_field(0.0, state, x), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-13)


BAD = {
    "`value` must be positive, but its smallest value is 0": lambda: oo.Positive([1.0, 0.0]),
    "`value` must be finite": lambda: oo.Positive(np.inf),
    "`value` must hold real numbers": lambda: oo.Positive(1j),
    "`value` must be an array of numbers": lambda: oo.NonNegative("one"),
    "`value` must not be negative, but its smallest value is -1": lambda: oo.NonNegative([-1, 0]),
    "`value` must lie between 1": lambda: oo.Bounded(1.0, 1.0, 2.0),
    "`value` must lie between 1.0 and 2.0": lambda: oo.Bounded(np.array([1.5, 2.0]), 1.0, 2.0),
    "`low` must be below `high`": lambda: oo.Bounded(1.0, 2.0, 2.0),
    "`low` must be finite, but it is -inf": lambda: oo.Bounded(1.0, -np.inf),
    "`value` must have singular values <= 1.0": lambda: oo.SpectralBound(2 * np.eye(2)),
    "`value` must be a matrix": lambda: oo.SpectralBound(np.zeros(3)),
    "`bound` must be a positive number": lambda: oo.SpectralBound(np.eye(2), bound=0),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_named(unchecked, message):
    with pytest.raises(ValueError, match=f"Argument {message}"):
        BAD[message]()


def test_a_number_close_to_its_bounds_makes_no_infinite_parameter():
    # θ must stay finite where float32 rounds the distance to a bound.
    for value in (2.0 + 1e-6, 300.0 - 3e-5):
        node = oo.Bounded(np.float32(value), 2.0, 300.0)
        assert np.isfinite(node.theta)
