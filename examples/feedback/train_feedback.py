"""Two ways to train the same readout: least squares against FORCE, over targets A and g.

For every target, network and method: the overlaps n_m and n_I of the trained readout and the number
of attractors, together with the theory of least squares for many units. Draws train_feedback.png.
"""

import argparse

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
from organics_ode import feedback, mean_field

jax.config.update("jax_enable_x64", True)
GEOMETRY = mean_field.Geometry(sigma_m=1.2, sigma_I=0.5, rho=0.5, p=1.0, p_m=1.0, p_I=0.3)
TARGETS = np.array([-2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2])
STARTS = np.linspace(-3, 3, 7)
WAYS = {"least squares": feedback.least_squares, "FORCE": feedback.force}
COLOURS = {"least squares": "#0072B2", "FORCE": "#D55E00"}
COLUMNS = ("$n_m$, overlap with the feedback", "$n_I$, overlap with the input", "attractors")


def measure(train, g, args):
    """For every target and network: n_m, n_I, the attractors, |n|/√N, the error."""
    rows = []
    for A in TARGETS:
        for seed in range(args.networks):
            key = jax.random.key(seed)
            network = oo.FeedbackNetwork.random(args.size, GEOMETRY, 0.0, g=g, key=key)
            trained = train(network, A)
            found, o = feedback.attractors(trained.network, z0=STARTS), trained.overlaps
            rows.append((o.n_m, o.n_I, len(found), o.norm, jnp.min(jnp.abs(found.z - A))))
    return np.array(rows, float).reshape(len(TARGETS), args.networks, 5)


def theory(g):
    """A, and n_m, n_I and the number of stable states by the theory of least squares."""
    targets = np.concatenate([np.linspace(-2.2, -0.1, 22), np.linspace(0.1, 2.2, 22)])
    found = [mean_field.least_squares(GEOMETRY, g, A) for A in targets]
    return targets, np.array([(f.n_m, f.n_I, f.rest.is_stable.sum()) for f in found])


def draw(axes, g, args):
    targets, predicted = theory(g)
    for ax, values in zip(axes, predicted.T, strict=True):
        for half in (targets < 0, targets > 0):
            label = "least squares, theory" if targets[half][0] > 0 else None
            ax.plot(targets[half], values[half], color="black", lw=1, label=label)
    for name, train in WAYS.items():
        found = measure(train, g, args)
        print(f"g = {g}, {name}: A, n_m, n_I, attractors, norm, error (means of {args.networks})")
        for A, (n_m, n_I, count, norm, error) in zip(TARGETS, found.mean(1), strict=True):
            print(f"  {A:5.1f} {n_m:8.3f} {n_I:8.3f} {count:5.2f} {norm:8.2f} {error:9.1e}")
        for ax, column in zip(axes, range(3), strict=True):
            at = TARGETS + (0.04 if name == "FORCE" else -0.04)
            ax.plot(at, found[..., column], "o", color=COLOURS[name], ms=4, alpha=0.6)
            ax.plot([], [], "o", color=COLOURS[name], label=name)
    for ax, title in zip(axes, COLUMNS, strict=True):
        ax.set_title(f"{title}, g = {g}", fontsize=10)
        ax.spines[["top", "right"]].set_visible(False)
    axes[2].set_yticks([1, 2])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=300, help="N")
    parser.add_argument("--networks", type=int, default=3, help="networks for each setting")
    parser.add_argument("--gains", type=float, nargs="+", default=[0.3, 0.8], help="g")
    args = parser.parse_args()
    rows = len(args.gains)
    figure, axes = plt.subplots(rows, 3, figsize=(12, 3.2 * rows), layout="constrained",
                                sharex=True, squeeze=False)  # fmt: skip
    for row, g in zip(axes, args.gains, strict=True):
        draw(row, g, args)
    for ax in axes[-1]:
        ax.set_xlabel("target A")
    axes[0, 1].legend(frameon=False)
    figure.savefig("train_feedback.png", dpi=100)
    print("wrote train_feedback.png")


if __name__ == "__main__":
    main()
