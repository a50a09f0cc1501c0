"""Files that were made to harm run no code, take no time or memory, and are refused by name."""

import collections
import json
import sys
import time
import tracemalloc
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import forge
import jax
import jax.numpy as jnp
import numpy as np
import objects
import optax
import pytest
import zoo
from compared import tree_equal

import organics_ode as oo
from organics_ode.training import Checkpoint, Columns

OLD = Path(__file__).parents[1] / "old_files" / "version_1"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def refused(path, like=None, match="", **options):
    with pytest.raises(ValueError, match=rf"^Argument `path` must .*{match}"):
        oo.load(path, like=like, **options)


# --- names ---

CODE = [
    "equinox:Partial",
    "jax.tree_util:Partial",
    "equinox.nn:StatefulLayer",
    "jax.numpy:load",
    "jax.numpy:save",
    "jax.experimental.jax2tf:convert",
    "equinox:tree_deserialise_leaves",
    "optax:adam",
    "organics_ode:load",
    "organics_ode:save",
    "organics_ode:fit",
    *forge.INNER,
    "organics_ode.storage._files:os.remove",
    "os:system",
]


@pytest.mark.parametrize("name", CODE)
def test_a_name_that_is_not_in_the_table_is_not_even_looked_for(path, name):
    model = [jax.nn.relu, oo.Positive(1.0)]
    facts, arrays = forge.parts(model)
    oo.save(path, model)
    oo.load(path)  # zipfile imports its code page
    for leaf in ("[0]", "[1]"):
        forge.write(path, facts | {leaf: facts[leaf] | {"name": name}}, arrays)
        before = set(sys.modules)
        refused(path, match=f"holds `{name}`, which a file alone may not name; .*`like`")
        assert set(sys.modules) == before


def test_nothing_is_called_while_a_file_is_read(path, monkeypatch):
    model = oo.FunctionInput(jnp.tanh), eqx.nn.Lambda(jax.nn.relu), oo.LogUniform(1.0, 2.0)
    oo.save(path, model)
    calls = []
    for cls in map(type, model):
        monkeypatch.setattr(cls, "__init__", lambda *args, **kw: calls.append(args))
        monkeypatch.setattr(cls, "__call__", lambda *args, **kw: calls.append(args), raising=False)
    assert tree_equal(oo.load(path), model) and not calls


def test_the_functions_of_the_table_are_elementwise_or_casts():
    from organics_ode.storage import _names

    functions = [f for f in _names._table().values() if not isinstance(f, type)]
    two = ("heaviside", "maximum", "minimum", "integer_pow", "clip")
    assert len(functions) > 80
    for f in functions:
        name = getattr(f, "__name__", str(f))
        if name in two or "scalar" in str(type(f)).lower():
            continue
        probe = jax.ShapeDtypeStruct((3,), np.float64)
        with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
            assert jax.eval_shape(f, probe).shape == (3,), name


def test_classes_of_a_record_and_of_a_member_must_be_such(path):
    facts, arrays = forge.parts([oo.Positive(1.0), oo.Rectification.NONE])
    for leaf, name in (
        ("[0]", "jax.nn:relu"),
        ("[0]", "jax.numpy:float32"),
        ("[1]", "optax:EmptyState"),
    ):
        forge.write(path, facts | {leaf: facts[leaf] | {"name": name}}, arrays)
        refused(path)


# --- what is read as a history ---

HISTORY = oo.History([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]).columns()
STEPS, LOSSES = HISTORY.kinds[0]["step"], HISTORY.kinds[0]["loss"]
NO_COLUMNS = [
    (HISTORY.order.astype(int), HISTORY.kinds),
    (np.array([0, 1], np.uint8), HISTORY.kinds),
    (np.array([0, 0, 0], np.uint8), HISTORY.kinds),
    (np.array([0], np.uint8), HISTORY.kinds),
    (HISTORY.order, list(HISTORY.kinds)),
    (HISTORY.order, ([("step", STEPS)],)),
    (HISTORY.order, ({"loss": LOSSES},)),
    (HISTORY.order, ({"step": LOSSES},)),
    (HISTORY.order, ({"step": STEPS, "loss": LOSSES[:1]},)),
    (HISTORY.order, ({"step": STEPS, "loss": eqx.nn.Lambda(jnp.tanh)},)),
]


