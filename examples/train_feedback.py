"""Two ways to train the same readout: least squares against FORCE, over targets A and g."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
from organics_ode import feedback

jax.config.update("jax_enable_x64", True)
N, networks = 300, 3
targets, gains = np.array([-2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2]), (0.3, 0.8)
starts = np.linspace(-3, 3, 7)


class Geometry(NamedTuple):
    sigma_m: float = 1.2
    sigma_I: float = 0.5
    rho: float = 0.5
    p: float = 1.0
    p_m: float = 1.0
    p_I: float = 0.3


def measure(train, g):
    """For every target and network: n_m, n_I, |n|/√N, the attractors, the error."""
    rows = []
    for A in targets:
        for seed in range(networks):
            network = oo.FeedbackNetwork.random(N, Geometry(), 0.0, g=g, key=jax.random.key(seed))
            trained = train(network, A)
            found = feedback.attractors(trained.network, z0=starts)
            o = trained.overlaps
            rows.append((o.n_m, o.n_I, o.norm, len(found), jnp.min(jnp.abs(found.z - A))))
    return np.array(rows, float).reshape(len(targets), networks, 5)


ways = {"least squares": feedback.least_squares, "FORCE": feedback.force}
colors = {"least squares": "#0072B2", "FORCE": "#D55E00"}
titles = ("$n_m$, overlap with the feedback", "$n_I$, overlap with the input", "Attractors")
figure, axes = plt.subplots(2, 3, figsize=(12, 6.4), layout="constrained", sharex=True)
for row, g in zip(axes, gains, strict=True):
    for name, train in ways.items():
        found = measure(train, g)
        print(f"g = {g}, {name}: A, n_m, n_I, norm, attractors, error (means of {networks})")
        for A, mean in zip(targets, found.mean(1), strict=True):
            n_m, n_I, norm, count, error = mean
            print(f"  {A:5.1f} {n_m:8.3f} {n_I:8.3f} {norm:8.2f} {count:5.2f} {error:9.1e}")
        for ax, column in zip(row, (0, 1, 3), strict=True):
            shift = 0.04 if name == "FORCE" else -0.04
            ax.plot(targets + shift, found[..., column], "o", color=colors[name], ms=4, alpha=0.6)
            ax.plot(targets + shift, found[..., column].mean(1), color=colors[name], label=name)
    for ax, title in zip(row, titles, strict=True):
        ax.set_title(f"{title}, g = {g}", fontsize=10)
        ax.spines[["top", "right"]].set_visible(False)
    row[2].set_yticks([1, 2])
for ax in axes[1]:
    ax.set_xlabel("target A")
axes[0, 0].legend(frameon=False)
figure.savefig("train_feedback.png", dpi=120)
print("wrote train_feedback.png")
