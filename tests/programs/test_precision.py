"""Analyses multiply in full float32 on every device, inside derivatives and a user's circuit too.

No GPU is needed to tell: a product that was traced without a precision is one that a GPU would
take in TF32, right to 1e-3.
"""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from feedback_cases import small_in_float32
from precisions import X, check_full, own, precisions

import organics_ode as oo
from organics_ode import feedback, population, robustness
from organics_ode.programs import in_full_precision
from organics_ode.stability import normalization_checks

TS = jnp.array([0.0, 5.0], np.float32)
NOISE = oo.Noise(jnp.asarray(0.1, np.float32))


def simulated(circuit, x, **options):
    return oo.simulate(circuit, x, TS, throw=False, **options).states.y[-1].sum()


def slope(function):
    def gradient(circuit, x):
        return eqx.filter_grad(lambda args: function(*args).sum())((circuit, x))

    return gradient


def point_of(circuit, x):
    return oo.fixed_point(circuit, x, throw=False)


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
}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", OF_ANY)
def test_a_users_circuit_is_analysed_in_full_precision(name):
    check_full(OF_ANY[name], own(), X)


def single(build, **options):
    return oo.resolve(build(dtype=np.float32, **options))


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
        lambda c, x: normalization_checks(c, x)[1],
        single(zoo.organics, identity=True),
        X,
    ),
    "first_order": lambda: (robustness.first_order, single(zoo.organics), X),
    "overlaps": lambda: (feedback.overlaps, small_in_float32()),
    "least_squares": lambda: (feedback.least_squares, small_in_float32(), TS[1]),
    "ridge": lambda: (lambda c, A: feedback.ridge(c, A, alpha=1.0), small_in_float32(), TS[1]),
    "force": lambda: (feedback.force, small_in_float32(), TS[1]),
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
    check_full(*OTHERS[name]())


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
