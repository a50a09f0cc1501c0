"""A circuit as a cell: explicit Euler, all updates from old values."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from compared import tree_equal

import organics_ode as oo


class Level(NamedTuple):
    """The state of a leaky integrator."""

    y: jax.Array


class Leak(oo.AbstractCircuit):
    """τ ẏ = −y + x, a circuit of a user's own."""

    tau: jax.Array

    @property
    def input_size(self):
        """m."""
        return self.tau.size

    def vector_field(self, t, state, x):
        """ẏ."""
        return Level((x - state.y) / self.tau)

    def initial_state(self):
        """Rest."""
        return Level(jnp.zeros_like(self.tau))


def test_a_tenth_of_the_time_constants_is_too_long_a_step_where_normalization_is_strong():
    # W_r = I and a strong input: y returns at √a/τ_y, and the bound is 2τ_y/√a, here τ_y/15.
    tau, eye = 10.0, np.eye(2)
    circuit = oo.ORGaNICs(eye, eye, np.ones((2, 2)), 0.1, 0.5, 0.5, tau, tau)
    x = jnp.array([48.0, 36.0])
    a = 0.05**2 + jnp.full(2, jnp.sum((0.5 * x) ** 2))
    root = float(jnp.sqrt(a[0]))
    assert 29.9 < root < 30.1
    rest = oo.ORGaNICsState(0.5 * x / root, a)
    near = rest._replace(y=rest.y + jnp.array([3e-4, -4e-4]))  # across y: at exactly √a/τ_y

    def growth(dt):
        far = oo.unroll(oo.Euler(circuit, dt), jnp.tile(x, (60, 1)), state0=near, last_only=True)
        return float(jnp.max(jnp.abs(far.y - rest.y))) / 4e-4

    bound = 2 * tau / root
    assert bound < tau / 10
    with pytest.raises(RuntimeError, match="The state diverged"):
        growth(tau / 10)
    # 1 − dt √a/τ_y to the power of 60 steps
    for share in (1.02, 0.97):
        np.testing.assert_allclose(growth(share * bound), (2 * share - 1) ** 60, rtol=0.05)


@pytest.mark.parametrize("name", ("organics none p=2", "gated after p=1.5", "gated bounded tau"))
def test_a_step_is_one_explicit_euler_step_from_old_values(name):
    circuit = zoo.CIRCUITS[name]()
    x, state, dt = zoo.input_of(circuit), zoo.state_of(circuit), 0.37
    velocity = circuit.vector_field(0.0, state, x)
    new = oo.Euler(circuit, dt).step(state, x)
    assert type(new) is type(state)
    for got, s, v in zip(new, state, velocity, strict=True):
        # Two roundings.
        np.testing.assert_allclose(got, np.asarray(s) + dt * np.asarray(v), rtol=0, atol=1e-15)


def test_euler_steps_of_a_leak_follow_the_geometric_series():
    cell = oo.Euler(Leak(jnp.array([10.0])), 1.0)
    state = cell.initial_state()
    for step in range(1, 6):
        state = cell.step(state, jnp.ones(1))
        np.testing.assert_allclose(state.y, 1 - 0.9**step, rtol=1e-14)


@pytest.mark.parametrize("name", ("organics none p=2", "gated none p=3"))
def test_shu_osher_is_of_order_3(name):
    circuit = zoo.CIRCUITS[name]()
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)

    def solved(cell, steps):
        xs = jnp.broadcast_to(x, (steps, x.size))
        last = oo.unroll(cell(circuit, 2.0 / steps), xs, state0=state, last_only=True)
        return np.concatenate([np.ravel(leaf) for leaf in last])

    exact = solved(oo.RungeKutta, 400)
    coarse, fine = (np.abs(solved(oo.ShuOsher, steps) - exact).max() for steps in (8, 16))
    assert 2.7 < np.log2(coarse / fine) < 3.3


class Turn(oo.AbstractCircuit):
    """ẏ = iωy + x in two real numbers: a memory that neither grows nor fades."""

    omega: jax.Array

    @property
    def input_size(self):
        """Real and imaginary part."""
        return 2

    def vector_field(self, t, state, x):
        """ẏ."""
        return Level(self.omega * jnp.array([-state.y[1], state.y[0]]) + x)

    def initial_state(self):
        """y = 1."""
        return Level(jnp.array([1.0, 0.0]))


