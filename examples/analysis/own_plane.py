"""The Wilson–Cowan pair as a user's own circuit: its plane, its folds, and its limit cycle."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
from organics_ode import planar

jax.config.update("jax_enable_x64", True)


class Populations(NamedTuple):
    E: jax.Array
    I: jax.Array


class Pair(oo.AbstractCircuit[Populations]):
    """τ Ė = −E + (1 − E) S_E(c1 E − c2 I + x),  τ İ = −I + (1 − I) S_I(c3 E − c4 I)."""

    weights: jax.Array  # c1 to c4
    slopes: jax.Array
    thresholds: jax.Array
    tau: jax.Array
    input_size = 1

    def vector_field(self, t, state, x):
        (E, I), c = state, self.weights
        drive = jnp.stack([c[0] * E - c[1] * I + x[0], c[2] * E - c[3] * I])
        rest = jax.nn.sigmoid(-self.slopes * self.thresholds)
        dE, dI = jax.nn.sigmoid(self.slopes * (drive - self.thresholds)) - rest
        return Populations((-E + (1 - E) * dE) / self.tau, (-I + (1 - I) * dI) / self.tau)

    def initial_state(self):
        return Populations(jnp.zeros(()), jnp.zeros(()))


def pair(weights, slopes, thresholds):
    return Pair(*map(jnp.array, (weights, slopes, thresholds, 10.0)))


# Figures 4 and 11 of Wilson and Cowan (1972), and the ranges of E and I to show.
CIRCUITS = {
    "Two states": (
        pair([12.0, 4.0, 13.0, 11.0], [1.2, 1.0], [2.8, 4.0]),
        0.0,
        {"y_range": (-0.05, 0.55), "a_range": (-0.05, 0.35)},
        np.linspace(-1.0, 1.0, 81),
    ),
    "A cycle": (
        pair([16.0, 12.0, 15.0, 3.0], [1.3, 2.0], [4.0, 3.7]),
        1.25,
        {"y_range": (-0.05, 0.4), "a_range": (-0.05, 0.35)},
        np.linspace(0.0, 3.0, 81),
    ),
}

figure, axes = plt.subplots(2, 2, figsize=(13, 9), layout="constrained")
for (title, (circuit, x, window, inputs)), row in zip(CIRCUITS.items(), axes, strict=True):
    print(planar.fixed_points(circuit, [x], **window))
    oo.plot_phase_portrait(circuit, [x], row[0], **window)
    row[0].set_title(f"{title}: x = {x}")
    diagram = planar.bifurcation(circuit, [x], "x[0]", inputs, **window)
    print(diagram)
    oo.plot_bifurcation(diagram, ax=row[1])
    row[1].set(title="Fixed points over the input", xlabel="input x")

# The range of the cycle against the input.
circuit, _, window, _ = CIRCUITS["A cycle"]
for x in np.linspace(1.1, 1.9, 9):
    for cycle in planar.limit_cycles(circuit, [x], **window):
        print(f"x = {x:.2f}: {cycle}")
        low, high = cycle.pairs[:, 0].min(), cycle.pairs[:, 0].max()
        axes[1, 1].plot([x, x], [low, high], ".-", color="#7b3294", lw=0.8, ms=5)
figure.savefig("own_plane.png", dpi=120)
print("wrote own_plane.png")
