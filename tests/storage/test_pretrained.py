"""The trained models that come with the library are what their cards say."""

import os
import re

import equinox as eqx
import jax
import numpy as np
import pytest

import organics_ode as oo
import tasks

STATIC = ("static-mnist-1", "static-mnist-2")


@pytest.mark.parametrize("name", oo.pretrained_names())
def test_a_card_says_what_the_model_is_and_how_to_make_it(name):
    model, card = oo.pretrained(name), oo.model_card(name)
    trained = jax.tree.leaves(eqx.filter(model, oo.trainable(model)))
    assert sum(leaf.size for leaf in trained) == card["trained_numbers"]
    assert all(leaf.dtype == np.float32 for leaf in trained)
    assert re.fullmatch(r"python examples/(mnist/)?train_\w+\.py( .*)?", card["command"])
    assert {"data", "options", "machine", "seconds", "commit", "versions"} <= set(card)
    assert card["options"]["seed"] == 0 and 0.5 < card["accuracy"]["test"] < 1


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", STATIC)
def test_a_classifier_of_images_is_as_accurate_as_its_card_says(name):
    if not os.environ.get("ORGANICS_DATA"):
        pytest.skip("MNIST is absent: set ORGANICS_DATA to the folder that holds `mnist/`.")
    accuracy = oo.evaluate(oo.pretrained(name), tasks.MNIST().test)["accuracy"]
    # Another machine may round one image of ten thousand to the other side; the card four digits.
    assert accuracy == pytest.approx(oo.model_card(name)["accuracy"]["test"], abs=2e-4)
    assert accuracy > 0.981


@pytest.mark.slow
def test_a_layer_is_certified_for_any_image():
    *before, layer, _ = oo.pretrained("static-mnist-2").layers
    image = np.random.default_rng(0).uniform(size=784).astype(np.float32)
    certificate = oo.certify(*layer.circuit(eqx.nn.Sequential(before)(image)))
    assert certificate.holds and certificate.theorem == "W_r = I"


@pytest.mark.parametrize("ask", (oo.pretrained, oo.model_card))
def test_an_unknown_name_is_refused_with_those_there_are(ask):
    with pytest.raises(
        ValueError, match=r"Argument `name` must be one of .*static-mnist-1.*'mnist'"
    ):
        ask("mnist")
