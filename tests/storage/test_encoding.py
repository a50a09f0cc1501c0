"""A tree becomes a flat map and comes back bit for bit, or is refused with a reason."""

import enum
import json
from collections import OrderedDict
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import organics_ode as oo
from organics_ode.storage import Unloadable, flatten, unflatten
from organics_ode.storage._encoding import to_numpy
from organics_ode.storage._names import find


class Side(enum.Enum):
    LEFT = "left"


class State(NamedTuple):
    y: Any
    a: Any


class Holder(eqx.Module):
    value: Any
    label: Any = eqx.field(static=True)
    of_class: int = 3

    def __init__(self, value, label="a"):
        self.value = value
        self.label = label


def mlp(**options):
    return eqx.nn.MLP(2, 3, 4, 1, activation=jax.nn.relu, key=jax.random.key(0), **options)


def encoded(tree):
    """The facts, through JSON, and the arrays, as a file holds them."""
    flat = flatten("model", tree)
    arrays = {path: to_numpy(path, array) for path, array in flat.arrays.items()}
    return json.loads(json.dumps(flat.facts)), arrays


def round_trip(tree):
    return unflatten(*encoded(tree), find)


def bits(leaf):
    if not eqx.is_array_like(leaf) or not hasattr(leaf, "dtype"):
        return type(leaf), repr(leaf)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf.dtype, np.asarray(jax.random.key_data(leaf)).tobytes()
    kind = jax.Array if isinstance(leaf, jax.Array) else type(leaf)
    return kind, leaf.dtype, leaf.shape, np.asarray(leaf).tobytes()


def assert_same(loaded, model):
    assert jax.tree.structure(loaded) == jax.tree.structure(model)
    assert list(map(bits, jax.tree.leaves(loaded))) == list(map(bits, jax.tree.leaves(model)))


TREES = {
    "linear": lambda: eqx.nn.Linear(2, 3, key=jax.random.key(0)),
    "mlp": mlp,
    "mlp, tanh out": lambda: mlp(final_activation=jnp.tanh),
    "recurrent": lambda: eqx.nn.GRUCell(2, 3, key=jax.random.key(0)),
    "sequential": lambda: eqx.nn.Sequential([mlp(), eqx.nn.Lambda(jax.nn.softplus)]),
    "partitioned": lambda: eqx.partition(mlp(), eqx.is_array),
    "nodes": lambda: [
        oo.Frozen(oo.ORGaNICsState(jnp.ones(2), jnp.zeros(2))),
        oo.Positive(2.0),
        oo.Bounded(20.0, low=10.0),
        oo.NonNegative(jnp.zeros(2)),
        oo.SpectralBound(jnp.eye(2), 2.0),
        oo.Rectification.AFTER,
    ],
    "optimizer": lambda: optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(optax.cosine_decay_schedule(1e-3, 10))
    ).init({"W": jnp.ones(2)}),
    "array": lambda: jnp.arange(3, dtype=jnp.int32),
    "none": lambda: None,
    "empty": lambda: [(), [], {}, "", np.zeros((0, 3), np.float32)],
    "name of the root": lambda: {"model": 1, "(root)": jnp.ones(2, jnp.float32), "__header__": 2},
    "keys": lambda: {"a/b": 1, "a.b": 2, 'q"\\': jnp.ones(2, jnp.float32), "é\x00": (True, 3, "é")},
    "ints": lambda: [2**80, -1, True, False, 1],
    "functions": lambda: [jnp.tanh, jax.lax.tanh, jnp.float32, eqx.nn.Linear],
    "numpy": lambda: [np.float32(0.1), np.array(2.0), np.arange(3, dtype=">i4")],
    "fortran": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": lambda: np.arange(6.0)[::2],
    "bool": lambda: jnp.array([True, False]),
    "prng": lambda: [jax.random.split(jax.random.key(3), 2), jax.random.key(1, impl="rbg")],
}


@pytest.mark.parametrize("name", TREES)
def test_round_trip(name):
    tree = TREES[name]()
    assert_same(round_trip(tree), tree)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "float16"])
@pytest.mark.parametrize("array", [jnp.asarray, np.asarray])
def test_narrow_dtypes(dtype, array):
    values = np.array([[0.5, -1.0, 2.0], [0.0, 1.0, -2.0]]).astype(dtype)
    model = [array(values), array(values[0, 0]), values[0, 1]]
    assert_same(round_trip(model), model)


FLOATS = [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308, 1e22]
FLOATS += [float("inf"), float("-inf"), float("nan")]


@pytest.mark.parametrize("value", FLOATS)
def test_python_floats_are_exact(value):
    assert_same(round_trip({"x": value}), {"x": value})
    assert_same(round_trip(eqx.nn.Dropout(value)), eqx.nn.Dropout(value))


def test_loaded_network_computes_the_same():
    net = mlp()
    x = jnp.array([0.3, -2.0], net.layers[0].weight.dtype)
    loaded = round_trip(net)
    np.testing.assert_array_equal(loaded(x), net(x))
    assert hash(jax.tree.structure(loaded)) == hash(jax.tree.structure(net))


def test_static_module_keeps_hash_and_equality():
    model = eqx.nn.Dropout(0.25)
    assert round_trip(model) == model
    assert hash(round_trip(model)) == hash(model)


