"""All fixed points that a search finds: against polynomials, theory and long runs."""

import functools
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oscillators import unit, unit_points
from precisions import X, check_full, own
from random_circuits import NOTHING, ZERO, eigenvalues

import organics_ode as oo
from organics_ode import facts, planar
from organics_ode.equilibria import _find_fixed_points
from organics_ode.equilibria._points import read_starts

NONE = oo.Rectification.NONE
KEY = jax.random.key(0)
ONE, NIL = np.ones((1, 1)), np.zeros((1, 1))


# ---- One unit: the quartic of math.md §3 --------------------------------------------------------


search = functools.partial(oo.find_fixed_points, key=KEY, starts=64)


@pytest.fixture(scope="module")
def three():
    """The circuit with one stable and two unstable points."""
    return search(unit(2.0, 0.5, 0.1), np.ones(1))


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    "parameters", [(2.0, 0.5, 0.1), (0.5, 0.5, 0.1), (2.0, 1.0, 1.0), (1.5, 0.3, 0.2)]
)
def test_the_points_of_one_unit_are_the_roots_of_its_quartic(parameters):
    points = search(unit(*parameters), np.ones(1))
    exact = np.array(sorted(unit_points(*parameters)))
    assert len(points) == len(exact)
    points = points.sort(points.states.y[:, 0])
    np.testing.assert_allclose(points.states.y[:, 0], exact[:, 0], rtol=1e-8)
    np.testing.assert_allclose(points.states.a[:, 0], exact[:, 1], rtol=1e-8)
    assert np.all(points.residuals <= 1e-10)
    assert 1 <= np.sum(points.hits) <= points.starts


def test_a_faint_input_hides_no_state_that_recurrence_sustains():
    # Responses rest at ±1 whatever the input, which alone says 1e-4 and 1e-8.
    circuit = unit(7.7, 0.5, 0.1)
    for x in ([5.5e-5], [1e-8]):
        points, exact = search(circuit, x), planar.fixed_points(circuit, x)
        assert len(points) == len(exact) == 3 and points.is_stable.sum() == 2
        found, right = (np.sort(p.states.y[:, 0]) for p in (points, exact))
        np.testing.assert_allclose(found, right, rtol=1e-8)


def test_each_point_has_its_own_stability(three):
    def velocity(v):
        y, a = v
        dy = -y + 0.5 + (1 - np.sqrt(a)) * 2 * y
        return np.array([dy, -a + 0.05**2 + a * y**2]) / 2

    exact = [eigenvalues(velocity, np.array([s.y[0], s.a[0]])) for s in three]
    largest = np.array([np.max(values.real) for values in exact])
    # Central differences with step 1e-6.
    np.testing.assert_allclose(three.abscissae, largest, rtol=1e-5)
    np.testing.assert_array_equal(three.is_stable, largest < 0)
    assert not np.any(three.is_marginal)
    np.testing.assert_array_equal(three.is_stable, [True, False, False])


# ---- The gated counterexample of math.md §3 -----------------------------------------------------


@pytest.mark.slow
def test_the_gated_circuit_has_its_three_points():
    gates = {"W_bx0": NIL, "W_by0": NIL, "W_ba0": NIL, "W_ba1": NIL}
    gates |= {"W_bx1": -10 * ONE, "W_by1": 20 * ONE}
    times = dict.fromkeys(("tau_y", "tau_a", "tau_b0", "tau_b1"), 2.0)
    # σ b0 = .1: the gain b0 rests at ½.
    circuit = oo.GatedORGaNICs(ONE, ONE, ONE, 0.2, **gates, **times, rectification=NONE)
    points = search(circuit, np.ones(1), starts=128)
    assert len(points) == 3
    points = points.sort(points.states.b1[:, 0])
    np.testing.assert_allclose(points.states.b1[:, 0], [4.58e-5, 0.03555, 0.99995], rtol=2e-3)
    np.testing.assert_allclose(points.states.b0[:, 0], 0.5, rtol=1e-10)
    np.testing.assert_allclose(points.abscissae, [-0.0495, 0.1905, -0.2535], atol=5.1e-5)
    np.testing.assert_array_equal(points.is_stable, [True, False, True])


# ---- The ring memory of math.md §5 --------------------------------------------------------------