@pytest.mark.parametrize("order, kinds", NO_COLUMNS)
def test_columns_that_are_no_history_are_refused(order, kinds):
    assert len(oo.History.from_columns(HISTORY)) == 2
    with pytest.raises(ValueError, match=r"^Argument `columns` must "):
        oo.History.from_columns(Columns(order, kinds))


# --- hangs and memory ---


def peak(function):
    tracemalloc.start()
    start = time.perf_counter()
    try:
        function()
        return tracemalloc.get_traced_memory()[1], time.perf_counter() - start
    finally:
        tracemalloc.stop()


def test_repeated_keys_are_not_walked_again_and_again(path):
    facts, arrays = forge.parts([[]])
    deep = {"(root)": {"kind": "list", "keys": ["[0]"]}}
    for depth in range(1, 60):
        deep["[0]" * depth] = {"kind": "list", "keys": ["[0]", "[0]"]}
    for keys in (["", ""], ["[0]", "[0]"], [".x", ".x"], ["[1]"], ["[0]x"]):
        forge.write(path, facts | {"(root)": {"kind": "list", "keys": keys}}, arrays)
        assert peak(lambda: refused(path))[1] < 1
    forge.write(path, deep, {})
    assert peak(lambda: refused(path))[1] < 1


def test_packed_members_are_refused_before_they_are_unpacked(path, tmp_path):
    oo.save(path, {"W": np.zeros(3)})
    bomb = bytes(200_000_000)
    forge.pack(path, tmp_path / "bomb", compress=["x.npy"], more=[("x.npy", bomb)])
    forge.pack(path, tmp_path / "own", compress=['["W"].npy'])
    forge.pack(path, tmp_path / "header", compress=["__header__.npy"])
    for name in ("bomb", "own", "header"):
        assert peak(lambda name=name: refused(tmp_path / name))[0] < 2e6


@pytest.mark.parametrize(
    "shape", ["(1000000000,)", "(3, 1000000000000)", "(99999999999999999999,)"]
)
def test_an_array_larger_than_its_member_is_refused_before_it_is_made(path, shape):
    facts, arrays = forge.parts({"W": np.zeros(3)})
    facts['["W"]']["shape"] = shape
    forge.write(path, facts, arrays)
    assert peak(lambda: refused(path))[0] < 1e6