def test_paths_and_public_names():
    model = {"net": mlp(), "f": jax.nn.relu, "node": oo.Positive(1.0)}
    flat = flatten("model", model)
    layers = [f'["net"].layers[{i}].{name}' for i in range(2) for name in ("weight", "bias")]
    assert list(flat.arrays) == [*layers, '["node"].theta']
    assert flat.facts['["f"]'] == {"kind": "function", "name": "jax.nn:relu"}
    assert flat.facts['["net"]']["name"] == "equinox.nn:MLP"
    assert flat.facts['["node"]']["name"] == "organics_ode:Positive"
    assert flat.named['["net"]'] is eqx.nn.MLP


def test_field_that_only_the_class_sets():
    model = Holder(jnp.ones(2))
    # A copy by jax.tree.map holds equinox's marks of missing fields in its __dict__.
    for tree in (model, jax.tree.map(lambda leaf: leaf, model)):
        loaded = unflatten(*encoded(tree), lambda path, name: Holder)
        assert_same(loaded, model)
        assert "of_class" not in vars(loaded)
        assert loaded.of_class == 3


def test_class_without_a_name_of_its_own():
    class Local(eqx.Module):
        x: float

    loaded = unflatten(*encoded(Local(2.0)), lambda path, name: Local)
    assert_same(loaded, Local(2.0))


# --- names ---


NAMES = [
    "os:system",
    "builtins:eval",
    "numpy:load",
    "jax.numpy:no_such_function",
    "jax.no_such_module:f",
    "jax:numpy",
    "organics_ode.storage._files:os.remove",
    "organics_ode.storage._names:importlib.import_module",
    "organics_ode.storage._files:Path",
    "jaxes:f",
    "jax",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_outside_of_the_allowed_packages_are_refused(name):
    with pytest.raises(Unloadable, match=f"holds `{name}`.*`like`"):
        find("f", name)


FORGERIES = {
    "class that is no Module": {"name": "jax:ShapeDtypeStruct"},
    "function as a class": {"name": "jax.nn:relu"},
    "fields of another class": {"name": "equinox.nn:GRUCell"},
    "abstract class": {"name": "organics_ode:AbstractCell"},
    "lost field": {"keys": [".weight"]},
    "cycle": {"keys": [""]},
    "unknown kind": {"kind": "pickle"},
    "enum": {"kind": "enum", "member": "x"},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_facts_are_refused(name):
    facts, arrays = encoded(eqx.nn.Linear(2, 2, key=jax.random.key(0)))
    facts["(root)"].update(FORGERIES[name])
    with pytest.raises((Unloadable, AttributeError, KeyError, RecursionError, TypeError)):
        unflatten(facts, arrays, find)


def test_other_fields_name_the_class_and_the_remedy():
    facts, arrays = encoded(oo.ORGaNICsState(1, 2))
    facts["(root)"]["keys"] = [".y"]
    with pytest.raises(Unloadable, match=r"`ORGaNICsState` whose fields .* \['a'\]; install"):
        unflatten(facts, arrays, find)


def test_array_other_than_described():
    facts, arrays = encoded({"W": np.ones(2)})
    facts['["W"]']["shape"] = "(3,)"
    with pytest.raises(ValueError, match="is not the array that the header describes"):
        unflatten(facts, arrays, find)


# --- what cannot be stored ---


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda x: x, "builtins.function"),
        (eqx.filter_jit(lambda x: x), "Signature"),
        (jax.tree_util.Partial(jax.nn.relu), "Partial"),
        (object(), "builtins.object"),
        (1j, "builtins.complex"),
        ({1, 2}, "builtins.set"),
        ({1: 2}, "builtins.dict"),
        (OrderedDict(a=1), "OrderedDict"),
        (b"bytes", "builtins.bytes"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "MaskedArray"),
        (np.array([None]), "dtype object"),
        (np.array(["text"]), "dtype <U4"),
        (np.zeros(2, [("a", "f4")]), "dtype"),
        (jax.ShapeDtypeStruct((2,), jnp.float32), "none yet"),
    ],
)
def test_values_that_cannot_be_stored(value, reason):
    with pytest.raises(ValueError, match=rf"Argument `model` must .*`a\[0\].value.*{reason}"):
        encoded(State(Side.LEFT, [Holder(value)]))


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap, jax.grad])
def test_traced_values(transform):
    def f(x):
        encoded({"x": x})
        return x

    with pytest.raises(ValueError, match=r'`\["x"\]` has none yet; .* outside of jax.jit'):
        transform(f)(jnp.ones(2) if transform is jax.vmap else 1.0)


# --- x64 ---


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint64", "complex128"])
def test_wide_jax_arrays_need_x64(dtype):
    with jax.enable_x64(True):
        model = {"W": jnp.ones(2, dtype)}
        facts, arrays = encoded(model)
        assert_same(unflatten(facts, arrays, find), model)
    with (
        jax.enable_x64(False),
        pytest.raises(Unloadable, match=rf'`\["W"\]` as {dtype}.*"jax_enable_x64", True'),
    ):
        unflatten(facts, arrays, find)


@pytest.mark.parametrize("x64", [True, False])
def test_other_arrays_do_not_depend_on_x64(x64):
    model = [np.ones(2), np.int64(3), jnp.ones(2, jnp.float32), 0.1, 2**40]
    with jax.enable_x64(x64):
        assert_same(round_trip(model), model)
