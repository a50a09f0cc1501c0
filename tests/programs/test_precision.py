"""Analyses multiply in full float32 on every device, inside derivatives and a user's circuit too.

No GPU is needed to tell: a product that was traced without a precision is one that a GPU would
take in TF32, right to 1e-3.
"""

from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from feedback_cases import small
from jax.lax import Precision

import organics_ode as oo
from organics_ode import feedback, population, robustness
from organics_ode.equilibria import _find_fixed_points, _slow_points
from organics_ode.feedback import _attractors
from organics_ode.programs import in_full_precision
from organics_ode.robustness import _trials
from organics_ode.stability import _hypotheses

X = jnp.array([0.3, -0.2, 0.5], np.float32)
TS = jnp.array([0.0, 5.0], np.float32)
NOISE = oo.Noise(jnp.asarray(0.1, np.float32))


class OwnState(NamedTuple):
    y: jax.Array


class Own(oo.AbstractCircuit[OwnState]):
    """A user's circuit, which knows nothing of precisions."""

    W: jax.Array
    U: jax.Array
    input_size: int = eqx.field(static=True, default=3)

    def vector_field(self, t, state, x):
        return OwnState(-state.y + 0.5 * jnp.tanh(self.W @ state.y + jnp.dot(self.U, x)))

    def initial_state(self):
        return OwnState(jnp.zeros(4, np.float32))


def own():
    rng = np.random.default_rng(0)
    return Own(*(jnp.asarray(rng.normal(size=shape), np.float32) for shape in ((4, 4), (4, 3))))


def products(jaxpr):
    """The precisions of all products of floats, wherever they are nested; one with a number, as
    diffrax takes it, sums nothing."""
    for eqn in jaxpr.eqns:
        factors = [v.aval for v in eqn.invars]
        if eqn.primitive.name == "dot_general" and all(map(_is_summed, factors)):
            yield eqn.params["precision"]
        for value in eqn.params.values():
            for inner in _jaxprs(value):
                yield from products(inner)


def _is_summed(factor):
    return factor.ndim > 0 and jnp.issubdtype(factor.dtype, jnp.inexact)


def _jaxprs(value):
    if isinstance(value, tuple | list):
        for each in value:
            yield from _jaxprs(each)
    elif hasattr(value, "eqns"):
        yield getattr(value, "jaxpr", value)


def precisions(function, *args):
    arrays, static = eqx.partition(args, eqx.is_array)
    with jax.enable_x64(False):
        traced = jax.make_jaxpr(lambda arrays: function(*eqx.combine(arrays, static)))(arrays)
    return list(products(traced.jaxpr))


def simulated(circuit, x, **options):
    return oo.simulate(circuit, x, TS, throw=False, **options).states.y[-1].sum()


def slope(function):
    def gradient(circuit, x):
        return eqx.filter_grad(lambda args: function(*args).sum())((circuit, x))

    return gradient


def point_of(circuit, x):
    return oo.fixed_point(circuit, x, throw=False)


def searched(circuit, x):
    starts = _find_fixed_points._given(circuit, x, jnp.ones((4, 4), np.float32))
    methods = range(len(_find_fixed_points._METHODS))
    ends = [_find_fixed_points._taken(circuit, x, starts, i) for i in methods]
    return _find_fixed_points._polished(circuit, x, jax.tree.map(jnp.add, *ends[:2])), ends


def responds(circuit, x):
    return point_of(circuit, x).state.y


def abscissa(circuit, x):
    return point_of(circuit, x).abscissa


