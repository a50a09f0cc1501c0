"""What is known of a class holds for its own equations only."""

from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import objects
import pytest
import scipy.optimize
import scipy.stats
import zoo
from feedback_cases import small
from jax.flatten_util import ravel_pytree
from marks import slow

import organics_ode as oo
from organics_ode import facts, feedback, planar, robustness
from organics_ode.circuits import obeys
from organics_ode.facts import Fact
from organics_ode.linear import Equations, ravel


class Same(oo.ORGaNICs):
    """More to say, and the same equations."""

    label: str = "mine"

    def describe(self):
        return self.label


class Leaky(oo.ORGaNICs):
    """ẏ gets .4 y."""

    def vector_field(self, t, state, x):
        y, a = super().vector_field(t, state, x)
        return oo.ORGaNICsState(y + 0.4 * state.y, a)


class LeakyGated(oo.GatedORGaNICs):
    def vector_field(self, t, state, x):
        speed = super().vector_field(t, state, x)
        return speed._replace(y=speed.y + 0.05 * state.y)


class Mixin:
    def vector_field(self, t, state, x):
        return jax.tree.map(jnp.zeros_like, state)


class Mixed(Mixin, oo.ORGaNICs):
    pass


class Twice(oo.FeedbackNetwork):
    """Its readout, which the equations call, is another one."""

    def readout(self, state):
        return 2 * super().readout(state)


class LeakyRates(oo.RateNetwork):
    def vector_field(self, t, state, x):
        return jax.tree.map(lambda v: 0.5 * v, super().vector_field(t, state, x))


def built(cls, **changes):
    values = zoo.values(**changes)
    return cls(**values)


def own_jacobian(circuit, state, x):
    c = oo.resolve(circuit)
    flat, unravel = ravel_pytree(state)
    return jax.jacfwd(lambda v: ravel_pytree(c.vector_field(None, unravel(v), x))[0])(flat)


@pytest.mark.parametrize(
    ("cls", "kind", "does"),
    [
        (oo.ORGaNICs, oo.ORGaNICs, True),
        (oo.ORGaNICs, oo.GatedORGaNICs, False),
        (Same, oo.ORGaNICs, True),
        (Leaky, oo.ORGaNICs, False),
        (Mixed, oo.ORGaNICs, False),
        (Twice, oo.FeedbackNetwork, False),
        (LeakyRates, oo.RateNetwork, False),
        (LeakyGated, oo.GatedORGaNICs, False),
    ],
)
def test_a_subclass_obeys_unless_it_defines_something_anew(cls, kind, does):
    assert obeys(object.__new__(cls), kind) is does
    # A class that obeys nothing of the first one obeys nothing behind it either.
    below = type("Below", (cls,), {})
    assert obeys(object.__new__(below), kind) is does


def test_a_field_that_becomes_a_property_is_defined_anew():
    class Derived(oo.ORGaNICs):
        @property
        def W_r(self):
            return 2 * jnp.eye(4)

    assert not obeys(object.__new__(Derived), oo.ORGaNICs)


def test_a_fact_is_that_of_the_nearest_class_whose_equations_hold():
    @Fact
    def answer(circuit):
        return "default"

    @answer.register(oo.ORGaNICs)
    def _(circuit):
        return "organics"

    circuits = {cls: object.__new__(cls) for cls in (oo.ORGaNICs, Same, Leaky, oo.RateNetwork)}
    assert [answer(c) for c in circuits.values()] == ["organics", "organics", "default", "default"]
    answer.register(Leaky)(lambda circuit: "leaky")
    assert answer(circuits[Leaky]) == "leaky" and answer(circuits[Same]) == "organics"
    deeper = type("Deeper", (Leaky,), {"vector_field": None})
    assert answer(object.__new__(deeper)) == "default"
    assert answer.is_known(circuits[Leaky]) and not answer.is_known(circuits[oo.RateNetwork])


@pytest.fixture(scope="module")
def leaky():
    circuit = built(Leaky, identity=True)
    return circuit, zoo.input_of(circuit)


