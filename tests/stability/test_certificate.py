"""Which circuits are certified, by which theorem, and which are not."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import zoo
from gates import constant, settled_gates
from marks import slow
from oscillators import Damped, unit
from random_circuits import velocity

import organics_ode as oo
from organics_ode import Certificate, certify
from organics_ode.stability import normalization_checks

ONE = np.ones((1, 1))
X1 = jnp.ones(1)


def single(w_r, *, sigma=0.1, b0=0.5, b1=0.5, w=1.0, tau_y=2.0, tau_a=2.0, exponent=2.0, **options):
    """Of every exponent the same program."""
    options |= {"exponent": np.asarray(exponent)}
    return oo.ORGaNICs(ONE, w_r * ONE, w * ONE, sigma, b0, b1, tau_y, tau_a, **options)


def counterexample():
    """The gated unit with three fixed points; σ b0 = .1, b1 → sigmoid(20 y − 10)."""
    gates = dict.fromkeys(("W_bx0", "W_by0", "W_ba0", "W_ba1"), np.zeros((1, 1)))
    gates |= {"W_bx1": -10 * ONE, "W_by1": 20 * ONE}
    times = dict.fromkeys(("tau_y", "tau_a", "tau_b0", "tau_b1"), 2.0)
    return oo.GatedORGaNICs(ONE, ONE, ONE, 0.2, **gates, **times, rectification=zoo.NONE)


def blow_up():
    """Diverges from y = a = .01 although it has a stable fixed point."""
    W_r = np.array([[-0.87417, 0.48561], [0.48561, 0.87417]])
    W = np.array([[0.94658, 0.85010], [0.82841, 0.02378]])
    b0 = np.array([0.2156, 0.1612])
    circuit = oo.ORGaNICs(np.eye(2), W_r, W, 1.0, b0, 0.99, 1.0, 1.0)
    return circuit, jnp.array([0.8114, 0.5649]) / 0.99


@pytest.mark.slow_but_first
@pytest.mark.parametrize("build", (constant, settled_gates))
@pytest.mark.parametrize("rectification", oo.Rectification)
@pytest.mark.parametrize("exponent", (slow(1.0), 2.0, slow(5.0)))
def test_normalization_circuits_are_certified(build, rectification, exponent):
    circuit = build(rectification, exponent)
    found = certify(circuit, zoo.input_of(circuit))
    assert found.holds, found
    assert (found.theorem, found.scope, found.is_global) == ("W_r = I", "local", False)
    assert found.p.shape == (zoo.N,) and np.all(np.asarray(found.p) > 0)
    assert found.dissipation > 0 and found.abscissa < 0 and found.evidence is None
    assert not any("not satisfied" in reason for reason in found.reasons)


def test_the_values_are_those_of_the_matrices():
    circuit = constant()
    x = zoo.input_of(circuit)
    found = certify(circuit, x)
    y, a = zoo.closed_form(circuit, x)
    tau_y, tau_a = np.asarray(circuit.tau_y), np.asarray(circuit.tau_a)
    B = (
        np.diag(np.sqrt(a) / tau_y)
        + (np.eye(zoo.N) - np.asarray(circuit.W) * y**2) / tau_a[:, None]
    )
    p = np.linalg.solve(B.T, np.ones(zoo.N)) / a
    np.testing.assert_allclose(found.p, p, rtol=1e-11)
    smallest = np.linalg.eigvalsh(np.diag(p) @ B + B.T @ np.diag(p))[0]
    np.testing.assert_allclose(found.dissipation, smallest, rtol=1e-9)
    np.testing.assert_allclose(found.state.y, y, rtol=1e-12)


def test_a_unit_at_rest_is_certified_and_the_kink_is_named():
    circuit = constant(zoo.AFTER, 2.0)
    found = certify(circuit, zoo.input_of(circuit))
    at_rest = int(np.sum(np.asarray(found.state.y) == 0))
    assert found.holds and at_rest > 0
    rests = "unit rests" if at_rest == 1 else "units rest"
    (told,) = [reason for reason in found.reasons if "at y = 0" in reason]
    assert told.startswith(f"{at_rest} {rests} at y = 0") and "(s)" not in told
    plain = certify(constant(), zoo.input_of(circuit))
    assert not any("kink" in reason for reason in plain.reasons)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("exponent", (0.5, 1.0, 2.0))
@pytest.mark.parametrize("rectification", oo.Rectification)
def test_a_unit_on_its_kink_comes_back_from_both_sides(rectification, exponent):
    """The nonlinear circuit itself: zero drive to one unit, small pushes up and down."""
    W = np.array([[0.5, 1.0], [1.0, 0.5]])
    circuit = oo.ORGaNICs(
        np.eye(2), np.eye(2), W, 0.5, 0.8, 0.9, 2.0, 3.0,
        rectification=rectification, exponent=exponent,
    )  # fmt: skip
    x = jnp.array([0.7, 0.0])
    found = certify(circuit, x)
    assert found.holds and found.state.y[1] == 0
    for push in (0.02, -0.02):
        start = found.state._replace(y=found.state.y.at[1].set(push))
        last = oo.unroll(
            oo.Euler(circuit, 0.05), jnp.tile(x, (2000, 1)), state0=start, last_only=True
        )
        for there, back in zip(found.state, last, strict=True):
            # 100 ms: 20 of the slowest time scale; with p = ½ the pool follows √|y|.
            np.testing.assert_allclose(back, there, atol=1e-3)


def test_the_smallest_deviation_from_the_identity_is_not_certified():
    circuit, x = blow_up()
    eye = np.eye(2)
    y, a = zoo.closed_form(oo.replace(circuit, W_r=eye), x)
    nudged = oo.replace(circuit, W_r=eye + np.array([[0, 1e-12], [0, 0]]))
    # The input at which it rests where it did.
    moved = (1 - np.sqrt(a)) * [1e-12 * y[1], 0]
    found = certify(nudged, x - moved / 0.99, state0=oo.ORGaNICsState(y, a))
    assert not found.holds and found.theorem is None and found.scope is None and found.p is None
    assert "W_r differs from I, by up to 1e-12" in found.reasons[0]
    assert "not a proof" in found.evidence and found.abscissa < 0


@pytest.mark.parametrize(("w_r", "is_global"), ((0.5, True), (1.0, True), (2.0, False)))
def test_one_unit_is_certified_locally_or_globally(w_r, is_global):
    found = certify(single(w_r), X1)
    assert found.holds and found.is_global is is_global
    assert found.theorem == ("W_r = I" if w_r == 1 else "n = 1, w_r > 0")
    expected = {0.5: -0.1876, 2.0: -0.1264}
    if w_r in expected:
        np.testing.assert_allclose(found.abscissa, expected[w_r], atol=5e-5)
    assert (found.p is not None) is (w_r == 1)
    assert any("Dulac" in reason for reason in found.reasons) is is_global


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    ("options", "is_global"),
    (
        ({"exponent": 1.0}, True),
        ({"exponent": 3.0}, True),
        ({"exponent": 0.9}, False),
        ({"rectification": oo.Rectification.BEFORE}, False),
        ({"rectification": oo.Rectification.AFTER}, False),
    ),
)
def test_the_borders_of_the_global_theorem(options, is_global):
    found = certify(single(0.5, **options), X1)
    assert found.holds and found.is_global is is_global


def test_what_is_called_global_attracts_far_starts():
    rng = np.random.default_rng(0)
    for w_r in (0.05, 0.5, 1.0):
        circuit = single(w_r, tau_a=4.0)
        found = certify(circuit, X1)
        assert found.is_global
        ys, as_ = rng.normal(size=(2, 20)) * 10
        starts = oo.ORGaNICsState(jnp.array(ys)[:, None], jnp.array(abs(as_))[:, None])
        xs = jnp.ones((20_000, 1))
        run = lambda s: oo.unroll(oo.Euler(circuit, 0.02), xs, state0=s, last_only=True)  # noqa: B023, E731
        last = jax.vmap(run)(starts)
        # 400 ms: above 15 of the slowest time scale, 2/.05 ms, from 30 away.
        np.testing.assert_allclose(last.y, jnp.broadcast_to(found.state.y, (20, 1)), atol=1e-3)
        np.testing.assert_allclose(last.a, jnp.broadcast_to(found.state.a, (20, 1)), atol=1e-3)


def test_a_point_of_the_wrong_sign_is_not_certified_even_with_its_u_known():
    """(2, .5, .1) has two more points, with u < 0: certified or not, never called stable there."""
    circuit = single(2.0)
    start = oo.ORGaNICsState(jnp.array([-0.569]), jnp.array([0.0037]))
    found = certify(circuit, X1, state0=start)
    assert found.holds is bool(found.state.y[0] > 0)
    if not found.holds:
        assert any("not satisfied beyond rounding: u =" in reason for reason in found.reasons)


@pytest.mark.slow
def test_one_unit_with_negative_recurrence_or_gates_with_feedback_is_not_certified():
    found = certify(single(-0.5), X1)
    assert not found.holds and found.theorem is None
    assert "w_r = -0.5 is not positive" in found.reasons[0]
    gates = dict.fromkeys(("W_bx0", "W_by0", "W_ba0", "W_ba1", "W_bx1"), np.zeros((1, 1)))
    times = dict.fromkeys(("tau_y", "tau_a", "tau_b0", "tau_b1"), 2.0)
    for feedback, holds in ((0.0, True), (1e-9, False)):
        circuit = oo.GatedORGaNICs(
            ONE, 0.5 * ONE, ONE, 0.2, **gates, W_by1=feedback * ONE, **times,
            rectification=zoo.NONE,
        )  # fmt: skip
        found = certify(circuit, X1)
        assert found.holds is holds and not found.is_global


@pytest.mark.slow_but_first
@pytest.mark.parametrize("b1", (4.58e-5, 0.03555, 0.99995))
def test_the_gated_counterexample_is_never_certified(b1):
    at_rest = lambda b: b - 1 / (1 + np.exp(10 - 20 * b / np.sqrt(0.01 + b**2)))  # noqa: E731
    (b1,) = scipy.optimize.root(at_rest, b1, tol=1e-14).x
    a = 0.01 + b1**2
    values = (b1 / np.sqrt(a), a, 0.5, b1)
    state0 = oo.GatedORGaNICsState(*(jnp.array([v]) for v in values))
    found = certify(counterexample(), X1, state0=state0)
    assert not found.holds and found.scope in (None, "bounded")
    assert any(
        "the gains depend on y or a" in str(text) for text in (*found.reasons, found.evidence)
    )


def test_the_blow_up_case_is_not_certified():
    circuit, x = blow_up()
    given = {name: np.asarray(value) for name, value in oo.values(circuit).items()}
    known = velocity(given, np.asarray(x))
    y, a = np.split(scipy.optimize.root(known, [0.819, 0.799, 1.048, 0.618], tol=1e-14).x, 2)
    found = certify(circuit, x, state0=oo.ORGaNICsState(y, a))
    assert not found.holds and not found.is_global and found.theorem is None
    np.testing.assert_allclose(found.state.y, [0.819, 0.799], atol=1e-3)
    assert found.abscissa < 0 and "not a proof" in found.evidence
    assert "inside the tested box" in found.evidence


@pytest.mark.slow
def test_the_tested_box_and_its_borders():
    arrays = zoo.values(3, 3, identity=False) | {"W_zx": np.eye(3)}
    x = jnp.array([0.3, -0.2, 0.4])

    def evidence(x=x, exponent=2.0, rectification=zoo.NONE, **changes):
        given = {"exponent": exponent, "rectification": rectification}
        found = certify(oo.ORGaNICs(**(arrays | changes), **given), x)
        assert not found.holds
        return found.evidence

    assert "inside the tested box" in evidence()
    for text, changes in (
        ("|z| is", {"x": 2 * x}),
        ("W reaches", {"W": arrays["W"] + 0.6}),
        ("a gain is", {"b1": 1.5}),
        ("the largest singular value", {"W_r": 1.2 * arrays["W_r"]}),
        ("the exponent is 3", {"exponent": 3.0}),
        ("the rectification is AFTER", {"rectification": zoo.AFTER}),
    ):
        said = evidence(**changes)
        assert "outside the tested box" in said and text in said


@pytest.mark.slow
def test_a_users_circuit_has_only_its_eigenvalues():
    found = certify(Damped(jnp.array([0.3])), jnp.zeros(1))
    assert not found.holds and "Damped" in found.reasons[0]
    np.testing.assert_allclose(found.abscissa, -0.15, rtol=1e-6)


def test_no_fixed_point_is_said_and_not_hidden(monkeypatch):
    class Failed:
        succeeded = False

    import organics_ode.stability._certificate as module

    monkeypatch.setattr(module, "fixed_point", lambda *args, **options: Failed())
    found = certify(zoo.organics(), zoo.input_of(zoo.organics()))
    assert not found.holds and found.state is None and found.abscissa is None
    assert "no fixed point was found" in repr(found)


def test_extreme_parameters():
    rng = np.random.default_rng(3)
    n = 6
    for _ in range(20):
        tau_y, tau_a = (10 ** rng.uniform(-3, 4, n) for _ in range(2))
        sigma, W = 10 ** rng.uniform(-2, 1, n), 10 ** rng.uniform(-3, 2, (n, n))
        circuit = oo.ORGaNICs(
            np.eye(n),
            np.eye(n),
            W,
            sigma,
            1.0,
            1.0,
            tau_y,
            tau_a,
            exponent=np.asarray(rng.uniform(1, 5)),
        )
        found = certify(circuit, jnp.asarray(rng.normal(size=n)))
        assert found.holds, found


def test_a_hypothesis_that_rounding_decides_is_refused():
    """τ_a/τ_y = 1e-17: B a_s is a difference of terms 1e17 times as large."""
    one = np.eye(2)
    circuit = oo.ORGaNICs(one, one, np.ones((2, 2)), 1e-4, 1e-4, 1.0, 1e10, 1e-7)
    found = certify(circuit, jnp.array([0.7, 0.9]))
    assert not found.holds and found.scope in (None, "bounded")
    assert any(
        "not satisfied beyond rounding" in str(text) for text in (*found.reasons, found.evidence)
    )


def test_float32_is_certified_too():
    circuit = zoo.organics(identity=True, dtype=np.float32)
    found = certify(circuit, zoo.input_of(circuit))
    assert found.holds and found.p.dtype == np.float32


def test_the_checks_are_vmapped_over_inputs():
    circuit = constant()
    xs = jnp.stack([zoo.input_of(circuit, seed=s) for s in range(3)])
    _, checks = jax.vmap(lambda x: normalization_checks(circuit, x))(xs)
    for i in range(3):
        one = certify(circuit, xs[i])
        np.testing.assert_allclose(checks["dissipation"].value[i], one.dissipation, rtol=1e-10)
        assert all(bool(check.holds[i]) for check in checks.values()) is one.holds is True


@pytest.mark.slow
def test_printing_shows_a_card():
    text = repr(certify(single(0.5), X1))
    assert text.startswith("Certificate: globally stable by the theorem for n = 1, w_r > 0")
    text.encode("cp1252")  # as a Windows console would
    assert "abscissa    -0.187615 /ms" in text and "  - u = 1 - w_r" in text
    circuit, x = blow_up()
    assert repr(certify(circuit, x)).startswith("Certificate: nothing is proved")


def test_it_is_refused_inside_jit():
    circuit = constant()
    with pytest.raises(ValueError, match="runs outside jit"):
        jax.jit(lambda x: certify(circuit, x).abscissa)(zoo.input_of(circuit))


@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="Argument `circuit` must be a circuit"):
        certify(3, X1)
    with pytest.raises(ValueError, match="Argument `x` must have shape"):
        certify(unit(1, 0.5, 0.1), np.zeros(2))
    assert issubclass(Certificate, eqx.Module)
