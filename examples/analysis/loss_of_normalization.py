"""How normalization is lost as recurrent weights depart from W_r = I, after Morone et al. (2025).

W_r = I + ΔR with symmetric random R and the same input to all units. Top: classes over Δ and ‖z‖
with the first-order line; the distance from normalization along Δ; the rate of the slowest mode.
Bottom: the effects of other inputs, means and rectifications, and the frequency of limit cycles for
matrices that are not symmetric. Draws loss_of_normalization.png (or --out).

    python examples/analysis/loss_of_normalization.py [--page docs/measured.md]

`--page` puts the table of distances and rates between its marks in that page.
"""

import argparse
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
from organics_ode import robustness

TAU, KEY = 2.0, 0
MARK = "<!-- the table of examples/analysis/loss_of_normalization.py -->\n"
SHARES = np.array([0.03, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5])  # relative to the loss line
PUBLISHED = {"random": robustness.symmetric, "direction": robustness.delocalised}
OTHERS = {
    "symmetric, delocalised": {},
    "localised input": {"direction": robustness.localised},
    "mean 0.3": {"mean": 0.3},
    "mean -0.3": {"mean": -0.3},
    "a fifth of the connections": {"random": robustness.Diluted(0.2)},
    "rectified after the weights": {"rectification": oo.Rectification.AFTER},
    "independent entries": {"random": robustness.gaussian},
}


def diagram(
    deltas: np.ndarray, norms: list | np.ndarray, args: argparse.Namespace, **options
) -> robustness.PhaseDiagram:
    options = PUBLISHED | {"key": KEY, "b": 1.0, "tau": TAU, "progress": False} | options
    options = {"size": args.size, "trials": args.trials} | options
    return robustness.phase_diagram(deltas, norms, **options)


def draw_map(ax: plt.Axes, args: argparse.Namespace) -> None:
    norms = np.geomspace(0.01, 1, 9)
    found = diagram(np.geomspace(0.01, 3, 11), norms, args)
    oo.plot_phase_diagram(found, ax)
    handles = ax.get_legend().legend_handles
    ax.legend(handles=handles, ncols=2, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1))
    left, right = ax.get_xlim()
    line = robustness.loss_line(norms)
    ax.plot(np.where(line < 10, line, np.nan), norms, "k--", label="loss line")
    ax.set(xlim=(left, right))
    print(found)


def draw_line(axes: tuple[plt.Axes, plt.Axes], args: argparse.Namespace) -> list[str]:
    """Curves along Δ in units of the loss line, at three sizes of the input, and their table."""
    lines = [["Δ/Δ_loss", *SHARES], ["---"] * (1 + SHARES.size)]
    for norm, color in ((0.05, "C0"), (0.2, "C1"), (0.5, "C2")):
        (line,) = robustness.loss_line([norm])
        found = diagram(SHARES * line, [norm], args)
        away, rate = found.distance[..., 0], TAU * found.abscissa[..., 0]
        axes[0].loglog(SHARES, np.nanmean(away, axis=0), "o-", color=color, label=f"‖z‖ = {norm}")
        axes[1].semilogx(SHARES, np.nanmean(rate, axis=0), "o-", color=color)
        lines += [[f"distance, ‖z‖ = {norm}", *np.nanmean(away, axis=0).round(3)]]
        lines += [["leading Re λ·τ", *np.nanmean(rate, axis=0).round(4)]]
    axes[0].loglog(SHARES, SHARES, "k--", label="first order")
    axes[0].set(xlabel="Δ / loss line", ylabel="|δy|/|y|", title="Distance from normalization")
    axes[0].legend(frameon=False, fontsize=8)
    axes[1].axhline(-0.01, color="k", ls=":", lw=1)
    axes[1].set(xlabel="Δ / loss line", ylabel="leading Re λ · τ", title="Slowing")
    return [f"| {' | '.join(map(str, line))} |" for line in lines]


def draw_others(ax: plt.Axes, args: argparse.Namespace) -> None:
    norm = 0.1
    (line,) = robustness.loss_line([norm])
    for name, options in OTHERS.items():
        found = diagram(SHARES * line, [norm], args, **options)
        ax.loglog(SHARES, np.nanmean(found.distance[..., 0], axis=0), ".-", label=name)
        shares = found.counts[:, -1, 0] / args.trials
        parts = [f"{k} {v:.2f}" for k, v in zip(robustness.CLASSES, shares, strict=True)]
        nearest = np.nanmean(found.distance[:, 0])
        print(f"{name}: distance {nearest:.3f} at the least Δ; at the largest {', '.join(parts)}")
    ax.set(
        xlabel="Δ / loss line", ylabel="|δy|/|y|", title=f"Other weights and inputs, ‖z‖ = {norm}"
    )
    ax.legend(frameon=False, fontsize=7)


def draw_cycles(axes: tuple[plt.Axes, plt.Axes], args: argparse.Namespace) -> None:
    deltas, norms = np.geomspace(0.1, 3, 8), np.array([0.02, 0.1, 0.5])
    found = diagram(deltas, norms, args, random=robustness.gaussian, trials=3 * args.trials)
    cycles = found.classes == robustness.CYCLE
    for j, norm in enumerate(norms):
        share = cycles[..., j].mean(axis=0)
        axes[0].semilogx(deltas, share, "o-", label=f"‖z‖ = {norm}")
        with_nan = np.where(cycles[..., j], found.frequency[..., j], np.nan)
        middle = [np.nan if np.isnan(f).all() else np.nanmedian(f) for f in with_nan.T]
        axes[1].semilogx(deltas, middle, "o-", label=f"‖z‖ = {norm}")
        print(f"cycles at |z| {norm}: shares {share.round(2)}, median Hz {np.round(middle, 1)}")
    axes[0].set(xlabel="Δ", ylabel="share of trials", title="Limit cycles, independent entries")
    axes[1].set(
        xlim=axes[0].get_xlim(), xlabel="Δ", ylabel="frequency (Hz)", title="Their frequency"
    )
    axes[0].legend(frameon=False, fontsize=8)


def main(args: argparse.Namespace) -> None:
    jax.config.update("jax_enable_x64", True)
    figure, axes = plt.subplots(2, 3, figsize=(13.5, 7.6), layout="constrained")
    draw_map(axes[0, 0], args)
    table = "\n".join(draw_line((axes[0, 1], axes[0, 2]), args))
    print(table)
    if args.page:
        before, _, after = args.page.read_text(encoding="utf-8").split(MARK)
        args.page.write_text(f"{before}{MARK}\n{table}\n\n{MARK}{after}", encoding="utf-8")
    draw_others(axes[1, 0], args)
    draw_cycles((axes[1, 1], axes[1, 2]), args)
    figure.savefig(args.out, dpi=110)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--page", type=Path, help="a page to write the table into")
    parser.add_argument("--out", type=Path, default=Path("loss_of_normalization.png"))
    main(parser.parse_args())
