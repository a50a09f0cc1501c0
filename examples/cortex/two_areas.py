"""Two areas of visual cortex: spectra and coherence with feedback on and off, and communication.

The hierarchical model of V1 and V2 by Pal et al. (2025), with noise, linearised about its fixed
point. Top: the power of V1, and its coherence with V2. Bottom: how many dimensions of V1 predict V2
and V1 itself, in the model and in the neurons recorded by Semedo et al. (2019), and how many do at
each frequency. Draws two_areas.png (or --out).
"""

import argparse
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
from organics_ode import cortex

jax.config.update("jax_enable_x64", True)

CONTRASTS = (0.03, 0.125, 0.5, 1.0)
FREQUENCIES = np.geomspace(1, 400, 70)
SHOWN = 0.5  # the contrast of the panels on communication


def spectra(feedback: float, contrast: float, units: np.ndarray) -> cortex.SharedSpectra:
    model = cortex.two_areas(feedback=feedback)
    x = cortex.Ring(36).drive(cortex.Grating(0, contrast))
    state = oo.fixed_point(model, x).state
    noise = cortex.membrane_noise(model)
    return cortex.shared_spectra(model, x, FREQUENCIES, noise, units=units, state0=state)


def peak(frequencies: np.ndarray, values: np.ndarray) -> str:
    inside = (values[1:-1] > values[:-2]) & (values[1:-1] > values[2:]) & (values[1:-1] > 1e-9)
    found = frequencies[1:-1][inside]
    return ", ".join(f"{f:.1f}" for f in found) or "none"


def performance(shared: cortex.SharedSpectra, target: str) -> np.ndarray:
    """Communication from 18 units of V1 to 18 others, by their covariance within the band."""
    S = np.real(np.asarray(shared.cross))
    C = 2 * np.trapezoid(S, FREQUENCIES, axis=0)
    k = len(shared.units)
    moves = np.diag(C) > 1e-12 * np.diag(C).max()
    source = np.flatnonzero(moves[:k])[::2]
    start = k * shared.names.index(target)
    others = start + np.flatnonzero(moves[start : start + k])[1::2]
    return np.asarray(cortex.communication(C, source, others))


def draw_communication(axes: np.ndarray, shared: dict[float, cortex.SharedSpectra]) -> None:
    (model, data, dimensions), colours = axes, {"V2": "C0", "V1": "C1"}
    for feedback, style in ((1.0, "-"), (0.0, "--")):
        for target, colour in colours.items():
            share = performance(shared[feedback], target)
            label = f"V1 to {target}, feedback {feedback:g}"
            model.plot(
                1 + np.arange(len(share)), share, f"o{style}", color=colour, ms=3, label=label
            )
        found = shared[feedback].dimensions("V1", "V2")
        dimensions.semilogx(FREQUENCIES, found, style, label=f"feedback {feedback:g}")
    model.set(
        title="model", xlabel="dimensions", ylabel="variance explained", xlim=(0, 11), ylim=(0, 1.1)
    )
    dimensions.set(title="V1 to V2", xlabel="frequency (Hz)", ylabel="dimensions for 95 %")
    dimensions.yaxis.get_major_locator().set_params(integer=True)
    counts = cortex.data.semedo()
    for name, Y in (("V2", counts.Y_V2), ("V1", counts.Y_V1)):
        fit = cortex.reduced_rank_regression(counts.X, Y, np.arange(1, 11))
        print(f"neurons, V1 to {name}: best rank {fit.best_rank}")
        fit.plot(data, color=colours[name], label=f"V1 to {name}")
    data.set(title="neurons (Semedo et al.)", xlim=(0, 11))


def main(args: argparse.Namespace) -> None:
    figure, axes = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
    together = axes[0, 2]
    for feedback, ax in zip((1.0, 0.0), axes[0], strict=False):
        for i, contrast in enumerate(CONTRASTS):
            shared = spectra(feedback, contrast, np.arange(1))
            power, coherence = np.asarray(shared.power), np.asarray(shared.coherence)[:, 0, 1]
            ax.loglog(FREQUENCIES, power[:, 0], color=f"C{i}", label=f"contrast {contrast:g}")
            style = {"ls": "-" if feedback else "--", "color": f"C{i}"}
            together.semilogx(FREQUENCIES, coherence, **style)
            at = peak(FREQUENCIES, power[:, 0]), peak(FREQUENCIES, coherence)
            print(f"feedback {feedback:g}, contrast {contrast:g}: power {at[0]}; coherence {at[1]}")
        ax.set(title=f"V1, feedback {feedback:g}", xlabel="frequency (Hz)", ylabel="power (1/Hz)")
        ax.legend(frameon=False)
    together.set(title="V1 and V2 (feedback: solid 1, dashed 0)", xlabel="frequency (Hz)")
    together.set(ylabel="coherence")
    draw_communication(axes[1], {g: spectra(g, SHOWN, np.arange(36)) for g in (1.0, 0.0)})
    for ax in axes[1]:
        ax.legend(frameon=False)
    figure.savefig(args.out, dpi=100)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("two_areas.png"))
    main(parser.parse_args())
