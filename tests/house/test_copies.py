"""Copies of public objects: pickles, shallow and deep copies and rebuilt trees are the same object
again, and are saved as it is."""

import copy
import functools
import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import objects
import pytest
from marks import slow
from texts import check_printable

import organics_ode as oo


def rebuilt(value):
    leaves, structure = jax.tree.flatten(value)
    return jax.tree.unflatten(structure, leaves)


def pickled(value):
    return pickle.loads(pickle.dumps(value))


WAYS = {"pickle": pickled, "copy": copy.copy, "deepcopy": copy.deepcopy, "tree": rebuilt}


@pytest.fixture(params=objects.public_classes(), ids=lambda cls: cls.__name__, scope="module")
def thing(request):
    return objects.build(request.param)


def same(one, other):
    """To the bit, NaN included, and in everything static."""
    ours, theirs = jax.tree.flatten(one), jax.tree.flatten(other)
    return ours[1] == theirs[1] and all(map(_same_leaf, ours[0], theirs[0]))


def _same_leaf(one, other):
    if isinstance(one, oo.History):
        return repr(vars(one)) == repr(vars(other))
    if not eqx.is_array(one):
        return type(one) is type(other) and one == other
    if jax.dtypes.issubdtype(one.dtype, jax.dtypes.prng_key):
        return _same_leaf(*map(jax.random.key_data, (one, other)))
    return type(one) is type(other) and np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_a_copy_is_the_same_object_again(thing):
    for name, way in WAYS.items():
        back = way(thing)
        assert type(back) is type(thing), name
        assert same(back, thing), name


@pytest.mark.parametrize("way", ["pickle", *map(slow, ("copy", "deepcopy", "tree"))])
def test_a_copy_is_saved_as_the_object_is(thing, way, tmp_path):
    try:
        oo.save(tmp_path / "thing", WAYS[way](thing))
    except ValueError:
        assert type(thing).__name__ in UNSAVED
        return
    assert same(oo.load(tmp_path / "thing", like=thing), thing)


def test_every_object_can_be_printed(thing):
    check_printable(repr(thing))
    check_printable(str(thing))


# They hold a history or somebody else's environment.
UNSAVED = {"EnsembleResult", "FitResult", "History", "NeurogymTask", "Recipe", "SkipResult"}


@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
def test_a_copied_network_flows_and_is_saved(way, tmp_path):
    x = jnp.linspace(-1, 1, 2)
    network = WAYS[way](objects.rate_network())
    oo.save(tmp_path / "network", network)
    back = oo.load(tmp_path / "network")
    state = oo.RateNetworkState(jnp.linspace(0, 1, 4))
    velocity = back.vector_field(0.0, state, x).r
    c = oo.resolve(back)
    drive = np.asarray(c.W) @ state.r + np.asarray(c.W_in) @ x + np.asarray(c.b)
    np.testing.assert_allclose(velocity, (np.tanh(drive) - state.r) / c.tau, rtol=1e-12)


# Functions


@jax.jit
def compiled(x):
    return x + 1


@jax.custom_jvp
def with_a_rule(x):
    return x + 1


FUNCTIONS = {
    f.__name__: f for f in (jnp.tanh, jax.nn.relu, jax.nn.silu, jax.nn.gelu, compiled, with_a_rule)
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_jax_is_copied_by_reference(name):
    function = FUNCTIONS[name]
    for way in WAYS.values():
        assert way(function) is function
        assert way([function])[0] is function
    held = functools.partial(function, 0.0)
    assert copy.deepcopy(held).func is pickled(held).func is function


@pytest.mark.parametrize("wrap", [jax.jit, jax.custom_jvp, jax.custom_vjp, lambda f: f])
def test_a_function_without_a_name_is_copied_and_its_pickle_says_why_not(wrap):
    function = wrap(lambda x: x)
    assert copy.copy(function) is copy.deepcopy(function) is function
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(oo.FunctionInput(function))


def test_what_can_pickle_the_code_of_a_script_still_does(monkeypatch):
    cloudpickle = pytest.importorskip("cloudpickle")
    for module in (__name__, "__main__"):
        monkeypatch.setattr(compiled, "__module__", module, raising=False)
        text = cloudpickle.dumps(compiled)
        assert cloudpickle.loads(text)(1.0) == 2.0
        # By value: another process does not find it in its own `__main__`.
        assert (b"PjitFunctionCache" in text) == (module == "__main__")


def test_a_model_with_a_network_of_equinox_is_copied_and_saved(tmp_path):
    cell = oo.Euler(objects.rate_network(), 10.0)
    readout = eqx.nn.MLP(4, 2, 3, 1, activation=jax.nn.softplus, key=objects.KEY)
    model = oo.SequenceClassifier(cell, readout)
    copied = copy.deepcopy(model)
    assert same(copied, model)
    oo.save(tmp_path / "model", copied)
    assert same(oo.load(tmp_path / "model"), model)
