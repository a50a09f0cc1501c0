"""Which of its attractors a trained feedback network reaches: least squares against FORCE.

The same network is trained to hold z = 2 in both ways. Starts x = a m + b I on a grid are followed
to their ends, and the readout is followed over time from x = m z₀ + I. Draws feedback_basins.png.
"""

import argparse

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from _finite_size import at_rest
from matplotlib.colors import ListedColormap

import organics_ode as oo
from organics_ode import feedback, mean_field

jax.config.update("jax_enable_x64", True)
TARGET, DT, STEPS = 2.0, 0.2, 200
GEOMETRY = mean_field.Geometry(sigma_m=1.2, sigma_I=0.5, rho=0.5, p=1.0, p_m=1.0, p_I=0.3)
BLUE, RED = "#0072B2", "#D55E00"
WAYS = {"least squares": feedback.least_squares, "FORCE": feedback.force}


def follow(network, starts):
    """z(t) from many states (k, N): (k, STEPS)."""
    cell, inputs = oo.Euler(network, DT), jnp.zeros((STEPS, 0))

    def path(x):
        return network.readout(oo.unroll(cell, inputs, state0=oo.FeedbackNetworkState(x)))

    return np.asarray(jax.jit(lambda starts: jax.lax.map(path, starts, batch_size=64))(starts))


def coordinates(network, states):
    """a and b of the nearest a m + b I."""
    plane = np.stack([network.m, network.I], axis=1)
    return np.linalg.lstsq(plane, np.asarray(states).T)[0]


def draw_plane(ax, network, found, saddle, side):
    a, b = np.linspace(-4, 4, side), np.linspace(-12, 12, side)
    starts = a[None, :, None] * network.m + b[:, None, None] * network.I
    end = follow(network, starts.reshape(side**2, -1))[:, -1].reshape(side, side)
    nearest = np.argmin(np.abs(end[..., None] - np.asarray(found.z)), axis=-1)
    which = np.asarray(found.z)[nearest] > 0
    ax.pcolormesh(a, b, which, cmap=ListedColormap([BLUE, RED]), alpha=0.35, vmin=0, vmax=1,
                  rasterized=True)  # fmt: skip
    for z, point in zip(found.z, coordinates(network, found.states).T, strict=True):
        ax.plot(*point, "o", color=RED if z > 0 else BLUE, ms=8)
    for point in coordinates(network, saddle).T:
        ax.plot(*point, "o", mfc="white", mec="black", ms=8)
    ax.set(xlabel="a, along the feedback m", ylabel="b, along the input I")
    return np.mean(which), np.max(np.min(np.abs(end[..., None] - np.asarray(found.z)), axis=-1))


def draw_paths(ax, network, found, saddle):
    z0 = np.linspace(-3, 3, 25)
    z = follow(network, z0[:, None] * network.m + network.I)
    t = DT * np.arange(1, STEPS + 1)
    for path in z:
        ax.plot(t, path, lw=0.8, color=RED if path[-1] > 0 else BLUE)
    for value in found.z:
        ax.axhline(value, color="black", lw=0.6)
    for x in saddle:
        ax.axhline(np.asarray(network.n) @ np.tanh(x) / x.size, color="black", ls=":", lw=1)
    ax.set(xlabel="time", ylabel="readout z", xlim=(0, 15))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=300, help="N")
    parser.add_argument("--g", type=float, default=0.3, help="strength of the random connections")
    parser.add_argument("--side", type=int, default=61, help="starts along each side of the plane")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    key = jax.random.key(args.seed)
    untrained = oo.FeedbackNetwork.random(args.size, GEOMETRY, 0.0, g=args.g, key=key)
    theory = mean_field.least_squares(GEOMETRY, args.g, TARGET).rest
    figure, axes = plt.subplots(2, 2, figsize=(11, 8.5), layout="constrained")
    for (name, train), (upper, lower) in zip(WAYS.items(), axes.T, strict=True):
        network = train(untrained, TARGET).network
        found = feedback.attractors(network, z0=np.linspace(-3, 3, 7))
        # Between two attractors lies a saddle, near where the theory of least squares predicts it.
        saddle = at_rest(network, theory.z[1:2]) if len(found) == 2 else np.zeros((0, args.size))
        share, left = draw_plane(upper, network, found, saddle, args.side)
        draw_paths(lower, network, found, saddle)
        ends = " or ".join(f"{z:.2f}" for z in found.z)
        upper.set_title(f"{name}: comes to z = {ends}")
        print(f"{name}: attractors {np.round(found.z, 3)}, share of starts that come to the target "
              f"{share:.3f}; the end farthest from an attractor is {left:.1e} away")  # fmt: skip
        for x in saddle:
            print(f"  saddle at z = {np.asarray(network.n) @ np.tanh(x) / x.size:.3f}")
    print(f"theory of least squares: z = {np.round(theory.z, 3)}")
    figure.savefig("feedback_basins.png", dpi=90)
    print("wrote feedback_basins.png")


if __name__ == "__main__":
    main()