@pytest.mark.parametrize("turn", (0.3, 1.0, 1.7))
def test_shu_osher_multiplies_a_rotation_by_its_taylor_polynomial(turn):
    cell = oo.ShuOsher(Turn(jnp.array(turn)), 1.0)
    y = cell.step(cell.initial_state(), jnp.zeros(2)).y
    z = 1j * turn
    factor = 1 + z + z**2 / 2 + z**3 / 6
    np.testing.assert_allclose(y, [factor.real, factor.imag], rtol=1e-14)
    # |1 + z + z²/2 + z³/6|² = 1 − u⁴/12 + u⁶/36: it fades a little, up to u = √3.
    np.testing.assert_allclose(abs(factor) ** 2, 1 - turn**4 / 12 + turn**6 / 36, rtol=1e-14)
    assert abs(factor) < 1


def test_shu_osher_keeps_what_euler_steps_keep():
    # Steps as long as the time constants: Euler keeps a > 0 and gains in [0, 1], and so does this.
    circuit = zoo.CIRCUITS["gated none p=2"]()
    shortest = min(float(jnp.min(getattr(oo.resolve(circuit), name))) for name in zoo.TIMES)
    state, cell = zoo.state_of(circuit), oo.ShuOsher(circuit, shortest)
    for _ in range(20):
        state = cell.step(state, zoo.input_of(circuit))
        assert (state.a > 0).all()
        assert all(((b >= 0) & (b <= 1)).all() for b in (state.b0, state.b1))


def test_shu_osher_reads_its_arguments_as_euler_does():
    circuit = zoo.CIRCUITS["gated float32"]()
    cell = oo.ShuOsher(circuit, 1)
    assert cell.input_size == zoo.M
    assert tree_equal(cell.initial_state(), circuit.initial_state())
    new = cell.step(zoo.state_of(circuit), zoo.input_of(circuit))
    assert {leaf.dtype for leaf in new} == {np.dtype("float32")}
    with pytest.raises(ValueError, match="Argument `dt` must be a positive number"):
        oo.ShuOsher(circuit, 0.0)


def test_a_cell_reads_its_sizes_and_start_from_the_circuit():
    circuit = zoo.gated()
    cell = oo.Euler(circuit, 0.1)
    assert cell.input_size == circuit.input_size == zoo.M
    assert tree_equal(cell.initial_state(), circuit.initial_state())


@pytest.mark.parametrize("dt", (0.1, 1, np.float64(0.1), jnp.asarray(0.1, jnp.float32)))
def test_single_precision_stays_single_for_every_kind_of_dt(dt):
    circuit = zoo.CIRCUITS["gated float32"]()
    new = oo.Euler(circuit, dt).step(zoo.state_of(circuit), zoo.input_of(circuit))
    assert {leaf.dtype for leaf in new} == {np.dtype("float32")}


@pytest.mark.parametrize("dt", (0.1, np.float64(0.1), np.asarray(0.1), jnp.asarray(0.1)))
def test_the_step_size_is_not_a_trainable_parameter(dt):
    cell = oo.Euler(Leak(jnp.array([10.0])), dt)
    params = eqx.filter(cell, oo.trainable(cell))
    assert [leaf.shape for leaf in jax.tree.leaves(params)] == [(1,)]


def test_the_step_size_may_be_traced():
    circuit = zoo.organics()
    x, state = zoo.input_of(circuit), zoo.state_of(circuit)
    slope = jax.jacfwd(lambda dt: oo.Euler(circuit, dt).step(state, x))(0.1)
    velocity = circuit.vector_field(0.0, state, x)
    for got, wanted in zip(slope, velocity, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-14)


class Midpoint(oo.AbstractStep):
    """A method of one's own, of order 2."""

    def step(self, state, x):
        """s + dt·f(s + dt/2·f(s))."""
        velocity = self.circuit.vector_field(0.0, state, x)
        half = Level(state.y + self.dt / 2 * velocity.y)
        return Level(state.y + self.dt * self.circuit.vector_field(0.0, half, x).y)


def test_a_step_of_ones_own_is_a_method_alone():
    states = oo.unroll(Midpoint(Leak(jnp.array([10.0])), 1), jnp.ones((5, 1)))
    factor = 1 - 0.1 + 0.1**2 / 2
    np.testing.assert_allclose(states.y[:, 0], 1 - factor ** np.arange(1, 6), rtol=1e-14)


STEPS = (oo.Euler, oo.RungeKutta, oo.ShuOsher, Midpoint)


@pytest.mark.parametrize("bad", (0, -0.1, np.nan, np.inf, "1", None, True, np.ones(2)))
def test_dt_must_be_a_positive_number(unchecked, bad):
    for step in STEPS:
        with pytest.raises(ValueError, match=r"^Argument `dt` must be a positive number"):
            step(zoo.organics(), bad)


@pytest.mark.parametrize("bad", (None, "gated", oo.ORGaNICs, jnp.ones(3)))
def test_a_cell_needs_a_circuit(unchecked, bad):
    for step in STEPS:
        with pytest.raises(ValueError, match=r"^Argument `circuit` must be a circuit"):
            step(bad, 0.1)
