"""Makes the files beside it, by the version of the library that is installed.

They were made by commit 466b329 (jax 0.10.2), before the modules moved into rooms; later versions
have to read them, so they are not made again.

    python tests/old_files/version_2/make.py
"""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import organics_ode as oo

HERE = Path(__file__).parent


def batches():
    """Noise around +1 or −1 on five steps; the sign is the class."""
    rng = np.random.default_rng(0)
    targets = rng.integers(2, size=24).astype(np.int32)
    inputs = 2.0 * targets[:, None, None] - 1 + 0.5 * rng.normal(size=(24, 5, 1))
    data = oo.Batch(inputs.astype(np.float32), targets)
    return oo.minibatches(data, 8, key=jax.random.key(0))


def circuit(**nodes):
    rng = np.random.default_rng(1)
    values = {
        "W_zx": rng.normal(size=(3, 1)),
        "W_r": np.eye(3),
        "W": rng.uniform(size=(3, 3)),
        "sigma": np.full(3, 0.2),
        "b0": np.full(3, 0.5),
        "b1": np.full(3, 0.5),
        "tau_y": np.full(3, 2.0),
        "tau_a": np.full(3, 2.0),
    }
    values = {name: value.astype(np.float32) for name, value in values.items()}
    return oo.ORGaNICs(**values | {name: node(values[name]) for name, node in nodes.items()})


def classifier():
    bounded = circuit(tau_y=lambda v: oo.Bounded(v, 1.0, 10.0), W_r=oo.SpectralBound)
    readout = eqx.nn.Linear(3, 2, key=jax.random.key(2))
    return oo.SequenceClassifier(oo.RungeKutta(bounded, 0.5), readout)


def train(steps, **options):
    optimizer = optax.adamw(optax.cosine_decay_schedule(0.03, 20), weight_decay=0.01)
    options = {"progress": False, "validation": oo.Batch(*batches()(0)[:2]), **options}
    return oo.fit(classifier(), batches(), optimizer=optimizer, steps=steps, **options)


def results():
    """What training runs and analyses are made of besides a model."""
    x = jnp.array([0.7])
    return {
        "spectrum": oo.spectrum(circuit(), circuit().initial_state(), x),
        "batches": batches(),
        "input": oo.LinearInput(np.arange(3.0), np.ones((3, 1))),
    }


if __name__ == "__main__":
    oo.save(HERE / "model.npz", classifier())
    oo.save(HERE / "results.npz", results())
    train(4, checkpoint=HERE / "checkpoint", log=HERE / "log.jsonl")