def test_members_twice_or_of_no_header_or_missing_are_refused(path, tmp_path):
    oo.save(path, {"W": np.zeros(3)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the second one
        forge.pack(path, tmp_path / "twice", more=[('["W"].npy', b"")])
    refused(tmp_path / "twice", match="two members of one name")
    forge.pack(path, tmp_path / "more", more=[("readme.txt", b"")])
    refused(tmp_path / "more", match="`readme.txt` is in no header")
    facts, arrays = forge.read(path)
    forge.write(tmp_path / "lost", facts, arrays, kept={})
    refused(tmp_path / "lost", match="is in the header, but not the file")


# --- values ---


def test_reading_takes_a_few_times_the_file_at_most(path):
    oo.save(path, {"W": np.zeros((1000, 500)), "V": np.zeros(1_000_000)})
    assert peak(lambda: oo.load(path))[0] < 3 * path.stat().st_size


def test_the_checksum_is_over_everything(path):
    model = {"a": np.arange(3.0), "b": np.arange(3.0) + 9, "c": oo.Bounded(2.0, 1.0, 3.0), "n": 7}
    facts, arrays = forge.parts(model)
    a, b = '["a"]', '["b"]'
    swapped = arrays | {a: arrays[b], b: arrays[a]}
    nan = arrays | {a: np.array([np.nan, 1.0, 2.0])}
    for members in (swapped, nan, arrays | {a: arrays[a].astype(">f8")}):
        forge.write(path, facts, arrays, kept=members)
        refused(path, match="checksum|not the array")
    forge.write(path, facts, arrays)
    checksum = json.loads(str(np.load(path)["__header__"]))["checksum"]
    low, n = ('["c"].low', '["n"]')
    edits = [{low: facts[low] | {"value": "0.5"}}, {n: facts[n] | {"data": "8"}}]
    for edit in edits:
        forge.write(path, facts | edit, arrays, checksum=checksum)
        refused(path, match="its checksum is another one")
    forge.write(path, facts, arrays, library="9.9", checksum=checksum)
    refused(path, match="its checksum is another one")


@pytest.mark.parametrize("version", [0, -1, True, None, "1", 1.0, 2.5, []])
def test_versions_that_there_never_were(path, version):
    forge.write(path, *forge.parts({"a": 1}), version=version)
    refused(path, match="no known version")


def test_a_file_without_a_checksum_is_one_of_version_1(path):
    facts, arrays = forge.parts({"a": np.arange(3)})
    forge.write(path, facts, arrays, version=1, checksum=..., values=...)
    np.testing.assert_array_equal(oo.load(path)["a"], [0, 1, 2])
    forge.write(path, facts, arrays, checksum=...)
    refused(path, match="no known version")


FORGED = {
    "kind": {"kind": "pickle", "data": "1"},
    "no kind": {"data": "1"},
    "another fact": {"kind": "int", "data": "1", "call": "os:system"},
    "keys of a number": {"kind": "int", "data": "1", "keys": ["[0]"]},
    "a number that is a text": {"kind": "int", "data": '"1"'},
    "a bool that is a number": {"kind": "bool", "data": "1"},
    "a number that is a list": {"kind": "float", "data": "[1.0]"},
    "an object dtype": {"kind": "numpy array", "shape": "(3,)", "dtype": "object"},
    "fields": {"kind": "numpy array", "shape": "(3,)", "dtype": "f8,f8"},
    "a shape that is code": {"kind": "numpy array", "shape": "(3,)*9", "dtype": "float64"},
    "a key of nobody": {"kind": "PRNG key", "shape": "()", "dtype": "key<fry>", "impl": "mine"},
    "a name that is a list": {"kind": "function", "name": ["jax.nn:relu"]},
}


@pytest.mark.parametrize("name", FORGED)
def test_facts_of_nothing_that_is_known(path, name):
    facts, arrays = forge.parts({"a": 1, "W": np.zeros(3)})
    for leaf in ('["a"]', '["W"]'):
        forge.write(path, facts | {leaf: FORGED[name]}, arrays)
        refused(path)


def test_a_header_with_repeated_names_is_refused(path):
    text = '{"format": "organics_ode", "version": 0, "version": 1, "library": "", "model": {}}'
    for header in (text, text.replace('"version": 0,', '"x": NaN,')):
        np.savez(tmp := path.with_suffix(".npz"), __header__=np.array(header))
        refused(tmp, match="repeated keys|not JSON")


# --- sets of parameters ---


def circuit(**nodes):
    return zoo.organics(nodes=nodes)


OUT = {
    "NonNegative": lambda: circuit(),
    "Connectivity": lambda: oo.Connectivity(np.eye(2), mask=np.eye(2) > 0, signs=[1, 1]),
    "SpectralBound": lambda: oo.SpectralBound(np.eye(2)),
    "W of a resolved circuit": lambda: oo.resolve(circuit()),
    "members": lambda: jax.tree.map(lambda x: jnp.stack([x, x]), circuit()),
}


@pytest.mark.parametrize("name", OUT)
def test_parameters_out_of_their_sets_are_refused(path, name):
    model = OUT[name]()
    oo.save(path, model)
    oo.load(path)
    facts, arrays = forge.parts(model)
    leaf = next(k for k in ("W.value", "W", "value") if k in arrays)
    arrays[leaf] = np.where(
        np.arange(arrays[leaf].size).reshape(arrays[leaf].shape) == 0, -3.0, arrays[leaf]
    )
    forge.write(path, facts, arrays)
    refused(path, match="hold parameters in their sets, but in .*`")
    with pytest.warns(UserWarning, match=r"^Parameters in .* are out of their sets: `"):
        oo.load(path, like=model)


def test_an_absent_connection_and_a_time_constant_of_0(path):
    node = oo.Connectivity(np.eye(2), mask=np.eye(2) > 0)
    facts, arrays = forge.parts(node)
    forge.write(path, facts, arrays | {"value": np.ones((2, 2))})
    refused(path, match="Connectivity with values out of its set")
    facts, arrays = forge.parts(oo.resolve(circuit()))
    forge.write(path, facts, arrays | {"tau_y": arrays["tau_y"] * 0})
    refused(path, match="`tau_y` may not be 0 or negative, and its smallest value is 0")
    network = oo.RateNetwork(np.eye(2), np.eye(2), np.ones(2), 50.0)
    facts, arrays = forge.parts([oo.Noisy(network)])
    forge.write(path, facts, arrays | {"[0].network.tau.value": np.array(-50.0)})
    refused(path, match="`.0..network.tau` may not be 0 or negative, and its smallest value is -50")


def test_moments_of_an_optimizer_may_have_any_sign(path):
    params = eqx.filter(circuit(), eqx.is_inexact_array)
    with jax.numpy_dtype_promotion("standard"):
        state = optax.adam(0.1).init(params)
        gradient = jax.tree.map(lambda x: -jnp.ones_like(x), params)
        _, state = optax.adam(0.1).update(gradient, state)
    oo.save(path, state)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tree_equal(oo.load(path), state)


def test_how_a_solve_ended_needs_no_like(path):
    results = diffrax.RESULTS
    one = objects.trajectory()
    both = jax.vmap(lambda p: results.where(p, results.successful, results.nonfinite))(
        jnp.array([True, False])
    )
    oo.save(path, [one, eqx.tree_at(lambda t: t.result, one, both)])
    back, many = oo.load(path)
    assert tree_equal(back, one) and bool(back.succeeded)
    assert many.succeeded.tolist() == [True, False]


def test_nan_that_was_saved_comes_back(path):
    model = eqx.tree_at(lambda c: c.W.value, circuit(), jnp.full((4, 4), jnp.nan))
    oo.save(path, model)
    assert jnp.isnan(oo.load(path).W.value).all()


def test_a_record_is_read_by_the_names_of_its_fields(path):
    class Old(NamedTuple):
        gain: Any
        offset: Any

    New = collections.namedtuple("Old", "offset gain")
    New.__module__, New.__qualname__ = Old.__module__, Old.__qualname__
    oo.save(path, Old(gain=2.0, offset=-1.0))
    back = oo.load(path, like=New(offset=0.0, gain=0.0))
    assert type(back) is New and back == New(offset=-1.0, gain=2.0)


# --- files of before ---


def test_a_model_of_version_1_is_read():
    model = oo.load(OLD / "model.npz")
    assert isinstance(model, oo.SequenceClassifier) and model.cell.dt == 0.5
    expected = zoo.values(4, 1)["W_r"]
    np.testing.assert_allclose(model.cell.circuit.W_r, expected, rtol=1e-12)


def test_a_checkpoint_of_version_1_is_read():
    found = oo.load(OLD / "checkpoint")
    assert isinstance(found, Checkpoint) and found.step == 4
    records = oo.History.from_columns(found.history).records
    assert records == oo.History.read(OLD / "log.jsonl").records and len(records) == 6


# --- what the header tells people ---


def header_of(path):
    return json.loads(str(np.load(path)["__header__"]))


def test_the_header_tells_values_in_ms(path):
    tau = np.linspace(12.0, 20.0, zoo.N)
    nodes = {"tau_y": lambda _: oo.Bounded(tau, 10.0), "W_r": oo.Frozen, "tau_a": lambda _: 5.0}
    oo.save(path, {"model": oo.Euler(circuit(**nodes), 0.5), "steps": 7})
    told = header_of(path)["values"]
    assert told["['model'].circuit.tau_y"] == "12 to 20 ms, shape (4,), bounded: above 10"
    assert told["['model'].circuit.tau_a"] == "5 ms, shape (), positive"
    assert told["['model'].circuit.W_r"].endswith("shape (4, 4), frozen")
    assert told["['model'].dt"] == "0.5 ms, shape (), fixed"


@pytest.mark.parametrize("told", ({"tau_y": "99 ms, shape (4,), positive"}, {}, None, ["tau_y"]))
def test_what_the_header_tells_is_never_used(path, told):
    saved = circuit()
    facts, arrays = forge.parts(saved)
    forge.write(path, facts, arrays, values=told)
    assert tree_equal(oo.load(path), saved, typematch=True)
    forge.write(path, facts, arrays, values=told, checksum=header_of(path)["checksum"][::-1])
    refused(path, match="its checksum is another one")


def test_a_tree_of_gradients_tells_no_values(path):
    oo.save(path, eqx.filter_grad(lambda c: oo.resolve(c).tau_y.sum())(circuit()))
    assert header_of(path)["values"] == {}
