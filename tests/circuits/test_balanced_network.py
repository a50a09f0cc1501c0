"""Excitatory and inhibitory networks by the recipe of Song, Yang and Wang."""

import jax
import numpy as np
import pytest

import organics_ode as oo

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def network():
    return oo.balanced_network(3, key=KEY)


def test_the_radius_is_that_of_the_recipe_and_every_unit_is_balanced(network):
    W = np.asarray(oo.resolve(network).W)
    assert W.shape == (100, 100) and not np.diag(W).any()
    assert np.all(W[:, :80] >= 0) and np.all(W[:, 80:] <= 0)
    np.testing.assert_allclose(np.abs(np.linalg.eigvals(W)).max(), 1.5, rtol=1e-12)
    np.testing.assert_allclose(W.sum(axis=1) / np.abs(W).sum(axis=1), 0, atol=1e-14)


def test_the_weights_are_gamma_distributed_and_inputs_excite(network):
    W, W_in = (np.asarray(w) for w in (oo.resolve(network).W, oo.resolve(network).W_in))
    between = W[:80, :80][~np.eye(80, dtype=bool)]
    # Shape 2: (mean/sd)² = 2, but for the sampling of 6320 weights (0.06).
    assert abs((between.mean() / between.std()) ** 2 - 2) < 0.2
    assert W_in.min() >= 0 and W_in.max() < 0.1
    assert isinstance(network.W_in, oo.Connectivity)


@pytest.mark.parametrize("share", (0.0, 0.99))
def test_one_kind_alone_is_refused(share):
    with pytest.raises(ValueError, match=r"^Argument `excitatory` must leave two units of each"):
        oo.balanced_network(1, 10, key=KEY, excitatory=share)
