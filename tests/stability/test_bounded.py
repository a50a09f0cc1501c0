"""The theorem of bounded circuits: its number, its hypotheses, and what is known beside it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode.stability import bounded_checks

X = np.array([1.0, -2.0])
SKEW = np.array([[0.0, 3.0], [-3.0, 0.0]])
# A turn that leaves fixed points stable.
TURN = SKEW / 10
HALF = np.full(2, 0.5)  # one for each unit: what differs between units is of the same shape


def rotational(n=2, **given):
    """n units and one pool; what is not given is simple."""
    plain = {"W_zx": np.eye(n), "W_r": np.eye(n), "W": np.zeros((1, n)), "sigma": 0.5}
    gates = dict.fromkeys(("W_bx0", "W_by0"), (1, n)) | {"W_ba0": (1, 1)}
    gates |= {"W_bx1": (n, n), "W_by1": (n, n), "W_ba1": (n, 1)}
    plain |= {name: np.zeros(shape) for name, shape in gates.items()}
    plain |= dict.fromkeys(("tau_y", "tau_a", "tau_b0", "tau_b1"), 2.0)
    return oo.RotationalORGaNICs(**(plain | given))


# What is walked in steps at the end, and certified.
WALK = {"W_r": np.eye(2) + SKEW, "W": np.full((1, 2), 0.3), "W_by1": 2 * SKEW, "floor": 0.2}
WALKED = rotational(**WALK)


def constant(**given):
    """Two units with one modulator each, tied."""
    tied = {"W_zx": np.eye(2), "W_r": np.eye(2) + TURN, "W": np.ones((2, 2)), "sigma": HALF}
    return oo.ORGaNICs(**(tied | {"b0": HALF, "b1": 1.5, "tau_y": 2.0, "tau_a": 6 * HALF} | given))


def dynamic(**given):
    gates = {name: np.zeros((2, 2)) for name in ("W_by0", "W_ba0", "W_ba1")}
    gates |= {"W_bx0": np.tile([[0.3, -0.2]], (2, 1)), "W_bx1": SKEW, "W_by1": SKEW}
    tied = {"W_zx": np.eye(2), "W_r": np.eye(2) + TURN, "W": np.ones((2, 2)), "sigma": HALF}
    times = {"tau_y": 2.0, "tau_a": 3.0, "tau_b0": 8 * HALF, "tau_b1": [1.0, 5.0]}
    options = {"rectification": oo.Rectification.NONE}
    return oo.GatedORGaNICs(**(tied | gates | times | options | given))


# To certify a circuit from its fixed point compiles no search.


def certify_at_rest(circuit):
    """For no input: the initial state is the fixed point."""
    return oo.certify(circuit, np.zeros(2), state0=circuit.initial_state())


def certify_responding(circuit, *, y=(0.4, 0.3)):
    """The size of the input at which an `ORGaNICs` rests at this y > 0, and its certificate."""
    c = oo.resolve(circuit)
    W_r, W, b0 = (np.asarray(v) for v in (c.W_r, c.W, c.sigma * c.b0))
    y = np.array(y)
    a = np.linalg.solve(np.eye(2) - W * y**2, b0**2)
    x = (y - (1 - np.sqrt(a)) * (W_r @ y)) / np.asarray(c.b1)
    return np.linalg.norm(x), oo.certify(circuit, x, state0=oo.ORGaNICsState(y, a))


def certify_undriven(circuit):
    """A `GatedORGaNICs` of which the gates alone see the input."""
    c = oo.resolve(oo.replace(circuit, W_zx=np.zeros((2, 2))))
    b0, b1 = (1 / (1 + np.exp(-(np.asarray(W) @ X))) for W in (c.W_bx0, c.W_bx1))
    a = (np.asarray(c.sigma) * b0) ** 2
    return oo.certify(c, X, state0=oo.GatedORGaNICsState(np.zeros(2), a, b0, b1))


def test_the_bound_is_the_formula_of_the_theorem():
    # Without a pool nothing else bounds it: √(τ_max/τ_min) |z|/(σ floor).
    circuit = rotational(W_r=np.eye(2) + SKEW, tau_y=[2.0, 8.0], floor=0.2)
    bound, checks = bounded_checks(oo.resolve(circuit), X)
    assert all(bool(check.holds) for check in checks.values())
    np.testing.assert_allclose(bound, 2 * np.sqrt(5) / (0.5 * 0.2), rtol=1e-9)
    # Half of the symmetric part: 1 − (1 − s)/2.
    circuit = oo.replace(circuit, W_r=oo.SymmetricPart(np.eye(2) / 2 + SKEW))
    bound, _ = bounded_checks(oo.resolve(circuit), X)
    np.testing.assert_allclose(bound, 2 * np.sqrt(5) / (1 - (1 - 0.1) / 2), rtol=1e-9)
    # Two groups are bounded one by one, as two circuits are.
    apart = oo.RotationalORGaNICs(
        **(
            oo.values(circuit)
            | {
                "W_r": np.eye(2),
                "W": np.zeros((2, 2)),
                "sigma": [0.5, 2.0],
                "floor": 0.2,
                "W_bx0": np.zeros((2, 2)),
                "W_by0": np.zeros((2, 2)),
                "W_ba0": np.zeros((2, 2)),
                "W_ba1": np.zeros((2, 2)),
            }
        )
    )
    bound, _ = bounded_checks(oo.resolve(apart), X)
    np.testing.assert_allclose(bound, np.hypot(1 / 0.1, 2 / 0.4), rtol=1e-9)


def test_the_bound_is_reached_by_one_unit():
    one = np.ones((1, 1))
    circuit = rotational(1, W_zx=one, W_bx0=-40 * one, W_bx1=40 * one, floor=0.2)
    last = oo.unroll(oo.Euler(circuit, 0.1), np.ones((4000, 1)), last_only=True)
    bound, _ = bounded_checks(oo.resolve(circuit), np.ones(1))
    assert bound == pytest.approx(1 / (0.5 * 0.2), rel=1e-9)
    assert last.y[0] == pytest.approx(float(bound), rel=1e-6)


def test_a_pool_makes_the_bound_smaller_and_it_still_holds():
    W = np.full((1, 2), 0.5)
    circuit = rotational(W_r=np.eye(2) + SKEW, W=W, sigma=0.1, floor=0.02, W_by1=8 * SKEW)
    bound, _ = bounded_checks(oo.resolve(circuit), X)
    assert bound < np.sqrt(5) / (0.1 * 0.02) / 50
    held = np.repeat([X, -X, [X[0], 0.0]], 400, axis=0)
    states = oo.unroll(oo.RungeKutta(circuit, 0.05), held)
    largest = np.linalg.norm(states.y, axis=1).max()
    assert bound / 20 < largest < bound


def check_bounded(circuit, x, certificate):
    assert certificate.scope == "bounded" and certificate.theorem == "shared modulators"
    assert not certificate.holds and not certificate.is_global and certificate.p is None
    assert certificate.bound == pytest.approx(bounded_checks(oo.resolve(circuit), x)[0])
    assert "stability is not proved" in str(certificate) and "|y| <=" in str(certificate)


def test_a_certificate_of_the_class_is_of_its_bound_and_not_of_stability():
    y, b0, w, W_r = np.array([0.4, 0.3]), 0.6, 0.3, np.eye(2) + TURN
    circuit = rotational(**WALK | {"W_r": W_r, "W_by1": np.zeros((2, 2))})
    # Where the gains rest at 0.2 + 0.8/2 and 1/2, and the pool solves a = (σ b0)² + w a |y|².
    a = (0.5 * b0) ** 2 / (1 - w * y @ y)
    x = (y - (1 - np.sqrt(a)) * W_r @ y) / 0.5
    state = oo.RotationalORGaNICsState(y, [a], [b0], np.full(2, 0.5))
    check_bounded(circuit, x, oo.certify(circuit, x, state0=state))


@pytest.mark.slow
def test_a_certificate_of_two_groups_is_of_their_bound():
    circuit = oo.RotationalORGaNICs.random(2, 4, key=0, groups=2)
    check_bounded(circuit, X, oo.certify(circuit, X))


def test_tied_circuits_are_certified_and_those_next_to_them_are_not():
    size, certificate = certify_responding(constant())
    assert certificate.scope == "bounded" and certificate.theorem == "shared modulators"
    # The other classes have the bound of the theorem too, with b1 = 1.5 in the drive.
    assert certificate.bound <= 1.5 * size / 0.25 * (1 + 1e-9)
    off = np.array([0.0, 1e-9])
    misses = (
        {"W": np.ones((2, 2)) + off[:, None]},
        {"sigma": 0.5 + off},
        {"b0": 0.5 + off},
        {"tau_a": 3 + off},
        {"rectification": oo.Rectification.BEFORE},
        {"rectification": oo.Rectification.AFTER},
        # α(s0) = 1 − (1 − 1/4) λ is positive up to λ = 4/3.
        {"W_r": np.diag([1.0, 4 / 3 + 1e-9]) + TURN},
        {"W_r": np.diag([1.0, -1e-9]) + TURN},
        {"W_r": np.diag([1.0, 0.0]) + TURN},
    )
    for miss in misses:
        _, certificate = certify_responding(constant(**miss))
        assert certificate.scope is None and certificate.bound is None, miss
    nearly = constant(W_r=np.diag([1.0, 4 / 3 - 1e-6]) + TURN)
    assert certify_responding(nearly)[1].scope == "bounded"


def test_gates_are_looked_at():
    assert certify_undriven(dynamic()).scope == "bounded"
    tiny = np.array([[0.0, 1e-300], [0.0, 1e-300]])
    misses = (
        {"W_by0": tiny},
        {"W_ba0": tiny},
        {"W_bx0": np.array([[0.3, -0.2], [0.3, -0.2 + 1e-9]])},
        {"tau_b0": [4.0, 4.0 + 1e-9]},
        {"sigma": [0.5, 0.5 + 1e-9]},
        # b0 has a floor, but none that a float can hold.
        {"W_bx0": np.tile([[1e3, 0.0]], (2, 1))},
    )
    for miss in misses:
        assert certify_undriven(dynamic(**miss)).bound is None, miss


def test_units_that_nothing_connects_need_no_ties():
    # W_r = I: bounded, and stable by its own theorem.
    free = {"W_r": np.eye(2), "W": [[1.0, 0.2], [0.5, 3.0]], "sigma": [0.5, 0.7]}
    certificate = oo.certify(constant(**free, tau_a=[3.0, 4.0]), X)
    assert certificate.scope == "local" and certificate.holds and certificate.bound > 0
    # Gates that read y take the stability, not the bound.
    certificate = certify_undriven(dynamic(**free))
    assert certificate.scope == "bounded" and not certificate.holds


class Louder(oo.RotationalORGaNICs):
    def vector_field(self, t, state, x):
        velocity = super().vector_field(t, state, x)
        return velocity._replace(y=velocity.y + 0.1 * state.y)


def test_a_subclass_with_other_equations_is_not_certified():
    circuit = rotational(**WALK | {"W_r": np.eye(2) + TURN, "floor": 0.1})
    certificate = certify_at_rest(Louder(**oo.values(circuit)))
    assert certificate.scope is None and certificate.bound is None
    assert certify_at_rest(circuit).bound is not None


def test_a_modulator_grows_without_end_where_the_symmetric_part_is_singular():
    # n = 1, W_r = 0: y rests at b1 z whatever a is, and w |b1 z|² = 4 > 1.
    one = np.ones((1, 1))
    silent = oo.ORGaNICs(one, 0 * one, one, 0.5, 1.0, 1.0, 2.0, 3.0)
    for a in (1e3, 1e6):
        state = oo.ORGaNICsState(jnp.array([2.0]), jnp.array([a]))
        velocity = silent.vector_field(0.0, state, jnp.array([2.0]))
        assert velocity.y[0] == 0 and velocity.a[0] >= a * (4 - 1) / 3
    # At an input at which it rests there is no bound either: a = σ²/(1 − w |b1 z|²).
    rest = oo.ORGaNICsState([0.5], [0.25 / (1 - 0.25)])
    assert oo.certify(silent, [0.5], state0=rest).bound is None


def at_rest(s, eps, omega, kappa, turn):
    """A circuit of two units with one pool, τ_y = 1, and its fixed point: all four numbers free."""
    y = 1.3 * jnp.stack([jnp.cos(turn), jnp.sin(turn)])
    w, W_r = (1 - eps) / 1.3**2, jnp.eye(2) + omega * SKEW / 3
    z = y - (1 - s) * W_r @ y
    W = jnp.full((2, 2), w)
    circuit = oo.ORGaNICs(np.eye(2), W_r, W, jnp.sqrt(eps) * s, 1.0, 1.0, 1.0, kappa)
    return oo.resolve(circuit), oo.ORGaNICsState(y, jnp.full(2, s**2)), z


@jax.jit
@jax.vmap
def linearised(*draw):
    circuit, state, z = at_rest(*draw)
    return oo.jacobian(circuit, state, z), circuit.vector_field(0.0, state, z)


def test_stability_of_two_units_is_the_condition_of_the_docs():
    rng = np.random.default_rng(0)
    draws = np.stack(
        [
            10 ** rng.uniform(-2, 0.7, 400),
            rng.uniform(0.001, 0.999, 400),
            10 ** rng.uniform(-1, 1.5, 400),
            10 ** rng.uniform(-1.5, 1, 400),
            rng.uniform(0, 6, 400),
        ],
        axis=1,
    )
    J, velocity = linearised(*draws.T)
    assert max(abs(np.asarray(v)).max() for v in velocity) < 1e-11
    abscissa = np.linalg.eigvals(np.asarray(J)).real.max(1)
    s, eps, omega, kappa, _ = draws.T
    Q = s**2 + (1 - s) ** 2 * omega**2
    crosses_0 = s**2 - omega**2 * (1 - s) * (s - eps)
    cubic = 2 * kappa**2 * s * Q + kappa * s**2 * (1 + 3 * eps) + eps * s * (1 + eps)
    cubic += kappa * (1 - eps) * s * omega**2 * (1 - s)
    stable = (crosses_0 > 0) & (cubic > 0)
    np.testing.assert_array_equal(abscissa < 0, stable)
    # Both ways to lose stability are met, and s ≤ 1 knows one of them only.
    assert np.sum(crosses_0 < 0) > 20 and np.sum((cubic < 0) & (crosses_0 > 0)) > 5
    assert np.all(cubic[s <= 1] > 0) and np.all(crosses_0[s > 1] > 0)
    root = np.sqrt(1 + omega**2)
    assert np.all(stable[eps > (root - 1) / (root + 1)])


def test_eigenvalues_of_one_pool_are_the_zeros_of_a_function_of_rank_one():
    rng, n, p = np.random.default_rng(1), 5, 3.0
    for _ in range(20):
        A = rng.normal(size=(n, n))
        W_r = np.diag(rng.uniform(0.1, 1, n)) + A - A.T
        y, s, eps = rng.normal(size=n), rng.uniform(0.1, 2), rng.uniform(0.05, 0.9)
        w = rng.uniform(0.1, 1, n)
        w *= (1 - eps) / (w @ abs(y) ** p)
        tau_y, tau_a, a = rng.uniform(1, 4, n), rng.uniform(1, 4), s**p
        M, v = -np.eye(n) + (1 - s) * W_r, w * abs(y) ** (p - 1) * np.sign(y)
        J = np.zeros((n + 1, n + 1))
        J[:n, :n], J[:n, n] = M / tau_y[:, None], -(W_r @ y) * s / (p * a) / tau_y
        J[n, :n], J[n, n] = a * p * v / tau_a, -eps / tau_a
        for value in np.linalg.eigvals(J):
            terms = [tau_a * value, eps]
            terms += [s * v @ np.linalg.solve(value * np.diag(tau_y) - M, W_r @ y)]
            assert abs(sum(terms)) < 1e-9 * max(map(abs, terms))
        # This J is that of the library, where all units keep one modulator.
        circuit = oo.ORGaNICs(
            np.eye(n),
            W_r,
            np.tile(w, (n, 1)),
            (eps * a) ** (1 / p),
            1.0,
            1.0,
            tau_y,
            tau_a,
            exponent=p,
        )
        state = oo.ORGaNICsState(jnp.asarray(y), jnp.full(n, a))
        full = np.asarray(oo.jacobian(circuit, state, y - (1 - s) * W_r @ y))
        spread = np.block([[np.eye(n), np.zeros((n, 1))], [np.zeros((n, n)), np.ones((n, 1))]])
        np.testing.assert_allclose(full @ spread, spread @ J, atol=1e-10)


def test_trajectories_approach_each_other_where_the_condition_holds():
    rng = np.random.default_rng(2)
    circuit = constant(W_r=np.eye(2) + SKEW / 6, W=np.full((2, 2), 0.3), b1=1.0, b0=1.6)
    xs = np.tile([0.5, 0.3], (60, 1))
    one, two = (
        oo.unroll(oo.RungeKutta(circuit, 0.1), xs, state0=oo.ORGaNICsState(y, np.full(2, a)))
        for y, a in ((rng.normal(size=2) * 0.3, 0.7), (rng.normal(size=2) * 0.3, 1.0))
    )
    gamma, tau_y, tau_a, k, w = 0.9 / (4 * 0.3), 2.0, 3.0, 0.64, np.full(2, 0.3)
    W_r = np.eye(2) + SKEW / 6

    def holds(y, log_a):
        s = np.exp(log_a / 2)
        cross = gamma * 2 * w * y - s / 2 * W_r @ y
        return 4 * min(s, 1) * gamma * k / np.exp(log_a) > cross @ cross

    paths = [np.column_stack([v.y, np.log(v.a[:, :1])]) for v in (one, two)]
    # On the whole segment between the two, which is what the argument asks for.
    for share in np.linspace(0, 1, 5):
        assert all(holds(v[:2], v[2]) for v in (1 - share) * paths[0] + share * paths[1])
    difference = paths[0] - paths[1]
    distance = difference**2 @ np.array([tau_y, tau_y, gamma * tau_a])
    assert np.all(np.diff(distance) < 0)


def largest_step(kept, omega, s):
    """The largest h of a fine grid up to which every step keeps the norm, for all s."""
    for h in np.linspace(1e-4, 1.5, 15_000):
        if np.any(kept(h * (-s + 1j * (1 - s) * omega)) >= 1):
            return h
    raise AssertionError


def test_the_largest_steps_are_those_of_the_docs():
    euler = lambda m: abs(1 + m)  # noqa: E731
    three = lambda m: abs(1 + m + m**2 / 2 + m**3 / 6)  # noqa: E731
    for omega, least, of_euler, of_three in ((5, 0.2, 0.0249, 0.47), (20, 0.2, 1.56e-3, 0.107)):
        s = np.linspace(least, 2, 2001)
        formula = np.min(2 * s / (s**2 + (1 - s) ** 2 * omega**2))
        assert largest_step(euler, omega, s) == pytest.approx(formula, abs=2e-4)
        assert formula == pytest.approx(of_euler, rel=0.01)
        assert largest_step(three, omega, s) == pytest.approx(of_three, rel=0.01)


@pytest.mark.parametrize("cell", [oo.Euler, oo.ShuOsher])
def test_a_step_keeps_the_bound_where_it_is_proved_and_not_everywhere(cell):
    circuit, tau, omega, least = WALKED, 2.0, 3.0, 0.1
    rng = np.random.default_rng(3)
    xs = rng.choice([-1.0, 1.0], size=(1500, 2))
    h = 0.02 * tau
    states = oo.unroll(cell(circuit, h), xs)
    s = np.sqrt(np.asarray(states.a))
    assert least <= s.min() and s.max() < 2
    ss = np.linspace(least, s.max(), 500)
    q = np.sqrt(np.max((1 - h / tau * ss) ** 2 + (h / tau * (1 - ss) * omega) ** 2))
    assert q < 1
    assert np.linalg.norm(states.y, axis=1).max() <= h / tau * np.sqrt(2) / (1 - q)
    # A strong input drives s to where the step itself is unstable; the circuit is bounded there.
    with pytest.raises(RuntimeError, match="diverged"):
        oo.unroll(cell(circuit, tau), 1e3 * np.ones((1500, 2)))
    assert oo.certify(circuit, [1e3, 1e3], search=False).scope == "bounded"


def test_the_bound_needs_no_fixed_point(compiled, unchecked):
    circuit = rotational(W_r=np.eye(2) + TURN)
    other = oo.replace(circuit, sigma=0.7)
    found = oo.certify(circuit, X, search=False)
    told = oo.certify(circuit, X)
    assert found.scope == told.scope == "bounded" and found.bound == told.bound
    assert found.state is None and found.abscissa is None and found.evidence is None
    assert "no fixed point was looked for" in found.reasons[0]
    compiled()
    again = oo.certify(other, X, search=False)
    assert again.scope == "bounded" and compiled() == 0
    # Where theorem 1 applies there is nothing to look for; elsewhere nothing is proved.
    plain = {"W_zx": np.eye(2), "W": np.ones((2, 2)), "sigma": 0.5, "b0": 0.5, "b1": 0.5}
    plain |= {"tau_y": 2.0, "tau_a": 2.0}
    assert oo.certify(oo.ORGaNICs(W_r=np.eye(2), **plain), X, search=False).scope == "local"
    assert oo.certify(oo.ORGaNICs(W_r=2 * np.eye(2), **plain), X, search=False).scope is None
    with pytest.raises(ValueError, match="Argument `search` must be"):
        oo.certify(circuit, X, search="no")