@pytest.fixture(scope="module")
def ring():
    n, g, offset = 8, 2.0, 0.1
    angles = 2 * np.pi * np.arange(n) / n
    plane = np.stack([np.cos(angles), np.sin(angles)]) * np.sqrt(2 / n)
    circuit = oo.ORGaNICs(
        np.eye(n), g * plane.T @ plane, np.ones((n, n)), offset, 1.0, 1.0, 2.0, 2.0
    )
    s = 1 - 1 / g
    return circuit, plane, np.sqrt(1 - offset**2 / s**2), search(circuit, np.zeros(n), starts=96)


@pytest.mark.slow
def test_the_ring_is_found_as_a_continuum(ring):
    _, plane, radius, points = ring
    assert round(radius, 4) == 0.9798
    norms = np.linalg.norm(points.states.y, axis=1)
    on_ring = norms > 0.1
    assert on_ring.sum() > 20
    np.testing.assert_allclose(norms[on_ring], radius, rtol=1e-6)
    np.testing.assert_allclose(points.states.a[on_ring], 0.25, rtol=1e-6)
    # In the plane, at angles all around.
    y = points.states.y[on_ring]
    np.testing.assert_allclose(y @ plane.T @ plane, y, atol=1e-6)
    quadrants = {tuple(np.sign(row)) for row in np.asarray(y @ plane.T)}
    assert len(quadrants) == 4
    # One zero eigenvalue each, along the ring.
    assert np.all(points.is_marginal[on_ring]) and not np.any(points.is_stable[on_ring])
    # The state of rest is the only other one.
    rest = points[~on_ring]
    assert len(rest) == 1 and not rest.is_marginal[0] and rest.abscissae[0] > 0.01


@pytest.mark.slow
def test_a_point_on_the_ring_does_not_drift(ring):
    circuit, _, _, points = ring
    (start,) = points[points.is_marginal][0]
    controller = diffrax.PIDController(rtol=1e-9, atol=1e-11)
    ts = np.array([0.0, 3000.0])
    ran = oo.simulate(circuit, np.zeros(8), ts, state0=start, stepsize_controller=controller)
    for before, after in zip(start, ran.states, strict=True):
        # The tolerance, a hundred times: its steps sit at the edge of the solver's stability.
        np.testing.assert_allclose(after[-1], before, atol=1e-7)


# ---- The container ------------------------------------------------------------------------------


def test_it_is_a_sequence_of_points(three):
    assert len(three) == 3
    assert len(list(three)) == 3
    for i, state in enumerate(three):
        np.testing.assert_array_equal(state.y, three.states.y[i])
    a = np.asarray(three.states.a)
    picks = ((1, [1]), (-1, [2]), (slice(1, 3), [1, 2]), (np.array([2, 0]), [2, 0]), ([1], [1]))
    for index, rows in (*picks, (three.is_stable, [0]), (~three.is_stable, [1, 2])):
        part = three[index]
        np.testing.assert_array_equal(part.states.a, a[rows])
        assert len(part) == part.spectra.eigenvalues.shape[0] == part.hits.size == len(rows)
    with pytest.raises(IndexError):
        three[3]


def test_it_is_sorted_by_stability_or_as_asked(three):
    assert np.all(np.diff(three.abscissae) >= 0)
    again = three.sort(three.states.y[:, 0])
    np.testing.assert_array_equal(again.states.y[:, 0], np.sort(three.states.y[:, 0]))
    np.testing.assert_array_equal(
        sorted(map(tuple, np.column_stack([again.abscissae, again.hits]))),
        sorted(map(tuple, np.column_stack([three.abscissae, three.hits]))),
    )
    with pytest.raises(ValueError, match=r"Argument `values` must have shape \(k,\) = \(3,\)"):
        three.sort(three.states.y)


def test_it_prints_a_table(three):
    lines = repr(three).splitlines()
    assert lines[0] == "FixedPoints: 3 found (there may be more)"
    assert "abscissa (1/ms)" in lines[1] and "freq. (Hz)" in lines[1]
    assert len(lines) == 5
    assert lines[2].split()[:2] == ["0", "stable"] and "y [0.9978]" in lines[2]
    assert [line.split()[1] for line in lines[3:]] == ["unstable"] * 2
    assert "FixedPoints: a batch of 1" in repr(jax.tree.map(lambda leaf: leaf[None], three))


def test_a_long_table_is_cut(three):
    many = jax.tree.map(lambda leaf: jnp.concatenate([leaf] * 4), three)
    lines = repr(many).splitlines()
    assert lines[-1] == "  ... 5 more" and len(lines) == 10


