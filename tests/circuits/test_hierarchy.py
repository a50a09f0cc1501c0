"""Areas and hierarchies: equations in numpy, views of the state, and bad arguments."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode import facts

FLOOR = 1e-6


def area(m, n, k, seed=0, **options):
    """An area with all its parameters drawn."""
    rng = np.random.default_rng(seed)
    shapes = {"W_zx": (n, m), "W": (n, n), "W_fb": (n, k)}
    weights = {name: rng.normal(size=shape) / 2 for name, shape in shapes.items()}
    positive = {"W_n": (n, n)} | dict.fromkeys(("sigma", "b", "tau", "tau_rate"), (n,))
    positive |= dict.fromkeys(("g", "gamma", "beta", "alpha"), ())
    weights |= {name: rng.uniform(0.2, 0.8, shape) for name, shape in positive.items()}
    return oo.ORGaNICs2025(**(weights | options))


def state_of(circuit, seed=0):
    rng = np.random.default_rng(seed)
    like = circuit.initial_state()
    return type(like)(*(jnp.asarray(rng.uniform(-0.2, 1, leaf.shape)) for leaf in like))


def equations(c, state, x):
    """ẏ, u̇, ṗ, ṡ and the rates in numpy."""
    c = {name: np.asarray(v) for name, v in oo.values(c).items()}
    s = {name: np.asarray(v) for name, v in state._asdict().items()}
    m = c["W_zx"].shape[1]
    back = c["g"] * (c["W_fb"] @ np.sqrt(np.maximum(x[m:], 0)))
    # Below the floor no trajectory comes: there √ is its tangent.
    y_rate = s["y_rate"]
    root = np.where(
        y_rate > FLOOR**2, np.sqrt(np.maximum(y_rate, 0)), (y_rate + FLOOR**2) / (2 * FLOOR)
    )
    dy = -s["y"] + c["beta"] * c["b"] * (c["W_zx"] @ x[:m])
    dy = dy + (c["W"] @ root + c["gamma"] * back) / (1 + s["p_rate"])
    du = -s["u"] + (c["sigma"] * c["b"]) ** 2 + c["W_n"] @ (s["y_rate"] * s["u_rate"] ** 2)
    dp = -s["p"] + back / np.maximum(s["s_rate"], FLOOR) + s["u_rate"] * (1 + s["p"])
    dp = dp + c["alpha"] * du
    ds = -s["s"] + np.sqrt(np.maximum(s["y_rate"] + FLOOR, 0))
    floored = {q: np.maximum(s[q], FLOOR) for q in "yups"}
    rates = (floored["y"] ** 2, np.sqrt(floored["u"]), floored["p"], floored["s"])
    low = [r - s[f"{q}_rate"] for q, r in zip("yups", rates, strict=True)]
    tau, tau_rate = c["tau"], c["tau_rate"]
    return [
        low[0] / tau_rate,
        *(d / tau for d in (dy, du, dp, ds)),
        *(d / tau_rate for d in low[1:]),
    ]


def test_an_area_is_its_equations():
    circuit = area(2, 3, 4)
    state, x = state_of(circuit), np.random.default_rng(1).uniform(0, 1, 6)
    found = eqx.filter_jit(circuit.vector_field)(0.0, state, jnp.asarray(x))
    np.testing.assert_allclose(np.stack(found), np.stack(equations(circuit, state, x)), rtol=1e-12)
    assert (circuit.input_size, circuit.size) == (6, 3)


def test_the_facts_of_an_area_are_those_of_its_equations():
    circuit = oo.resolve(area(2, 3, 4))
    state, x = state_of(circuit), jnp.asarray(np.random.default_rng(1).uniform(0, 1, 6))
    assert all(jnp.all(t > 0) for t in facts.relaxation_times(circuit, state, x))
    assert all(jnp.all(u > 0) for u in facts.units(circuit, circuit.initial_state()))
    # No term of an equation is larger than the largest, and they add up to the field.
    state = jax.tree.map(jnp.abs, state)
    field, terms = circuit.vector_field(0.0, state, x), facts.largest_terms(circuit, state, x)
    assert all(jnp.all(jnp.abs(f) <= 8 * t) for f, t in zip(field, terms, strict=True))


def test_an_area_normalizes_whatever_it_hears_from_above():
    n, sigma, b = 3, 0.1, 0.4
    eye, ones = np.eye(n), np.ones((n, n))
    circuit = oo.ORGaNICs2025(eye, eye, ones, eye, sigma, b, 1.0, 1.0, alpha=2.0)
    z = np.array([0.3, 0.2, 0.4])
    expected = z**2 / (sigma**2 + np.sum(z**2))
    for above in (0.0, 0.5):
        x = np.concatenate([z, above * np.ones(n)])
        point = oo.fixed_point(circuit, x)
        np.testing.assert_allclose(point.state.y_rate, expected, rtol=0, atol=1e-5)
        np.testing.assert_allclose(point.state.u_rate, b * np.sqrt(sigma**2 + np.sum(z**2)), 1e-4)
        assert point.is_stable
    rest = oo.replace(circuit, sigma=10.0).initial_state()
    assert np.all(np.isfinite(np.concatenate(rest)))


@pytest.mark.slow
def test_beyond_a_u_of_1_an_area_has_no_fixed_point_and_the_search_says_so():
    eye = np.eye(3)
    circuit = oo.ORGaNICs2025(eye, eye, np.ones((3, 3)), eye, 0.1, 0.4, 1.0, 1.0, alpha=2.0)
    # u⁺ would be 1.1.
    assert not oo.fixed_point(circuit, np.array([3, 0, 0, 0, 0, 0.0]), throw=False).succeeded


@pytest.fixture(scope="module")
def pair():
    """Two areas of different sizes, a matrix upward and a function downward."""
    low, high = area(2, 3, 4, seed=1), area(3, 4, 0, seed=2)
    upward = np.random.default_rng(3).uniform(size=(3, 3))
    return oo.Hierarchy({"V1": low, "V2": high}, feedforward=[upward], feedback=[eqx.nn.Identity()])


def test_a_hierarchy_is_its_areas_each_with_the_inputs_it_hears(pair):
    state, x = state_of(pair, 4), jnp.array([0.3, 0.5])
    found = pair.vector_field(0.0, state, x)
    low, high = pair.areas
    heard = jnp.concatenate([x, state.V2.y_rate])
    for own, expected in (
        (found.V1, low.vector_field(0.0, state.V1, heard)),
        (found.V2, high.vector_field(0.0, state.V2, pair.feedforward[0] @ state.V1.y_rate)),
    ):
        assert type(own) is oo.ORGaNICs2025State
        np.testing.assert_allclose(np.concatenate(own), np.concatenate(expected), rtol=1e-14)
    assert found.V1_y is found.V1.y and found._fields[:2] == ("V1_y_rate", "V1_y")
    assert pair.input_size == 2


def test_the_state_keeps_its_class_in_trees_files_and_batches(pair, tmp_path):
    state = pair.initial_state()
    assert type(jax.tree.map(lambda v: v, state)) is type(pair.initial_state())
    batch = jax.vmap(lambda _: pair.initial_state())(jnp.arange(5))
    assert batch.V2.y.shape == (5, 4)
    oo.save(tmp_path / "hierarchy", pair)
    again = oo.load(tmp_path / "hierarchy")
    assert all(map(np.array_equal, jax.tree.leaves(pair), jax.tree.leaves(again)))
    assert again.names == pair.names
    values = oo.values(pair)
    assert "areas[1].sigma" in values and "feedforward[0]" in values
    assert oo.replace(pair, **{"areas[0].sigma": 0.3}).areas[0].sigma.theta.shape == (3,)


@pytest.mark.slow  # a search, a simulation and a certificate of its own
def test_ordinary_circuits_are_areas_too():
    """Two ORGaNICs: the one below hears the responses of the one above as further inputs."""
    low = oo.ORGaNICs.random(5, 3, key=0)
    high = oo.ORGaNICs.random(3, 2, key=1)
    pair = oo.Hierarchy([low, high], feedback=[jnp.eye(2)])
    x = jnp.array([0.5, 0.2, 0.4])
    assert pair.names == ("area1", "area2") and pair.input_size == 3
    point = oo.fixed_point(pair, x)
    s = point.state
    # Each area is at its own fixed point for what it hears there.
    for area_, state, heard in (
        (low, s.area1, jnp.concatenate([x, s.area2.y])),
        (high, s.area2, s.area1.y),
    ):
        alone = oo.fixed_point(area_, heard).state
        np.testing.assert_allclose(np.concatenate(alone), np.concatenate(state), rtol=1e-8)
    J = oo.by_block(pair, oo.jacobian(pair, s, x))
    np.testing.assert_allclose(
        J.area1.y.area2.y,
        np.reshape(oo.resolve(low).b1 / oo.resolve(low).tau_y, (-1, 1)) * low.W_zx[:, 3:],
        rtol=1e-12,
    )
    assert not oo.certify(pair, x).holds and oo.certify(pair, x).scope is None
    ts = jnp.linspace(0.0, 2000.0, 3)
    states = oo.simulate(pair, x, ts).states
    np.testing.assert_allclose(states.area2.y[-1], s.area2.y, atol=1e-4)
    C = oo.covariance(pair, x, oo.Noise(1e-4), state0=s)
    assert C.shape == (10, 10) and "area1_y" in str(point)
    table = oo.simulate(pair, x, ts).to_dataframe()
    assert {"area1_y[0]", "area2_a[1]"} <= set(table.columns)


SMALL = area(2, 3, 0)
BAD = {
    r"`areas` must hold at least one": lambda: oo.Hierarchy({}),
    r"`areas` must have names like": lambda: oo.Hierarchy({"a b": SMALL}),
    r"`areas` must have names of their own": lambda: oo.Hierarchy({"a": SMALL, "a_y": SMALL}),
    r"`areas` must have as inputs of `V2`": lambda: oo.Hierarchy({"V1": SMALL, "V2": SMALL}),
    r"`feedforward` must be a sequence of 1": lambda: oo.Hierarchy([SMALL] * 2, feedforward=[]),
    r"`feedforward\[0\]` must have shape": lambda: oo.Hierarchy(
        [SMALL] * 2, feedforward=[np.ones((2, 2))]
    ),
    r"`feedback\[0\]` must give an array": lambda: oo.Hierarchy(
        [SMALL] * 2, feedforward=[np.ones((2, 3))], feedback=[jnp.sum]
    ),
    r"`W_n` must not be negative": lambda: area(2, 3, 1, W_n=-np.ones((3, 3))),
    r"`gamma` must not be negative": lambda: area(2, 3, 1, gamma=-1.0),
    r"`W_fb` must have shape": lambda: area(2, 3, 1, W_fb=np.ones((2, 1))),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_refused_by_name(message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        BAD[message]()
