"""What people have for arguments gives what the arrays it stands for give."""

import re
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from compared import tree_equal
from forms import Tensor
from marks import slow

import organics_ode as oo
import tasks
from organics_ode import planar

RNG = np.random.default_rng(0)
TS = np.linspace(0.0, 4.0, 5)
SINGLE = (1.0, 0.5, 2.0, 0.1, 0.5, 0.5, 2.0, 3.0)


def frame(values):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(values) if np.ndim(values) == 2 else pandas.Series(values)


def labelled(values):
    return pytest.importorskip("xarray").DataArray(values)


ARRAYS = {"lists": lambda v: v.tolist(), "torch": Tensor, "pandas": frame, "xarray": labelled}


def same(a, b):
    assert tree_equal(a, b, typematch=True), (a, b)


@pytest.mark.parametrize("kind", ARRAYS)
def test_weights_and_inputs_may_be_arrays_of_any_library(kind):
    values, given = zoo.values(3, 2), ARRAYS[kind]
    circuit = oo.ORGaNICs(**values)
    same(oo.ORGaNICs(**{name: given(np.asarray(v)) for name, v in values.items()}), circuit)
    x = RNG.uniform(size=2)
    point = oo.ORGaNICsState(RNG.uniform(size=3), RNG.uniform(size=3))
    listed = oo.ORGaNICsState(*map(given, point))
    same(oo.jacobian(circuit, listed, given(x)), oo.jacobian(circuit, point, x))
    same(oo.ZeroOrderHold(given(TS), given(TS)), oo.ZeroOrderHold(TS, TS[:, None]))
    same(oo.squared_error(given(x), given(0 * x)), oo.squared_error(x, 0 * x))
    node = oo.Frozen(given(values["W_r"]))
    same(oo.ORGaNICs(**values | {"W_r": node}).W_r, oo.Frozen(jnp.asarray(values["W_r"])))


def test_tensors_of_pytorch_itself_are_arrays():
    torch = pytest.importorskip("torch", reason="PyTorch is not a requirement of the tests")
    values = {name: np.asarray(v, np.float32) for name, v in zoo.values(3, 2).items()}
    circuit = oo.ORGaNICs(**values)
    for options in ({}, {"requires_grad": True}):
        given = {name: torch.tensor(v, **options) for name, v in values.items()}
        same(oo.ORGaNICs(**given), circuit)
    turned = {name: torch.tensor(values[name].T.copy()).T for name in ("W_zx", "W_r", "W")}
    assert not turned["W_zx"].is_contiguous()
    same(oo.ORGaNICs(**values | turned), circuit)
    layer = torch.nn.Linear(2, 3)
    np.testing.assert_array_equal(
        oo.values(oo.replace(circuit, W_zx=layer.weight))["W_zx"], layer.weight.detach()
    )
    # numpy has no bfloat16; its numbers are among those of float32.
    half = torch.tensor(values["W"], dtype=torch.bfloat16)
    same(oo.NonNegative(half), oo.NonNegative(np.asarray(half.float())))


def test_one_cell_with_one_input_is_made_of_numbers():
    arrays = [[[v]] for v in SINGLE[:3]]
    circuit = oo.ORGaNICs(*arrays, *SINGLE[3:])
    same(oo.ORGaNICs(*SINGLE), circuit)
    nodes = oo.Frozen(1.0), oo.Bounded(0.5, 0.0, 1.0), oo.NonNegative(2.0)
    same(oo.resolve(oo.ORGaNICs(*nodes, *SINGLE[3:])).W_r.shape, (1, 1))
    found = oo.resolve(oo.ORGaNICs(*nodes, *SINGLE[3:]))
    np.testing.assert_allclose([found.W_zx, found.W_r, found.W], arrays, rtol=1e-15)
    same(oo.RateNetwork(0.5, 1.0, 0.0, 50.0), oo.RateNetwork([[0.5]], [[1.0]], [0.0], 50.0))
    pair = oo.FeedbackNetwork(0.1, 1.0, 1.0, 0.2, 0.5)
    same(pair, oo.FeedbackNetwork([[0.1]], [1.0], [1.0], [0.2], 0.5))
    same(oo.jacobian(circuit, (0, 0.1), 0.5), oo.jacobian(circuit, ([0.0], [0.1]), [0.5]))
    cell = oo.Euler(circuit, 0.1)
    same(oo.unroll(cell, TS, state0=(0, 0.1)), oo.unroll(cell, TS[:, None], state0=([0.0], [0.1])))
    noisy = {"noise": oo.Noise(0.1), "dt": 0.1, "key": 0}
    same(oo.sample_paths(circuit, TS, **noisy), oo.sample_paths(circuit, TS[:, None], **noisy))
    one = oo.sample_paths(circuit, 0.5, steps=5, **noisy)
    same(one, oo.sample_paths(circuit, np.full((5, 1), 0.5), **noisy))


