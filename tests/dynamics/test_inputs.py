"""Inputs: what they are worth at each time, and what a circuit makes of them in closed form."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from compared import tree_equal

import organics_ode as oo
from organics_ode.dynamics._inputs import as_input

TS = np.array([0.0, 1.0, 2.5, 4.0, 4.5])
VALUES = np.random.default_rng(0).normal(size=(5, 3))
END, TAU, OMEGA = 6.0, 3.0, 1.7


# What stands for an input


def test_a_pair_of_times_and_values_is_held():
    circuit = zoo.organics(n=1, m=1)
    ts, values = [0.0, 1.0, 2.0], [0.0, 1.0, 0.5]
    held = oo.ZeroOrderHold(ts, np.array(values)[:, None])
    assert tree_equal(as_input((ts, values), 1), held)
    # Two numbers are an input of two.
    assert tree_equal(as_input((0.5, 0.2), 2), oo.Constant([0.5, 0.2]))
    for bad, name in (([0.0, 0.0, 2.0], "inputs.ts"), (ts[:2], "inputs.ts")):
        with pytest.raises(ValueError, match=f"Argument `{name}` must"):
            oo.simulate(circuit, (bad, values), TS)


def test_a_pair_of_tensors_of_pytorch_is_held():
    torch = pytest.importorskip("torch", reason="PyTorch is not a requirement of the tests")
    pair = torch.tensor(TS), torch.ones(len(TS), 2)
    held = oo.ZeroOrderHold(TS, np.ones((len(TS), 2), np.float32))
    assert tree_equal(as_input(pair, 2), held)


# Lookup


def test_a_constant_is_the_same_at_all_times():
    constant = oo.Constant(VALUES[0])
    assert constant.switch_times is None
    for t in (-1e9, 0.0, 1e9):
        np.testing.assert_array_equal(constant(t), VALUES[0])


@pytest.mark.parametrize(
    ("t", "index"),
    [(-1.0, 0), (0.0, 0), (0.99, 0), (1.0, 1), (2.4, 1), (2.5, 2), (4.2, 3), (4.5, 4), (9.0, 4)],
)
def test_a_hold_keeps_each_value_until_the_next_switch(t, index):
    np.testing.assert_array_equal(oo.ZeroOrderHold(TS, VALUES)(t), VALUES[index])


@pytest.mark.parametrize("index", [1, 2, 3, 4])
def test_a_hold_switches_between_two_neighbouring_floats(index):
    hold = oo.ZeroOrderHold(TS, VALUES)
    np.testing.assert_array_equal(hold(np.nextafter(TS[index], -np.inf)), VALUES[index - 1])
    np.testing.assert_array_equal(hold(TS[index]), VALUES[index])


def test_a_linear_input_interpolates_and_is_constant_outside():
    linear = oo.LinearInput(TS, VALUES)
    times = np.concatenate([np.linspace(-1, 6, 101), TS])
    expected = np.stack([np.interp(times, TS, column) for column in VALUES.T], axis=1)
    # Two products and a sum of numbers of size 1.
    np.testing.assert_allclose(jax.vmap(linear)(jnp.asarray(times)), expected, atol=1e-15)


@pytest.mark.parametrize("kind", [oo.ZeroOrderHold, oo.LinearInput])
def test_sampled_inputs_hand_out_their_own_times_as_switch_times(kind):
    assert kind(TS, VALUES).switch_times is not None
    np.testing.assert_array_equal(kind(TS, VALUES).switch_times, TS)


def test_a_function_is_called_with_the_time_and_has_no_switches():
    function = oo.FunctionInput(lambda t: jnp.array([t, t * t]))
    assert function.switch_times is None
    np.testing.assert_array_equal(function(3.0), [3, 9])
    np.testing.assert_array_equal(oo.FunctionInput(lambda t: (t, 1.0))(3.0), [3, 1])


@pytest.mark.parametrize("kind", [oo.ZeroOrderHold, oo.LinearInput])
def test_lookup_has_the_dtype_of_the_values(kind):
    single = kind(TS.astype(np.float32), VALUES.astype(np.float32))
    assert single(np.float32(1.2)).dtype == np.float32
    assert kind(TS, VALUES)(1.2).dtype == np.float64
    assert kind([0, 1], [[0], [1]])(0.5).dtype == np.float64


# Through a circuit


def low_pass(dtype=np.float64):
    """With W_r = W = 0 the circuit is a filter, τ ẏ = −y + x(t), which has closed forms."""
    zeros, eye = np.zeros((3, 3), dtype), np.eye(3, dtype=dtype)
    return oo.ORGaNICs(eye, zeros, zeros, 1.0, 1.0, 1.0, TAU, 1.0)


def filtered_hold(values):
    """y(END) as a linear function of the held values."""
    ends = np.append(TS[1:], END)
    weights = np.exp(-(END - ends) / TAU) - np.exp(-(END - TS) / TAU)
    return weights @ values


def filtered_linear(values):
    """On a piece with slope s: y = x − τ s + (y₀ − x₀ + τ s) exp(−t/τ)."""
    y, samples = 0.0, np.vstack([values, values[-1]])
    for x0, x1, dt in zip(samples[:-1], samples[1:], np.diff(TS, append=END), strict=True):
        slope = (x1 - x0) / dt
        y = x1 - TAU * slope + (y - x0 + TAU * slope) * np.exp(-dt / TAU)
    return y


def filtered_sine(values):
    k, end = OMEGA * TAU, OMEGA * END
    return values[0] * (np.sin(end) - k * np.cos(end) + k * np.exp(-END / TAU)) / (1 + k * k)


CLOSED_FORMS = {
    "constant": (lambda v: v[0], lambda v: v[0] * (1 - np.exp(-END / TAU))),
    "hold": (lambda v: oo.ZeroOrderHold(TS, v), filtered_hold),
    "linear": (lambda v: oo.LinearInput(TS, v), filtered_linear),
    "function": (lambda v: lambda t: v[0] * jnp.sin(OMEGA * t).astype(v.dtype), filtered_sine),
}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", CLOSED_FORMS)
def test_a_filter_answers_each_input_with_its_closed_form(kind, dtype):
    make, closed_form = CLOSED_FORMS[kind]
    # The input is float64: the circuit sets the type.
    inputs, controller = make(jnp.asarray(VALUES)), diffrax.PIDController(rtol=1e-6, atol=1e-6)
    run = oo.simulate(low_pass(dtype), inputs, [0.0, END], stepsize_controller=controller)
    assert {leaf.dtype for leaf in (run.ts, *run.states)} == {np.dtype(dtype)}
    # A hundred times the tolerance.
    np.testing.assert_allclose(run.states.y[-1], closed_form(VALUES), atol=1e-4)


@pytest.mark.slow
def test_held_values_may_be_batched_and_differentiated():
    """y(END) is linear in the held values; the gradient in reverse mode is `test_simulate`'s."""
    samples = jnp.asarray(np.random.default_rng(1).normal(size=(2, 2, *VALUES.shape)))

    @jax.jit
    @jax.vmap
    def response_and_tangent(values, direction):
        def response(values):
            hold, adjoint = oo.ZeroOrderHold(TS, values), diffrax.ForwardMode()
            return oo.simulate(low_pass(), hold, [0.0, END], adjoint=adjoint).states.y[-1]

        return jax.jvp(response, (values,), (direction,))

    for result, given in zip(response_and_tangent(*samples), samples, strict=True):
        expected = [filtered_hold(np.asarray(values)) for values in given]
        # A hundred times the default relative tolerance.
        np.testing.assert_allclose(result, expected, atol=1e-4)


