"""Branches of fixed points of larger circuits, over the input and over the recurrent weights.

Left and middle: an excitatory and an inhibitory population, with the Hopf point where oscillation
ends, and its limit cycles. Right: six units with divisive normalization that remember. Draws
continuation.png (or --out).
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo


def pair() -> oo.WilsonCowan:
    weights = [[16.0]], [[12.0]], [[15.0]], [[3.0]], [[1.0]], [[0.0]]
    return oo.WilsonCowan(*weights, 1.3, 2.0, 4.0, 3.7, 1.0, 1.0, 10.0, 10.0)


def memory() -> oo.ORGaNICs:
    """A random symmetric matrix with one eigenvalue of 1, and a faint input."""
    rng = np.random.default_rng(3)
    A = rng.normal(size=(6, 6))
    values, vectors = np.linalg.eigh(A + A.T)
    W_r = vectors @ np.diag(values / values[-1]) @ vectors.T
    return oo.ORGaNICs(np.eye(6), W_r, np.ones((6, 6)), 0.1, 0.5, 0.5, 2.0, 2.0)


def gain(circuit: oo.ORGaNICs, value: float) -> oo.ORGaNICs:
    """The circuit with its recurrent weights multiplied by a number."""
    return eqx.tree_at(lambda c: c.W_r, circuit, value * circuit.W_r)


def main(args: argparse.Namespace) -> None:
    jax.config.update("jax_enable_x64", True)  # for Hopf points and folds to ten digits
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    found = oo.continuation(pair(), [1.0], "x", np.linspace(0, 3, 61), cycles=12)
    print(found)
    oo.plot_bifurcation(found, ax=axes[0])
    axes[0].set(title="Two populations", xlabel="input", ylabel="E")
    axes[0].legend(fontsize=8, loc="upper left")
    (cycle,) = found.cycles
    distance = abs(cycle.values - found.events[cycle.event].value)
    axes[1].plot(distance, cycle.amplitudes.E[:, 0], "o-", label="amplitude of E")
    axes[1].plot(distance, 1e-3 * cycle.frequencies, "s-", label="frequency (kHz)")
    slope = cycle.amplitudes.E[0, 0] / np.sqrt(distance[0])
    axes[1].plot(distance, slope * np.sqrt(distance), "k:", label="a square root")
    axes[1].set(title="Its cycles near the Hopf point", xlabel="distance of the input")
    axes[1].legend(fontsize=8)
    circuit, x = memory(), 0.02 * np.arange(1, 7) / 6
    found = oo.continuation(circuit, x, gain, np.linspace(0.2, 2.0, 37), cycles=4)
    print(found)
    oo.plot_bifurcation(found, "y[5]", ax=axes[2])
    axes[2].set(title="Six units, a faint input", xlabel="factor on $W_r$")
    axes[2].legend(fontsize=8, loc="center left")
    figure.savefig(args.out, dpi=120)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("continuation.png"))
    main(parser.parse_args())
