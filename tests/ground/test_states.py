"""States that a user writes: what `state0` takes, and what it says of others."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo

pytestmark = pytest.mark.usefixtures("unchecked")
CIRCUIT = oo.ORGaNICs(np.eye(2), np.eye(2), np.ones((2, 2)), 0.1, 0.5, 0.5, 2.0, 4.0)
X, TS = np.array([0.8, 0.3]), np.array([0.0, 1.0])
ARRAYS = oo.ORGaNICsState(np.array([0.1, 0.2]), np.array([0.3, 0.4]))
LISTS = oo.ORGaNICsState([0.1, 0.2], (0.3, 0.4))
CELL = oo.Euler(CIRCUIT, 0.1)


def run(state0):
    return oo.unroll(CELL, np.tile(X, (3, 1)), state0=state0)


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    "call",
    [
        run,
        lambda s: oo.simulate(CIRCUIT, X, TS, state0=s).states,
        lambda s: oo.jacobian(CIRCUIT, s, X),
    ],
    ids=["unroll", "simulate", "jacobian"],
)
def test_fields_may_be_lists(call):
    for given, expected in zip(*map(jax.tree.leaves, map(call, (LISTS, ARRAYS))), strict=True):
        np.testing.assert_array_equal(given, expected)


def test_lists_of_traced_numbers_have_derivatives():
    def last(v):
        return run(oo.ORGaNICsState([v, 2 * v], [0.3, v])).y[-1].sum()

    step = 1e-6
    slope = (last(0.1 + step) - last(0.1 - step)) / (2 * step)
    assert abs(jax.jit(jax.grad(last))(0.1) - slope) < 1e-7


def test_amplitudes_of_noise_may_be_lists():
    listed = oo.Noise(additive=oo.ORGaNICsState([0.1, 0.2], 0.0))
    arrays = oo.Noise(additive=oo.ORGaNICsState(jnp.array([0.1, 0.2]), 0.0))
    for a, b in zip(*map(jax.tree.leaves, (listed, arrays)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("state0", "message"),
    [
        (
            ([0.1, 0.2], [0.3, 0.4], [0.5, 0.6]),
            r"be an ORGaNICsState like `initial_state\(\)`, or a tuple \(y, a\) or a dict of "
            r"these, but it is a tuple of 3\.",
        ),
        (np.ones(4), r"`state0` must be an ORGaNICsState like .*, but it is an? .*\."),
        (
            oo.RateNetworkState([0.1]),
            r"must be an ORGaNICsState .*, but it is a RateNetworkState\.",
        ),
        (
            oo.ORGaNICsState([0.1], [0.3, 0.4]),
            r"`state0.y` must have shape \(n,\) = \(2,\), but it",
        ),
        (oo.ORGaNICsState([0.1, 0.2], 0.3), r"`state0.a` must have shape \(n,\) = \(2,\), but it"),
        (oo.ORGaNICsState([0.1, np.nan], [1, 2]), r"`state0.y` must be finite"),
        (
            oo.ORGaNICsState([0.1, "b"], [1, 2]),
            r"`state0.y` must be an array of numbers, but it is",
        ),
        (oo.ORGaNICsState(None, [1, 2]), r"`state0.y` must be an array of numbers, but it is None"),
        (
            SimpleNamespace(state=oo.ORGaNICsState([0.1, 0.2], [1, 2])),  # such as a `FixedPoint`
            r"but it is a SimpleNamespace, which has one: write `\.state`",
        ),
    ],
)
def test_refusals_name_the_field_and_what_differs(state0, message):
    with pytest.raises(ValueError, match=message):
        run(state0)
