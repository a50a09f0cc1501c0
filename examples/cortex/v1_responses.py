"""Responses of model cortex: contrast and mask, size, onset, gamma, each with what is known.

python examples/cortex/v1_responses.py
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
from organics_ode import cortex

jax.config.update("jax_enable_x64", True)
GRATING, MASK = cortex.Grating(45, 0.5), cortex.Grating(135, 0.5)
CONTRASTS = np.geomspace(0.01, 1, 15)
NOISE = oo.Noise(oo.ORGaNICsState(y=0.01, a=0.0))


def contrast_and_mask(ax):
    """With W_r = I, c50² = σ² + m² exactly."""
    ring, sigma = cortex.Ring(36, sigma=0.1), 0.1
    unit = ring.nearest(45)
    for mask in (0.0, 0.1, 0.3):
        rates = cortex.contrast_response(
            ring, GRATING, CONTRASTS, mask=MASK.at(mask), units=unit
        ).responses[:, 0]
        fit = cortex.fit_naka_rushton(CONTRASTS, rates)
        fit.plot(ax, label=f"mask {mask:g}: $c_{{50}}$ = {fit.c50:.3f}")
        print(f"mask {mask:g}: c50 {fit.c50:.8f}, closed form {np.hypot(sigma, mask):.8f}")
    ax.set(xscale="log", title="contrast and mask: points, and fits")
    ax.legend(frameon=False)


def size(ax):
    sheet = cortex.Sheet((15, 15), 1, spacing=0.4)
    radii, unit = np.arange(0.1, 2.81, 0.1), sheet.nearest(0)
    for contrast in (0.06, 0.25, 1.0):
        grating = cortex.Grating(0, contrast)
        found = cortex.size_tuning(sheet, grating, radii, units=unit)
        label = f"contrast {contrast:g}: suppressed by {float(found.suppression[0]):.2f}"
        best = found.responses.max()
        ax.plot(radii, found.responses[:, 0] / best, label=label)
        print(f"contrast {contrast:g}: preferred radius {float(found.preferred[0]):.1f} degrees")
    ax.set(xlabel="radius (degrees)", ylabel="response / largest", title="surround suppression")
    ax.set(ylim=(0, 1.4))
    ax.legend(frameon=False, loc="upper right")


def onset(ax, ring):
    unit = ring.nearest(45)
    for contrast in (0.05, 0.2, 1.0):
        steps = cortex.ContrastSteps(GRATING, [0.0, 50.0, 250.0], [0.0, contrast, 0.0])
        course = cortex.psth(ring, steps, np.arange(0.0, 400.0, 1.0), units=unit)
        course.plot(ax, label=f"contrast {contrast:g}")
    ax.axvspan(50, 250, color="0.92", zorder=0)
    ax.set(title="a grating from 50 to 250 ms")
    ax.legend(frameon=False)


def gamma(ax, ring):
    unit, f = ring.nearest(45), np.geomspace(2.0, 150.0, 60)
    cortex.power_spectra(ring, GRATING, [0.1, 0.3, 1.0], f, NOISE, units=unit).plot(ax)
    peaks = cortex.gamma_peak(ring, GRATING, [0.1, 0.3, 1.0], NOISE)
    print(peaks)
    ax.set(title="spectra in noise")


def main():
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    ring = cortex.Ring(8, sigma=0.1, tau_y=10.0, tau_a=10.0)
    contrast_and_mask(axes[0, 0])
    size(axes[0, 1])
    onset(axes[1, 0], ring)
    gamma(axes[1, 1], ring)
    figure.savefig("v1_responses.png", dpi=120)


if __name__ == "__main__":
    main()
