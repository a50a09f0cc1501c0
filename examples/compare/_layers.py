"""The networks that `static.py` trains, which differ in one layer."""

import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp

import organics_ode as oo

sys.path.insert(0, str(Path(__file__).parents[1] / "mnist"))
from train_static_mnist import WIDTHS, Network, make_network, perceptron

CODE, UNITS = WIDTHS[-1], 120
HIDDEN = 150  # of the perceptron
CELLS = 110, 27  # of the supralinear network: excitatory, inhibitory
STEP, STEPS = 2.0, 40  # ms; τ_I is 10 ms
KINDS = {
    "organics": "ORGaNICs at their fixed point",
    "perceptron": "control: perceptron",
    "ssn": "SSN after 80 ms",
}


class Supralinear(eqx.Module):
    """The rates of the excitatory cells of an SSN after a while of constant input, (m,) → (n,)."""

    circuit: oo.SSN

    def __call__(self, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
        xs = jnp.broadcast_to(x, (STEPS, x.size))
        state = oo.unroll(oo.Euler(self.circuit, STEP), xs, last_only=True)
        return self.circuit.rates(state)[0]


def make(kind: str, seed: int) -> Network:
    """The network with this layer; its autoencoder is that of ORGaNICs from the same seed."""
    key = jax.random.key(seed)
    network = make_network((UNITS,), False, key)
    if kind == "organics":
        return network
    keys = jax.random.split(jax.random.fold_in(key, 1))
    if kind == "perceptron":
        layer = perceptron((CODE, HIDDEN, UNITS), keys[0])
        layer = eqx.nn.Sequential([*layer.layers[:-1], eqx.nn.Lambda(jax.nn.relu)])
        outputs = UNITS
    else:
        excitatory, inhibitory = CELLS
        circuit = oo.SSN.random(CODE, excitatory, inhibitory=inhibitory, key=keys[0])
        layer, outputs = Supralinear(circuit), excitatory
    parts = [network.classifier[0], layer, eqx.nn.Linear(outputs, 10, key=keys[1])]
    return Network(eqx.nn.Sequential(parts), network.decoder)


def numbers_of(layer: eqx.Module) -> int:
    return sum(v.size for v in jax.tree.leaves(eqx.filter(layer, oo.trainable(layer))))