OF_ANY = {
    "fixed_point": point_of,
    "its slope": slope(responds),
    "slope of its slope": slope(lambda c, x: slope(responds)(c, x)[1]),
    "slope of the abscissa": slope(abscissa),
    "jacobian_blocks": lambda c, x: oo.jacobian_blocks(c, c.initial_state(), x),
    "spectrum": lambda c, x: oo.spectrum(c, c.initial_state(), x),
    "covariance": lambda c, x: oo.covariance(c, x, NOISE),
    "coherence": lambda c, x: oo.coherence(c, x, TS, NOISE),
    "sample_paths": lambda c, x: oo.sample_paths(
        c, x, NOISE, dt=0.1, key=jax.random.key(0), steps=3
    ),
    "energy": lambda c, x: oo.energy(c, x).rate(c.initial_state()),
    "simulate": simulated,
    "implicit": lambda c, x: simulated(c, x, solver=diffrax.Kvaerno3()),
    "backsolve": slope(lambda c, x: simulated(c, x, adjoint=diffrax.BacksolveAdjoint())),
    "lyapunov": lambda c, x: oo.lyapunov(oo.Euler(c, 0.1), jnp.stack([x, x])),
    "find_fixed_points": searched,
    "slow_points": lambda c, x: _slow_points._slowest(c, x, jnp.ones((1, 4), np.float32), TS[1]),
}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", OF_ANY)
def test_a_users_circuit_is_analysed_in_full_precision(name):
    found = precisions(OF_ANY[name], own(), X)
    assert found and set(found) == {(Precision.HIGHEST, Precision.HIGHEST)}


def single(build, **options):
    return oo.resolve(build(dtype=np.float32, **options))


def network():
    return jax.tree.map(lambda v: jnp.asarray(v, np.float32), oo.resolve(small()))


OTHERS = {
    "fixed_point": lambda: (point_of, single(zoo.organics), X),
    "gated": lambda: (point_of, single(zoo.gated), X),
    "energy": lambda: (
        lambda c, x: oo.energy(c, x)(c.initial_state()),
        single(zoo.organics, identity=True),
        X,
    ),
    "oscillator": lambda: (oo.oscillator, single(zoo.organics, identity=True), X),
    "certify": lambda: (
        lambda c, x: _hypotheses.normalization_checks(c, x)[1],
        single(zoo.organics, identity=True),
        X,
    ),
    "first_order": lambda: (robustness.first_order, single(zoo.organics), X),
    "phase_diagram": lambda: (
        lambda grid: _trials._simulate(
            jax.random.split(jax.random.key(0), 1), grid, (4, *TS, *TS), robustness.gaussian
        ),
        jnp.ones((2, 3), np.float32),
    ),
    "attractors": lambda: (
        lambda c, z: _attractors._run(c, jnp.zeros(0, np.float32), z, 0.1, 5),
        network(),
        TS[:, None],
    ),
    "overlaps": lambda: (feedback.overlaps, network()),
    "least_squares": lambda: (feedback.least_squares, network(), TS[1]),
    "ridge": lambda: (lambda c, A: feedback.ridge(c, A, alpha=1.0), network(), TS[1]),
    "force": lambda: (feedback.force, network(), TS[1]),
    "period_mean": lambda: (population.period_mean, jnp.ones((2, 3, 4), np.float32), (0, 2)),
    "condition_means": lambda: (
        lambda r: population.condition_means(r, np.array([0, 1]), 2),
        jnp.ones((2, 4), np.float32),
    ),
    "components": lambda: (
        lambda r: population.principal_components(r).captured(r),
        jnp.ones((5, 4), np.float32),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_analyses_multiply_in_full_precision(name):
    found = precisions(*OTHERS[name]())
    assert found and set(found) == {(Precision.HIGHEST, Precision.HIGHEST)}


def test_a_training_does_not():
    cell, xs = oo.Euler(single(zoo.gated), 0.1), jnp.ones((5, 3), np.float32)
    found = precisions(lambda cell, xs: oo.unroll(cell, xs, last_only=True), cell, xs)
    assert set(found) == {None}


def test_the_sieve_sees_products_in_loops_branches_and_rules():
    def nested(A):
        step = lambda A: jax.lax.cond(A[0, 0] > 0, lambda A: A @ A, jnp.sin, A)  # noqa: E731
        turned = jax.lax.while_loop(lambda A: A[0, 0] < 1, step, A)
        return jax.lax.scan(lambda A, _: (jnp.linalg.solve(A, A) @ A, None), turned, None, 2)[0]

    A = jnp.eye(3, dtype=np.float32)
    assert precisions(nested, A).count(None) == 2
    assert None not in precisions(in_full_precision(nested), A)
