"""Functions of the user's: the same code compiles once, whatever numbers it closes over."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import memory
import numpy as np
import pytest
import zoo
from marks import slow

import organics_ode as oo
from organics_ode.programs import opened
from organics_ode.programs._closures import Opened

SCALE = 2.0


class Pulse:
    """An object that may change unseen."""

    height = 1.0


@pytest.fixture(scope="module")
def respond():
    circuit = zoo.organics(n=2, m=1, identity=True)  # bounded for inputs of any size

    def last(inputs):
        return oo.simulate(circuit, inputs, [0.0, 5.0]).states.y[-1]

    return last


@pytest.mark.slow
def test_new_numbers_and_arrays_in_a_closure_do_not_compile_again(respond, compiled):
    def inputs(height, center):
        # Defined anew at every call, as in a loop.
        def bump(t, width=2.0):
            return SCALE * height * jnp.exp(-(((t - center) / width) ** 2))

        return lambda t: bump(t) * jnp.ones(1)

    found = []
    for i in range(4):
        found.append(respond(inputs(0.1 * (i + 1), np.array([1.0 + i]))))
        if i > 0:
            assert compiled() == 0
        compiled()
    # Each is the answer to its own numbers.
    for i, value in enumerate(found):
        hidden = Pulse()
        hidden.height = 0.1 * (i + 1)
        f = lambda t, h=hidden, c=1.0 + i: (  # noqa: E731
            SCALE * h.height * jnp.exp(-(((t - c) / 2.0) ** 2)) * jnp.ones(1)
        )
        assert not isinstance(opened(f, jnp.zeros(())), Opened)
        np.testing.assert_allclose(value, respond(f), rtol=1e-9)


@eqx.filter_jit
def called(f):
    """As `simulate` calls it, and compiled at once."""
    return f(jnp.zeros(()))


@pytest.mark.parametrize("through", ["a call", slow("a solve")])
def test_a_global_that_changes_is_seen(through, respond, monkeypatch):
    answer = respond if through == "a solve" else lambda f: called(opened(f, jnp.zeros(())))
    f = lambda t: SCALE * jnp.ones(1)  # noqa: E731
    assert isinstance(opened(f, jnp.zeros(())), Opened)
    before = answer(f)
    monkeypatch.setitem(globals(), "SCALE", 0.5)
    after = answer(lambda t: SCALE * jnp.ones(1))
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, answer(lambda t: 0.5 * jnp.ones(1)), rtol=1e-12)


def test_numbers_that_decide_stay_numbers():
    is_on, steps = 1.0, 3

    def f(t):
        return jnp.ones(steps) * (t if is_on > 0 else -t)

    apart = opened(f, jnp.zeros(()))
    assert isinstance(apart, Opened)
    np.testing.assert_array_equal(apart(jnp.asarray(2.0)), [2, 2, 2])


@pytest.mark.slow
def test_derivatives_pass_through_what_a_function_closes_over(respond):
    def response(height):
        return respond(lambda t: height * jnp.sin(t)[None]).sum()

    h = 1e-4
    quotient = float((response(0.3 + h) - response(0.3 - h)) / (2 * h))
    assert jax.grad(response)(jnp.asarray(0.3)) == pytest.approx(quotient, rel=1e-4)


def test_a_function_that_calls_itself_or_writes_to_a_list_is_left_as_it_is():
    times = []

    def note(t):
        times.append(t)
        return jnp.ones(1)

    def again(t, depth=2):
        return again(t, depth - 1) if depth else jnp.ones(1) * t

    for f in (note, again, print):
        assert opened(f, jnp.zeros(())) is f
    part = opened(functools.partial(lambda a, t: a * t, 2.0), jnp.ones(()))
    assert part(jnp.ones(())) == 2.0


@pytest.mark.slow
def test_functions_that_cannot_be_taken_apart_do_not_fill_the_memory(respond):
    held = []
    for i in range(36):
        pulse = Pulse()
        pulse.height = float(i)
        respond(lambda t, p=pulse: p.height * jnp.ones(1))
        held.append(memory.resident() / 1e6)
    # 16 programs of 10 to 20 MB are kept.
    assert max(held[18:]) - held[17] < 250
