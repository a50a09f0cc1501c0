"""`unroll` against the reference equations in numpy, and its gradients by independent routes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import zoo

import organics_ode as oo

NONE, BEFORE, AFTER = oo.Rectification.NONE, oo.Rectification.BEFORE, oo.Rectification.AFTER
DT, STEPS = 0.5, 8
DIVERGING = oo.ORGaNICs(np.eye(1), [[3.0]], [[0.0]], 0.1, 1.0, 1.0, 1.0, 1.0)


@pytest.fixture
def unchecked():
    """Without the tests' type checker, which would refuse arguments before the library does."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def reference(xp, c, state, xs, rectification):
    """The states by the published equations: all updates from old values, δ = dt/τ."""

    def floor(v):
        return xp.maximum(v, 0)

    def sigmoid(v):
        return 1 / (1 + xp.exp(-v))

    (y, a, b0, b1), states = state, []
    for x in xs:
        z = c["W_zx"] @ x
        drive = floor(z) if rectification is AFTER else z
        recurrent = {
            NONE: lambda y=y: c["W_r"] @ y,
            BEFORE: lambda y=y: c["W_r"] @ floor(y),
            AFTER: lambda y=y: floor(c["W_r"] @ y),
        }[rectification]()
        response = y if rectification is NONE else floor(y)
        gate0 = sigmoid(c["W_bx0"] @ x + c["W_by0"] @ y + c["W_ba0"] @ a)
        gate1 = sigmoid(c["W_bx1"] @ x + c["W_by1"] @ y + c["W_ba1"] @ a)
        dy = -y + b1 * drive + (1 - xp.sqrt(floor(a))) * recurrent
        da = -a + (c["sigma"] * b0) ** 2 + c["W"] @ (floor(a) * response**2)
        y, a, b0, b1 = (
            y + DT / c["tau_y"] * dy,
            a + DT / c["tau_a"] * da,
            b0 + DT / c["tau_b0"] * (gate0 - b0),
            b1 + DT / c["tau_b1"] * (gate1 - b1),
        )
        states.append(xp.concatenate([y, a, b0, b1]))
    return xp.stack(states)


WEIGHTS = np.random.default_rng(9).normal(size=(STEPS, 4 * zoo.N))


@pytest.fixture(scope="module", params=oo.Rectification, ids=lambda r: r.value)
def network(request):
    """The parameters by name, the circuit, a start with negative responses, and a sequence."""
    circuit = zoo.gated(request.param)
    return (
        request.param,
        zoo.gated_values(),
        circuit,
        zoo.state_of(circuit),
        zoo.input_of(circuit, length=STEPS),
    )


def test_the_states_are_those_of_the_published_equations(network):
    rectification, values, circuit, state0, xs = network
    states = oo.unroll(oo.Euler(circuit, DT), xs, state0=state0)
    expected = reference(np, values, map(np.asarray, state0), np.asarray(xs), rectification)
    np.testing.assert_allclose(np.concatenate(states, axis=1), expected, rtol=0, atol=1e-10)


@eqx.filter_jit
@eqx.filter_grad
def unrolled_gradient(circuit, state0, xs):
    states = oo.unroll(oo.Euler(circuit, DT), xs, state0=state0)
    return jnp.sum(WEIGHTS * jnp.concatenate(states, axis=1))


@pytest.mark.slow_but_first
def test_every_gradient_agrees_with_the_published_equations(network):
    rectification, values, circuit, state0, xs = network

    @jax.grad
    def looped(values):
        return jnp.sum(WEIGHTS * reference(jnp, values, state0, xs, rectification))

    def differences(name, h=1e-6):
        direction = np.random.default_rng(4).normal(size=values[name].shape)
        arrays = [np.asarray(leaf) for leaf in state0], np.asarray(xs), rectification
        up, down = (
            np.sum(WEIGHTS * reference(np, values | {name: values[name] + s * direction}, *arrays))
            for s in (h, -h)
        )
        return direction, (up - down) / (2 * h)

    expected = looped(jax.tree.map(jnp.asarray, values))
    gradient = unrolled_gradient(oo.resolve(circuit), state0, xs)
    for name in values:
        leaf = getattr(gradient, name)
        assert jnp.any(leaf != 0), name
        np.testing.assert_allclose(leaf, expected[name], rtol=1e-10, atol=1e-10, err_msg=name)
        direction, slope = differences(name)
        # Central differences are off by h² = 1e-12 and by rounding, 1e-15/h = 1e-9.
        assert np.sum(direction * leaf) == pytest.approx(slope, rel=1e-6, abs=1e-7), name


# Memory


@eqx.filter_jit
@eqx.filter_value_and_grad(has_aux=True)
def differentiated(cell, xs, last_only, keep_every):
    states = oo.unroll(cell, xs, last_only=last_only, keep_every=keep_every)
    return sum(jnp.sum(leaf**2) for leaf in states), states


# One that divides the length, one that does not, and one longer than the sequence.
@pytest.mark.slow_but_first
@pytest.mark.parametrize("keep_every", [3, 1, 4, 50])
@pytest.mark.parametrize("last_only", [False, True])
def test_what_is_kept_does_not_change_states_or_gradients(last_only, keep_every):
    cell = oo.Euler(oo.resolve(zoo.gated(NONE)), DT)
    xs = zoo.input_of(cell, length=STEPS)
    plain, (_, expected) = oo.unroll(cell, xs), differentiated(cell, xs, last_only, 1)
    plain = [leaf[-1] for leaf in plain] if last_only else plain
    (_, states), gradient = differentiated(cell, xs, last_only, keep_every)
    for leaf, value in zip(states, plain, strict=True):
        assert leaf.shape == ((zoo.N,) if last_only else (STEPS, zoo.N))
        np.testing.assert_allclose(leaf, value, rtol=0, atol=1e-14)
    for leaf, value in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, value, rtol=1e-12, atol=1e-12)