@pytest.fixture(scope="module")
def settled(leaky):
    return *leaky, oo.fixed_point(*leaky)


@pytest.mark.slow
def test_another_leak_gets_its_own_fixed_point_and_derivative(settled):
    circuit, x, point = settled
    flat, unravel = ravel_pytree(point.state)
    c = oo.resolve(circuit)

    def speed(v):
        return np.asarray(ravel_pytree(c.vector_field(None, unravel(jnp.asarray(v)), x))[0])

    found = scipy.optimize.root(speed, flat, tol=1e-13)
    assert found.success
    np.testing.assert_allclose(flat, found.x, rtol=1e-9)
    J = own_jacobian(circuit, point.state, x)
    np.testing.assert_allclose(oo.jacobian(circuit, point.state, x), J, rtol=1e-12)
    np.testing.assert_allclose(point.abscissa, np.linalg.eigvals(J).real.max(), rtol=1e-9)


@pytest.mark.slow
def test_no_theorem_holds_for_another_leak(settled):
    circuit, x, _ = settled
    certificate = oo.certify(circuit, x)
    assert not certificate.holds
    assert certificate.reasons == ("no theorem is known here for a Leaky and its equations",)
    assert oo.certify(built(Same, identity=True), x).holds


def test_an_unstable_subclass_is_not_certified():
    # One unit with w_r = 1 and constant gains: of the base class it would be globally stable.
    class Driven(oo.ORGaNICs):
        def vector_field(self, t, state, x):
            y, a = super().vector_field(t, state, x)
            return oo.ORGaNICsState(y + 2 * state.y / (1 + state.y**2), a)

    one = np.ones((1, 1))
    certificate = oo.certify(Driven(one, one, one, 0.5, 0.1, 0.1, 2.0, 10.0), np.array([0.2]))
    assert not certificate.holds and not certificate.is_global


def test_what_is_derived_from_the_equations_of_a_class_refuses_others(unchecked, leaky):
    circuit, x = leaky
    own = "a subclass with equations of its own"
    one = Leaky(*(np.ones((1, 1)),) * 3, 0.1, 0.5, 0.5, 2.0, 2.0)
    calls = [
        lambda: oo.oscillator(circuit, x),
        lambda: robustness.first_order(circuit, x),
        lambda: planar.quartic(one, np.ones(1)),
    ]
    network = Twice(np.eye(3), *np.ones((3, 3)), 0.5)
    calls.append(lambda: feedback.overlaps(network))
    for call in calls:
        with pytest.raises(ValueError, match=own):
            call()


@pytest.mark.slow
def test_the_energy_of_another_leak_is_that_of_its_own_linear_flow(settled):
    circuit, x, point = settled
    energy = oo.energy(circuit, x)
    J = np.asarray(own_jacobian(circuit, point.state, x))
    v, unravel = ravel_pytree(point.state)
    d = np.random.default_rng(0).normal(size=v.size) * 1e-3
    h = 1e-4
    value = lambda s: float(energy(unravel(jnp.asarray(v + s))))  # noqa: E731
    difference = (value(d + h * J @ d) - value(d - h * J @ d)) / (2 * h)
    np.testing.assert_allclose(energy.rate(unravel(v + d)), difference, rtol=1e-6)
    assert difference < 0


def test_the_training_kernels_leave_other_equations_to_the_scan():
    gated = LeakyGated(**zoo.gated_values(), rectification=zoo.NONE)
    cell = oo.Euler(gated, 0.1)
    model = oo.SequenceToSequence(cell, oo.Readout.random(zoo.N, 2, key=jax.random.key(0)))
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(3, 20, zoo.M)))
    one_by_one = [oo.unroll(cell, x).y for x in xs]
    read = jax.vmap(oo.resolve(model.readout))
    np.testing.assert_allclose(model.batched(xs), [read(y) for y in one_by_one], rtol=1e-9)

    class Odd(oo.Euler):
        def step(self, state, x):
            return jax.tree.map(lambda v: 0.9 * v, super().step(state, x))

    odd = Odd(zoo.gated(), 0.1)
    model = eqx.tree_at(lambda m: m.cell, model, odd)
    one_by_one = [oo.unroll(odd, x).y for x in xs]
    np.testing.assert_allclose(model.batched(xs), [read(y) for y in one_by_one], rtol=1e-9)


