"""Feedback networks of 250 to 4000 units against the theory for many units.

For every fixed point of every network: the readout z, the variance Δ0 of x, the spectrum of
gχφ′ + m nᵀφ′/N with its bulk and its outlier, and how the distance to the theory falls with N.

    python examples/feedback/feedback_spectra.py [--sizes 250 500 --seeds 16 8 --out new.json]
    python examples/feedback/feedback_spectra.py --table examples/results/feedback-spectra.json

The second command draws a table that was measured before. Draws feedback_spectra.png.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from _finite_size import at_rest, errors, label_sizes, slope, spectrum

import organics_ode as oo
from organics_ode import mean_field
from organics_ode.storage import command_of, origin

jax.config.update("jax_enable_x64", True)
TARGET, SHOWN = 2.0, 1000
GEOMETRY = mean_field.Geometry(sigma_m=1.2, sigma_I=0.5, rho=0.5, p=1.0, p_m=1.0, p_I=0.3)
STATES, COLOURS = ("other", "saddle", "target"), ("#0072B2", "#D55E00", "#009E73")
# The radius is g√⟨φ′²⟩, the edge is the largest |λ| other than the outlier's, and the share is that
# of |λ| above the radius of the theory.
COLUMNS = ("z", "Δ0", "radius", "edge", "outlier", "share")


def theory_of(g):
    """The scale of the readout, the solutions of the theory, and its values for the columns."""
    c = mean_field.calibrate(GEOMETRY, g, TARGET)
    found = mean_field.solutions(GEOMETRY, g, c)
    values = (found.z, found.delta0, found.radius, found.radius, found.outlier.real, np.zeros(3))
    return c, found, np.array(values)


def measure(network, theory):
    """Every column at every fixed point, (columns, 3)."""
    rows = []
    states = at_rest(network, theory.z)
    for x, outlier, radius in zip(states, theory.outlier, theory.radius, strict=True):
        phi, bulk, own = np.tanh(x), spectrum(network, x), np.nan
        if np.isfinite(outlier):
            i = np.argmin(np.abs(bulk - outlier))
            own, bulk = bulk[i].real, np.delete(bulk, i)
        spread, size = float(network.g) * np.sqrt(np.mean((1 - phi**2) ** 2)), np.abs(bulk)
        z = np.asarray(network.n) @ phi / x.size
        rows.append((z, np.mean(x**2), spread, size.max(), own, np.mean(size > radius)))
    return np.array(rows).T


def listed(values):
    """Nested lists for JSON, which has no NaN."""
    return [[None if np.isnan(v) else round(v, 7) for v in row] for row in values.tolist()]


def measure_all(args):
    """For each g and N: mean and standard deviation over the networks."""
    start, rows = time.perf_counter(), []
    for g in args.gains:
        c, theory, _ = theory_of(g)
        for size, seeds in zip(args.sizes, args.seeds, strict=True):
            keys = [jax.random.key(seed) for seed in range(seeds)]
            networks = (oo.FeedbackNetwork.random(size, GEOMETRY, c, g=g, key=k) for k in keys)
            found = np.array([measure(network, theory) for network in networks])
            mean, sd = (listed(v) for v in (found.mean(0), found.std(0, ddof=1)))
            rows.append({"g": g, "N": size, "networks": seeds, "mean": mean, "sd": sd})
            print(f"g = {g}, N = {size}: {time.perf_counter() - start:.0f} s", flush=True)
    return command_of(args) | origin(time.perf_counter() - start) | {"rows": rows}


def draw_spectrum(ax, network, theory, i):
    values = spectrum(network, at_rest(network, theory.z)[i])
    ax.plot(values.real, values.imag, ".", ms=2, color="grey")
    ax.add_patch(plt.Circle((0, 0), theory.radius[i], fill=False, color=COLOURS[i], lw=1.5))
    ax.plot(theory.outlier[i].real, 0, "x", ms=9, mew=2, color=COLOURS[i])
    ax.axvline(1, ls=":", color="black", lw=0.8)
    ax.set(title=f"{STATES[i]}: z = {theory.z[i]:.3f}", aspect="equal", xlabel="Re λ")
    ax.set(xlim=(-0.75, 2.35), ylim=(-0.75, 0.75), ylabel="Im λ")


def draw_values(ax, rows, theory, column):
    """Mean ± standard deviation over the networks against N, with the line of the theory."""
    i = COLUMNS.index(column)
    for j, colour in enumerate(COLOURS):
        y, e = (np.array([row[name][i][j] for row in rows], float) for name in ("mean", "sd"))
        ax.errorbar([row["N"] for row in rows], y, e, fmt="o", ms=4, capsize=3, color=colour)
        ax.axhline(theory[i, j], color=colour, lw=1)
    ax.set(xscale="log", title=f"{column}: mean ± sd, theory as a line")
    label_sizes(ax, [row["N"] for row in rows])


def draw_errors(ax, rows, theory, g):
    N, rms, k = errors(rows, theory)
    for column, mark in zip(COLUMNS, "o^sv*D", strict=True):
        i = COLUMNS.index(column)
        for j in np.flatnonzero(np.isfinite(theory[i])):
            b, e = slope(N, rms[:, i, j], k)
            print(f"g = {g}, {STATES[j]:7} {column:8} slope {b:.3f} ± {e:.3f}", rms[:, i, j])
            label = column if j == 1 else None
            ax.loglog(N, rms[:, i, j], mark + "-", ms=4, lw=0.8, color=COLOURS[j], label=label)
    ax.loglog(N, 3 / np.sqrt(N), "--", color="black", label="1/√N")
    ax.set(title="root mean squared distance to the theory", xlim=(None, 3.2 * N[-1]))
    label_sizes(ax, N)
    ax.legend(frameon=False, fontsize=8, loc="right")


def draw(table):
    gains = sorted({row["g"] for row in table["rows"]})
    figure = plt.figure(figsize=(14, 7 * len(gains)), layout="constrained")
    for part, g in zip(figure.subfigures(len(gains), 1, squeeze=False)[:, 0], gains, strict=True):
        axes = part.subplots(2, 3)
        part.suptitle(f"g = {g}; spectra of one network of {SHOWN} units")
        c, theory, values = theory_of(g)
        network = oo.FeedbackNetwork.random(SHOWN, GEOMETRY, c, g=g, key=jax.random.key(0))
        rows = [row for row in table["rows"] if row["g"] == g]
        for i in range(3):
            draw_spectrum(axes[0, i], network, theory, i)
        draw_values(axes[1, 0], rows, values, "z")
        draw_values(axes[1, 1], rows, values, "outlier")
        draw_errors(axes[1, 2], rows, values, g)
    figure.savefig("feedback_spectra.png", dpi=80)
    print("wrote feedback_spectra.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", default=[250, 500, 1000], help="N")
    add("--seeds", type=int, nargs="+", default=[16, 8, 4], help="networks of each size")
    add("--gains", type=float, nargs="+", default=[0.3, 0.8], help="g, the strength of χ")
    add("--out", type=Path, help="where to write the table")
    add("--table", type=Path, help="draw this table instead of measuring one")
    args = parser.parse_args()
    table = json.loads(args.table.read_text(encoding="utf-8")) if args.table else measure_all(args)
    if args.out:
        args.out.write_text(json.dumps(table, ensure_ascii=False) + "\n", encoding="utf-8")
    draw(table)


if __name__ == "__main__":
    main()
