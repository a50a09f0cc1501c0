"""Fixed and slow points near visited states: against exact answers and scipy's minimiser."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import zoo
from jaxtyping import Array, Float
from precisions import X, check_full, own

import organics_ode as oo
from organics_ode.equilibria import _slow_points

TAU = 10.0


class PlaneState(NamedTuple):
    r: Float[Array, "*batch 2"]


class Plane(oo.AbstractCircuit[PlaneState]):
    """τ u̇ = x + u² (1 + u), τ ẇ = −w + u + u²/2: a saddle-node at u = 0 where x = 0.

    A little above, its ghost is slow, and the only fixed point is the unstable one near u = −1.
    """

    @property
    def input_size(self) -> int:
        return 1

    def vector_field(self, t: Any, state: PlaneState, x: Float[Array, " 1"]) -> PlaneState:
        u, w = state.r
        return PlaneState(jnp.stack([x[0] + u**2 * (1 + u), -w + u + u**2 / 2]) / TAU)

    def initial_state(self) -> PlaneState:
        return PlaneState(jnp.zeros(2))


STARTS = PlaneState(jnp.asarray(np.random.default_rng(0).uniform(-1.5, 1, (4, 5, 2))))


@pytest.fixture(scope="module")
def plane():
    return oo.slow_points(Plane(), [1e-2], STARTS)


def test_a_ghost_is_slow_and_a_fixed_point_is_fixed(plane):
    assert len(plane) == 2 and plane.is_fixed.tolist() == [True, False]
    u = np.roots([1, 1, 0, 1e-2])
    u = u[np.isreal(u)].real.item()
    np.testing.assert_allclose(plane.states.r[0], [u, u + u**2 / 2], rtol=1e-10)
    assert plane.residuals[0] <= 1e-10 < 1e-3 < plane.residuals[1]
    np.testing.assert_allclose(plane.abscissae[0], (2 * u + 3 * u**2) / TAU, rtol=1e-9)
    # q is stationary at u = 0, w = 0, where f = (x, 0)/τ.
    np.testing.assert_allclose(plane.states.r[1], 0, atol=1e-6)
    np.testing.assert_allclose(plane.speeds, [0, (1e-2 / TAU) ** 2 / 2], rtol=1e-10, atol=1e-30)
    np.testing.assert_allclose(plane.spectra.eigenvalues[1], [0, -1 / TAU], atol=1e-6)
    assert plane.hits.sum() == 20 and plane.hits.min() >= 1


def test_the_input_moves_the_points(plane):
    # Below the saddle-node there are three fixed points.
    points = oo.slow_points(Plane(), [-1e-2], STARTS)
    fixed = points[points.is_fixed]
    u = np.sort(np.roots([1, 1, 0, -1e-2]).real)
    found = np.asarray(fixed.sort(fixed.states.r[:, 0]).states.r[:, 0])
    np.testing.assert_allclose(found, u, rtol=1e-9)
    assert np.all(np.diff(fixed.abscissae) >= 0)


@pytest.fixture(scope="module")
def network():
    """A random network in which most minima of the speed are not zero."""
    rng = np.random.default_rng(3)
    n, nothing = 6, np.zeros(6)
    chi = rng.normal(size=(n, n)) / n**0.5
    circuit = oo.FeedbackNetwork(chi=chi, m=nothing, n=nothing, I=nothing, g=2.5)
    starts = oo.FeedbackNetworkState(jnp.asarray(2 * rng.normal(size=(24, n))))
    return circuit, oo.slow_points(circuit, [], starts)


def test_slow_points_are_minima_of_the_speed(network):
    circuit, points = network
    W = 2.5 * np.asarray(circuit.chi)

    def q(v):
        f = -v + W @ np.tanh(v)
        return f @ f / 2

    assert np.sum(points.hits) == 24
    assert np.sum(~points.is_fixed) >= 1  # or there would be nothing to compare
    for v, speed in zip(points.states.x, points.speeds, strict=True):
        np.testing.assert_allclose(speed, q(np.asarray(v)), rtol=1e-8, atol=1e-25)
        minimum = scipy.optimize.minimize(q, v, method="BFGS", options={"gtol": 1e-10})
        np.testing.assert_allclose(minimum.fun, speed, rtol=1e-6, atol=1e-12)
    slow = points.speeds[~points.is_fixed]
    assert np.all(np.diff(slow) >= 0) and np.all(np.diff(points.is_fixed.astype(int)) <= 0)


def test_a_network_without_input_rests_at_zero(network):
    _, points = network
    at_zero = np.max(np.abs(points.states.x), axis=1) < 1e-9
    assert at_zero.sum() == 1 and points.is_fixed[at_zero].all()


@pytest.fixture(scope="module")
def normalizer():
    """In single precision, with starts around its fixed point."""
    circuit = zoo.organics(identity=True, dtype=np.float32)
    x = zoo.input_of(circuit)
    y, a = zoo.closed_form(circuit, x)
    factors = np.random.default_rng(5).uniform(0.7, 1.4, (2, 2, 3, zoo.N))
    starts = oo.ORGaNICsState(
        *(jnp.asarray(f * v, jnp.float32) for f, v in zip(factors, (y, a), strict=True))
    )
    return (y, a), oo.slow_points(circuit, x, starts), (circuit, x, starts)


def test_states_of_a_circuit_lead_to_its_closed_form_in_single_precision(normalizer):
    (y, a), points, _ = normalizer
    assert len(points) == 1 and points.hits.tolist() == [6]
    assert points.is_fixed.all() and points.is_stable.all()
    np.testing.assert_allclose(points.states.y[0], y, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(points.states.a[0], a, rtol=1e-4)
    assert points.speeds.dtype == jnp.float32


def test_a_normalization_signal_stays_positive(normalizer):
    *_, (circuit, x, starts) = normalizer
    # From a large response the descent would pass zero, where the equations have a kink.
    far = oo.slow_points(circuit, x, starts._replace(y=10 * starts.y))
    assert np.all(np.asarray(far.states.a) > 0)


def test_it_is_a_sequence_that_prints_and_is_saved(plane, tmp_path):
    first, slow = repr(plane).splitlines()[2:]
    assert repr(plane).startswith("SlowPoints: 2 found (there may be more)")
    assert "speed q" in repr(plane).splitlines()[1]
    assert first.split()[:2] == ["0", "unstable"] and slow.split()[:2] == ["1", "slow"]
    assert len(plane[plane.speeds < 1e-9]) == 1 and len(list(plane)) == 2
    again = plane.sort(-plane.speeds)
    np.testing.assert_array_equal(again.is_fixed, [False, True])
    oo.save(tmp_path / "points", plane)
    back = oo.load(tmp_path / "points", like=plane)
    assert type(back) is oo.SlowPoints and repr(back) == repr(plane)


def test_bad_arguments_are_refused(unchecked):
    circuit = Plane()
    for starts in (PlaneState(jnp.zeros((3, 3))), PlaneState(jnp.zeros((0, 2)))):
        with pytest.raises(ValueError, match=r"Argument `starts` must have shapes \(\.\.\., 2\)"):
            oo.slow_points(circuit, [0.0], starts)
    with pytest.raises(ValueError, match="Argument `starts` must be a PlaneState"):
        oo.slow_points(circuit, [0.0], {"y": jnp.zeros((3, 2))})
    with pytest.raises(ValueError, match="Argument `starts` must be finite"):
        oo.slow_points(circuit, [0.0], PlaneState(jnp.full((3, 2), jnp.nan)))
    with pytest.raises(ValueError, match="Argument `within` must be a positive number"):
        oo.slow_points(circuit, [0.0], STARTS, within=0.0)
    with pytest.raises(ValueError, match="this runs outside jit and vmap"):
        eqx.filter_jit(lambda s: oo.slow_points(circuit, [0.0], s).speeds)(STARTS)


class _MixedState(NamedTuple):
    u: Float[Array, "*batch 1"]
    v: Float[Array, "*batch 1"]


class _Mixed(oo.AbstractCircuit[_MixedState]):
    """u̇ = u − u³, v̇ = −v + 1, u and v in units of their own."""

    units: _MixedState

    @property
    def input_size(self) -> int:
        return 0

    def vector_field(self, t: Any, state: _MixedState, x: Float[Array, " 0"]) -> _MixedState:
        u, v = state.u / self.units.u, state.v / self.units.v
        return _MixedState(self.units.u * (u - u**3), self.units.v * (1 - v))

    def initial_state(self) -> _MixedState:
        return _MixedState(0.1 * self.units.u, 1 * self.units.v)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("units", [(1.0, 1.0), (1e-9, 1e-9), (1.0, 1e7), (1e-4, 1e4)])
def test_points_are_told_apart_in_any_units(units):
    units = _MixedState(*(jnp.full(1, unit) for unit in units))
    u = np.linspace(-1.4, 1.4, 15)[:, None] * np.asarray(units.u)
    starts = _MixedState(jnp.asarray(u), jnp.broadcast_to(units.v, u.shape))
    slow = oo.slow_points(_Mixed(units), [], starts)
    found = oo.find_fixed_points(_Mixed(units), [], starts=starts)
    for points in (slow, found):
        np.testing.assert_allclose(np.sort(points.states.u[:, 0] / units.u), [-1, 0, 1], atol=1e-6)
        assert points.is_stable.tolist() == [True, True, False]


@pytest.mark.slow
def test_a_users_circuit_is_slowed_in_full_precision():
    starts, speed = jnp.ones((1, 4), np.float32), jnp.asarray(5.0, np.float32)
    check_full(lambda c, x: _slow_points._slowest(c, x, starts, speed), own(), X)
