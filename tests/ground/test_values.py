"""The values of parameters: printed, read and changed, in the user's units."""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
import pytest
import zoo
from compared import tree_equal

import organics_ode as oo

KEY = jax.random.key(0)
above = functools.partial(oo.Bounded, low=10.0)
NODES = {"W_r": oo.Frozen, "tau_y": lambda v: above(v + 10), "tau_a": lambda v: oo.Frozen(v)}


def circuit(**options):
    return zoo.organics(nodes=NODES, **options)


def model(dtype=np.float64):
    gated = zoo.gated(dtype=dtype)
    state0 = zoo.state_of(gated)
    readout = oo.Readout(np.ones((2, zoo.N), dtype))
    return oo.SequenceClassifier(oo.Euler(gated, 0.1), readout, state0=state0)


OF_KINDS = {
    "feedback": lambda: oo.FeedbackNetwork(np.eye(3), *np.ones((3, 3)), 0.5),
    "gated": zoo.gated,
    "layer": lambda: oo.FixedPointLayer.random(2, 3, key=KEY),
    "model": model,
    "noisy": lambda: oo.Noisy(OF_KINDS["rate"]()),
    "organics": circuit,
    "rate": lambda: oo.RateNetwork.random(2, 5, key=KEY, excitatory=0.8),
    "wilson_cowan": lambda: oo.WilsonCowan.random(1, 2, key=KEY),
    "skips": lambda: oo.TemporalSkip(oo.Euler(zoo.gated(), 0.5), oo.StateSkip(), 3, 0.5),
    "lstm": lambda: oo.LSTM.random(2, 3, key=KEY),
}


@functools.cache
def of_kind(kind):
    return OF_KINDS[kind]()


class Pair(NamedTuple):
    u: jax.Array
    v: jax.Array


class Own(oo.AbstractCircuit[Pair]):
    """A circuit of a user: numbers, arrays, a node, nothing, and an option."""

    W: jax.Array
    rest: jax.Array | None = None
    g: float = 0.5
    tau: float | jax.Array = 5.0
    leak: jax.Array | oo.Positive | float = eqx.field(default=2.0, metadata={"unit": "nS"})
    size: int = eqx.field(static=True, default=2)

    def __check_init__(self):
        if isinstance(self.g, float) and self.g > 1:
            raise ValueError("Argument `g` must be at most 1.")

    @property
    def input_size(self):
        return 1

    def vector_field(self, t, state, x):
        return Pair(-state.u / self.tau, -state.v)

    def initial_state(self):
        return Pair(jnp.zeros(2), jnp.zeros(2))


# --- values ---


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_values_are_those_that_the_constructor_got(dtype):
    given = zoo.values(dtype=dtype)
    found = oo.values(oo.ORGaNICs(**given, exponent=1.5))
    assert type(found) is dict and list(found) == [*given, "exponent"]
    for name, value in given.items():
        assert isinstance(found[name], jax.Array) and found[name].dtype == dtype
        # θ = log v and back.
        np.testing.assert_allclose(found[name], value, rtol=8 * np.finfo(dtype).eps)
    assert float(found["exponent"]) == 1.5


def test_values_of_a_model_are_named_by_their_paths():
    found = oo.values(model())
    np.testing.assert_allclose(found["cell.circuit.tau_y"], zoo.gated_values()["tau_y"])
    np.testing.assert_array_equal(found["state0.y"], zoo.state_of(zoo.gated()).y)
    assert float(found["cell.dt"]) == 0.1 and "readout.b_out" not in found
    assert next(iter(oo.values(of_kind("noisy")))) == "network.W"


def test_values_of_a_circuit_of_ones_own():
    own = Own(np.ones((2, 2), np.float32), leak=oo.Positive(3.0), tau=7)
    found = oo.values(own)
    assert list(found) == ["W", "g", "tau", "leak"]
    assert float(found["tau"]) == 7 and abs(float(found["leak"]) - 3) < 1e-12


def test_values_are_differentiated_as_the_equations_are():
    slope = eqx.filter_grad(lambda c: oo.values(c)["tau_y"].sum())(circuit())
    # d(10 + exp θ)/dθ = value − 10, and nothing else depends on it.
    np.testing.assert_allclose(slope.tau_y.theta, oo.values(circuit())["tau_y"] - 10)
    assert not np.any(slope.W_zx) and not np.any(slope.tau_a.value)


# --- replace ---


