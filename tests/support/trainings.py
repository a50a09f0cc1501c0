"""A small training: two classes of noisy signs, a classifier, its options."""

import equinox as eqx
import jax
import numpy as np
import optax
import zoo

import organics_ode as oo

KEY = jax.random.key(0)
TIME, SIZE = 5, 8


def two_classes(samples=40, seed=0, dtype=np.float64):
    """Noise around +1 or −1 on every step; the sign is the class."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(2, size=samples).astype(np.int32)
    noise = rng.normal(size=(samples, TIME, 1))
    return oo.Batch((2.0 * targets[:, None, None] - 1 + 0.5 * noise).astype(dtype), targets)


def classifier(seed=0, **nodes):
    values = zoo.values(4, 1, seed=seed) | {"tau_y": np.full(4, 2.0), "tau_a": np.full(4, 2.0)}
    values = values | {name: node(values[name]) for name, node in nodes.items()}
    readout = eqx.nn.Linear(4, 2, key=jax.random.key(seed), dtype=np.float64)
    return oo.SequenceClassifier(oo.Euler(oo.ORGaNICs(**values), 0.5), readout)


SGD = optax.sgd(0.1)
ADAM = zoo.relaxed(optax.adam(0.03))


def train(model=None, batches=None, *, optimizer=SGD, **options):
    model = classifier() if model is None else model
    batches = oo.minibatches(two_classes(), SIZE, key=KEY) if batches is None else batches
    options = {"progress": False} | ({} if "epochs" in options else {"steps": 3}) | options
    return oo.fit(model, batches, optimizer=optimizer, **options)


def without_seconds(history):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history.records]