def test_keeping_fewer_states_takes_less_memory():
    cell = oo.Euler(oo.resolve(zoo.gated(n=16)), DT)
    xs = zoo.input_of(cell, length=900)

    def memory(keep_every):
        def loss(W_r):
            changed = eqx.tree_at(lambda c: c.circuit.W_r, cell, W_r)
            last = oo.unroll(changed, xs, last_only=True, keep_every=keep_every)
            return jnp.sum(last.y)

        compiled = jax.jit(jax.grad(loss)).lower(cell.circuit.W_r).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    # Every y, a and b0 in 8 bytes; b1 enters linearly and need not be kept.
    assert memory(1) >= 900 * 3 * 16 * 8
    # 30 kept states and 30 of one block, next to what does not grow with the length.
    assert memory(30) < memory(1) / 5


# Types and transformations


def test_float32_stays_float32():
    single, double = (oo.Euler(zoo.gated(dtype=d), DT) for d in (np.float32, np.float64))
    xs = zoo.input_of(double, length=STEPS)
    for leaf, value in zip(oo.unroll(single, xs), oo.unroll(double, xs), strict=True):
        assert (leaf.dtype, value.dtype) == (np.float32, np.float64)
        # A few roundings of 6e-8 per step.
        np.testing.assert_allclose(leaf, value, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dt", [np.float64(DT), np.asarray(DT), np.float32(DT)])
def test_the_step_takes_the_dtype_of_the_circuit(dt):
    cell = oo.Euler(zoo.gated(dtype=np.float32), dt)
    states = oo.unroll(cell, zoo.input_of(cell, length=2))
    assert {leaf.dtype for leaf in states} == {np.dtype(np.float32)}


def test_a_batch_is_the_loop_over_its_samples():
    cell = oo.Euler(zoo.gated(), DT)
    batch = jnp.stack([zoo.input_of(cell, length=STEPS, seed=seed) for seed in range(3)])
    many = jax.jit(jax.vmap(lambda xs: oo.unroll(cell, xs)))(batch)
    for index, xs in enumerate(batch):
        for leaf, value in zip(many, oo.unroll(cell, xs), strict=True):
            np.testing.assert_allclose(leaf[index], value, rtol=0, atol=1e-13)


def test_new_values_do_not_compile_again():
    run = eqx.filter_jit(eqx.debug.assert_max_traces(oo.unroll, max_traces=1))
    for seed in range(3):
        cell = oo.Euler(zoo.gated(seed=seed), DT)
        xs = zoo.input_of(cell, length=STEPS, seed=seed)
        run(cell, xs, state0=zoo.state_of(cell.circuit, seed=seed))


@pytest.mark.parametrize("as_given", [np.asarray, np.ndarray.tolist, lambda xs: xs.astype(int)])
def test_a_sequence_may_be_any_array_of_numbers(as_given):
    cell = oo.Euler(zoo.gated(), DT)
    given = as_given(np.ones((2, zoo.M)))
    states = oo.unroll(cell, given)
    np.testing.assert_array_equal(states.y, oo.unroll(cell, jnp.ones((2, zoo.M))).y)


# Failures


def test_a_divergence_names_the_step():
    # y grows until a reaches 1; at dt/τ = 3 and without normalization every step overshoots more.
    cell, xs = oo.Euler(DIVERGING, 3.0), jnp.ones((3000, 1))
    states = jax.jit(lambda xs: oo.unroll(cell, xs))(xs)
    step = int(np.argmin(np.isfinite(np.asarray(states.y)) & np.isfinite(np.asarray(states.a)))) + 1
    assert 1 < step < 3000
    with pytest.raises(RuntimeError, match=rf"The state diverged at step {step}:"):
        oo.unroll(cell, xs)
    with pytest.raises(RuntimeError, match="The state diverged: it is no longer finite"):
        oo.unroll(cell, xs, last_only=True)


BAD_ARGUMENTS = {
    "cell": [{"cell": "cell"}, {"cell": DIVERGING}],
    "xs": [
        {"xs": xs} for xs in (np.ones((4, 2)), 1.0, np.ones((0, 1)), np.full((4, 1), np.nan), "xs")
    ],
    "state0": [{"state0": np.ones(2)}, {"state0": (1, 2, 3)}],
    "state0.y": [{"state0": oo.ORGaNICsState(np.ones(3), np.ones(1))}],
    "state0.a": [{"state0": oo.ORGaNICsState(np.ones(1), np.full(1, np.nan))}],
    "keep_every": [{"keep_every": k} for k in (0, -1, 1.5, True)],
}
BAD_CASES = [(name, case) for name, cases in BAD_ARGUMENTS.items() for case in cases]


@pytest.mark.parametrize(("name", "case"), BAD_CASES)
def test_bad_arguments_are_refused_by_name(unchecked, name, case):
    arguments = {"cell": oo.Euler(DIVERGING, 0.1), "xs": np.ones((4, 1))} | case
    with pytest.raises(ValueError, match=f"Argument `{name}` must .*, but "):
        oo.unroll(**arguments)


@pytest.mark.parametrize("dt", [0, -1.0, np.nan, np.inf, True, np.ones(2), "dt", None])
def test_a_bad_step_is_refused_by_name(unchecked, dt):
    with pytest.raises(ValueError, match="Argument `dt` must be a positive number, but"):
        oo.Euler(DIVERGING, dt)


def test_a_cell_is_made_of_a_circuit(unchecked):
    with pytest.raises(ValueError, match="Argument `circuit` must be a circuit, but"):
        oo.Euler(oo.Euler(DIVERGING, 0.1), 0.1)