@pytest.mark.parametrize("kind", OF_KINDS)
def test_replacing_all_values_by_themselves_changes_no_bit(kind):
    thing = of_kind(kind)
    assert tree_equal(oo.replace(thing, **oo.values(thing)), thing, typematch=True)


@pytest.mark.parametrize("kind", OF_KINDS)
def test_replaced_values_are_what_is_read_and_nothing_is_compiled_anew(kind):
    thing = of_kind(kind)
    old = oo.values(thing)
    # Rows of ones keep every set: scaled weights are legal where the weights were.
    new = {name: 0.9 * value for name, value in old.items() if "dt" not in name}
    other = oo.replace(thing, **new)
    for name, value in oo.values(other).items():
        np.testing.assert_allclose(value, new.get(name, old[name]), rtol=1e-13, err_msg=name)
    arrays, others = eqx.partition(thing, eqx.is_array)
    arrays_now, others_now = eqx.partition(other, eqx.is_array)
    assert jax.tree.structure(arrays) == jax.tree.structure(arrays_now)
    assert jax.tree.map(jax.typeof, arrays) == jax.tree.map(jax.typeof, arrays_now)
    is_number = lambda x: isinstance(x, float)  # noqa: E731
    assert tree_equal(*(eqx.filter(x, is_number, inverse=True) for x in (others, others_now)))
    numbers = [eqx.filter(x, is_number) for x in (others, others_now)]
    assert jax.tree.structure(numbers[0]) == jax.tree.structure(numbers[1])


def test_a_replaced_value_runs_the_program_that_there_is(compiled):
    field = eqx.filter_jit(lambda c: c.vector_field(None, c.initial_state(), jnp.ones(zoo.M)))
    first, other = circuit(), oo.replace(circuit(), tau_y=30.0, W_r=np.ones((zoo.N, zoo.N)))
    field(first)
    compiled()
    field(other)
    assert compiled() == 0


