"""The models that `train_mnist.py` trains: circuits that start as oscillators, and an LSTM."""

import argparse
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import organics_ode as oo


def gated(args: argparse.Namespace, images: jax.Array, key: jax.Array) -> oo.SequenceClassifier:
    """A circuit without rectification, from a random state."""
    keys = jax.random.split(key, 4)
    none = oo.Rectification.NONE
    circuit = oo.GatedORGaNICs.random(
        1, args.size, key=keys[0], sigma=args.sigma, rectification=none, **_times(args)
    )
    circuit = _remembering(args, circuit, images, keys[1])
    return _classifier(args, circuit, circuit.random_state(keys[3]), keys[2])


def bounded(args: argparse.Namespace, images: jax.Array, key: jax.Array) -> oo.SequenceClassifier:
    """A circuit of groups with one modulator each, whose memory is weaker at first: the modulators
    start above their rest, and so damp early inputs."""
    keys = jax.random.split(key, 4)
    circuit = oo.RotationalORGaNICs.random(
        1, args.size, key=keys[0], groups=args.groups, sigma=args.sigma, **_times(args)
    )
    circuit = _remembering(args, circuit, images, keys[1])
    rest = circuit.initial_state()
    return _classifier(args, circuit, rest._replace(a=jnp.full_like(rest.a, args.start_a)), keys[2])


def lstm(args: argparse.Namespace, key: jax.Array) -> oo.SequenceClassifier:
    """Gates remember at first: their bias is 1, as usual."""
    keys = jax.random.split(key)
    cell = oo.LSTM.random(1, args.size, key=keys[0])
    forget = slice(args.size, 2 * args.size)
    cell = eqx.tree_at(lambda c: c.cell.bias, cell, cell.cell.bias.at[forget].set(1.0))
    return oo.SequenceClassifier(cell, eqx.nn.Linear(args.size, 10, key=keys[1]))


def _times(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "tau_y": oo.Bounded(np.full(args.size, args.tau, np.float32), low=args.tau / 2),
        "tau_a": oo.LogUniform(*args.modulators),
        "tau_b0": oo.LogUniform(*args.gains),
        "tau_b1": oo.LogUniform(*args.gains),
    }


def _remembering(args: argparse.Namespace, circuit: Any, images: jax.Array, key: jax.Array) -> Any:
    W = args.pool * oo.resolve(circuit).W
    pool = oo.Positive(W) if args.log_pool else oo.NonNegative(W)
    circuit = oo.replace(circuit, W=pool)
    cycles, step = (0.25, args.cycles), args.pixels[0]
    circuit = oo.fourier_memory(circuit, images, step, cycles=cycles, key=key)
    if args.fixed_times:
        values = oo.values(circuit)
        circuit = oo.replace(circuit, **{name: oo.Frozen(values[name]) for name in _times(args)})
    return circuit


def _classifier(
    args: argparse.Namespace, circuit: Any, start: Any, key: jax.Array
) -> oo.SequenceClassifier:
    readout = eqx.nn.Linear(args.size, 10, key=key)
    cell = oo.ShuOsher(circuit, float(args.pixels[0]))
    return oo.SequenceClassifier(cell, readout, state0=start)
