"""A network that holds an output by feedback: all its states at rest, and which readouts work."""

import argparse
import os
import time

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap

from organics_ode import mean_field

jax.config.update("jax_enable_x64", True)
g, sigma_m, sigma_I, rho = 0.3, 1.2, 0.5, 0.5
READOUTS = {
    "mixture (1, 1, 0.3)": (1.0, 1.0, 0.3),
    "input only (0, 0, 1)": (0.0, 0.0, 1.0),
    "feedback only (0, 1, 0)": (0.0, 1.0, 0.0),
    "overlap only (1, 0, 0)": (1.0, 0.0, 0.0),
}
LABELS = ("1 state, stable", "3 states, target stable", "3 states, target unstable")
COLOURS = ("#F0E442", "#56B4E9", "#D55E00")
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--side", type=int, default=200, help="pixels along each side of a map")
side = parser.parse_args().side
JUMP = 3.0  # the largest step between neighbouring targets on a branch; more is a pole
targets = np.linspace(-2, 2, 401) + 1e-3  # avoids every A*
columns = np.linspace(-2, 2, side) + 1e-3


@jax.jit
@jax.vmap
def curves(geometry, target):
    """All states at rest for one readout, calibrated to one target."""
    c = mean_field.calibrate(geometry, g, target)
    return mean_field.padded_solutions(geometry, g, c)


def draw(name, readout, upper, lower):
    geometry = mean_field.Geometry(sigma_m, sigma_I, rho, *readout)
    found = curves(*jax.tree.map(np.asarray, (broadcast(geometry, targets.size), targets)))
    z, outlier = np.asarray(found.z), np.asarray(found.outlier.real)
    stable, pairs = np.asarray(found.is_stable), neighbours(z)
    is_target = np.abs(z - targets[:, None]) < 1e-6
    for ax, values in ((upper, z), (lower, outlier)):
        for label, colour in {"stable": "#0072B2", "unstable": "#D55E00"}.items():
            own = [pair for pair in pairs if stable[pair[0]] == (label == "stable")]
            lines = [[(targets[i], values[i, j]) for i, j in pair] for pair in own]
            lines = [line for line in lines if abs(line[1][1] - line[0][1]) < JUMP]
            ax.add_collection(LineCollection(lines, colors=colour, lw=1.8, label=label))
    at_target = np.where(
        is_target.any(axis=1), outlier[range(len(z)), is_target.argmax(axis=1)], np.nan
    )
    at_target[1:][np.abs(np.diff(at_target)) > JUMP] = np.nan
    lower.plot(targets, at_target, "--", lw=0.9, color="black", label="target")
    lower.axhline(1, lw=0.6, color="grey")
    for ax in (upper, lower):
        singular = float(geometry.singular_target)
        ax.axvline(singular if abs(singular) < 2 else np.nan, ls=":", lw=0.8, color="grey")
    upper.set(title=f"readout: {name}", xlim=(-2.1, 2.1), ylim=(-4, 4))
    lower.set(xlabel="target A", ylim=(-2, 3))
    counts = np.asarray(found.count)
    print(f"{name:24} A* = {singular:.4g}; states at rest: {np.unique(counts).tolist()}")


def neighbours(z):
    """Pairs of states at neighbouring targets that are each other's nearest: one branch."""
    far = np.where(np.isfinite(z), z, np.inf)
    pairs = []
    for i in range(len(z) - 1):
        with np.errstate(invalid="ignore"):
            apart = np.nan_to_num(np.abs(far[i][:, None] - far[i + 1]), nan=np.inf)
        for j, k in enumerate(apart.argmin(axis=1)):
            if apart[j, k] < JUMP and apart[:, k].argmin() == j:
                pairs.append(((i, j), (i + 1, int(k))))
    return pairs


def broadcast(geometry, size):
    return mean_field.Geometry(*(np.full(size, v) for v in jax.tree.leaves(geometry)))


def draw_map(ax, geometries, ratios, label):
    for run in ("with compiling, if it is the first", "again"):
        start = time.perf_counter()
        found = mean_field.phase_map(geometries, g, columns)
        taken, load = time.perf_counter() - start, os.getloadavg()[0]
        print(f"{found.counts.size} networks in {taken:.1f} s, {run}; load average {load:.1f}")
    kinds = np.where(found.globally_stable, 0, np.where(found.target_is_stable, 1, 2))
    colours = ListedColormap(COLOURS)
    ax.pcolormesh(columns, ratios, kinds, cmap=colours, vmin=-0.5, vmax=2.5, rasterized=True)
    own = geometries.singular_target
    ax.plot(np.where(np.abs(own) < 2, own, np.nan), ratios, ":", lw=1, color="black")
    ax.set(xlabel="target A", ylabel=label, xlim=(columns[0], columns[-1]))
    for kind in np.unique(kinds):
        print(f"  {LABELS[kind]}: {np.mean(kinds == kind):.3f}")


figure = plt.figure(figsize=(15, 11), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=(1.3, 1))
axes = above.subplots(2, 4, sharex=True, sharey="row")
for (name, readout), pair in zip(READOUTS.items(), axes.T, strict=True):
    draw(name, readout, *pair)
axes[0, 0].set(ylabel="readout z")
axes[1, 0].set(ylabel="outlier Re λ")
axes[0, 0].legend(frameon=False)
axes[1, 0].legend(frameon=False, loc="lower left")

ratios = np.linspace(0, 1, side)
left, right = below.subplots(1, 2)
feedback = mean_field.Geometry(sigma_m, sigma_I, rho, 0.0, 1 - ratios, ratios)
draw_map(left, feedback, ratios, "$p_I$, with $p_m = 1 - p_I$ and p = 0")
overlap = mean_field.Geometry(sigma_m, sigma_I, rho, ratios, 0.0, 1 - ratios)
draw_map(right, overlap, ratios, "p, with $p_I$ = 1 − p and $p_m$ = 0")
for colour, label in zip(COLOURS, LABELS, strict=True):
    left.plot([], [], "s", color=colour, label=label)
left.plot([], [], ":", color="black", label="A*")
below.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
figure.savefig("mean_field_maps.png", dpi=100)
print("wrote mean_field_maps.png")
