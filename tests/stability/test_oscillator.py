"""The oscillator form: its pencil, its certificate, and its displacements."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import zoo
from gates import constant, settled_gates
from oscillators import Damped

import organics_ode as oo
from organics_ode import jacobian, jacobian_blocks, oscillator
from organics_ode.facts import closed_form

CASES = [
    (build, rectification, exponent)
    for build in (constant, settled_gates)
    for rectification, exponent in (
        (zoo.NONE, 2.0),
        (zoo.NONE, 1.0),
        (zoo.NONE, 5.0),
        (zoo.BEFORE, 1.5),
        (zoo.AFTER, 2.0),
        (zoo.AFTER, 3.0),
    )
]


def distance(found, expected):
    """The largest relative distance of eigenvalues matched to one another."""
    gaps = np.abs(np.subtract.outer(found, expected)) / np.abs(expected)
    rows, columns = scipy.optimize.linear_sum_assignment(gaps)
    return gaps[rows, columns].max()


@pytest.mark.parametrize(("build", "rectification", "exponent"), CASES)
def test_the_pencil_has_the_eigenvalues_of_the_jacobian(build, rectification, exponent):
    circuit = build(rectification, exponent)
    x = zoo.input_of(circuit)
    form = oscillator(circuit, x)
    J = jacobian(circuit, form.state, x)
    # Two eigenproblems of size 8 to 16, conditioned below 1e3.
    assert distance(np.asarray(form.eigenvalues), np.linalg.eigvals(J)) < 1e-8


@pytest.mark.parametrize(("build", "rectification", "exponent"), CASES)
def test_the_hypotheses_of_the_theorem_hold(build, rectification, exponent):
    for seed in range(3):
        circuit = build(rectification, exponent, seed)
        x = zoo.input_of(circuit, seed=seed)
        form = oscillator(circuit, x)
        B, a, p = (np.asarray(v) for v in (form.damping, form.state.a, form.weights))
        off_diagonal = B - np.diag(np.diag(B))
        assert np.all(off_diagonal <= 0)
        assert np.all(B @ a > 0) and np.all(p > 0) and np.all(np.diag(form.stiffness) > 0)
        np.testing.assert_allclose(B.T @ (p * a), 1, rtol=1e-10)
        dissipation = np.diag(p) @ B + B.T @ np.diag(p)
        np.testing.assert_allclose(form.dissipation, dissipation, rtol=1e-14)
        assert np.linalg.eigvalsh(dissipation)[0] > 1e-6


@pytest.mark.parametrize("exponent", (1.5, 2.0, 3.0))
def test_the_damping_times_a_is_the_sum_of_two_positive_terms(exponent):
    """B a_s = D a_s + T_a⁻¹ (σ b0)^p, without a difference anywhere."""
    circuit = constant(zoo.NONE, exponent)
    form = oscillator(circuit, zoo.input_of(circuit))
    D_a = np.asarray(form.state.a) ** (1 / exponent) / np.asarray(circuit.tau_y) * form.state.a
    floor = (np.asarray(circuit.sigma) * np.asarray(circuit.b0)) ** exponent / circuit.tau_a
    np.testing.assert_allclose(form.damping @ form.state.a, D_a + floor, rtol=1e-11)


@pytest.mark.parametrize(("exponent", "rectification"), ((2.0, zoo.NONE), (3.0, zoo.AFTER)))
def test_displacements_follow_the_linear_flow(exponent, rectification):
    """q from δy, q̇ from the first row of J: then q̈ + B q̇ + K q = 0 along exp(tJ)."""
    circuit = constant(rectification, exponent, seed=1)
    x = zoo.input_of(circuit, seed=1)
    form = oscillator(circuit, x)
    J, n = np.asarray(jacobian(circuit, form.state, x)), zoo.N
    active = np.asarray(form.displacement) != 0
    assert active.any()
    delta0 = np.random.default_rng(0).normal(size=2 * n)
    delta0[:n][~active] = 0  # units at rest have no q: theirs stay where they are
    m = np.asarray(form.displacement)[active]
    B, K = np.asarray(form.damping)[np.ix_(active, active)], np.diag(form.stiffness)[active]
    for t in (0.0, 1.0, 7.0):
        delta = scipy.linalg.expm(t * J) @ delta0
        q, dq, ddq = (v[:n][active] / m for v in (delta, J @ delta, J @ (J @ delta)))
        scale = max(abs(ddq).max(), abs(B @ dq).max())
        np.testing.assert_allclose(ddq + B @ dq + K * q, 0, atol=1e-12 * scale)


def test_the_linear_flow_itself_is_the_oscillators():
    circuit = constant(zoo.NONE, 2.0)
    x, n, t = zoo.input_of(circuit), zoo.N, 5.0
    form = oscillator(circuit, x)
    J = np.asarray(jacobian(circuit, form.state, x))
    delta0 = np.random.default_rng(1).normal(size=2 * n)
    q0, dq0 = (v[:n] / np.asarray(form.displacement) for v in (delta0, J @ delta0))
    zero, eye = np.zeros((n, n)), np.eye(n)
    companion = np.block([[zero, eye], [-np.asarray(form.stiffness), -np.asarray(form.damping)]])
    q = (scipy.linalg.expm(t * companion) @ np.concatenate([q0, dq0]))[:n]
    expected = (scipy.linalg.expm(t * J) @ delta0)[:n]
    np.testing.assert_allclose(form.displacement * q, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sigma", (0.05, 2.0))
def test_one_unit_oscillates_exactly_where_its_damping_is_weak(sigma):
    one = np.ones((1, 1))
    kinds = set()
    for tau_y in (0.02, 2.0, 20.0):
        circuit = oo.resolve(oo.ORGaNICs(one, one, one, sigma, 0.5, 0.5, tau_y, 3.0))
        form = oscillator(circuit, jnp.ones(1))
        a, B, K = float(form.state.a[0]), float(form.damping[0, 0]), float(form.stiffness[0, 0])
        # ω₀ = a^{1/4}/√(τ_a τ_y)
        np.testing.assert_allclose(np.sqrt(K), a**0.25 / np.sqrt(3.0 * tau_y), rtol=1e-14)
        oscillates = np.abs(np.asarray(form.eigenvalues).imag).max() > 0
        assert oscillates == (B**2 < 4 * K)
        lapack = np.linalg.eigvals(jacobian(circuit, form.state, jnp.ones(1)))
        assert oscillates == (np.abs(lapack.imag).max() > 0)
        kinds.add(bool(oscillates))
    assert kinds == {True, False}


def test_units_at_rest_decouple():
    circuit = constant(zoo.AFTER, 2.0)
    x = zoo.input_of(circuit)
    form = oscillator(circuit, x)
    at_rest = np.asarray(form.state.y) == 0
    assert 0 < at_rest.sum() < zoo.N
    np.testing.assert_array_equal(np.asarray(form.displacement)[at_rest], 0)
    others = np.asarray(form.damping) - np.diag(np.diag(form.damping))
    assert np.all(others[:, at_rest] == 0)
    for i in np.flatnonzero(at_rest):
        for tau in (circuit.tau_y[i], circuit.tau_a[i]):
            assert np.abs(np.asarray(form.eigenvalues) + 1 / float(tau)).min() < 1e-12


def test_gains_that_settle_by_themselves_add_their_own_rates():
    circuit = settled_gates()
    form = oscillator(circuit, zoo.input_of(circuit))
    rates = -1 / np.concatenate([circuit.tau_b0, circuit.tau_b1])
    np.testing.assert_allclose(form.gain_rates, rates, rtol=1e-15)
    assert form.eigenvalues.shape == (4 * zoo.N,)
    assert oscillator(constant(), zoo.input_of(circuit)).gain_rates.shape == (0,)


def test_the_coupling_of_the_jacobian_has_the_sign_the_proof_needs():
    circuit = constant()
    x = zoo.input_of(circuit)
    blocks = jacobian_blocks(circuit, closed_form(circuit, x), x)
    B = np.asarray(oscillator(circuit, x).damping)
    trace = -np.trace(blocks.y.y) - np.trace(blocks.a.a)
    np.testing.assert_allclose(np.trace(B), trace, rtol=1e-13)


def test_jit_vmap_and_gradients():
    circuit = zoo.organics(identity=True)
    xs = jnp.stack([zoo.input_of(circuit, seed=s) for s in range(3)])
    many = eqx.filter_jit(jax.vmap(lambda x: oscillator(circuit, x)))(xs)
    for i in range(3):
        one = oscillator(circuit, xs[i])
        np.testing.assert_allclose(many.weights[i], one.weights, rtol=1e-12)
        np.testing.assert_allclose(many.damping[i], one.damping, rtol=1e-12)

    def total(x):
        return jnp.sum(oscillator(circuit, x).weights)

    h, e = 1e-6, jnp.zeros(zoo.M).at[0].set(1.0)
    difference = (total(xs[0] + h * e) - total(xs[0] - h * e)) / (2 * h)
    np.testing.assert_allclose(jax.grad(total)(xs[0])[0], difference, rtol=1e-6)


@pytest.mark.parametrize("name", ("organics none p=2", "gated after p=2"))
def test_a_circuit_without_the_form_is_refused(name):
    circuit = zoo.CIRCUITS[name]()
    with pytest.raises(ValueError, match="Argument `circuit` must have W_r = I"):
        oscillator(circuit, zoo.input_of(circuit))


def test_it_is_refused_inside_jit_too():
    circuit = zoo.organics()
    with pytest.raises(eqx.EquinoxRuntimeError, match="must have W_r = I"):
        jax.block_until_ready(eqx.filter_jit(oscillator)(circuit, zoo.input_of(circuit)).damping)


@pytest.mark.usefixtures("unchecked")
def test_another_circuit_is_refused():
    with pytest.raises(ValueError, match="must be an ORGaNICs or a GatedORGaNICs"):
        oscillator(Damped(jnp.ones(1)), jnp.zeros(1))
