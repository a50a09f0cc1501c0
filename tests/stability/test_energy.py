"""The energy against its definition, the exact linear flow, and what it promises."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from jax.flatten_util import ravel_pytree
from marks import slow
from scipy.linalg import expm

import organics_ode as oo
from organics_ode import energy, jacobian, oscillator

EPS = np.finfo(np.float64).eps
NONE, BEFORE, AFTER = zoo.NONE, zoo.BEFORE, zoo.AFTER


def exponent(p):
    # An array, so that one compiled energy serves every exponent.
    return oo.Frozen(np.asarray(p))


def symmetric(n=zoo.N, *, p=2.0, seed=0):
    given = zoo.values(n, identity=True, seed=seed)
    given |= {"W": (given["W"] + given["W"].T) / 2, "tau_a": np.full(n, 3.0)}
    return oo.ORGaNICs(**given, exponent=exponent(p))


class Rotor(oo.AbstractCircuit):
    """A circuit that is none of the library's: two damped rotors, driven by the input."""

    input_size = 1

    def vector_field(self, t, state, x):
        (v,) = state
        A = jnp.array([[-0.1, 1.0, 0.3], [-1.0, -0.2, 0.0], [0.0, 0.0, -0.5]])
        return (A @ v + x[0],)

    def initial_state(self):
        return (jnp.zeros(3),)


# One case per form and kind of circuit: the form, the circuit.
CASES = {
    "symmetric": ("symmetric", symmetric),
    "symmetric p=3": ("symmetric", lambda: symmetric(p=3.0)),
    "one unit": ("symmetric", lambda: zoo.organics(n=1, m=1, identity=True)),
    "oscillator": ("oscillator", lambda: zoo.organics(identity=True, exponent=exponent(2.0))),
    "oscillator p=1": ("oscillator", lambda: zoo.organics(identity=True, exponent=exponent(1.0))),
    "oscillator p=4": ("oscillator", lambda: zoo.organics(identity=True, exponent=exponent(4.0))),
    "general W_r": ("lyapunov", lambda: zoo.organics(seed=3, exponent=exponent(2.0))),
    "silent units": (
        "lyapunov",
        lambda: zoo.organics(BEFORE, identity=True, exponent=exponent(2.0)),
    ),
    "gated": ("lyapunov", lambda: zoo.gated(NONE, identity=True)),
    "rotor": ("lyapunov", Rotor),
}


def input_of(circuit):
    if isinstance(circuit, Rotor):
        return jnp.array([0.3])
    return 0.5 * zoo.input_of(circuit)


def away(V, delta):
    """The state at a deviation from the fixed point."""
    point, unravel = ravel_pytree(V.state)
    return unravel(point + delta)


def look(circuit, x, delta):
    """What there is to know at a deviation. The energy itself is not compiled with it, which would
    take most of the time."""
    V = energy(circuit, x)
    return _look(V, circuit, x, delta) | {"energy": V}


@eqx.filter_jit
def _look(V, circuit, x, delta):
    state, rest = away(V, delta), jnp.zeros_like(delta)
    return {
        "J": jacobian(circuit, V.state, x),
        "V": V(state),
        "rate": V.rate(state),
        "gradient": ravel_pytree(V.gradient(state))[0],
        "hessian": jax.hessian(lambda d: V(away(V, d)))(rest),
        "rates": jax.hessian(lambda d: V.rate(away(V, d)))(rest),
        "at the point": (V(V.state), V.rate(V.state)),
        "terms": (V.reconstruction(state), V.normalization(state)),
    }


# Each of these is compiled anew, of a form that another case has.
AGAIN = ("one unit", "silent units", "gated")


@pytest.fixture(scope="module", params=[slow(c) if c in AGAIN else c for c in CASES])
def case(request):
    """The form, what `look` finds at a deviation, and that deviation."""
    form, build = CASES[request.param]
    circuit = build()
    size = ravel_pytree(circuit.initial_state())[0].size
    delta = np.random.default_rng(1).normal(size=size)
    return form, jax.tree.map(np.asarray, look(circuit, input_of(circuit), delta)), delta


