"""Noise spectra against contrast: a moving resonance, and the coherence between two units."""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo

jax.config.update("jax_enable_x64", True)
n, paths, dt, every = 8, 64, 0.1, 2  # steps of dt ms, of which every second one is kept
angles = jnp.arange(n) * 2 * jnp.pi / n
tuning = jnp.exp(2 * (jnp.cos(angles[:, None] - angles) - 1))
circuit = oo.ORGaNICs(
    tuning, jnp.eye(n), jnp.ones((n, n)) / 2, sigma=0.1, b0=0.5, b1=0.5, tau_y=6.0, tau_a=6.0
)
noise = oo.Noise(additive=oo.ORGaNICsState(y=0.002, a=0.0004))
grating = (angles == angles[2]).astype(float)
frequencies = jnp.geomspace(1.0, 300.0, 300)
first, second = 2, 3  # the unit that prefers the grating, and its neighbour


@jax.jit
def simulated(contrast, key):
    """The power spectrum of y, averaged over many paths with a Hann window, and its frequencies."""
    x, length = contrast * grating, 5120
    rest = oo.fixed_point(circuit, x).state

    def periodogram(key):
        steps = (length + 1000) * every
        found = oo.sample_paths(
            circuit, x, noise, dt=dt, key=key, steps=steps, state0=rest, keep_every=every
        )
        y = found.states.y[1000:, first] - found.states.y[1000:, first].mean()
        window = jnp.hanning(length)
        density = jnp.abs(jnp.fft.rfft(window * y)) ** 2 / jnp.sum(window**2)
        return density * dt * every / 1000  # per Hz, two-sided

    power = jax.vmap(periodogram)(jax.random.split(key, paths)).mean(axis=0)
    return jnp.fft.rfftfreq(length, dt * every / 1000), power


@jax.jit
def peak(contrast):
    """The frequencies, Hz, of the peak power of y (NaN if at 0) and of the least damped mode."""
    x, fine = contrast * grating, jnp.linspace(0.2, 120.0, 1200)
    power = oo.power_spectrum(circuit, x, fine, noise)[:, first]
    found = oo.spectrum(circuit, oo.fixed_point(circuit, x).state, x)
    highest = jnp.argmax(power)
    resonance = jnp.where(highest > 0, fine[highest], jnp.nan)
    return resonance, found.frequencies[jnp.argmin(found.damping_ratios)]


contrasts = (0.05, 0.2, 0.5, 1.0)
colors = plt.get_cmap("viridis_r")(np.linspace(0.15, 1, len(contrasts)))
figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
left, middle, right = axes
for i, (contrast, color) in enumerate(zip(contrasts, colors, strict=True)):
    label, x = f"contrast {contrast}", contrast * grating
    power = oo.power_spectrum(circuit, x, frequencies, noise)
    oo.plot_power_spectrum(frequencies, power, left, units=[first], color=color, label=label)
    dots, values = simulated(contrast, jax.random.key(i))
    shown = (dots >= 3) & (dots < 200)  # below, the window smears
    oo.plot_power_spectrum(
        dots[shown], values[shown], left, color=color, ls="", marker=".", ms=3, alpha=0.5
    )
    expected = oo.power_spectrum(circuit, x, dots[shown], noise)[:, first]
    ratio = values[shown] / expected
    coherence = oo.coherence(circuit, x, frequencies, noise)[:, first, second]
    right.semilogx(frequencies, coherence, color=color, label=label)
    print(
        f"contrast {contrast:4}: peak {peak(contrast)[0]:.1f} Hz, coherence {coherence.max():.2f}, "
        f"simulated over expected power {ratio.mean():.3f} ± {ratio.std():.3f}"
    )
print(f"± expected of {paths} periodograms: {paths**-0.5:.3f}")
left.set(title=f"Power of y: theory (lines), {paths} simulated paths (dots)", xlim=(1, 300))
left.legend(frameon=False)
fine = jnp.geomspace(0.03, 1.0, 60)
peaks, modes = jax.vmap(peak)(fine)
middle.semilogx(fine, peaks, color="#0072B2", label="peak of the power")
middle.semilogx(fine, modes, "--", color="#D55E00", label="least damped mode")
middle.set(xlabel="contrast", ylabel="frequency (Hz)", title="The resonance moves with contrast")
middle.legend(frameon=False)
right.set(xlabel="frequency (Hz)", ylabel="coherence", title="Between two neighbouring units")
right.legend(frameon=False)
figure.savefig("noise_spectra.png", dpi=120)
print("wrote noise_spectra.png")
