"""The circuits that `compare.py` trains, and controls that each lack one part of the circuit.

All start as the same bank of oscillators, which remembers a sequence, with weak normalization.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import organics_ode as oo

STEP = 1.0  # ms: how long a pixel is held
CYCLES = (0.25, 16.0)  # of the oscillators, per sequence
GATES = ("W_bx0", "W_by0", "W_ba0", "W_bx1", "W_by1", "W_ba1")
Model = oo.SequenceClassifier


def _start(size: int, key: jax.Array) -> dict[str, Any]:
    """The initial weights and time constants apart from the oscillators."""
    gains = oo.LogUniform(3 * STEP, 10 * STEP)
    times = {"tau_y": 20 * STEP, "tau_a": 20 * STEP, "tau_b0": gains, "tau_b1": gains}
    return {"key": key, "sigma": 0.1} | times


def _model(circuit: Any, key: jax.Array, classes: int) -> Model:
    """Modulators start above their rest, and so damp early inputs."""
    rest = circuit.initial_state()
    start = rest._replace(a=jnp.full_like(rest.a, 0.25))
    readout = eqx.nn.Linear(oo.resolve(circuit).size, classes, key=key)
    return Model(oo.ShuOsher(circuit, STEP), readout, state0=start)


def bounded(size: int, key: jax.Array, images: np.ndarray, classes: int) -> Model:
    """One modulator for all units, and W_r = I + A − Aᵀ: bounded for every input."""
    keys = jax.random.split(key, 3)
    circuit = oo.RotationalORGaNICs.random(images.shape[-1], size, **_start(size, keys[0]))
    circuit = oo.replace(circuit, W=0.02 * np.ones((1, size)))
    circuit = oo.fourier_memory(circuit, images, STEP, cycles=CYCLES, key=keys[1])
    return _model(circuit, keys[2], classes)


def free(size: int, key: jax.Array, images: np.ndarray, classes: int) -> Model:
    """A gated circuit without any constraint."""
    keys = jax.random.split(key, 3)
    none = oo.Rectification.NONE
    m = images.shape[-1]
    circuit = oo.GatedORGaNICs.random(m, size, rectification=none, **_start(size, keys[0]))
    circuit = oo.replace(circuit, W=np.full((size, size), 0.02))
    circuit = oo.fourier_memory(circuit, images, STEP, cycles=CYCLES, key=keys[1])
    return _model(circuit, keys[2], classes)


def lacking(*frozen: str, silent: tuple[str, ...] = ()) -> Callable[..., Model]:
    """The free circuit with some weights fixed at their initial values, and some at 0."""

    def make(size: int, key: jax.Array, images: np.ndarray, classes: int) -> Model:
        model = free(size, key, images, classes)
        values = oo.values(model.cell.circuit)
        kept = {name: oo.Frozen(values[name]) for name in frozen}
        kept |= {name: oo.Frozen(np.zeros_like(values[name])) for name in silent}
        circuit = oo.replace(model.cell.circuit, **kept)
        return Model(oo.ShuOsher(circuit, STEP), model.readout, state0=model.state0)

    return make


def network(f: Callable[[jax.Array], jax.Array]) -> Callable[..., Model]:
    """A rate network with the initial time constants and weights of the circuit, in which all units
    are driven and read out: dy/dt = (−y + W f(y) + W_in x)/τ. With f(y) = y it is linear."""

    def make(size: int, key: jax.Array, images: np.ndarray, classes: int) -> Model:
        model = free(size, key, images, classes)
        start = oo.values(model.cell.circuit)
        rest = start["sigma"] / 2  # √a, where b0 = 1/2
        tau = oo.Bounded(np.asarray(start["tau_y"]), low=2 * STEP)
        weights = start["W_r"] / (1 + rest), start["W_zx"] / 2
        circuit = oo.RateNetwork(*weights, np.zeros(size, np.float32), tau, f=f, noise=0.0)
        return Model(oo.ShuOsher(circuit, STEP), model.readout)

    return make


def same(y: jax.Array) -> jax.Array:
    return y


CIRCUITS = {
    "free": ("ORGaNICs, free", 38, free),
    "bounded": ("ORGaNICs, bounded", 64, bounded),
    "no-pool": (
        "control: normalization fixed",
        54,
        lacking("W", "sigma", "W_bx0", "W_by0", "W_ba0", "tau_a", "tau_b0"),
    ),
    "no-recurrence": ("control: W_r fixed", 42, lacking("W_r")),
    "no-gates": ("control: constant gains", 64, lacking(silent=GATES)),
    "fixed-times": (
        "control: fixed time constants",
        38,
        lacking("tau_y", "tau_a", "tau_b0", "tau_b1"),
    ),
    "linear": ("control: the oscillators alone, linear", 88, network(same)),
    "rate": ("control: tanh rate network, same start", 88, network(jnp.tanh)),
}