@pytest.mark.slow_but_first
def test_the_form_is_the_expected_one(case):
    form, found, _ = case
    assert found["energy"].form == form


@pytest.mark.slow_but_first
def test_it_is_zero_at_the_fixed_point_and_positive_definite_about_it(case):
    _, found, delta = case
    assert found["at the point"] == (0, 0)
    H = found["hessian"]
    # Quadratic: the Hessian at the point is all there is.
    assert found["V"] == pytest.approx(delta @ H @ delta / 2, rel=1e-12)
    np.testing.assert_allclose(found["gradient"], H @ delta, rtol=1e-11)
    scale = 1 / np.sqrt(np.diag(H))
    assert np.linalg.eigvalsh(scale[:, None] * H * scale)[0] > 0


@pytest.mark.slow_but_first
def test_the_rate_is_that_of_the_linear_flow(case):
    _, found, delta = case
    rate, J, H = found["rate"], found["J"], found["hessian"]
    terms = found["gradient"] * (J @ delta)
    # A sum of few terms, and the residual of the fallback's equation.
    assert rate == pytest.approx(terms.sum(), abs=1e-12 * np.abs(terms).sum())
    h = 1e-4 / np.linalg.norm(J)
    ahead, behind = (expm(e * J) @ delta for e in (h, -h))
    difference = (ahead @ H @ ahead - behind @ H @ behind) / (4 * h)
    # (hJ)² of the central difference and ε/h of the rounding.
    assert rate == pytest.approx(difference, abs=1e-7 * np.linalg.norm(J) * found["V"])
    assert rate < 0


def test_the_rate_is_nowhere_positive(case):
    _, found, _ = case
    H, J, rates = found["hessian"], found["J"], found["rates"]
    np.testing.assert_allclose(rates, H @ J + J.T @ H, rtol=0, atol=1e-12 * np.max(np.abs(H)))
    assert np.linalg.eigvalsh(rates)[-1] <= 100 * EPS * np.max(np.abs(rates))


def test_the_terms_of_the_units_sum_to_the_energy(case):
    form, found, delta = case
    V, terms = found["energy"], found["terms"]
    if form != "lyapunov":
        assert all(np.all(t > 0) and t.shape == V.state.y.shape for t in terms)
        assert sum(t.sum() for t in terms) == pytest.approx(found["V"], rel=1e-14)
        return
    assert all(np.all(np.isnan(t)) for t in terms)
    V = jax.tree.map(jnp.asarray, V)
    for unit_terms in (V.reconstruction, V.normalization):
        with pytest.raises(ValueError, match="a sum over units"):
            unit_terms(away(V, delta))


def test_one_unit_has_the_energy_of_the_paper_times_twice_a():
    c = oo.resolve(zoo.organics(n=1, m=1, identity=True))
    x = jnp.array([0.7])
    V = energy(c, x)
    (y,), (a,) = (np.asarray(leaf) for leaf in V.state)
    for dy, da in np.random.default_rng(0).normal(size=(5, 2)):
        r = np.sqrt(a) * dy + y * da / (2 * np.sqrt(a))
        ratio = float(c.tau_y[0] / c.tau_a[0])
        expected = r**2 + ratio * np.sqrt(a) * dy**2
        damping = float(np.sqrt(a) / c.tau_y[0] + (1 - c.W[0, 0] * y**2) / c.tau_a[0])
        state = away(V, jnp.array([dy, da]))
        assert float(V(state)) == pytest.approx(2 * a * expected, rel=1e-13)
        assert float(V.rate(state)) == pytest.approx(2 * a * (-2 * damping * r**2), rel=1e-13)
        assert float(V.reconstruction(state)[0]) == pytest.approx(2 * a * r**2, rel=1e-13)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
