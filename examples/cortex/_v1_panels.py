"""The eight panels of `v1_table.py`."""

import string

import matplotlib.pyplot as plt
import numpy as np

DARK, LIGHT, WARM = "#1b3a5c", "#7fa6c9", "#c8553d"
SHADES = (LIGHT, "#44719c", DARK)


def contrast(ax, fit):
    c = np.geomspace(0.01, 1, 200)
    ax.plot(c, np.asarray(fit(c)), color=DARK)
    ax.plot(fit.xs[1:], fit.data[1:], "o", color=DARK, ms=4)
    ax.axvline(fit.c50, color="0.6", lw=1, ls=":")
    ax.text(fit.c50 * 1.1, 0.02, f"$c_{{50}}$ = {fit.c50:.2f}\n$n$ = {fit.n:.2f}", color="0.3")
    label(ax, 0, "contrast response", "contrast", "response", (0, 0.55), "log")


def pair(ax, first, second, names):
    c = np.geomspace(0.01, 1, 200)
    for fit, color, name in zip((first, second), (DARK, WARM), names, strict=True):
        ax.plot(c, np.asarray(fit(c)), color=color, label=name)
        ax.plot(fit.xs[1:], fit.data[1:], "o", color=color, ms=4)
    title, i = ("a mask across", 1) if "mask" in names[1] else ("attention", 7)
    label(ax, i, title, "contrast", "response", (0, 0.55), "log")
    ax.legend(frameon=False, loc="upper left", handlelength=1)


def size(ax, low, high):
    for found, color, name in ((low, LIGHT, "0.06"), (high, DARK, "1")):
        R = np.asarray(found.responses[:, 0])
        ax.plot(found.radii, R / R.max(), color=color, label=f"contrast {name}")
        ax.plot(found.preferred, 1.06, "v", color=color, ms=6, clip_on=False)
    label(ax, 2, "surround suppression", "radius (degrees)", "response / largest", (0, 1.15))
    ax.legend(frameon=False, loc="lower right", handlelength=1)


def latency(ax, found):
    ax.plot(found.contrasts, found.latencies[:, 0], "o-", color=DARK, ms=5)
    label(ax, 3, "latency", "contrast", "half-rise (ms)", (0, 30), "log")


def courses(ax, courses, contrasts, start, scale):
    for course, c, color in zip(courses, contrasts, (LIGHT, DARK), strict=True):
        rates = 1000 * scale * np.asarray(course.rates[:, 0])
        ax.plot(np.asarray(course.ts) - start, rates, color=color, label=f"contrast {c:g}")
    ax.axvspan(0, 100, color="0.94", zorder=0)
    label(ax, 4, "onset", "time (ms)", "spikes/s", (0, None))
    ax.set_xlim(-20, 80)
    ax.legend(frameon=False, loc="upper right", handlelength=1)


def spectra(ax, found, peaks):
    for c, power, peak, color in zip(
        found.contrasts, found.powers[..., 0], peaks, SHADES, strict=True
    ):
        power = np.asarray(power) * 1e6
        name = f"{float(c):g}: {float(peak):.0f} Hz"
        ax.semilogy(found.frequencies, power, color=color, label=name)
        at = np.interp(float(peak), found.frequencies, power)
        ax.plot(float(peak), at, "v", color=color, ms=6)
    label(ax, 5, "gamma", "frequency (Hz)", "power ($10^{-6}$/Hz)", (None, None))
    ax.legend(frameon=False, title="contrast: peak", handlelength=1)


def fano(ax, found):
    ax.plot(found.contrasts, found.factors[:, 0], "o-", color=DARK, ms=5)
    ax.axhline(1, color="0.6", lw=1, ls=":")
    ax.text(1, 1.005, "Poisson", color="0.4", ha="right", va="bottom")
    label(ax, 6, "variability", "contrast", "Fano factor", (0.95, None))


def label(ax, i, title, x, y, limits, scale="linear"):
    ax.set(xlabel=x, ylabel=y, xscale=scale, ylim=limits)
    ax.set_title(title, loc="left", fontsize=11)
    ax.text(-0.2, 1.04, string.ascii_lowercase[i], transform=ax.transAxes, weight="bold", size=13)
    ax.spines[["top", "right"]].set_visible(False)


plt.rcParams |= {"font.size": 10, "legend.fontsize": 9, "legend.title_fontsize": 9}
