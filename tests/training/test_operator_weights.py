"""Training of weights that are operators: the numbers of the operator move along the gradient that
its matrix has, and stay where they must."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import organics_ode as oo

N, STEPS, RATE = 6, 4, 1.0
KERNEL, DIAGONAL = np.array([0.5, 0.01, 0.0, 0.0, 0.0, 0.01]), np.full(N, 0.8)


def classifier(W, W_r, readout):
    W_zx = oo.Frozen(np.random.default_rng(1).normal(size=(N, 2)))
    circuit = oo.ORGaNICs(W_zx, W_r, W, 0.3, 0.5, 0.5, 2.0, 4.0)
    return oo.SequenceClassifier(oo.Euler(circuit, 0.5), readout)


def test_a_step_of_training_moves_the_numbers_of_operators_along_the_gradient_of_their_matrices():
    readout = eqx.nn.Linear(N, 2, key=jax.random.key(0))
    rng = np.random.default_rng(0)
    xs = 3 * rng.normal(size=(16, STEPS, 2))
    labels = (xs.sum((1, 2)) > 0).astype(int)

    def loss(kernel, diagonal):
        W = jnp.stack([jnp.roll(kernel, k) for k in range(N)], axis=1)  # the circulant, as an array
        model = oo.resolve(classifier(np.ones((N, N)), np.eye(N), readout))
        where = lambda m: (m.cell.circuit.W, m.cell.circuit.W_r)  # noqa: E731
        model = eqx.tree_at(where, model, (W, jnp.diag(diagonal)))
        return jnp.mean(jax.vmap(oo.cross_entropy)(jax.vmap(model)(jnp.asarray(xs)), labels))

    model = classifier(oo.Circulant(KERNEL), oo.Diagonal(DIAGONAL), readout)
    trained = oo.fit(
        model, oo.minibatches((xs, labels), 16, key=0), optimizer=optax.sgd(RATE), steps=1
    ).model
    found = oo.values(trained.cell.circuit)
    slopes = jax.grad(loss, (0, 1))(jnp.asarray(KERNEL), jnp.asarray(DIAGONAL))
    steepest = KERNEL - RATE * slopes[0]
    assert steepest.min() < 0 < np.abs(found["W.kernel"] - KERNEL).max()
    np.testing.assert_allclose(found["W.kernel"], np.maximum(steepest, 0), atol=1e-10)
    np.testing.assert_allclose(found["W_r.values"], DIAGONAL - RATE * slopes[1], atol=1e-10)