def test_the_weights_are_those_of_the_oscillator_form(p):
    # Route two: V = ½ q̇ᵀPq̇ + ½ qᵀPKq in the coordinates of the oscillator.
    circuit = zoo.organics(identity=True, exponent=exponent(p))
    x = zoo.input_of(circuit)
    form = oscillator(circuit, x)
    delta = np.random.default_rng(2).normal(size=2 * zoo.N)
    found = look(circuit, x, delta)
    q = delta[: zoo.N] / form.displacement
    velocity = (found["J"] @ delta)[: zoo.N] / form.displacement
    expected = np.sum(form.weights * (velocity**2 + np.diag(form.stiffness) * q**2)) / 2
    assert float(found["V"]) == pytest.approx(float(expected), rel=1e-12)
    falls = -velocity @ form.dissipation @ velocity / 2
    assert float(found["rate"]) == pytest.approx(float(falls), rel=1e-12)


def growth_with_symmetric_weights(W, rng):
    """The largest relative V̇ of V with c_i = 4 a_s,i over all deviations, by plain equations."""
    n = len(W)
    drive, tau_y, tau_a = rng.normal(size=n), rng.uniform(2, 8, n), 3.0
    a = 0.05**2 + W @ drive**2
    s, y = np.sqrt(a), drive / np.sqrt(a)
    response = np.hstack([np.diag(-s), np.diag(-y / (2 * s))]) / tau_y[:, None]
    modulator = np.hstack([W * (2 * a * y), W * y**2 - np.eye(n)]) / tau_a
    J = np.vstack([response, modulator])
    R = np.hstack([np.diag(s), np.diag(y / (2 * s))])
    H = R.T @ np.diag(4 * a) @ R + np.diag(np.append(4 * a * s * tau_y / tau_a, 0 * a))
    return np.linalg.eigvalsh(H @ J + J.T @ H)[-1] / np.linalg.norm(H @ J)


def test_the_symmetric_weights_fail_where_W_is_not_symmetric():
    # Why the oscillator form is needed: with c_i = 4 a_s,i some states go up.
    rng = np.random.default_rng(0)
    pools = [np.triu(rng.uniform(size=(4, 4))) for _ in range(50)]
    assert max(growth_with_symmetric_weights(W + W.T, rng) for W in pools) <= 100 * EPS
    assert max(growth_with_symmetric_weights(W, rng) for W in pools) > 0.1


def test_the_symmetric_form_is_smooth_where_a_unit_falls_silent():
    circuit = symmetric()
    x, rng = zoo.input_of(circuit), np.random.default_rng(3)
    delta = rng.normal(size=2 * zoo.N)
    silent, nearly = (look(circuit, e * x, delta) for e in (0.0, 1e-9))
    assert silent["energy"].form == nearly["energy"].form == "symmetric"
    assert float(nearly["V"]) == pytest.approx(float(silent["V"]), rel=1e-7)
    # What the docstring says: modulators of silent units reach nothing, and V does not see them.
    np.testing.assert_array_equal(silent["hessian"][zoo.N :], 0)
    assert np.linalg.eigvalsh(silent["hessian"][: zoo.N, : zoo.N])[0] > 0


def test_a_nearly_silent_unit_takes_the_fallback_just_where_it_says():
    given = zoo.values(identity=True)
    circuit = oo.ORGaNICs(**given, exponent=exponent(2.0))
    x, delta = zoo.input_of(circuit), np.ones(2 * zoo.N)
    y = np.asarray(look(circuit, x, delta)["energy"].state.y)
    limit = np.sqrt(EPS) * max(1, np.max(np.abs(y)))
    forms = []
    for multiple in (0.5, 2.0):
        W_zx = given["W_zx"].copy()
        W_zx[-1] *= multiple * limit / abs(y[-1])
        quiet = oo.ORGaNICs(**given | {"W_zx": W_zx}, exponent=exponent(2.0))
        found = look(quiet, x, delta)
        # To first order in its small drive, the unit's response is in proportion to it.
        response = abs(found["energy"].state.y[-1]) / limit
        forms.append((response > 1, found["energy"].form))
    assert forms == [(False, "lyapunov"), (True, "oscillator")]