def test_a_number_stands_for_no_larger_matrix():
    for name in ("W_zx", "W_r", "W"):
        with pytest.raises(ValueError, match=f"Argument `{name}` must have shape"):
            oo.ORGaNICs(**zoo.values(3, 2) | {name: 1.0})
    # Here (n,) says that m = 1, where no other array says otherwise.
    values = zoo.values(3, 1)
    same(oo.ORGaNICs(**values | {"W_zx": values["W_zx"][:, 0]}), oo.ORGaNICs(**values))


@pytest.mark.parametrize("state0", ["tuple", "list", "dict", "array"])
def test_states_may_be_tuples_lists_and_dicts_of_their_fields(state0):
    y, a = RNG.uniform(size=(2, 3)).tolist()
    circuit, x = oo.ORGaNICs(**zoo.values(3, 2)), RNG.uniform(size=2)
    given = {"tuple": (y, a), "list": [y, a], "dict": {"a": a, "y": y}, "array": (np.array(y), a)}
    expected = oo.jacobian(circuit, oo.ORGaNICsState(jnp.array(y), jnp.array(a)), x)
    same(oo.jacobian(circuit, given[state0], x), expected)


def test_the_state_of_one_field_may_be_the_field():
    network, x = oo.RateNetwork.random(2, 3, key=0), np.ones(2)
    r = RNG.uniform(size=3)
    expected = oo.jacobian(network, oo.RateNetworkState(r), x)
    for given in (r, r.tolist(), [r.tolist()], (r,), {"r": r}):
        same(oo.jacobian(network, given, x), expected)


@pytest.mark.parametrize(
    "draw",
    [
        lambda key: oo.ORGaNICs.random(2, 3, key=key),
        lambda key: oo.GRU.random(2, 3, key=key),
        lambda key: oo.LogUniform(1.0, 10.0)(key, 3),
        lambda key: oo.ornstein_uhlenbeck(4, 2, dt=0.1, tau=2.0, key=key),
        lambda key: oo.minibatches(oo.Batch(np.eye(4), np.arange(4)), 2, key=key)(3),
        lambda key: oo.trials(tasks.FlipFlop(bits=1, length=4), 2, key=key)(3),
        lambda key: tasks.FlipFlop(bits=1, length=4).sample(key).inputs,
    ],
)
def test_an_integer_is_the_key_of_that_seed(draw):
    for seed in (7, np.int64(7), jnp.asarray(7)):
        same(draw(seed), draw(jax.random.key(7)))


def test_a_traced_integer_is_a_seed_too():
    draw = jax.jit(lambda seed: oo.ornstein_uhlenbeck(4, 2, dt=0.1, tau=2.0, key=seed))
    same(draw(7), oo.ornstein_uhlenbeck(4, 2, dt=0.1, tau=2.0, key=7))


def test_numpy_in_64_bits_is_rounded_without_a_warning():
    with jax.enable_x64(False), warnings.catch_warnings():
        warnings.simplefilter("error")
        circuit = oo.ORGaNICs(**zoo.values(3, 2, dtype=np.float64))
        J = oo.jacobian(circuit, (np.zeros(3), np.ones(3)), np.ones(2))
        assert J.dtype == circuit.W_r.dtype == np.float32


def test_numbers_lists_and_arrays_share_their_programs(compiled):
    circuit = oo.ORGaNICs(*SINGLE)
    for x in (1.0, 0.25, 0.75, 0.3):
        oo.fixed_point(circuit, np.array([x]), state0=(np.zeros(1), np.ones(1)))
    oo.fixed_point(circuit, 0.5, state0=(0, 1.0))  # gives a number its axis
    weak = jnp.full(1, 0.25)
    assert weak.weak_type and not oo.Constant(weak).value.weak_type
    compiled()
    for x in (1, 0.25, [0.75], np.float32(0.3), weak):
        oo.fixed_point(circuit, x, state0=(0, 1.0))
    assert compiled() == 0


# A batch

BATCH = RNG.uniform(0.2, 1.0, (3, 1))
CIRCUIT = oo.ORGaNICs(*SINGLE)
KNOWN = {"jax": jax, "oo": oo, "circuit": CIRCUIT, "cell": oo.Euler(CIRCUIT, 0.1), "ts": TS}
MANY = {
    "fixed_point(circuit, batch)": "fixed_point(circuit, x)",
    "certify(circuit, batch)": "certify(circuit, x)",
    "spectrum(circuit, None, batch)": "spectrum(circuit, state, x)",
    "simulate(circuit, batch, ts)": "simulate(circuit, x, ts)",
    "unroll(cell, steps)": "unroll(cell, x)",
}
QUICK = {"unroll(cell, steps)"}


