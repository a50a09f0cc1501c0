"""The other models that `compare.py` trains, with their published initial weights and steps."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np

import organics_ode as oo

Model = oo.SequenceClassifier
PUBLISHED = 784  # steps of the sequences for which the recipes were published


def _classifier(cell: Any, width: int, key: jax.Array, classes: int) -> Model:
    return Model(cell, eqx.nn.Linear(width, classes, key=key))


def published(name: str, longest: float) -> Callable[..., Model]:
    """The circuit of a recipe; shorter sequences have longer steps, as long as they are stable."""
    recipe = oo.recipe(name)

    def make(size: int, key: jax.Array, images: np.ndarray, classes: int) -> Model:
        first, *keys = jax.random.split(key, recipe.layers + 1)
        dt = min(recipe.dt * PUBLISHED / images.shape[1], longest)
        inputs = [images.shape[-1], *[size] * (recipe.layers - 1)]
        drawn: Any = recipe.circuit
        circuits = [
            drawn.random(m, size, key=k, **recipe.options)
            for m, k in zip(inputs, keys, strict=True)
        ]
        cells = [recipe.step(circuit, dt) for circuit in circuits]
        cell = oo.Stack(*cells) if len(cells) > 1 else cells[0]
        W_out, b_out = recipe.draw(first, classes, size)
        readout = eqx.nn.Linear(size, classes, key=first)
        readout = eqx.tree_at(lambda r: (r.weight, r.bias), readout, (W_out, b_out))
        return Model(cell, readout)

    return make


def antisymmetric(size: int, key: jax.Array, images: np.ndarray, classes: int) -> Model:
    keys = jax.random.split(key)
    circuit = oo.AntisymmetricRNN.random(images.shape[-1], size, gated=True, key=keys[0])
    dt = 0.01 * PUBLISHED / images.shape[1]
    return _classifier(oo.Euler(circuit, dt), size, keys[1], classes)


def lstm(size: int, key: jax.Array, images: np.ndarray, classes: int) -> Model:
    """Gates remember at first: their bias is 1, as usual."""
    keys = jax.random.split(key)
    cell = oo.LSTM.random(images.shape[-1], size, key=keys[0])
    forget = slice(size, 2 * size)
    cell = eqx.tree_at(lambda c: c.cell.bias, cell, cell.cell.bias.at[forget].set(1.0))
    return _classifier(cell, size, keys[1], classes)


def gru(size: int, key: jax.Array, images: np.ndarray, classes: int) -> Model:
    keys = jax.random.split(key)
    return _classifier(oo.GRU.random(images.shape[-1], size, key=keys[0]), size, keys[1], classes)


def lru(size: int, key: jax.Array, images: np.ndarray, classes: int) -> Model:
    """Modes that decay over a third of the sequence or more slowly."""
    keys = jax.random.split(key)
    low = math.exp(-3 / images.shape[1])
    cell = oo.LRU.random(images.shape[-1], size, modes=size, low=low, high=0.999, key=keys[0])
    return _classifier(cell, size, keys[1], classes)


PEERS = {
    "lstm": ("LSTM", 46, lstm),
    "gru": ("GRU", 53, gru),
    "lru": ("LRU, one linear layer", 64, lru),
    "cornn": ("CoRNN", 64, published("cornn-smnist", 0.2)),
    "unicornn": ("UnICORNN, 3 layers", 64, published("unicornn-psmnist", 0.3)),
    "lem": ("LEM", 46, published("lem-smnist", 1.0)),
    "lipschitz": ("Lipschitz RNN", 64, published("lipschitz-smnist", 0.3)),
    "antisymmetric": ("gated antisymmetric RNN", 122, antisymmetric),
}
