"""Equal functions are one thing, in whatever call they were made; others are not."""

import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import organics_ode as oo
from organics_ode.programs import _shared, arrived, equal_one, shared, unawaited

sys.path.insert(0, str(Path(__file__).parents[2] / "examples/benchmarks"))

import _optax_makers as makers

EXPORTED = [(k, n, m) for k, named in makers.exported().items() for n, m in named.items()]
RATED = {
    "sgd": optax.sgd,
    "adam": optax.adam,
    "adamw": lambda rate: optax.adamw(rate, weight_decay=rate / 2),
    "chain": lambda rate: optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate)),
    "MultiSteps": lambda rate: optax.MultiSteps(optax.adam(rate), 2),
    "its transformation": lambda r: optax.MultiSteps(optax.adam(r), 2).gradient_transformation(),
    "masked": lambda rate: optax.masked(optax.adam(rate), oo.weight_decay_mask),
    "partition": lambda rate: optax.partition(
        {True: optax.adamw(rate), False: optax.sgd(rate)}, oo.weight_decay_mask
    ),
}


@pytest.mark.parametrize("example", EXPORTED, ids=lambda e: e[1])
def test_every_optimizer_of_optax_made_twice_is_one(example):
    try:
        one, other = makers.make(*example), makers.make(*example)
    except (TypeError, ValueError):
        pytest.skip("of a newer optax, and made otherwise")
    assert shared(one).structure is shared(other).structure


@pytest.mark.parametrize("name", RATED)
def test_a_learning_rate_is_data_and_the_update_has_the_same_bits(name):
    make = RATED[name]
    one, other = shared(make(0.1)), shared(make(0.3))
    assert one.structure is other.structure
    params = {"w": jnp.asarray(np.random.default_rng(0).normal(size=5), np.float32)}

    @jax.jit
    def update(apart, params):
        (optimizer,) = apart.whole()
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.update(params, optimizer.init(params), params)[0]

    @jax.jit
    def plainly(params):
        optimizer = make(0.3)
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.update(params, optimizer.init(params), params)[0]

    np.testing.assert_array_equal(update(other, params)["w"], plainly(params)["w"])


DIFFERENT = {
    "a number in other arithmetic": (lambda: optax.adam(0.1, b1=0.8), lambda: optax.adam(0.1)),
    "1 and 1.0": (lambda: optax.clip(1), lambda: optax.clip(1.0)),
    "0.0 and -0.0": (lambda: lambda x, a=0.0: x + a, lambda: lambda x, a=-0.0: x + a),
    "code": (lambda: lambda x: x + 2, lambda: lambda x: x * 2),
    "an array": (
        lambda: lambda x, a=np.ones(2): x + a,
        lambda: lambda x, a=np.zeros(2): x + a,
    ),
    "no decay at all": (
        lambda: optax.add_decayed_weights(0.0),
        lambda: optax.add_decayed_weights(0.1),
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_computes_something_else_is_another(name):
    one, other = (make() for make in DIFFERENT[name])
    assert shared(one).structure is not shared(other).structure


def test_a_list_that_may_change_is_not_looked_into():
    values = [1.0]
    one, other = ((lambda x: x * values[0]) for _ in range(2))
    assert shared(one).structure is not shared(other).structure
    assert shared(one).whole()[0] is one


def test_only_so_many_structures_are_kept():
    for i in range(40):
        shared(optax.adam(0.1, b1=i / 100))
    assert len(_shared._structures) <= _shared._KEPT
    first = equal_one(lambda x: x + 1.25)
    assert equal_one(first) is first


def test_a_recursive_function_is_taken_by_its_identity():
    def again(x, depth=3):
        return x if depth == 0 else again(x, depth - 1)

    assert shared(again).whole()[0] is again


def test_a_program_that_is_not_waited_for_computes_the_same_and_tells_what_fails():
    @unawaited
    def root(name, x):
        x = eqx.error_if(x, jnp.any(x < 0), "there is no root of that")
        return {"root": jnp.sqrt(x), "name": name}

    found = root("a", jnp.array(4.0))
    assert found["name"] == "a" and arrived({"root": found["root"]}) == {"root": 2.0}
    assert root("b", np.array(9.0))["name"] == "b"
    with pytest.raises(eqx.EquinoxRuntimeError, match="there is no root of that"):
        arrived({"root": root("a", jnp.array(-1.0))["root"]})
