"""The Jacobian written out against autodiff and finite differences, for every circuit."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from jax.flatten_util import ravel_pytree
from marks import slow
from oscillators import Damped, Pendulum

import organics_ode as oo
from organics_ode import jacobian, jacobian_blocks


def flat_field(circuit, state, x):
    """The vector field as a function of the flat state, and the flat state."""
    v, unravel = ravel_pytree(state)
    return lambda v: ravel_pytree(circuit.vector_field(0.0, unravel(v), x))[0], v


@functools.cache
def derivatives(name):
    circuit = zoo.CIRCUITS[name]()
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)
    field, v = flat_field(circuit, state, x)
    return circuit, state, x, field, v, np.asarray(jacobian(circuit, state, x))


def tolerance(v):
    """Sums of a dozen terms of order ten: their rounding."""
    return 1000 * np.finfo(v.dtype).eps


@pytest.mark.parametrize("name", zoo.NAMES)
def test_the_written_jacobian_is_the_one_of_autodiff(name):
    _, _, _, field, v, J = derivatives(name)
    expected = jax.jit(jax.jacfwd(field))(v)
    assert J.dtype == v.dtype and J.shape == (v.size, v.size)
    np.testing.assert_allclose(J, expected, rtol=0, atol=tolerance(v))


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", [n for n in zoo.CIRCUITS if "float32" not in n])
def test_the_jacobian_is_the_central_difference(name):
    _, _, _, field, v, J = derivatives(name)
    # The error is h² of third derivatives of order 100, plus rounding ε/h: 1e-8 and 1e-11.
    h = 1e-5
    moves = h * jnp.eye(v.size)
    many = jax.jit(jax.vmap(field))
    difference = (many(v[None, :] + moves) - many(v[None, :] - moves)).T / (2 * h)
    np.testing.assert_allclose(J, difference, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ("organics none p=3", "gated after p=1.5"))
def test_blocks_are_named_by_equation_and_variable(name):
    circuit, state, x, _, _, J = derivatives(name)
    blocks = jacobian_blocks(circuit, state, x)
    n = circuit.size
    for i, row in enumerate(state._fields):
        for j, column in enumerate(state._fields):
            block = getattr(getattr(blocks, row), column)
            whole = J[i * n : (i + 1) * n, j * n : (j + 1) * n]
            np.testing.assert_allclose(block, whole, rtol=1e-14, atol=1e-16)


def test_the_block_of_the_readme_is_the_derivative_of_one_equation_in_one_variable():
    circuit = zoo.organics()
    x, (y, a) = zoo.input_of(circuit), zoo.state_of(circuit)
    of_a = jax.jacrev(lambda a: circuit.vector_field(0.0, oo.ORGaNICsState(y, a), x).y)(a)
    np.testing.assert_allclose(
        jacobian_blocks(circuit, oo.ORGaNICsState(y, a), x).y.a, of_a, rtol=1e-13
    )


@pytest.mark.parametrize("rectification", oo.Rectification)
@pytest.mark.parametrize("exponent", (1.0, 2.0, slow(3.0)))
@pytest.mark.parametrize("build", (zoo.organics, zoo.gated))
def test_at_the_kinks_it_is_finite_and_that_of_autodiff(rectification, exponent, build):
    circuit = build(rectification, exponent)
    state = zoo.state_of(circuit)
    y, a = state.y.at[0].set(0.0), state.a.at[1].set(0.0).at[2].set(-0.5)
    state = state._replace(y=y, a=a)
    x = zoo.input_of(circuit)
    J = np.asarray(jacobian(circuit, state, x))
    field, v = flat_field(circuit, state, x)
    assert np.all(np.isfinite(J))
    if exponent > 1:  # at y = 0 the two take different slopes of |y|: see the next test
        np.testing.assert_allclose(J, jax.jacfwd(field)(v), rtol=0, atol=tolerance(v))
    # Units with a ≤ 0 pool nothing and divide nothing.
    n = circuit.size
    core = J[: 2 * n, : 2 * n] * np.tile(np.asarray(oo.resolve(circuit).tau_y), 2)[:, None]
    assert np.all(core[:n, n + 1 : n + 3] == 0)
    off = J[n : 2 * n, n + 1 : n + 3][[0, 3]]
    assert np.all(off == 0)


def test_the_slope_of_the_pool_at_rest_is_zero_for_every_exponent():
    for exponent in (0.5, 1.0, 1.5, 2.0):
        circuit = zoo.organics(exponent=exponent)
        blocks = jacobian_blocks(circuit, circuit.initial_state(), zoo.input_of(circuit))
        assert np.all(np.asarray(blocks.a.y) == 0)


def test_a_users_circuit_is_linearised_by_autodiff():
    circuit = Damped(jnp.array([0.3, 0.7]))
    state = Pendulum(jnp.array([0.2, -1.0]), jnp.array([0.5, 0.1]))
    J = jacobian(circuit, state, jnp.zeros(2))
    expected = np.zeros((4, 4))
    expected[:2, 2:] = np.eye(2)
    expected[2:, :2] = -np.diag(np.cos([0.2, -1.0]))
    expected[2:, 2:] = -np.diag([0.3, 0.7])
    np.testing.assert_allclose(J, expected, atol=1e-15)
    blocks = jacobian_blocks(circuit, state, jnp.zeros(2))
    np.testing.assert_allclose(blocks.v.y, expected[2:, :2], atol=1e-15)


def test_no_state_means_the_initial_one():
    circuit = zoo.gated()
    x = zoo.input_of(circuit)
    expected = jacobian(circuit, circuit.initial_state(), x)
    np.testing.assert_array_equal(jacobian(circuit, None, x), expected)


def test_jit_and_vmap_are_an_eager_loop_and_nodes_are_resolved():
    circuit = zoo.CIRCUITS["organics bounded tau"]()
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)
    scales = jnp.linspace(0.5, 2, 3)
    xs = scales[:, None] * x[None, :]
    states = jax.tree.map(lambda leaf: scales[:, None] * leaf[None, :], state)
    many = eqx.filter_jit(jax.vmap(lambda s, x: jacobian(circuit, s, x)))(states, xs)
    for i in range(3):
        one = jacobian(oo.resolve(circuit), jax.tree.map(lambda s, i=i: s[i], states), xs[i])
        np.testing.assert_allclose(many[i], one, rtol=1e-13, atol=1e-15)


def test_the_gradient_of_the_jacobian_reaches_the_circuit():
    circuit, state, x, _, _, _ = derivatives("organics none p=2")
    params, rest = eqx.partition(circuit, oo.trainable(circuit))

    def total(params):
        return jnp.sum(jacobian(eqx.combine(params, rest), state, x) ** 2)

    gradient = jax.grad(total)(params)
    for field in ("W_r", "W", "tau_y", "tau_a"):
        (leaf,) = jax.tree.leaves(getattr(gradient, field))
        assert np.all(np.isfinite(leaf)) and np.any(np.asarray(leaf) != 0), field


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "text"),
    (
        ({"circuit": "organics"}, "Argument `circuit` must be a circuit"),
        ({"x": np.zeros(zoo.M + 1)}, "Argument `x` must have shape"),
        ({"x": np.full(zoo.M, np.nan)}, "Argument `x` must be finite"),
        ({"state": (1.0, 2.0, 3.0)}, "Argument `state` must be an ORGaNICsState"),
        ({"state": oo.ORGaNICsState(np.zeros(3), np.ones(zoo.N))}, "Argument `state.y` must"),
    ),
)
def test_bad_arguments_are_named(arguments, text):
    given = {"circuit": zoo.organics(), "state": None, "x": np.zeros(zoo.M)} | arguments
    with pytest.raises(ValueError, match=text):
        jacobian(**given)