# Bad arguments

BAD_SAMPLES = {
    "unsorted times": ([0.0, 2.0, 1.0], np.ones((3, 2)), "ts"),
    "repeated times": ([0.0, 1.0, 1.0], np.ones((3, 2)), "ts"),
    "NaN times": ([0.0, np.nan, 1.0], np.ones((3, 2)), "ts"),
    "one time too many": ([0.0, 1.0, 2.0], np.ones((2, 2)), "ts"),
    "a scalar time": (0.0, np.ones((1, 2)), "ts"),
    "empty sequence": ([], np.ones((0, 2)), "values"),
    "no inputs": ([0.0, 1.0], np.ones((2, 0)), "values"),
    "three axes": ([0.0, 1.0], np.ones((2, 1, 1)), "values"),
    "a scalar": ([0.0], 1.0, "values"),
    "NaN values": ([0.0, 1.0], np.full((2, 2), np.nan), "values"),
    "infinite values": ([0.0, 1.0], np.full((2, 2), np.inf), "values"),
    "booleans": ([0.0, 1.0], np.ones((2, 2), bool), "values"),
    "text": ([0.0, 1.0], "values", "values"),
}


@pytest.mark.parametrize("kind", [oo.ZeroOrderHold, oo.LinearInput])
@pytest.mark.parametrize("case", BAD_SAMPLES)
def test_bad_samples_are_refused_by_name(unchecked, kind, case):
    ts, values, name = BAD_SAMPLES[case]
    with pytest.raises(ValueError, match=f"Argument `{name}` must .*, but "):
        kind(ts, values)


def test_a_linear_input_needs_two_times_and_a_hold_needs_one(unchecked):
    np.testing.assert_array_equal(oo.ZeroOrderHold([0.0], VALUES[:1])(5.0), VALUES[0])
    with pytest.raises(ValueError, match="Argument `ts` must hold at least two times"):
        oo.LinearInput([0.0], VALUES[:1])


@pytest.mark.parametrize("value", [np.ones((2, 2)), [np.nan], ["a"]], ids=lambda v: np.shape(v))
def test_a_bad_constant_is_refused_by_name(unchecked, value):
    with pytest.raises(ValueError, match=r"Argument `value` must .*, but "):
        oo.Constant(value)


def test_the_empty_input_is_for_circuits_without_inputs(unchecked):
    assert oo.Constant([])(1.0).shape == (0,)
    with pytest.raises(ValueError, match=r"Argument `inputs` must .*, but "):
        oo.simulate(zoo.organics(), [], [0.0, 1.0])


BAD_INPUTS = {
    "too few": np.ones(2),
    "matrix": np.ones((3, 3)),
    "scalar": 1.0,
    "NaN": np.full(3, np.nan),
    "text": "abc",
    "nothing": None,
    "hold of too few": oo.ZeroOrderHold([0.0, 1.0], np.ones((2, 2))),
    "function of too few": lambda t: jnp.ones(2),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_inputs_that_do_not_fit_the_circuit_are_refused_by_name(unchecked, case):
    with pytest.raises(ValueError, match=r"Argument `inputs` must .*, but "):
        oo.simulate(low_pass(), BAD_INPUTS[case], [0.0, 1.0])


@pytest.mark.parametrize(
    ("ts", "values", "message"),
    [
        ([0.0, 2.0, 1.0], np.ones((3, 2)), "Argument `ts` must increase strictly"),
        ([0.0, 1.0, 2.0], np.full((3, 2), np.nan), "Argument `values` must be finite"),
    ],
    ids=["unsorted", "NaN"],
)
def test_bad_traced_samples_are_run_time_errors(ts, values, message):
    @eqx.filter_jit
    def look_up(ts, values):
        return oo.ZeroOrderHold(ts, values)(1.0)

    with pytest.raises(RuntimeError, match=message):
        look_up(jnp.asarray(ts), jnp.asarray(values))
