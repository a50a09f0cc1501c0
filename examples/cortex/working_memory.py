"""Working memory: delay activity, a rotation with a steady readout, a reset, and time warping.

The circuit of Heeger & Mackey (2019): 36 cells on a ring, whose recurrent weights map two
components of a stimulus to themselves, or rotate them. One input opens the gate for the stimulus;
later another one resets the memory. Draws working_memory.png (or --out).
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo

SIZE, TAU = 36, 10.0  # cells; ms
ANGLE = 2 * np.pi * np.arange(SIZE) / SIZE
BASIS = np.sqrt(2 / SIZE) * np.stack([np.cos(ANGLE), np.sin(ANGLE)], axis=1)
SHOWN, RESET, END = 200.0, 1200.0, 1600.0  # ms


def circuit(omega: float, factor: float = 1.0) -> oo.ORGaNICs2019:
    """Inputs: two components of the stimulus, the gate, the reset. Eigenvalues 1 ± iω."""
    turn = np.array([[1.0, -omega], [omega, 1.0]])
    silent, column = np.zeros((SIZE, SIZE)), np.ones((SIZE, 1))
    at = lambda i: np.concatenate([column if k == i else 0 * column for k in range(4)], axis=1)  # noqa: E731
    return oo.ORGaNICs2019(
        W_zx=np.concatenate([BASIS, np.zeros((SIZE, 2))], axis=1),
        W_yy=BASIS @ turn @ BASIS.T,
        W_ax=at(3),
        W_ay=silent,
        W_bx=at(2),
        W_by=silent,
        tau_y=TAU * factor,
        tau_a=TAU * factor,
        tau_b=TAU * factor,
    )


def stimulus(factor: float = 1.0) -> oo.ZeroOrderHold:
    onsets = factor * np.array([0.0, SHOWN, RESET, RESET + 100.0])
    off = [0.0, 0.0, 0.0, 0.0]
    return oo.ZeroOrderHold(onsets, np.array([[0.8, 0.6, 5.0, 0.0], off, [0, 0, 0, 50.0], off]))


def responses(omega: float, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    ts = np.linspace(0.0, END * factor, 801)
    run = oo.simulate(circuit(omega, factor), stimulus(factor), ts, max_steps=100_000)
    return ts, np.asarray(run.states.y)


def main(args: argparse.Namespace) -> None:
    cases = {"held": (0.0, 1.0), "rotating": (0.1, 1.0), "twice as slow": (0.1, 2.0)}
    figure, axes = plt.subplots(2, 3, figsize=(11, 5), layout="constrained", sharex="col")
    for (name, (omega, factor)), (above, below) in zip(cases.items(), axes.T, strict=True):
        ts, y = responses(omega, factor)
        readout = y @ BASIS
        shown = {"aspect": "auto", "cmap": "RdBu_r", "extent": (0, ts[-1], 360, 0)}
        image = above.imshow(y.T, **shown, vmin=-4, vmax=4)
        above.set(title=name, ylabel="preferred angle (degrees)")
        for i, label in enumerate(("cosine", "sine")):
            below.plot(ts, readout[:, i], lw=1, label=f"readout, {label}")
        below.plot(ts, np.linalg.norm(readout, axis=1), "k", lw=1.5, label="its modulus")
        below.set(xlabel="time (ms)", ylabel="readout")
        late = (ts > factor * (SHOWN + 10 * TAU)) & (ts < factor * RESET)
        modulus = np.linalg.norm(readout[late], axis=1)
        phase = np.unwrap(np.angle(readout[late] @ np.array([1, 1j])))
        rate = np.polyfit(ts[late], phase, 1)[0]
        drift, expected = np.ptp(modulus) / modulus.mean(), omega / (TAU * factor)
        print(f"{name:14} modulus {modulus.mean():.4f}, drift {drift:.1e};", end=" ")
        print(f"turns at {rate:.6f} rad/ms, omega/tau is {expected:.6f}")
    axes[1, 0].legend(frameon=False, loc="lower center", bbox_to_anchor=(0.45, 0.08))
    figure.colorbar(image, ax=axes[0], label="y")
    figure.savefig(args.out, dpi=120)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("working_memory.png"))
    main(parser.parse_args())
