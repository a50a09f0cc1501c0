"""Published networks: as many trained numbers, the published steps and learning rates."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import organics_ode as oo

KEY = jax.random.key(0)
# Trained numbers, cells one above the other, and the step.
PUBLISHED = {
    "cornn-smnist": (134_154, 1, 0.042),
    "cornn-psmnist": (134_154, 1, 0.076),
    "unicornn-psmnist": (136_202, 3, 0.19),
    # The authors' 68 362 without their second biases, of 4 × 128.
    "lem-smnist": (67_850, 1, 0.21),
    "lem-psmnist": (67_850, 1, 0.31),
    "lipschitz-smnist": (34_314, 1, 0.01),
    "lipschitz-psmnist": (34_314, 1, 0.01),
}


def test_every_recipe_is_listed():
    assert oo.recipe_names() == tuple(PUBLISHED)
    with pytest.raises(ValueError, match=r"^Argument `name` must be one of cornn-smnist, "):
        oo.recipe("rnn")


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_classifier_is_the_published_one(name):
    count, layers, dt = PUBLISHED[name]
    recipe = oo.recipe(name)
    model = recipe.classifier(key=KEY)
    leaves = jax.tree.leaves(eqx.filter(model, oo.trainable(model)))
    assert sum(leaf.size for leaf in leaves) == count
    cells = model.cell.cells if layers > 1 else (model.cell,)
    assert len(cells) == layers and {cell.dt for cell in cells} == {dt}
    assert f"{recipe.circuit.__name__}, {layers} x {recipe.size} units" in str(recipe)


def steps_of(name, epochs):
    """How far each update of an epoch of one step goes, for a gradient of 1."""
    optimizer, one = oo.recipe(name).optimizer(1), jnp.ones(())
    state, found = optimizer.init(one), []
    with jax.numpy_dtype_promotion("standard"):
        for _ in range(epochs):
            update, state = optimizer.update(one, state)
            found.append(-float(update))
    return found


def test_learning_rates_drop_when_they_did():
    found = steps_of("cornn-smnist", 102)
    # Adam's steps are as long as the rate.
    np.testing.assert_allclose(found[99:101], [0.0021, 0.00021], rtol=1e-5)
    found = steps_of("lipschitz-smnist", 33)
    # The momentum has gathered up: Σ 0.9^i.
    rates = np.where(np.arange(33) < 31, 0.1, 0.02)
    gathered = (1 - 0.9 ** (1 + np.arange(33))) / 0.1
    np.testing.assert_allclose(found, rates * gathered, rtol=1e-5)


def test_gradients_are_clipped_where_they_were():
    clipped = oo.recipe("lipschitz-smnist").optimizer(1)
    with jax.numpy_dtype_promotion("standard"):
        update, _ = clipped.update(jnp.array(1e3), clipped.init(jnp.array(0.0)))
    np.testing.assert_allclose(update, -0.1 * 10, rtol=1e-6)
    assert isinstance(oo.recipe("lem-smnist").optimizer(1), optax.GradientTransformation)
