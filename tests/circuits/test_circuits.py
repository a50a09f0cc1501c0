"""Circuits are their equations: against a transcription in numpy, and at known fixed points."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from compared import tree_equal
from jax.flatten_util import ravel_pytree
from zoo import AFTER, BEFORE, NONE

import organics_ode as oo

EPS = np.finfo(np.float64).eps
KINDS = ("organics", "gated")
EXPONENTS = (1.0, 1.5, 2.0, 3.0)


@pytest.fixture(params=oo.Rectification, ids=lambda r: r.value)
def rectification(request):
    return request.param


@pytest.fixture(params=EXPONENTS)
def p(request):
    return request.param


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def equations(v, rectification, p, y, a, b0, b1, x):
    """ẏ and ȧ, term by term from the definition of the circuit."""
    z, n = v["W_zx"] @ x, len(y)
    recurrent = {NONE: v["W_r"] @ y, BEFORE: v["W_r"] @ relu(y), AFTER: relu(v["W_r"] @ y)}
    response = np.abs(y) if rectification is NONE else relu(y)
    drive = relu(z) if rectification is AFTER else z
    gain = 1 - relu(a) ** (1 / p)
    pool = [sum(v["W"][i, j] * relu(a)[j] * response[j] ** p for j in range(n)) for i in range(n)]
    dy = (-y + b1 * drive + gain * recurrent[rectification]) / v["tau_y"]
    da = (-a + (v["sigma"] * b0) ** p + np.array(pool)) / v["tau_a"]
    return dy, da


def assert_close(actual, expected):
    # A few sums of ten terms of order one.
    for got, wanted in zip(actual, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=64 * EPS)


def arrays(state):
    return [np.asarray(leaf) for leaf in state]


@pytest.mark.parametrize("per_unit", (True, False), ids=("per unit", "scalar"))
def test_organics_is_its_equations(rectification, p, per_unit):
    v = zoo.values(seed=3, per_unit=per_unit)
    circuit = oo.ORGaNICs(**v, rectification=rectification, exponent=p)
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)
    state = state._replace(a=state.a.at[0].set(-0.3))  # below zero is rectified, not NaN
    y, a = arrays(state)
    expected = equations(v, rectification, p, y, a, v["b0"], v["b1"], np.asarray(x))
    assert_close(circuit.vector_field(0.0, state, x), expected)


@pytest.mark.parametrize("per_unit", (True, False), ids=("per unit", "scalar"))
def test_gated_organics_is_its_equations(rectification, p, per_unit):
    v = zoo.gated_values(seed=3, per_unit=per_unit)
    circuit = oo.GatedORGaNICs(**v, rectification=rectification, exponent=p)
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)
    state = state._replace(a=state.a.at[0].set(-0.3))
    y, a, b0, b1 = arrays(state)
    gains = [
        (-b + sigmoid(v[f"W_bx{k}"] @ x + v[f"W_by{k}"] @ y + v[f"W_ba{k}"] @ a)) / v[f"tau_b{k}"]
        for k, b in enumerate((b0, b1))
    ]
    expected = *equations(v, rectification, p, y, a, b0, b1, np.asarray(x)), *gains
    assert_close(circuit.vector_field(0.0, state, x), expected)


def test_the_vector_field_does_not_depend_on_time():
    for build in (zoo.organics, zoo.gated):
        circuit = build()
        x, state = zoo.input_of(circuit), zoo.state_of(circuit)
        fields = [circuit.vector_field(t, state, x) for t in (None, 0.0, 1e3)]
        assert tree_equal(*fields)


def test_the_defaults_are_no_rectification_for_constant_and_after_for_dynamic_gains():
    assert oo.ORGaNICs(**zoo.values()).rectification is NONE
    assert oo.GatedORGaNICs(**zoo.gated_values()).rectification is AFTER
    assert oo.ORGaNICs(**zoo.values()).exponent == oo.GatedORGaNICs(**zoo.gated_values()).exponent
    assert oo.ORGaNICs(**zoo.values()).exponent == 2


@pytest.mark.parametrize("per_unit", (True, False), ids=("per unit", "scalar"))
def test_the_closed_form_is_a_fixed_point_where_W_r_is_the_identity(rectification, p, per_unit):
    circuit = zoo.organics(rectification, p, identity=True, per_unit=per_unit, seed=5)
    x = 2 * zoo.input_of(circuit, seed=5)
    z = np.asarray(circuit.W_zx @ x)
    assert z.min() < 0 < z.max()  # both branches of the rectified closed forms
    y, a = zoo.closed_form(circuit, x)
    velocity = circuit.vector_field(0.0, oo.ORGaNICsState(jnp.asarray(y), jnp.asarray(a)), x)
    # Rates of order 1/ms times states of order one.
    assert_close(velocity, np.zeros((2, zoo.N)))


# b1 = .5, τ = 2 ms, W = 1, z = 1; (w_r, b0, σ) and every (y, a) of its fixed points, to 4 digits.
ONE_UNIT = {
    (0.5, 0.5, 0.1): [(0.8980, 0.01291)],
    (2.0, 0.5, 0.1): [(0.9978, 0.5633), (-0.979, 0.0598), (-0.569, 0.0037)],
    (2.0, 1.0, 1.0): [(0.4166, 1.2101)],
}


@pytest.mark.parametrize("case", ONE_UNIT)
def test_roots_of_the_quartic_are_fixed_points_of_one_unit(case):
    w, b0, sigma = case
    one = np.ones((1, 1))
    circuit = oo.ORGaNICs(one, w * one, one, sigma, b0, 0.5, 2.0, 2.0)
    c, e, d = 0.5, (sigma * b0) ** 2, 1 - w
    quartic = (w**2, 2 * w * d, d**2 - c**2 - e * w**2, -2 * w * d * e, -(d**2) * e)
    roots = np.roots(quartic)
    s = np.real(roots[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)])
    found = sorted(zip(c / (d + w * s), s**2, strict=True))
    np.testing.assert_allclose(found, sorted(ONE_UNIT[case]), atol=6e-4)
    for y, a in found:
        state = oo.ORGaNICsState(jnp.array([y]), jnp.array([a]))
        # 1e-12: double precision roots, one of them ill-conditioned by a factor below 100.
        for rate in circuit.vector_field(0.0, state, jnp.ones(1)):
            np.testing.assert_allclose(rate, 0, atol=1e-12)


def test_a_ring_of_fixed_points_remembers_an_angle():
    n, g, w, e = 5, 2.0, 0.7, 0.1
    angles = 2 * np.pi * np.arange(n) / n
    plane = np.sqrt(2 / n) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    circuit = oo.ORGaNICs(
        np.zeros((n, 1)), g * plane @ plane.T, w * np.ones((n, n)), e, 1.0, 1.0, 2.0, 3.0
    )
    s = 1 - 1 / g
    radius = np.sqrt((1 - e**2 / s**2) / w)
    for phase in (0.0, 0.4, 2.0):
        y = radius * plane @ np.array((np.cos(phase), np.sin(phase)))
        state = oo.ORGaNICsState(jnp.asarray(y), jnp.full(n, s**2))
        assert_close(circuit.vector_field(0.0, state, jnp.zeros(1)), np.zeros((2, n)))


@pytest.mark.slow_but_first
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_finite_and_agree_in_both_modes_at_zero(kind, rectification, p):
    circuit = {"organics": zoo.organics, "gated": zoo.gated}[kind](rectification, p)
    x, like = zoo.input_of(circuit), circuit.initial_state()
    flat, unflatten = ravel_pytree(like)
    zeros = jnp.zeros_like(flat)

    def field(s):
        return ravel_pytree(circuit.vector_field(0.0, unflatten(s), x))[0]

    both = jax.jit(lambda s: (jax.jacfwd(field)(s), jax.jacrev(field)(s)))
    forward, reverse = both(zeros)
    assert jnp.all(jnp.isfinite(forward))
    np.testing.assert_allclose(forward, reverse, rtol=0, atol=64 * EPS)
    n = zoo.N
    # At a = 0 the root and the pool are flat: what is left of ∂ȧ/∂a is the leak.
    leak = -np.diag(1 / oo.resolve(circuit).tau_a)
    np.testing.assert_allclose(forward[n : 2 * n, n : 2 * n], leak, atol=64 * EPS)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_in_the_parameters_are_finite_at_zero(kind, rectification):
    circuit = {"organics": zoo.organics, "gated": zoo.gated}[kind](rectification, 1.5)
    zero = jax.tree.map(jnp.zeros_like, circuit.initial_state())

    def total(circuit, x):
        return sum(jnp.sum(leaf) for leaf in circuit.vector_field(0.0, zero, x))

    for x in (jnp.zeros(zoo.M), zoo.input_of(circuit)):
        slopes = eqx.filter_grad(total)(circuit, x)
        assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(slopes))


def test_rest_without_input_is_the_initial_state_of_constant_gains(rectification, p):
    circuit = zoo.organics(rectification, p)
    rates = circuit.vector_field(0.0, circuit.initial_state(), jnp.zeros(zoo.M))
    assert_close(rates, np.zeros((2, zoo.N)))


def test_the_initial_state_of_dynamic_gains_is_rest_for_gates_closed_to_y_and_a(p):
    still = {name: np.zeros((zoo.N, zoo.N)) for name in ("W_by0", "W_ba0", "W_by1", "W_ba1")}
    circuit = oo.GatedORGaNICs(**(zoo.gated_values() | still), exponent=p)
    state = circuit.initial_state()
    assert_close(circuit.vector_field(0.0, state, jnp.zeros(zoo.M)), np.zeros((4, zoo.N)))


def test_an_array_exponent_gives_the_field_of_the_same_number(rectification, p):
    for build in (zoo.organics, zoo.gated):
        number, array = build(rectification, p), build(rectification, jnp.asarray(p))
        x, state = zoo.input_of(number), zoo.state_of(number)
        assert_close(array.vector_field(0.0, state, x), number.vector_field(0.0, state, x))


class Swapped(oo.ORGaNICs):
    """Gives ȧ in the place of ẏ, of which there is one more."""

    def initial_state(self):
        rest = super().initial_state()
        return rest._replace(a=rest.a[:-1])

    def vector_field(self, t, state, x):
        return oo.ORGaNICsState(state.a, state.y)


@pytest.mark.parametrize(
    "use",
    (
        lambda c: oo.simulate(c, 0.5, [0.0, 1.0]),
        lambda c: oo.fixed_point(c, 0.5),
        lambda c: oo.unroll(oo.RungeKutta(c, 1.0), np.ones((3, 1))),
        lambda c: oo.jacobian(c, None, 0.5),
    ),
    ids=("simulate", "fixed_point", "RungeKutta", "jacobian"),
)
def test_derivatives_in_the_wrong_fields_are_refused(use):
    eye = np.eye(2)
    circuit = Swapped(np.ones((2, 1)), eye, eye, 0.5, 0.5, 0.5, 5.0, 5.0)
    text = r"Argument `circuit` must return .* \[\(2,\), \(1,\)\] it returns \[\(1,\), \(2,\)\]"
    with pytest.raises(ValueError, match=text):
        use(circuit)