# Each equation by its own terms


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, slow(np.float64)])
def test_a_drift_that_rounding_swallows_far_out_is_no_point_of_rest(dtype):
    # −r + max(r + c, 0): the same as c where r is above 0, and the same as 0 where it is large.
    one = np.ones((1, 1), dtype)
    for c, count in ((0.5, 0), (-0.5, 1)):
        network = oo.RateNetwork(one, one, np.zeros(1, dtype), tau=10.0)
        x = np.full(1, c, dtype)
        found = oo.find_fixed_points(network, x, key=jax.random.key(0), starts=48, rounds=2)
        assert len(found) == count and np.all(np.asarray(found.states.r) < 1e-6)
        assert oo.fixed_point(network, x, throw=False).succeeded == bool(count)


def test_a_gate_that_float32_cannot_sum_is_not_called_solved():
    # u = 1e4 y − 1e4 x, as 1e4 (y − x): what is left of it is rounded by 1e-3.
    values = zoo.gated_values(1, 1, dtype=np.float32)
    for name in ("W_bx0", "W_by0", "W_ba0", "W_bx1", "W_by1", "W_ba1"):
        values[name] = np.zeros((1, 1), np.float32)
    values |= {
        "W_bx1": np.full((1, 1), -2e4, np.float32),
        "W_by1": np.full((1, 1), 2e4, np.float32),
    }
    x = np.full(1, 0.3, np.float32)
    for change in (np.float32, np.float64):
        circuit = oo.GatedORGaNICs(**{k: change(v) for k, v in values.items()})
        state = oo.resolve(circuit).initial_state()
        state = jax.tree.map(lambda leaf: jnp.full_like(leaf, 0.3), state)
        lost = facts.rounding(oo.resolve(circuit), state, jnp.asarray(x, change))
        assert (float(lost.b1[0]) > 2e-5) is (change == np.float32)
        residual = Equations(oo.resolve(circuit), jnp.asarray(x, change), state).point(ravel(state))
        assert bool(np.isinf(residual.residual)) is (change == np.float32)


class Pair(NamedTuple):
    u: jax.Array


class Linear(oo.AbstractCircuit[Pair]):
    """u̇_i = r_i (c_i − s_i u_i)."""

    r: jax.Array
    c: jax.Array
    s: jax.Array

    @property
    def input_size(self):
        return 1

    def vector_field(self, t, state, x):
        return Pair(self.r * (self.c - self.s * state.u))

    def initial_state(self):
        return Pair(jnp.zeros_like(self.c))


def searched(circuit, **options):
    """One compiled search for all of them."""
    return oo.fixed_point(circuit, np.zeros(1, circuit.c.dtype), **options)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("r", "c"),
    [((1, 1e-9), (100, 2)), ((1e6, 1), (1e6, 1e-5)), ((1, 1), (1e8, 1e-8)), ((1e-6, 1e3), (1, 1))],
)
def test_every_equation_is_solved_to_its_own_terms(r, c, dtype):
    r, c = np.asarray(r, dtype), np.asarray(c, dtype)
    point = searched(Linear(*map(jnp.asarray, (r, c, np.ones_like(c)))), throw=False)
    assert point.succeeded
    np.testing.assert_allclose(point.state.u, c, rtol=1e-9 if dtype == np.float64 else 1e-4)


@pytest.mark.slow
def test_a_variable_at_zero_is_solved_beside_one_that_is_not():
    class Both(Linear):
        def vector_field(self, t, state, x):
            return Pair(jnp.tanh(3 * state.u) - state.u)

    circuit = Both(*jnp.zeros((3, 2)))
    starts = Pair(jnp.array([[0.9, 0.1], [0.1, -0.9], [0.9, 0.9]]))
    found = oo.find_fixed_points(circuit, np.zeros(1), starts=starts)
    v = scipy.optimize.brentq(lambda v: np.tanh(3 * v) - v, 0.5, 2)
    for point in ((v, 0), (0, -v), (v, v)):
        assert np.min(np.max(np.abs(np.asarray(found.states.u) - point), axis=1)) < 1e-9