@pytest.mark.parametrize("call", [*sorted(QUICK), *map(slow, sorted(MANY.keys() - QUICK))])
def test_a_batch_is_told_the_line_that_takes_it(call):
    known = KNOWN | {"batch": BATCH, "steps": np.tile(BATCH[:, None], (1, 4, 1)), "state": None}
    with pytest.raises(ValueError, match="for a batch write") as raised:
        eval(f"oo.{call}", known)
    line = re.search(r"for a batch write `(.*)`\.$", str(raised.value))[1]
    known["batch"] = known["steps"] if "steps" in call else BATCH
    found = eval(line, known)
    one = eval(f"oo.{MANY[call]}", known | {"x": known["batch"][1]})
    found = found[1] if isinstance(found, list) else jax.tree.map(lambda leaf: leaf[1], found)
    for a, b in zip(*(filter(eqx.is_array, jax.tree.leaves(t)) for t in (found, one)), strict=True):
        # Steps are chosen alike, and sums need not be.
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_a_layer_is_told_the_line_that_takes_a_batch():
    layer = oo.FixedPointLayer.random(2, 3, key=0)
    with pytest.raises(ValueError, match=r"for a batch write `jax.vmap\(layer\)\(batch\)`"):
        layer.circuit(np.ones((4, 2)))


# Functions that JAX traces


class Own(oo.AbstractCircuit):
    """A circuit of the user's: ṙ = f(r) − r."""

    f: object = eqx.field(static=True)

    @property
    def input_size(self):
        return 1

    def vector_field(self, t, state, x):
        return oo.RateNetworkState(self.f(state.r) - state.r)

    def initial_state(self):
        return oo.RateNetworkState(jnp.zeros(1))


class OwnCell(oo.AbstractCell):
    """A cell of the user's."""

    f: object = eqx.field(static=True)

    @property
    def input_size(self):
        return 1

    def step(self, state, x):
        return oo.RateNetworkState(state.r + self.f(x))

    def initial_state(self):
        return oo.RateNetworkState(jnp.zeros(1))


def set_entry(x):
    out = np.zeros(1)
    out[0] = x[0]
    return out


FAULTS = {
    "gives a traced number to numpy: write `jnp.sin": np.sin,
    "decides by a traced number: write `jnp.where": lambda x: x if x[0] > 0 else 0 * x,
    "makes a plain number of a traced one: write `jnp.exp": lambda x: float(x[0]) * x,
    "indexes by a traced number: write `jnp.asarray": lambda x: [x, x][x[0].astype(int)],
    "as many entries as a traced condition says: write `jnp.where": lambda x: x[x > 0],
    "gives a traced number to numpy: .*`x.at": set_entry,
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_function_that_jax_cannot_trace_is_named_with_its_line(text):
    f = FAULTS[text]
    with pytest.raises(ValueError, match=f"Argument `circuit` must .* {text}") as raised:
        jax.eval_shape(lambda r: oo.jacobian(Own(f), r, 0.5), jnp.zeros(1))
    assert raised.value.__cause__ is not None
    assert re.search(r"line \d+ of test_given_arguments\.py, in `", str(raised.value))


def test_each_kind_of_function_is_named():
    inputs = lambda t: np.sin(t)  # noqa: E731
    activation = lambda u: np.tanh(u)  # noqa: E731
    with pytest.raises(ValueError, match="Argument `inputs` must be written in jax"):
        oo.simulate(CIRCUIT, inputs, TS)
    with pytest.raises(ValueError, match="Argument `f` must be written in jax"):
        oo.RateNetwork(0.5, 1.0, 0.0, 50.0, f=activation)
    with pytest.raises(ValueError, match="Argument `cell` must be written in jax"):
        oo.unroll(OwnCell(np.sin), TS)
    # What knows its numbers may call what it likes.
    assert OwnCell(np.sin).step(oo.RateNetworkState(jnp.zeros(1)), np.ones(1)).r == np.sin(1)


def test_errors_of_a_function_that_are_its_own_stay_what_they_are():
    def fails(x):
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine\b"):
        oo.jacobian(Own(fails), None, 0.5)


# Seconds


def test_time_constants_in_seconds_are_warned_of_once_and_where_the_circuit_is_made():
    with pytest.warns(oo.TimeUnitWarning, match=r"`tau_a=30` for 0\.03 s") as caught:
        oo.ORGaNICs(*SINGLE[:6], 0.02, 0.03)
    assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.warns(oo.TimeUnitWarning) as caught:
        oo.GatedORGaNICs.random(1, 2, key=0, **dict.fromkeys(zoo.TIMES, 0.02))
    assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.warns(oo.TimeUnitWarning):
        oo.RateNetwork(0.5, 1.0, 0.0, 0.05)


def test_fast_cells_among_slow_ones_and_traced_times_are_not_warned_of():
    oo.ORGaNICs(*SINGLE[:6], 0.02, 0.1)
    jax.jit(lambda tau: oo.resolve(oo.ORGaNICs(*SINGLE[:6], tau, tau)).tau_y)(0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", oo.TimeUnitWarning)
        oo.ORGaNICs(*SINGLE[:6], 0.02, 0.03)


def test_a_host_function_under_jit_is_told_so():
    for call in (planar.fixed_points, oo.certify):
        with pytest.raises(ValueError, match=r"must hold known values, but it is traced: .* jit"):
            jax.eval_shape(lambda x, call=call: call(CIRCUIT, x) and x, jnp.ones(1))
