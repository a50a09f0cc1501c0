"""Every kind of operator, in every kind of circuit that takes them, against arrays: what says
stable by products alone is, and derivatives are those of the matrices."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode.linear import spectrum_at

N = 24


def weights(kind, rng, size, dtype, *, signed):
    """Random weights of one kind, about as strong as `size`."""
    draw = rng.normal if signed else rng.uniform
    few = lambda *shape: (draw(size=shape) * size / N**0.5).astype(dtype)  # noqa: E731
    one = oo.Diagonal(np.ones(6, dtype))
    return {
        "Diagonal": lambda: oo.Diagonal(few(N) * dtype(N**0.5)),
        "Circulant": lambda: oo.Circulant(few(4, 6)),
        "Kronecker": lambda: oo.Kronecker(few(4, 4), one),
        "LowRank": lambda: oo.LowRank(few(N, 2), few(N, 2)),
        "Sparse": lambda: oo.Sparse.of(np.where(rng.uniform(size=(N, N)) < 0.2, few(N, N), 0)),
        # Far from normal: each unit hears the next one alone.
        "Chain": lambda: oo.Sparse.of(np.diag(few(N)) + np.diag(np.full(N - 1, dtype(size)), 1)),
    }[kind]()


KINDS = "Diagonal", "Circulant", "Kronecker", "LowRank", "Sparse", "Chain"


def problem(kind, seed, dtype, *, gated=False, rectification=oo.Rectification.NONE):
    """A circuit of operators, the same of arrays, a state and an input."""
    rng = np.random.default_rng(seed)
    size = 10 ** rng.uniform(-1, 0.5)
    given = [
        weights(kind, rng, size, dtype, signed=True),
        weights(rng.choice(KINDS), rng, size, dtype, signed=True),
        weights(rng.choice(KINDS), rng, size, dtype, signed=False),
    ]
    numbers = [dtype(v) for v in (0.3, 0.5, 0.5, 2.0, 10 ** rng.uniform(0, 1.5))]
    make = oo.ORGaNICs
    if gated:
        gates = [(rng.normal(size=(N, N)) / N).astype(dtype) for _ in range(6)]
        numbers = [numbers[0], *gates, *numbers[3:], dtype(3.0), dtype(4.0)]
        make = oo.GatedORGaNICs
    kind_of = {"rectification": rectification}
    dense = [W.as_matrix() for W in given]
    found = [oo.resolve(make(*W, *numbers, **kind_of)) for W in (given, dense)]
    state = jax.tree.map(
        lambda v: jnp.asarray(np.abs(rng.normal(size=v.shape)) + 0.05, dtype),
        found[0].initial_state(),
    )
    return *found, state, jnp.asarray(rng.normal(size=N), dtype)


TYPES = {"float32": np.float32, "float64": np.float64}
# Each precision and class once by default, all pairs with the slow tests.
EVERY = list(itertools.product(KINDS, TYPES, (False, True)))
FEW = [("Kronecker", "float32", True), ("Sparse", "float64", False)]


def cases(every, few):
    return [c if c in few else pytest.param(*c, marks=pytest.mark.slow) for c in every]


@pytest.mark.parametrize("kind, dtype, gated", cases(EVERY, FEW))
def test_fields_and_their_derivatives_are_those_of_matrices(kind, dtype, gated):
    bound = 1e-5 if dtype == "float32" else 1e-12
    for seed, rectification in enumerate(oo.Rectification):
        *both, state, x = problem(
            kind, seed, TYPES[dtype], gated=gated, rectification=rectification
        )
        along = jax.tree.map(jnp.cos, (state, x))
        for one, two in zip(*(_derivatives(c, (state, x), along) for c in both), strict=True):
            assert one.dtype == two.dtype == TYPES[dtype]
            np.testing.assert_allclose(one, two, atol=bound * max(1, np.abs(two).max()))


@eqx.filter_jit
def _derivatives(circuit, at, along):
    """The vector field, a derivative along a direction, and one pulled back."""
    field = lambda state, x: circuit.vector_field(0.0, state, x)  # noqa: E731
    value, pushed = jax.jvp(field, at, along)
    return jax.tree.leaves((value, pushed, jax.vjp(field, *at)[1](along[0])))


PAIRS = list(itertools.product(KINDS, TYPES))


@pytest.mark.parametrize("kind, dtype", cases(PAIRS, [("Kronecker", "float32")]))
def test_a_spectrum_by_products_is_as_near_as_it_says(kind, dtype):
    for seed in range(2):
        structured, dense, state, x = problem(kind, 10 + seed, TYPES[dtype])
        found = spectrum_at(structured, state, x)
        exact = np.linalg.eigvals(np.asarray(oo.jacobian(dense, state, x), np.float64))
        furthest = exact.real.max()
        assert abs(float(found.abscissa) - furthest) <= float(found.resolution)
        assert not found.is_stable or furthest < 0
        assert found.resolution <= (1 if dtype == "float32" else 1e-4) or kind == "Chain"


def test_a_chain_far_from_normal_is_not_called_stable_by_products():
    # Its eigenvalues are -0.005 /ms; rounding moves them by 1e-16^(1/24) times the chain, 0.2.
    one = oo.Diagonal(np.ones(N))
    chain = np.diag(np.full(N, 0.99)) + np.diag(np.full(N - 1, 5.0), 1)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(N, N)))[0]
    W_r = oo.LowRank(turn @ chain, turn)
    c = oo.resolve(oo.ORGaNICs(one, W_r, oo.Diagonal(np.zeros(N)), 1e-3, 1.0, 0.5, 2.0, 2.0))
    found = spectrum_at(c, c.initial_state(), jnp.zeros(N))
    assert found.resolution > abs(found.abscissa + 0.005) and not found.is_stable
