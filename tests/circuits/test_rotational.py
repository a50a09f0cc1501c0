"""`RotationalORGaNICs`: its equations by a second route, its class, and how it starts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from compared import tree_equal

import organics_ode as oo
from organics_ode import facts

N, M = 4, 2


def circuit_of(groups=2, **options):
    return oo.RotationalORGaNICs.random(M, N, key=3, groups=groups, sigma=0.3, **options)


def state_of(circuit, seed=0):
    """Generic, on both sides of every kink but a = 0."""
    rng = np.random.default_rng(seed)
    like = circuit.initial_state()
    draws = [rng.uniform(0.1, 1.5, leaf.shape) for leaf in like]
    return type(like)(*map(jnp.asarray, (rng.normal(size=N), *draws[1:])))


def by_hand(c, floor, p, state, x):
    """The equations with loops over units and groups."""
    y, a, b0, b1 = map(np.asarray, state)
    x = np.asarray(x)
    n, g = len(y), len(a)
    of = [i // (n // g) for i in range(n)]
    sigmoid = lambda u: 1 / (1 + np.exp(-u))  # noqa: E731
    full = lambda v, k: np.broadcast_to(v, (k,))  # noqa: E731
    dy, da, db0, db1 = np.zeros(n), np.zeros(g), np.zeros(g), np.zeros(n)
    for i in range(n):
        recurrent = sum(c["W_r"][i, j] * y[j] for j in range(n) if of[j] == of[i])
        drive = b1[i] * (c["W_zx"][i] @ x)
        dy[i] = (-y[i] + drive + (1 - a[of[i]] ** (1 / p)) * recurrent) / full(c["tau_y"], n)[i]
        u = c["W_bx1"][i] @ x + c["W_by1"][i] @ y + c["W_ba1"][i] @ a
        db1[i] = (-b1[i] + sigmoid(u)) / full(c["tau_b1"], n)[i]
    for k in range(g):
        pooled = sum(c["W"][k, j] * a[of[j]] * abs(y[j]) ** p for j in range(n))
        rest = (full(c["sigma"], g)[k] * b0[k]) ** p
        da[k] = (-a[k] + rest + pooled) / full(c["tau_a"], g)[k]
        u = c["W_bx0"][k] @ x + c["W_by0"][k] @ y + c["W_ba0"][k] @ a
        db0[k] = (-b0[k] + floor + (1 - floor) * sigmoid(u)) / full(c["tau_b0"], g)[k]
    return dy, da, db0, db1


@pytest.mark.slow_but_first
@pytest.mark.parametrize(("groups", "p"), [(2, 3.0), (1, 2.0), (4, 1.5)])
def test_the_vector_field_is_its_equations(groups, p):
    circuit = circuit_of(groups, exponent=p, floor=0.2)
    state, x = state_of(circuit), jnp.array([0.7, -1.2])
    values = {name: np.asarray(v) for name, v in oo.values(circuit).items()}
    field = eqx.filter_jit(circuit.vector_field)(0.0, state, x)
    for found, expected in zip(field, by_hand(values, 0.2, p, state, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("groups", [1, 2])
def test_it_is_a_gated_circuit_with_shared_modulators(groups):
    circuit, shared = circuit_of(groups), N // groups
    c = oo.values(circuit)
    spread = lambda v: np.repeat(np.broadcast_to(v, (groups, *np.shape(v)[1:])), shared, 0)  # noqa: E731
    # A unit of a group hears a share of each of its copies of the modulator.
    heard = lambda W: np.repeat(np.asarray(W), shared, 1) / shared  # noqa: E731
    given = {name: c[name] for name in ("W_zx", "W_r", "W_bx1", "W_by1", "tau_y", "tau_b1")}
    given |= {name: spread(c[name]) for name in ("W", "sigma", "tau_a", "tau_b0", "W_bx0", "W_by0")}
    given |= {"W_ba0": spread(heard(c["W_ba0"])), "W_ba1": heard(c["W_ba1"])}
    gated = oo.GatedORGaNICs(**given, rectification=oo.Rectification.NONE)
    state, x = state_of(circuit), jnp.array([0.7, -1.2])
    alike = oo.GatedORGaNICsState(state.y, *map(jnp.asarray, map(spread, state[1:3])), state.b1)
    ours, theirs = circuit.vector_field(0.0, state, x), gated.vector_field(0.0, alike, x)
    np.testing.assert_allclose(theirs.y, ours.y, rtol=1e-12)
    np.testing.assert_allclose(theirs.a, spread(ours.a), rtol=1e-12)
    np.testing.assert_allclose(theirs.b1, ours.b1, rtol=1e-12)
    # All but the floor of the gate.
    tau, floor = np.asarray(c["tau_b0"]), 0.1
    gate = (np.asarray(ours.b0) * tau + state.b0 - floor) / (1 - floor)
    np.testing.assert_allclose(theirs.b0, spread((gate - state.b0) / tau), rtol=1e-10, atol=1e-15)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("groups", [2, 1])
def test_its_jacobian_is_that_of_autodiff(groups):
    circuit = oo.resolve(circuit_of(groups, exponent=3.0))
    state, x = state_of(circuit), jnp.array([0.7, -1.2])
    found = jax.jit(lambda v: facts.blocks(circuit, v, x))(state)
    expected = jax.jit(jax.jacfwd(lambda v: circuit.vector_field(0.0, v, x)))(state)
    for ours, theirs in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-14)


def test_substitution_solves_each_equation_for_its_own_variable():
    circuit, x = oo.resolve(circuit_of(2, exponent=3.0, floor=0.2)), jnp.array([0.7, -1.2])
    state = state_of(circuit)
    new = jax.jit(lambda v: facts.substitute(circuit, v, x))(state)
    values = {name: np.asarray(v) for name, v in oo.values(circuit).items()}
    field = lambda v: by_hand(values, 0.2, 3.0, v, x)  # noqa: E731
    # y rests among the others as they were, and a where only y and its own equation are new.
    np.testing.assert_allclose(field(state._replace(y=new.y))[0], 0, atol=1e-13)
    rest = field(oo.RotationalORGaNICsState(new.y, state.a, state.b0, state.b1))[1]
    np.testing.assert_allclose(new.a, state.a + values["tau_a"] * rest, rtol=1e-12)
    still = field(new)
    np.testing.assert_allclose(np.concatenate(still[2:]), 0, atol=1e-14)
    assert np.abs(still[0]).max() > 1e-3  # else no round would have had anything to do


def test_sizes_are_those_of_a_circuit_that_has_heard_its_input_once():
    circuit, x = oo.resolve(circuit_of(2, exponent=3.0, floor=0.2)), jnp.array([0.7, -1.2])
    c = {name: np.asarray(v) for name, v in oo.values(circuit).items()}
    sigmoid = lambda u: 1 / (1 + np.exp(-u))  # noqa: E731
    for strength in (1e-3, 30.0):
        b0, b1 = 0.2 + 0.8 * sigmoid(c["W_bx0"] @ x * strength), sigmoid(c["W_bx1"] @ x * strength)
        first = b1 * (np.abs(c["W_zx"]) @ np.abs(x) * strength)
        drive = [first[i] + np.abs(c["W_r"][i]) @ first for i in range(N)]
        rest = (c["sigma"] * b0) ** 3
        pool = np.cbrt(rest + c["W"] @ np.power(drive, 3))
        y = [drive[i] / max(1, pool[i // 2]) for i in range(N)]
        found = facts.sizes(circuit, circuit.initial_state(), x * strength)
        for ours, theirs in zip(found, (y, rest, b0, b1), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        # A faint input is not normalized, a strong one is.
        assert np.all((pool > 1) == (strength > 1))


def test_random_starts_are_uniform_and_y_is_scaled_to_norm_1():
    circuit, many = circuit_of(2), 2000
    keys = jax.random.split(jax.random.key(0), many)
    y, a, b0, b1 = map(np.asarray, jax.jit(jax.vmap(circuit.random_state))(keys))
    assert y.shape == b1.shape == (many, N) and a.shape == b0.shape == (many, 2)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(b0, 1)
    # Of uniform numbers, those below the largest are uniform up to it, whatever the scale.
    largest = y.max(axis=1, keepdims=True)
    for drawn in ((y / largest)[y < largest], a, b1):
        assert scipy.stats.kstest(drawn.ravel(), "uniform").pvalue > 1e-3
    # No two of them are the same draws.
    R = np.corrcoef(np.hstack([y / largest, a, b1]).T)
    assert np.abs(R - np.eye(len(R)))[N:].max() < 5 / many**0.5
    # A plain number is a key.
    one, same = circuit.random_state(7), circuit.random_state(jax.random.key(7))
    assert tree_equal(one, same)


@pytest.mark.slow
@pytest.mark.parametrize("groups", [2, 1])
def test_its_fixed_points_are_where_it_settles(groups):
    circuit = oo.resolve(circuit_of(groups, exponent=3.0))
    state, x = state_of(circuit), jnp.array([0.7, -1.2])
    point = oo.fixed_point(circuit, x)
    assert point.succeeded and point.residual < 1e-12
    ts = np.array([0.0, 3e4])
    end = oo.simulate(circuit, x, ts, state0=state).states
    for settled, rest in zip(end, point.state, strict=True):
        np.testing.assert_allclose(settled[-1], rest, rtol=1e-4, atol=1e-6)


# One W_r by its coordinate, one that is put back; steps as large as the weights.
@pytest.mark.slow_but_first
@pytest.mark.parametrize("node", (oo.SymmetricPart, None))
def test_what_it_learns_stays_in_the_class(node):
    circuit = circuit_of(2)
    if node is not None:
        mixed = oo.values(circuit)["W_r"] - 0.3 * np.eye(N)
        circuit = oo.replace(circuit, W_r=node(mixed, groups=2))
    optimizer = optax.sgd(0.5)
    free, fixed = eqx.partition(circuit, oo.trainable(circuit))
    moves = jax.tree.map(lambda v: jax.random.normal(jax.random.key(1), v.shape, v.dtype), free)
    with jax.numpy_dtype_promotion("standard"):
        updates, _ = optimizer.update(moves, optimizer.init(free))
    new = oo.project(eqx.combine(eqx.apply_updates(free, updates), fixed))
    W_r = np.asarray(oo.resolve(new).W_r)
    rates = np.linalg.eigvalsh((W_r + W_r.T) / 2)
    assert not np.allclose(W_r, oo.resolve(circuit).W_r)
    assert rates[0] > 0.01 - 1e-12 and rates[-1] < 1 + 1e-12
    assert np.all(W_r[:2, 2:] == 0) and np.all(W_r[2:, :2] == 0)
    assert np.all(np.asarray(oo.resolve(new).W) >= 0) and new.floor == circuit.floor
    assert oo.certify(new, np.ones(M)).scope == "bounded"


def test_what_a_plain_recurrence_becomes():
    given = oo.values(circuit_of(2))
    build = lambda **new: oo.RotationalORGaNICs(**(given | new))  # noqa: E731
    assert isinstance(build().W_r, oo.IdentityPlusSkew) and build().W_r.groups == 2
    np.testing.assert_array_equal(oo.resolve(build()).W_r, given["W_r"])
    damped = given["W_r"] - 0.5 * np.eye(N)
    assert isinstance(build(W_r=damped).W_r, oo.SymmetricPart)
    np.testing.assert_array_equal(oo.resolve(build(W_r=damped)).W_r, damped)
    kept = oo.Frozen(damped)
    assert isinstance(build(W_r=kept).W_r, oo.Frozen)
    # An array for the floor is not trained either.
    assert isinstance(build().floor, oo.Frozen)


WRONG = [
    ({"W_r": 2 * np.eye(N)}, "W_r", "symmetric part"),
    ({"W_r": np.zeros((N, N))}, "W_r", "symmetric part"),
    (
        {"W_r": np.eye(N) + np.triu(np.ones((N, N)), 1) - np.tril(np.ones((N, N)), -1)},
        "W_r",
        "groups",
    ),
    ({"W_r": oo.SpectralBound(np.eye(N))}, "W_r", "SpectralBound"),
    ({"W_r": oo.IdentityPlusSkew(np.eye(N))}, "W_r", "2 groups"),
    ({"W_r": oo.SymmetricPart(np.eye(N), 0.5, 2.0, groups=2)}, "W_r", "at most 1"),
    ({"floor": 1.0}, "floor", "between 0.0 and 1.0"),
    ({"floor": oo.Positive(0.1)}, "floor", "not trained"),
    ({"W": -np.ones((2, N))}, "W", "negative"),
    ({"W": np.ones((3, N))}, "W", "shape"),
    ({"sigma": 0.0}, "sigma", "positive"),
    ({"tau_a": np.ones(N)}, "tau_a", "shape"),
]


@pytest.mark.parametrize(("new", "name", "text"), WRONG, ids=lambda v: str(v)[:30])
def test_what_leaves_the_class_is_refused(new, name, text):
    circuit = circuit_of(2)
    with pytest.raises(ValueError, match=f"Argument `{name}`") as error:
        oo.replace(circuit, **new)
    assert text in str(error.value)
    with pytest.raises(ValueError, match="Argument"):
        oo.RotationalORGaNICs(**(oo.values(circuit) | {"floor": 0.1} | new))


def test_groups_divide_the_units():
    with pytest.raises(ValueError, match="`groups` must divide the number of units, 4"):
        oo.RotationalORGaNICs.random(M, N, key=0, groups=3)
    three = {"W": (3, N), "W_bx0": (3, M), "W_by0": (3, N), "W_ba0": (3, 3), "W_ba1": (N, 3)}
    given = oo.values(circuit_of(1)) | {name: np.ones(shape) for name, shape in three.items()}
    given |= {name: 2.0 for name in given if name.startswith("tau")}
    with pytest.raises(ValueError, match="`W` must have a row for each group of equal size of 4 "):
        oo.RotationalORGaNICs(**given)
    with pytest.raises(ValueError, match="square matrix"):
        oo.IdentityPlusSkew(np.ones((2, 3)))
    with pytest.raises(ValueError, match="`value` must have I as its symmetric part"):
        oo.IdentityPlusSkew(np.ones((2, 2)))
    with pytest.raises(ValueError, match="`low` must be below `high`"):
        oo.SymmetricPart(np.eye(2), 1.0, 1.0)


def test_a_file_that_left_the_class_is_refused(tmp_path):
    circuit = circuit_of(2)
    oo.save(tmp_path / "good", circuit)
    assert tree_equal(oo.load(tmp_path / "good"), circuit)
    wrong = (
        eqx.tree_at(lambda c: c.W_r, circuit, oo.Frozen(3 * jnp.eye(N))),
        eqx.tree_at(lambda c: c.W.value, circuit, -circuit.W.value),
        eqx.tree_at(lambda c: c.floor, circuit, 1.5),
        oo.resolve(eqx.tree_at(lambda c: c.W_r, circuit, jnp.ones((N, N)))),
    )
    for i, bad in enumerate(wrong):
        oo.save(tmp_path / f"bad{i}", bad)
        with pytest.raises(ValueError, match=r"W_r|W|floor"):
            oo.load(tmp_path / f"bad{i}")
    # What diverged in training has NaN, and comes back.
    lost = eqx.tree_at(lambda c: c.W_r.theta, circuit, jnp.full((N, N), jnp.nan))
    oo.save(tmp_path / "lost", lost)
    assert np.isnan(oo.load(tmp_path / "lost").W_r.theta).all()


@pytest.mark.slow_but_first
@pytest.mark.parametrize("groups", [2, 1])
def test_fourier_memory_starts_it_as_oscillators(groups):
    rng = np.random.default_rng(0)
    xs = rng.uniform(size=(30, 80, 1))
    plain = oo.RotationalORGaNICs.random(1, 8, key=1, groups=groups, sigma=0.02, tau_y=20.0)
    plain = oo.replace(plain, W=1e-3 * np.ones((groups, 8)))
    circuit = oo.fourier_memory(plain, xs, 1.0, cycles=(0.5, 8.0), rms=0.25, key=2)
    assert isinstance(circuit.W_r, oo.IdentityPlusSkew)
    W_r = np.asarray(oo.resolve(circuit).W_r)
    frequencies = np.sort(np.abs(np.linalg.eigvals(W_r).imag))[::2] / 20 / (2 * np.pi) * 80
    np.testing.assert_allclose(frequencies, np.linspace(0.5, 8, 4), rtol=1e-6)
    # By the cell itself, from gains at rest.
    cell = oo.ShuOsher(oo.replace(circuit, W_bx1=np.zeros((8, 1))), 0.25)
    held = np.repeat(xs, 4, axis=1)
    y = jax.vmap(lambda x: oo.unroll(cell, x, last_only=True).y)(held)
    assert np.sqrt(np.mean(y**2)) == pytest.approx(0.25, rel=0.15)


def test_fourier_memory_asks_for_pairs_within_groups():
    xs = np.ones((3, 16, 1))
    circuit = oo.RotationalORGaNICs.random(1, 6, key=1, groups=2, tau_y=20.0)
    with pytest.raises(ValueError, match="6 principal cells in 2 groups"):
        oo.fourier_memory(circuit, xs, 1.0, cycles=(0.5, 2.0), key=2)