@pytest.mark.parametrize("dtype", [slow(np.float32), np.float64])
def test_a_constant_drift_has_no_fixed_point_beside_terms_of_any_size(dtype):
    for size in (1.0, 1e3, 1e6):
        r, c, s = (np.asarray(v, dtype) for v in ((1, 1), (size, 1e-5), (1, 0)))
        circuit = Linear(*map(jnp.asarray, (r, c, s)))
        assert not searched(circuit, throw=False).succeeded
    with pytest.raises(RuntimeError, match="No fixed point was found") as error:
        searched(circuit)
    assert ("float64" in str(error.value)) is (dtype == np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_starts_find_no_fixed_point_of_a_constant_drift_either(dtype):
    circuit = Linear(*(jnp.asarray(v, dtype) for v in ((1, 1), (1e6, 1e-5), (1, 0))))
    none = oo.find_fixed_points(circuit, np.zeros(1), key=jax.random.key(0), starts=16, rounds=1)
    assert len(none) == 0


@pytest.mark.slow
def test_the_flow_agrees_that_the_slow_variable_is_not_at_rest():
    circuit = Linear(jnp.array([1.0, 1e-9]), jnp.array([100.0, 2.0]), jnp.ones(2))
    run = oo.simulate(circuit, np.zeros(1), [0.0, 1e10], solver=diffrax.Kvaerno5())
    np.testing.assert_allclose(run.states.u[-1], oo.fixed_point(circuit, np.zeros(1)).state.u, 1e-3)


class LineState(NamedTuple):
    v: jax.Array


class Line(oo.AbstractCircuit[LineState]):
    """τ v̇ = −v + k tanh(v) + x, of one's own."""

    tau: float = 5.0
    k: float = 0.5

    @property
    def input_size(self):
        return 1

    def vector_field(self, t, state, x):
        return LineState((-state.v + self.k * jnp.tanh(state.v) + x) / self.tau)

    def initial_state(self):
        return LineState(jnp.zeros(1))


def test_a_user_registers_what_is_known_of_a_circuit():
    class Known(Line):
        pass

    asked = []

    @facts.driven.register(Line)
    def _(circuit, x):
        asked.append("driven")
        return LineState(x + circuit.k)

    @facts.relaxation_times.register(Line)
    def _(circuit, state, x):
        asked.append("relaxation_times")
        return LineState(jnp.full(1, circuit.tau))

    @facts.blocks.register(Line)
    def _(circuit, state, x):
        asked.append("blocks")
        slope = circuit.k / jnp.cosh(state.v) ** 2 - 1
        return LineState(LineState(jnp.diag(slope / circuit.tau)))

    x = jnp.array([0.3])
    root = scipy.optimize.brentq(lambda v: -v + 0.5 * np.tanh(v) + 0.3, 0, 2, xtol=1e-14)
    points = oo.find_fixed_points(Known(), x, key=jax.random.key(0), starts=8)
    np.testing.assert_allclose(points.states.v, [[root]], rtol=1e-9)
    assert {"driven", "relaxation_times", "blocks"} <= set(asked)
    by_hand = (0.5 / np.cosh(root) ** 2 - 1) / 5
    np.testing.assert_allclose(points.abscissae, by_hand, rtol=1e-9)


def test_what_nothing_is_registered_of_is_read_off_the_equations():
    state, x = LineState(jnp.array([0.7])), jnp.array([0.3])

    class Unknown(Line):
        def vector_field(self, t, state, x):
            return super().vector_field(t, state, 2 * x)

    decay = (1 - 0.5 / np.cosh(0.7) ** 2) / 5
    np.testing.assert_allclose(facts.relaxation_times(Unknown(), state, x).v, 1 / decay)
    np.testing.assert_allclose(facts.blocks(Unknown(), state, x).v.v, [[-decay]])
    np.testing.assert_allclose(facts.largest_terms(Unknown(), state, x).v, 0.7 * decay)
    assert facts.normalization(Unknown()) is None and facts.recurrent_weights(Unknown()) is None
    assert facts.closed_form(Unknown(), x).v == 0 and not facts.is_exact(Unknown())
    assert not facts.is_positive(Unknown(), state).v
    assert facts.starts(Unknown(), x, jax.random.key(0), 16).v.shape == (16, 1)


def test_the_weights_that_units_hear_each_other_by():
    network = oo.resolve(objects.rate_network())
    r = jnp.linspace(0.1, 0.9, network.size)
    moved = network.velocity(oo.RateNetworkState(r), jnp.zeros(network.size)).r
    heard = network.f(facts.recurrent_weights(network) @ r)
    np.testing.assert_allclose(heard, moved * network.tau + r, rtol=1e-12, atol=1e-14)
    network = oo.resolve(objects.feedback_network())
    state, x = oo.FeedbackNetworkState(jnp.linspace(-1, 1, network.size)), jnp.array([0.7])
    heard = network.vector_field(0.0, state, x).x + state.x - network.I - network.W_x @ x
    W = facts.recurrent_weights(network)
    np.testing.assert_allclose(W @ network.phi(state.x), heard, rtol=1e-10, atol=1e-12)
    for circuit in map(oo.resolve, (zoo.organics(), zoo.gated())):
        np.testing.assert_array_equal(facts.recurrent_weights(circuit), circuit.W_r)


# Starts of a search: drawn around what the input alone produces, at scales of four decades


def check_scales(scale):
    """Uniform over the decades around 1 in which a search starts."""
    assert scipy.stats.kstest((np.log10(scale) + 2.5) / 4, "uniform").pvalue > 1e-3


def check_normal(drawn):
    assert scipy.stats.kstest(np.ravel(drawn), "norm").pvalue > 1e-3


def test_rates_start_at_currents_of_all_sizes_around_the_input():
    rng, n, count = np.random.default_rng(0), 60, 400
    W, W_in, b = 2 * rng.normal(size=(n, n)), rng.normal(size=(n, 2)), rng.normal(size=n)
    network = oo.resolve(oo.RateNetwork(W, W_in, b, 5.0, f=jnp.arcsinh))
    x, key = jnp.array([0.3, -2.0]), jax.random.key(1)
    r = jax.jit(lambda x: facts.starts(network, x, key, count).r)(x)
    drive = W_in @ np.asarray(x) + b
    np.testing.assert_allclose(np.sinh(facts.driven(network, x).r), drive, rtol=1e-12)
    currents = np.sinh(np.asarray(r)) - drive
    # What a unit hears of rates of 1 with random signs.
    heard = np.mean(np.sum(W**2, axis=1)) ** 0.5
    scale = np.sqrt(np.mean(currents**2, axis=1)) / heard
    check_scales(scale)
    check_normal(currents / heard / scale[:, None])


def test_feedback_networks_start_where_feedback_of_all_sizes_puts_them():
    n, count = 60, 400
    network = oo.resolve(small(rank=2, inputs=1, size=n))
    x, key = jnp.array([0.7]), jax.random.key(2)
    states = jax.jit(lambda x: facts.starts(network, x, key, count).x)(x)
    rest = np.asarray(network.I) + np.asarray(network.W_x) @ np.asarray(x)
    m, readout = np.asarray(network.m), np.asarray(network.n)
    away = (np.asarray(states) - rest).T
    z = np.linalg.lstsq(m, away)[0]
    # Off the plane of m there is noise alone, a tenth of the scale.
    scale = 10 * np.sqrt(np.sum((away - m @ z) ** 2, axis=0) / (n - 2))
    check_scales(scale)
    check_normal(z / scale / np.sqrt(np.mean(readout**2, axis=0))[:, None])
    check_normal((away - m @ z) / scale * 10 * np.sqrt(n / (n - 2)))