@pytest.mark.slow
def test_a_table_of_many_units_is_cut_and_names_marginal_points(ring):
    *_, points = ring
    assert "marginal" in repr(points[points.is_marginal])
    assert " ...]" in repr(points).splitlines()[2]


def test_it_is_saved_and_loaded_to_the_bit(three, tmp_path):
    oo.save(tmp_path / "points", three)
    back = oo.load(tmp_path / "points", like=three)
    for one, two in zip(jax.tree.leaves(back), jax.tree.leaves(three), strict=True):
        np.testing.assert_array_equal(one, two)
    assert type(back) is oo.FixedPoints and repr(back) == repr(three)


def test_the_same_key_gives_the_same_points(three):
    again = search(unit(2.0, 0.5, 0.1), np.ones(1))
    for one, two in zip(jax.tree.leaves(again), jax.tree.leaves(three), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_a_circuit_without_fixed_points_has_an_empty_result(tmp_path):
    points = search(NOTHING, ZERO, starts=8)
    assert len(points) == 0 and list(points) == []
    assert repr(points).startswith("FixedPoints: 0 found")
    assert points.abscissae.shape == points.is_stable.shape == (0,)
    assert len(points[points.is_stable]) == len(points.sort(points.abscissae)) == 0
    oo.save(tmp_path / "none", points)
    assert len(oo.load(tmp_path / "none", like=points)) == 0


@pytest.mark.parametrize("starts", (0, -1, 2.5, True))
def test_a_bad_number_of_starts_is_refused(starts, unchecked):
    with pytest.raises(ValueError, match="Argument `starts` must be a positive integer"):
        search(unit(2.0, 0.5, 0.1), np.ones(1), starts=starts)


def test_bad_arguments_are_refused(unchecked):
    no_circuit: Any = 3.0
    with pytest.raises(ValueError, match=r"Argument `x` must have shape \(m,\) = \(1,\)"):
        search(unit(2.0, 0.5, 0.1), np.ones(2))
    with pytest.raises(ValueError, match="Argument `circuit` must be a circuit"):
        search(circuit=no_circuit, x=np.ones(1))
    with pytest.raises(ValueError, match="this runs outside jit and vmap"):
        jax.jit(lambda x: search(unit(2.0, 0.5, 0.1), x).residuals)(jnp.ones(1))


# ---- Circuits of one's own, whose points are known -----------------------------------------------


class OwnState(NamedTuple):
    v: Any


class Own(oo.AbstractCircuit[OwnState]):
    """v̇ = f(v), from rest at 0."""

    f: Any = eqx.field(static=True)
    rest: jax.Array

    @property
    def input_size(self) -> int:
        return 1

    def vector_field(self, t, state, x):
        return OwnState(self.f(state.v))

    def initial_state(self):
        return OwnState(self.rest)


def lorenz(v):
    x, y, z = v
    return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])


def cubic(v):
    """With points at 1, 1e3 and 1e5, far from rest."""
    return -(v - 1) * (v - 1e3) * (v - 1e5) / 1e8


@pytest.mark.slow
def test_the_lorenz_system_has_its_three_points():
    points = oo.find_fixed_points(Own(lorenz, jnp.zeros(3)), np.zeros(1), key=KEY)
    assert len(points) == 3 and points.starts == 512
    far = np.sqrt(72)
    points = points.sort(points.states.v[:, 0])
    np.testing.assert_allclose(
        points.states.v, [[-far, -far, 27], [0, 0, 0], [far, far, 27]], rtol=1e-9, atol=1e-12
    )
    # (λ + b)(λ² + (σ + 1)λ + σ(1 − ρ)) at 0: its largest root.
    np.testing.assert_allclose(points.abscissae[1], (-11 + np.sqrt(121 + 1080)) / 2, rtol=1e-9)
    assert not np.any(points.is_stable) and np.all(points.hits > 10)
    assert "hits of 512" in repr(points)


@pytest.fixture(scope="module")
def far():
    # From states of every size up to 1e6, in single precision.
    circuit = Own(cubic, jnp.zeros(1, jnp.float32))
    return circuit, oo.find_fixed_points(circuit, np.zeros(1), key=KEY, starts=256)


@pytest.mark.slow
def test_points_far_from_the_rest_state_are_found(far):
    _, points = far
    np.testing.assert_allclose(np.sort(points.states.v[:, 0]), [1, 1e3, 1e5], rtol=1e-5)
    np.testing.assert_array_equal(points.is_stable, [True, True, False])