def test_rectified_units_that_are_active_have_the_closed_form():
    given = zoo.values(identity=True)
    given["W_zx"] = np.abs(given["W_zx"])
    x, delta = np.ones(zoo.M), np.random.default_rng(4).normal(size=2 * zoo.N)
    plain, rectified = (
        look(oo.ORGaNICs(**given, rectification=r, exponent=exponent(2.0)), x, delta)
        for r in (NONE, BEFORE)
    )
    assert rectified["energy"].form == "oscillator"
    assert float(rectified["V"]) == pytest.approx(float(plain["V"]), rel=1e-12)


def test_a_silent_rectified_unit_of_a_symmetric_circuit_decays_by_itself():
    given = oo.resolve(symmetric())
    fields = {name: getattr(given, name) for name in zoo.values()}
    circuit = oo.ORGaNICs(**fields, rectification=BEFORE, exponent=exponent(2.0))
    x = zoo.input_of(circuit)
    found = look(circuit, x, np.ones(2 * zoo.N))
    V, J, H = found["energy"], np.asarray(found["J"]), np.asarray(found["hessian"])
    assert np.any(V.state.y < 0) and V.form == "symmetric"
    rates = H @ J + J.T @ H
    np.testing.assert_allclose(found["rates"], rates, rtol=0, atol=1e-12 * np.max(np.abs(H)))
    assert np.linalg.eigvalsh(rates)[-1] <= 100 * EPS * np.max(np.abs(rates))


@eqx.filter_jit
def along_the_flow(circuits, xs, starts, h):
    """V at the starts and after 1, …, 40 steps of the exact linear flow, for a batch."""

    def one(circuit, x, start):
        V = energy(circuit, x)
        step = jax.scipy.linalg.expm(h * jacobian(circuit, V.state, x))
        deltas = jax.lax.scan(lambda d, _: (step @ d, d), start, length=41)[1]
        return V.kind, jax.vmap(lambda d: V(away(V, d)))(deltas)

    return jax.vmap(one)(circuits, xs, starts)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 6])
def test_it_never_grows_along_the_exact_linear_flow(n):
    circuits, xs, starts = [], [], []
    for seed in range(30):
        rng = np.random.default_rng([n, seed])
        given = zoo.values(n, identity=seed % 3 != 2, seed=seed)
        given |= {name: 10 ** rng.uniform(0, 1.5, n) for name in ("tau_y", "tau_a")}
        given["W_r"] = given["W_r"] if seed % 3 != 2 else 0.8 * given["W_r"]
        if seed % 3 == 0:
            given |= {"W": given["W"] + given["W"].T, "tau_a": np.full(n, given["tau_a"][0])}
        circuits.append(oo.ORGaNICs(**given, exponent=exponent(rng.uniform(1, 4))))
        xs.append(rng.normal(size=zoo.M) * (1 if seed % 3 != 2 else 0.2))
        starts.append(rng.normal(size=2 * n))
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *circuits)
    kinds, V = along_the_flow(batch, np.stack(xs), np.stack(starts), 0.5)
    assert set(np.asarray(kinds)) == ({0, 2} if n == 1 else {0, 1, 2})
    # The oscillator form weighs units by up to 1/y²: rounding of the largest shows in the smallest.
    assert np.max(V[:, 1:] / V[:, :-1]) <= 1 + 1e-10
    assert np.all(V[:, -1] < V[:, 0])