def test_each_node_stays_what_it_is():
    before = circuit()
    tau = np.arange(11.0, 11.0 + zoo.N)
    after = oo.replace(before, tau_y=tau, sigma=0.3, W=0.5 * np.ones((zoo.N, zoo.N)), tau_a=7.0)
    assert (after.tau_y.low, after.tau_y.high) == (10, np.inf)
    np.testing.assert_allclose(after.tau_y.theta, np.log(tau - 10), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(after.sigma.theta, np.full(zoo.N, np.log(0.3)))
    assert isinstance(after.W, oo.NonNegative) and isinstance(after.tau_a, oo.Frozen)
    np.testing.assert_array_equal(after.tau_a.value, np.full(zoo.N, 7.0))
    assert after.exponent is before.exponent and after.W_zx is before.W_zx


def test_what_the_circuit_does_is_what_one_built_anew_does():
    given = zoo.values() | {"tau_y": np.full(zoo.N, 3.0), "exponent": 3.0}
    old = zoo.organics()
    new = oo.replace(old, tau_y=3.0, exponent=3.0)
    x, state = zoo.input_of(old), zoo.state_of(old)
    fields = [c.vector_field(None, state, x) for c in (new, oo.ORGaNICs(**given))]
    for one, other in zip(*fields, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def test_entries_that_stay_keep_their_bits_also_on_a_bound():
    # A training may move θ so low that the value is the bound itself, in float32 at θ < -14.
    start = above(np.full(3, 20, np.float32))
    low = eqx.tree_at(lambda b: b.theta, start, jnp.full(3, -20, np.float32))
    before = eqx.tree_at(lambda c: c.tau_y, circuit(), low)
    values = np.asarray(oo.values(before)["tau_y"])
    assert (values == 10).all()
    values = np.where(np.arange(3) == 1, 12.0, values)
    theta = oo.replace(before, tau_y=values).tau_y.theta
    np.testing.assert_allclose(theta, (-20, np.log(2.0), -20), rtol=1e-6)


def test_a_node_says_anew_how_a_parameter_is_trained():
    after = oo.replace(
        circuit(), tau_a=oo.Positive(np.full(zoo.N, 3.0)), W_zx=oo.Frozen(np.ones((4, 3)))
    )
    assert isinstance(after.tau_a, oo.Positive) and isinstance(after.W_zx, oo.Frozen)
    trained = oo.replace(circuit(), exponent=oo.Bounded(2.0, 1.0, 4.0))
    assert float(oo.resolve(trained).exponent) == 2.0
    computed = oo.replace(
        circuit(), W_r=paramax.Parameterize(jnp.tril, np.ones((4, 4), np.float32))
    )
    assert oo.values(computed)["W_r"].dtype == np.float64
    np.testing.assert_array_equal(oo.values(computed)["W_r"], np.tril(np.ones((4, 4))))
    with pytest.raises(ValueError, match=r"`W_r` must be a node .* a Parameterize, which computes"):
        oo.replace(computed, W_r=np.eye(4))


def test_a_node_whose_function_is_a_part_of_it_is_a_parameter():
    skew = paramax.Parameterize(lambda A: A - A.T, jnp.ones((4, 4)))
    built = oo.ORGaNICs(**(zoo.values() | {"W_r": skew}))
    np.testing.assert_array_equal(oo.resolve(built).W_r, np.zeros((4, 4)))
    assert "Parameterize" in repr(built)


def test_replace_under_jit_vmap_and_grad():
    def response(c, tau):
        return oo.replace(c, tau_y=tau).vector_field(None, zoo.state_of(c), zoo.input_of(c)).y

    taus = np.array([11.0, 20.0, 50.0])
    many = eqx.filter_jit(lambda c: jax.vmap(lambda tau: response(c, tau))(jnp.asarray(taus)))
    for tau, one in zip(taus, many(circuit()), strict=True):
        # ẏ is proportional to 1/τ.
        np.testing.assert_allclose(one, response(circuit(), 20.0) * 20 / tau, rtol=1e-12)
    slope = jax.grad(lambda tau: response(circuit(), tau).sum())(20.0)
    np.testing.assert_allclose(slope, -response(circuit(), 20.0).sum() / 20, rtol=1e-12)


def test_what_is_known_stays_known_inside_jit():
    c = circuit()

    @jax.jit
    def f(x):
        new = oo.replace(c, tau_y=30.0, sigma=oo.values(c)["sigma"], exponent=3.0)
        assert new.sigma.theta is c.sigma.theta and new.exponent == 3.0
        with pytest.raises(ValueError, match="`tau_y` must lie between 10"):
            oo.replace(c, tau_y=3.0)
        with pytest.raises(ValueError, match="`tau_y` must lie between 10"):
            oo.replace(eqx.tree_at(lambda c: c.tau_y.theta, c, x), tau_y=3.0)
        return x

    f(jnp.ones(zoo.N))
    assert "error" not in str(
        jax.make_jaxpr(lambda x: oo.replace(c, tau_y=11.0).tau_y.theta + x)(1.0)
    )


@pytest.mark.parametrize("node", (above(20.0), oo.Positive(20.0)))
def test_a_traced_value_out_of_its_set_is_an_error_and_never_nan(node):
    c = zoo.organics(nodes={"tau_y": lambda _: node})
    theta = eqx.filter_jit(lambda tau: oo.replace(c, tau_y=tau).tau_y.theta)
    assert np.isfinite(theta(jnp.asarray(30.0)))
    with pytest.raises(RuntimeError, match="Argument `tau_y` must"):
        jax.block_until_ready(theta(jnp.asarray(-3.0)))


def test_traced_values_of_a_new_bounded_are_checked_too():
    with pytest.raises(RuntimeError, match="Argument `value` must lie between 1"):
        jax.block_until_ready(
            eqx.filter_jit(lambda v: oo.Bounded(v, 1.0, 2.0).theta)(jnp.ones(2) * 3)
        )


def test_a_connectivity_is_made_and_replaced_inside_jit():
    mask = np.eye(3, dtype=bool)

    @jax.jit
    def f():
        node = oo.Connectivity(np.eye(3), mask=mask)
        with pytest.raises(ValueError, match="be 0 where `mask`"):
            oo.Connectivity(np.ones((3, 3)), mask=mask)
        return node.value

    np.testing.assert_array_equal(f(), np.eye(3))


BAD = {
    "no such name": ({"tau": 3.0}, r"`tau` must name one of the parameters W_zx, W_r, .*exponent,"),
    "an option": ({"rectification": 1.0}, "`rectification` must name one of"),
    "a bound": ({"tau_y": 3.0}, r"`tau_y` must lie between 10\.0 and inf, .* 3\.0"),
    "a sign": ({"sigma": -1.0}, r"`sigma` must be positive, but its smallest value is -1\.0"),
    "a sign of weights": ({"W": -np.ones((4, 4))}, "`W` must not be negative"),
    "frozen and negative": ({"tau_a": -1.0}, "`tau_a` must be positive"),
    "a shape": ({"W_zx": np.ones((3, 4))}, r"`W_zx` must have shape \(4, 3\), .*transposed"),
    "a scalar for a matrix": ({"W_r": 1.0}, r"`W_r` must have shape \(4, 4\), but it has .*\(\)"),
    "too many": ({"tau_y": [20.0] * 3}, r"`tau_y` must be a number or have shape \(4,\)"),
    "NaN": ({"W_r": np.full((4, 4), np.nan)}, "`W_r` must be finite"),
    "text": ({"b0": "a"}, "`b0` must be an array of numbers"),
    "an exponent": ({"exponent": -2.0}, "`exponent` must be positive"),
    "exponents": ({"exponent": [2.0, 3.0]}, "`exponent` must be a number"),
    "a node of another shape": ({"W_r": oo.Frozen(np.ones(3))}, r"`W_r` must have shape \(4, 4\)"),
    "a negative node": ({"W": oo.Frozen(-np.eye(4))}, "`W` must not be negative"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_values_are_refused_by_name(case, unchecked):
    new, message = BAD[case]
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        oo.replace(circuit(), **new)


def test_names_that_are_ends_of_paths():
    m = model()
    new = oo.replace(m, tau_y=3.0, dt=0.2)
    assert new.cell.dt == 0.2 and isinstance(new.cell.circuit.tau_y, oo.Positive)
    np.testing.assert_allclose(oo.values(new)["cell.circuit.tau_y"], np.full(zoo.N, 3.0))
    two = eqx.nn.Sequential([oo.FixedPointLayer.random(2, 2, key=KEY)] * 2)
    with pytest.raises(ValueError, match=r"name one parameter, but it may be `layers\[0\].W` and"):
        oo.replace(two, W=np.ones((2, 2)))
    with pytest.raises(ValueError, match="`dt` must be given once"):
        oo.replace(m, **{"cell.dt": 0.1, "dt": 0.2})
    with pytest.raises(ValueError, match="`dt` must be positive"):
        oo.replace(m, dt=-0.1)


def test_scalars_become_one_per_unit_where_the_constructor_takes_them():
    one = zoo.organics(per_unit=False)
    tau = np.arange(1.0, 5.0)
    np.testing.assert_allclose(oo.values(oo.replace(one, tau_y=tau))["tau_y"], tau)
    with pytest.raises(ValueError, match=r"`tau_y` must have shape \(\), .*\(3,\)"):
        oo.replace(one, tau_y=tau[:3])
    with pytest.raises(ValueError, match=r"`b` must have shape \(5,\)"):
        oo.replace(of_kind("rate"), b=1.0)


def test_a_circuit_of_ones_own_keeps_its_numbers_and_its_checks():
    own = Own(jnp.ones((2, 2)), leak=oo.Positive(3.0))
    new = oo.replace(own, tau=jnp.asarray(7.0), g=1, leak=4.0)
    assert (new.tau, new.g) == (7.0, 1.0) and isinstance(new.tau, float)
    with pytest.raises(ValueError, match="`g` must be at most 1"):
        oo.replace(own, g=1.5)
    traced = jax.jit(lambda tau: oo.replace(own, tau=tau).tau * 2)
    assert float(traced(3.0)) == 6.0


@pytest.mark.parametrize("what", (3.0, {"a": 1.0}, oo.ORGaNICs, None))
def test_what_is_no_circuit_is_refused(what, unchecked):
    with pytest.raises(ValueError, match="Argument `circuit` must be a circuit, a cell or a model"):
        oo.values(what)
    with pytest.raises(ValueError, match="Argument `circuit` must be a circuit, a cell or a model"):
        oo.replace(what, tau_y=3.0)


# --- print ---


def row(text, name):
    """The words of the row of a parameter, and its place in the line."""
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [name]]
    return line.split(maxsplit=1)[1]


def test_a_circuit_prints_a_table():
    given = zoo.values() | {"tau_y": np.full(zoo.N, 5.0), "W": np.zeros((4, 4))}
    given["W_r"] = oo.SpectralBound(np.eye(4), 1.5)
    given["b0"] = oo.Bounded(np.linspace(0.25, 0.75, 4), 0.0, 1.0)
    given["b1"] = oo.Frozen(np.float64(0.5))
    text = str(oo.ORGaNICs(**given, rectification=oo.Rectification.AFTER, exponent=1.5))
    assert text.splitlines()[0] == "ORGaNICs(float64)"
    assert row(text, "parameter").split() == ["shape", "value", "unit", "trained"]
    assert row(text, "W").split() == ["(4,", "4)", "0", "-", "nonnegative"]
    assert row(text, "W_r").endswith("  -     spectral bound: 1.5")
    assert row(text, "tau_y").split() == ["(4,)", "5", "ms", "positive"]
    assert row(text, "b0").split() == [
        "(4,)",
        "0.25",
        "to",
        "0.75",
        "-",
        "bounded:",
        "0",
        "to",
        "1",
    ]
    assert row(text, "b1").split() == ["()", "0.5", "-", "frozen"]
    assert row(text, "exponent").split() == ["()", "1.5", "-", "fixed"]
    assert row(text, "W_zx").endswith("plain")
    assert text.splitlines()[-1].strip() == "rectification = AFTER"


@pytest.mark.parametrize("kind", OF_KINDS)
def test_the_table_holds_what_numpy_finds_in_the_values(kind):
    thing = of_kind(kind)
    text = repr(thing)
    for name, value in oo.values(thing).items():
        ends = [f"{x:.4g}" for x in (np.min(value), np.max(value))] if value.size else ["empty"]
        assert " to ".join(dict.fromkeys(ends)) in row(text, name)
        assert str(value.shape) in row(text, name)
        last = name.split(".")[-1]
        assert (" ms " in row(text, name)) == (last == "dt" or last.startswith("tau"))


def test_tables_of_tracers_shapes_and_batches():
    texts, known = [], circuit()

    @eqx.filter_jit
    def f(c):
        texts.extend((repr(c), str(known), repr(c.tau_y)))
        return c.W_zx

    f(circuit())
    assert row(texts[0], "tau_y").split()[:3] == ["(4,)", "traced", "ms"]
    assert "traced" not in texts[1] and texts[1] == str(known)
    assert "traced" in texts[2]
    shapes = eqx.filter_eval_shape(lambda c: c, circuit())
    assert row(repr(shapes), "W_r").split() == ["(4,", "4)", "-", "-", "frozen"]
    assert oo.values(shapes)["W_r"].shape == (4, 4)
    many = jax.tree.map(lambda x: jnp.stack([x] * 5) if eqx.is_array(x) else x, known)
    assert row(repr(many), "W_r").startswith("(5, 4, 4)")
    eqx.filter_vmap(lambda c: texts.append(repr(c)))(many)
    assert row(texts[-1], "tau_y").split()[1] == "traced"


def test_a_circuit_of_ones_own_prints_its_numbers_units_and_nothing():
    text = repr(Own(jnp.ones((2, 2)), leak=oo.Positive(3.0)))
    assert row(text, "leak").split() == ["()", "3", "nS", "positive"]
    assert row(text, "tau").split() == ["()", "5", "ms", "fixed"]
    assert row(text, "rest").split() == ["-", "None", "-", "-"]
    assert text.splitlines()[-1].strip() == "size = 2"


def test_trees_of_gradients_and_masks_are_no_circuits():
    # Their numbers stand for coordinates: as values in ms they would be wrong.
    def loss(c):
        return sum(v.sum() for v in oo.values(c).values())

    for tree in (oo.trainable(model()), eqx.filter_grad(loss)(circuit())):
        assert repr(tree) == eqx.tree_pformat(tree)
        assert " ms " not in repr(tree)


def test_equinox_prints_as_before():
    text = eqx.tree_pformat(circuit())
    assert "tau_y=Bounded(theta=f64[4], low=10.0, high=inf)" in text
    assert eqx.tree_pformat({"a": circuit()}).startswith("{")
    assert "Frozen(value=f64[4,4])" in text


def test_a_node_prints_its_value():
    assert repr(oo.Positive(2.0)) == "Positive(2, shape (), theta=0.6931)"
    assert repr(oo.Frozen(np.ones((2, 3)))) == "Frozen(1, shape (2, 3))"
    assert repr(above([11.0, 12.0])).startswith("Bounded(11 to 12, shape (2,), theta=0 to 0.6931")
    assert "y=f64[4]" in repr(oo.Frozen(zoo.state_of(zoo.organics())))
    assert repr(oo.Positive(np.ones(2)).theta) and "NaN" in repr(
        eqx.tree_at(lambda p: p.theta, oo.Positive([1.0, 2.0]), jnp.array([0.0, jnp.nan]))
    )


def test_printing_never_fails():
    deleted = circuit()
    deleted.W_zx.delete()
    assert row(repr(deleted), "W_zx").split() == ["?", "?", "-", "plain"]
    empty = of_kind("feedback")
    assert row(repr(empty), "W_x").split() == ["(3,", "0)", "empty", "-", "plain"]
    assert repr(eqx.tree_at(lambda c: c.W_zx, circuit(), None))