@pytest.mark.slow
def test_a_typical_size_says_where_to_look(far):
    circuit, points = far
    for scale in (1e4, OwnState(np.array([1e4]))):
        again = oo.find_fixed_points(circuit, np.zeros(1), key=KEY, starts=128, scale=scale)
        assert len(again) == 3
        # Most starts lie where the outer point attracts, and not ten decades about 1.
        assert again.hits[0] / again.starts > points.hits[0] / points.starts


@pytest.mark.slow
def test_given_states_are_each_taken_by_every_method(far):
    circuit, points = far
    again = oo.find_fixed_points(circuit, np.zeros(1), starts=points.states)
    np.testing.assert_allclose(again.states.v, points.states.v, rtol=1e-6)
    assert again.starts == 3 and np.all(again.hits == 1)
    # With any leading axes.
    starts = OwnState(jnp.full((2, 2, 1), 2.0))
    (state,) = oo.find_fixed_points(circuit, np.zeros(1), starts=starts)
    np.testing.assert_allclose(state.v, 1, rtol=1e-5)


@pytest.mark.slow
def test_a_field_that_fades_away_has_no_point_far_out():
    # In single precision it underflows where the search looks.
    circuit = Own(lambda v: 1 / (1 + v**2), jnp.zeros(1, jnp.float32))
    assert len(oo.find_fixed_points(circuit, np.zeros(1), key=KEY, starts=64)) == 0


@pytest.mark.slow
def test_the_search_grows_while_new_points_appear():
    # tanh(3v) − v in two variables: nine points, of which one round sees a few.
    circuit = Own(lambda v: jnp.tanh(3 * v) - v, jnp.zeros(2))
    look = functools.partial(oo.find_fixed_points, circuit, np.zeros(1), key=KEY, starts=20)
    one, many = look(rounds=1), look(rounds=100)
    assert len(one) < 9 == len(many)
    assert one.starts == 20 and many.starts % 20 == 0
    # Where the last rounds brought nothing new, it ended by itself.
    assert 20 < many.starts < 2000 and np.sum(many.hits) <= many.starts


def test_what_says_where_to_start_is_checked(unchecked):
    circuit = Own(cubic, jnp.zeros(1))
    look = functools.partial(oo.find_fixed_points, circuit, np.zeros(1))
    with pytest.raises(ValueError, match="Argument `key` must be given where `starts` is a number"):
        look()
    with pytest.raises(ValueError, match="Argument `starts` must be a positive integer"):
        look(starts=np.ones((3, 1)))
    with pytest.raises(ValueError, match="Argument `starts` must be an OwnState"):
        look(starts={"other": np.ones((3, 1))})
    with pytest.raises(ValueError, match="Argument `scale` must be positive, but its smallest"):
        look(key=KEY, scale=-1.0)
    with pytest.raises(ValueError, match="Argument `scale` must be a number or an OwnState"):
        look(key=KEY, scale=np.ones(3))
    with pytest.raises(ValueError, match="Argument `rounds` must be a positive integer"):
        look(key=KEY, rounds=0)


def test_starts_may_be_lists(unchecked):
    like = oo.ORGaNICsState(np.array([0.1, 0.2]), np.array([0.3, 0.4]))
    rows = read_starts(oo.ORGaNICsState([[0.1, 0.2]], [[0.3, 0.4]]), like)
    np.testing.assert_array_equal(rows, [[0.1, 0.2, 0.3, 0.4]])
    with pytest.raises(ValueError, match=r"`starts` must be an ORGaNICsState .*, but it is a list"):
        read_starts([[0.1, 0.2]], like)


def test_every_method_gets_starts_of_both_kinds():
    # `facts.starts` makes every other group wide; a search gives the starts of a group in turn.
    count = len(_find_fixed_points._METHODS)
    drawn = np.abs(facts.starts(Own(cubic, jnp.zeros(1)), jnp.zeros(1), KEY, 64 * count).v[:, 0])
    for share in (drawn[method::count] for method in range(count)):
        assert share[::2].max() < 300 < share[1::2].max()


@pytest.mark.slow
def test_a_users_circuit_is_searched_in_full_precision():
    def searched(circuit, x):
        starts = _find_fixed_points._given(circuit, x, jnp.ones((4, 4), np.float32))
        methods = range(len(_find_fixed_points._METHODS))
        ends = [_find_fixed_points._taken(circuit, x, starts, i) for i in methods]
        return _find_fixed_points._polished(circuit, x, jax.tree.map(jnp.add, *ends[:2])), ends

    check_full(searched, own(), X)
