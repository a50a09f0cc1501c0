"""Weights with structure against the same weights as arrays."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compared import tree_equal
from jax.experimental import sparse

import organics_ode as oo
from organics_ode import cortex
from organics_ode.linear import Equations, ravel, solver, spectrum_at

N = 12


def _uniform(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 1, shape)


KINDS = {
    "Diagonal": lambda: oo.Diagonal(_uniform(N)),
    "Circulant": lambda: oo.Circulant(_uniform(3, 4)),
    "Kronecker": lambda: oo.Kronecker(_uniform(2, 2), oo.Circulant(_uniform(3)), _uniform(2, 2)),
    "LowRank": lambda: oo.LowRank(_uniform(N, 2), _uniform(N, 2, seed=1)),
    "Sparse": lambda: oo.Sparse.of(np.where(_uniform(N, N) < 0.4, _uniform(N, N), 0)),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def circuit(W, *, W_r=None, W_zx=None, tau_a=10.0, **options):
    one = oo.Diagonal(np.ones(oo.resolve(W).shape[0]))
    given = (one if W_zx is None else W_zx, one if W_r is None else W_r, W)
    return oo.ORGaNICs(*given, 0.3, 0.5, 0.5, 2.0, tau_a, **options)


@kinds
def test_an_operator_multiplies_as_its_matrix_does(kind):
    W, v = KINDS[kind](), _uniform(N, 2, seed=2)
    M = np.asarray(W.as_matrix())
    assert W.shape == M.shape == (N, N) and W.dtype == M.dtype
    np.testing.assert_allclose(W @ v, M @ v, rtol=1e-13)
    np.testing.assert_allclose(W.T @ v[:, 0], M.T @ v[:, 0], rtol=1e-13)
    np.testing.assert_array_equal(W.T.as_matrix(), M.T)
    np.testing.assert_allclose(W.diagonal(), np.diag(M), rtol=1e-14)
    turned = jax.tree.map(lambda x: -x if eqx.is_inexact_array(x) else x, W)
    np.testing.assert_array_equal(abs(turned).as_matrix(), M)
    assert not W.is_identity()


def test_a_circulant_is_a_convolution_on_a_torus():
    kernel, v = _uniform(3, 4), _uniform(3, 4, seed=1)
    direct = np.zeros((3, 4))
    for i in np.ndindex(3, 4):
        direct[i] = sum(
            kernel[(i[0] - j[0]) % 3, (i[1] - j[1]) % 4] * v[j] for j in np.ndindex(3, 4)
        )
    np.testing.assert_allclose(oo.Circulant(kernel) @ v.ravel(), direct.ravel(), rtol=1e-13)


def test_the_identity_is_known_in_every_form():
    delta = np.zeros((3, 4))
    delta[0, 0] = 1
    for W in (
        oo.Diagonal(np.ones(N)),
        oo.Circulant(delta),
        oo.Kronecker(np.eye(3), oo.Diagonal(np.ones(4))),
        oo.Sparse(np.ones(N), np.arange(N), np.arange(N), (N, N)),
    ):
        assert W.is_identity()
        np.testing.assert_array_equal(W.as_matrix(), np.eye(N))


def test_sparse_weights_of_other_packages():
    M = np.where(_uniform(4, 3) < 0.5, _uniform(4, 3), 0)
    for given in (M, sparse.BCOO.fromdense(jnp.asarray(M))):
        np.testing.assert_array_equal(oo.Sparse.of(given).as_matrix(), M)


@kinds
def test_derivatives_of_a_product_are_those_of_the_matrix(kind):
    arrays, rest = eqx.partition(KINDS[kind](), eqx.is_inexact_array)
    v, u = _uniform(N, seed=3), _uniform(N, seed=4)

    def along(arrays, v):
        return u @ (eqx.combine(arrays, rest) @ v)

    def of_matrix(arrays, v):
        return u @ (eqx.combine(arrays, rest).as_matrix() @ v)

    @jax.jit
    def derivatives(at, tangents):
        pushed = [jax.jvp(f, at, tangents)[1] for f in (along, of_matrix)]
        return pushed, [jax.grad(f, (0, 1))(*at) for f in (along, of_matrix)]

    tangents = jax.tree.map(lambda x: x**2, (arrays, v))
    pushed, pulled = derivatives((arrays, v), tangents)
    np.testing.assert_allclose(*pushed, rtol=1e-12)
    for a, b in zip(*map(jax.tree.leaves, pulled), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


SHAPE = (3, 3), 4


def sheets():
    """The same sheet with arrays and with operators, and an input."""
    dense = cortex.Sheet(*SHAPE, pool_spread=30.0)
    n, W = dense.size, np.asarray(oo.resolve(dense.circuit).W)
    # Of a product the factors are those of its first row and column in each axis.
    blocks = W.reshape(3, 3, 4, 3, 3, 4)
    factors = [blocks[:, 0, 0, :, 0, 0], blocks[0, :, 0, 0, :, 0], blocks[0, 0, :, 0, 0, :]]
    factors = [factor / factor[0, 0] for factor in factors]
    factors[0] = factors[0] * W[0, 0]
    one = oo.Diagonal(np.ones(n))
    own = oo.ORGaNICs(one, one, oo.Kronecker(*factors), 0.1, 0.5, 0.5, 2.0, 2.0)
    structured = eqx.tree_at(lambda s: s.circuit, dense, own)
    return dense, structured, dense.input(cortex.Grating(45, 0.5, radius=0.4))


def test_a_sheet_of_operators_responds_as_one_of_arrays():
    dense, structured, _ = sheets()
    found = [
        cortex.contrast_response(s, cortex.Grating(45, 0.5, radius=0.4), [0.1, 0.5, 1.0]).responses
        for s in (dense, structured)
    ]
    np.testing.assert_allclose(*found, atol=1e-12)


@pytest.mark.slow
def test_spectrum_and_implicit_gradient_of_a_sheet_of_operators():
    dense, structured, x = sheets()

    def loss(scale, circuit):
        moved = eqx.tree_at(lambda c: c.sigma, oo.resolve(circuit), scale)
        point = oo.fixed_point(moved, x)
        return jnp.sum(point.state.y), point

    value = jnp.asarray(0.1)
    run = jax.value_and_grad(loss, has_aux=True)
    (_, one), slope = run(value, dense.circuit)
    (_, two), other = run(value, structured.circuit)
    np.testing.assert_allclose(other, slope, rtol=1e-10)
    np.testing.assert_allclose(two.state.y, one.state.y, atol=1e-12)
    np.testing.assert_allclose(two.abscissa, one.abscissa, rtol=1e-10)


@pytest.fixture(scope="module")
def irregular():
    """A circuit of operators, a state, an input, and its Jacobian there."""
    _, structured, x = sheets()
    c = oo.resolve(structured.circuit)
    # Recurrence that is not I: sparse, of both signs, and weak enough to be stable.
    rng = np.random.default_rng(0)
    W_r = oo.Sparse(
        rng.normal(size=c.size) / 2, np.arange(c.size), rng.permutation(c.size), (c.size,) * 2
    )
    c = eqx.tree_at(lambda c: c.W_r, c, W_r)
    state = jax.tree.map(lambda v: v + 0.1 * _uniform(*v.shape), c.initial_state())
    return c, state, x, np.asarray(oo.jacobian(c, state, x))


def test_solves_by_products_alone_are_those_of_the_jacobian(irregular):
    c, state, x, J = irregular
    e, v, b = Equations(c, x, state), ravel(state), _uniform(len(J), seed=5)
    solve = jax.jit(lambda b, shift, scale: solver(e, v, shift=shift, scale=scale)(b))
    for shift, scale in ((0.0, 1.0), (1.0, -2.0)):
        A = shift * np.eye(len(J)) + scale * J
        found = solve(b, shift, scale)
        np.testing.assert_allclose(found, np.linalg.solve(A, b), rtol=1e-8, atol=1e-10)
    pulled = jax.vjp(lambda b: solve(b, shift, scale), b)[1](b)[0]
    np.testing.assert_allclose(pulled, np.linalg.solve(A.T, b), rtol=1e-8, atol=1e-10)


@pytest.mark.slow
def test_eigenvalues_by_products_alone_are_those_of_the_jacobian(irregular):
    c, state, x, J = irregular
    found = spectrum_at(c, state, x, vectors=True)
    exact = np.linalg.eigvals(J)
    exact = exact[np.lexsort((-exact.imag, -exact.real))][: found.eigenvalues.size]
    np.testing.assert_allclose(found.abscissa, exact[0].real, rtol=1e-10)
    np.testing.assert_allclose(found.eigenvalues.real, exact.real, rtol=1e-8)
    left = J @ np.asarray(found.vectors) - np.asarray(found.vectors) * np.asarray(found.eigenvalues)
    assert np.abs(left).max() < 1e-9


def test_weights_stay_nonnegative_and_nodes_stay_nodes():
    c = circuit(oo.Kronecker(oo.Frozen(_uniform(3, 3)), _uniform(4, 4)))
    assert isinstance(c.W.factors[0], oo.Frozen) and isinstance(c.W.factors[1], oo.NonNegative)
    down = eqx.tree_at(lambda c: c.W.factors[1].value, c, -np.ones((4, 4)))
    np.testing.assert_array_equal(oo.values(oo.project(down))["W.factors[1]"], 0)
    frozen = circuit(oo.Frozen(oo.Circulant(_uniform(N))))
    assert not any(jax.tree.leaves(oo.trainable(frozen).W))
    more = oo.replace(c, **{"W.factors[1]": 2 * _uniform(4, 4)})
    np.testing.assert_allclose(
        oo.resolve(more).W.as_matrix(), 2 * np.kron(_uniform(3, 3), _uniform(4, 4))
    )
    with pytest.raises(ValueError, match="must not be negative"):
        oo.replace(c, **{"W.factors[1]": -np.ones((4, 4))})


@kinds
def test_a_file_keeps_operators(kind, tmp_path):
    c = circuit(KINDS[kind]())
    oo.save(tmp_path / "circuit.npz", c)
    again = oo.load(tmp_path / "circuit.npz")
    assert tree_equal(again, c)


def test_a_sheet_of_many_units_takes_operators():
    sheet = cortex.Sheet((64, 64), 8)
    W = oo.resolve(sheet.circuit).W
    assert sheet.size == 32768 and isinstance(W, oo.Kronecker)
    np.testing.assert_allclose(W @ np.ones(sheet.size), 8, rtol=1e-12)
    with pytest.raises(ValueError, match="at most 8192 units"):
        oo.jacobian(sheet.circuit, None, np.zeros(sheet.size))


def test_what_is_wrong_with_an_operator_is_told():
    ones = np.ones(N)
    for make, told in (
        (lambda: oo.Diagonal(np.eye(2)), "`values` must have 1 axes"),
        (lambda: oo.Circulant([1.0, np.nan]), "`kernel` must be finite"),
        (lambda: oo.Kronecker(), "`factors` must be one matrix or more"),
        (lambda: oo.LowRank(np.ones((N, 2)), np.ones((N, 3))), "`V` must have shape"),
        (lambda: oo.Sparse(ones, np.arange(N), np.arange(N), (N, 3)), "`columns` must lie between"),
        (lambda: oo.Sparse([1.0, 2.0], [0, 0], [1, 1], (2, 2)), "`rows` must give each pair"),
        (lambda: oo.Diagonal(ones) @ np.ones(3), "`v` must have shape"),
        (lambda: circuit(oo.Circulant(-ones)), "`W` must not be negative"),
        (lambda: circuit(oo.Circulant(ones), W_r=oo.Diagonal(np.ones(3))), "must have shape"),
        (
            lambda: oo.RateNetwork(oo.Diagonal(ones), np.ones((N, 1)), ones, 5.0, f=jnp.tanh),
            "`W` must be an array here",
        ),
    ):
        with pytest.raises(ValueError, match=told):
            make()