@pytest.mark.slow
def test_jit_and_vmap_choose_the_form_at_run_time():
    plain, even = zoo.values(identity=True), oo.resolve(symmetric())
    given = [plain, {k: getattr(even, k) for k in plain}, zoo.values(seed=3)]
    circuits = [oo.ORGaNICs(**g) for g in given]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *circuits)
    x = 0.5 * zoo.input_of(circuits[0])
    state = zoo.state_of(circuits[0])

    @eqx.filter_jit
    def both(batch):
        def one(c):
            V = energy(c, x)
            return V.kind, V(state), V.rate(state)

        return jax.vmap(one)(batch)

    kinds, values, rates = both(batch)
    assert list(kinds) == [1, 0, 2]
    for i, circuit in enumerate(circuits):
        V = energy(circuit, x)
        assert float(values[i]) == pytest.approx(float(V(state)), rel=1e-10)
        assert float(rates[i]) == pytest.approx(float(V.rate(state)), rel=1e-10)
    V = eqx.filter_jit(lambda: jax.vmap(lambda c: energy(c, x))(batch))()
    with pytest.raises(ValueError, match="outside jit and vmap"):
        assert V.form


@pytest.mark.slow
@pytest.mark.parametrize("name", [slow("oscillator"), "general W_r"])
def test_gradients_with_respect_to_the_input_are_finite_differences(name):
    circuit = CASES[name][1]()
    state, x = zoo.state_of(circuit), input_of(circuit)
    value = eqx.filter_jit(lambda x: energy(circuit, x)(state))
    gradient = eqx.filter_jit(jax.grad(lambda x: energy(circuit, x)(state)))(x)
    h = 1e-5
    for i in range(zoo.M):
        e = h * jnp.eye(zoo.M)[i]
        difference = (value(x + e) - value(x - e)) / (2 * h)
        assert float(gradient[i]) == pytest.approx(float(difference), rel=1e-5)


def test_float32_gives_float32():
    circuit = zoo.organics(identity=True, dtype=np.float32)
    V = eqx.filter_eval_shape(energy, circuit, zoo.input_of(circuit))
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(V) if leaf.dtype != V.kind.dtype}
    assert dtypes == {np.dtype("float32")}


@pytest.mark.slow
def test_the_energy_of_float32_is_that_of_float64():
    circuit, exact = (zoo.organics(identity=True, dtype=d) for d in (np.float32, np.float64))
    x = zoo.input_of(circuit)
    V, V64 = energy(circuit, x), energy(exact, jnp.asarray(x, jnp.float64))
    at, at64 = V(zoo.state_of(circuit)), V64(zoo.state_of(exact))
    assert float(at) == pytest.approx(float(at64), rel=1e-3)


# The upper branch of w_r = 2 is stable, the lower is not: the only other points are unstable.
UNSTABLE = oo.ORGaNICs(np.eye(1), [[-4.0]], [[1.0]], 2.0, 2.0, 0.5, 1.0, 1.0)


@pytest.mark.slow
def test_a_circuit_without_a_stable_fixed_point_is_refused():
    x = jnp.array([1.0])
    with pytest.raises(ValueError, match=r"Argument `circuit` must .* no stable fixed point"):
        energy(UNSTABLE, x)
    with pytest.raises(Exception, match="no stable fixed point"):
        eqx.filter_jit(lambda x: energy(UNSTABLE, x)(UNSTABLE.initial_state()))(x)


def test_bad_states_are_refused(unchecked):
    circuit = zoo.organics(identity=True, exponent=exponent(2.0))
    V = energy(circuit, zoo.input_of(circuit))
    for call in (V, V.rate, V.gradient, V.reconstruction, V.normalization):
        with pytest.raises(
            ValueError, match=r"Argument `state\.y` must have shape \(n,\) = \(4,\)"
        ):
            call(V.state._replace(y=jnp.zeros(3)))
        with pytest.raises(ValueError, match="be an ORGaNICsState like"):
            call((V.state.y,))
    with pytest.raises(ValueError, match="Argument `circuit` must be a circuit"):
        energy("circuit", 1.0)
