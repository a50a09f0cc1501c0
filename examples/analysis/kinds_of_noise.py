"""Power spectra of a response under each kind of noise, and the resulting spike counts."""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
from organics_ode import ORGaNICsState as State

jax.config.update("jax_enable_x64", True)
n, contrast = 4, 0.5
W = 0.8 * jnp.eye(n) + 0.1
circuit = oo.ORGaNICs(jnp.eye(n), jnp.eye(n), W, 0.1, 0.5, 0.5, tau_y=4.0, tau_a=4.0)
x = contrast * jnp.ones(n)
size = 0.0005  # small compared with y = 0.5, so that the linear theory holds
kinds = {
    "white, in y": oo.Noise(State(y=size, a=0.0)),
    "white, in a": oo.Noise(State(y=0.0, a=size)),
    "Poisson-like": oo.PoissonNoise(State(y=size, a=0.0)),
    "Ornstein-Uhlenbeck, 20 ms": oo.OrnsteinUhlenbeckNoise(State(y=size / 3, a=0.0), 20.0),
    "shared by all units": oo.SharedNoise(State(y=size * jnp.ones(n), a=0.0)),
    "measurement, 5 ms": oo.MeasurementNoise(State(y=size, a=0.0), 5.0),
    "measurement, 5 ms, twice": oo.MeasurementNoise(State(y=size, a=0.0), 5.0, order=2),
}
frequencies = jnp.geomspace(1.0, 500.0, 200)
figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
left, middle, right = axes
colors = plt.get_cmap("tab10").colors
for color, (name, noise) in zip(colors, kinds.items(), strict=False):
    power = oo.power_spectrum(circuit, x, frequencies, noise)
    style = "--" if "measurement" in name else "-"
    oo.plot_power_spectrum(frequencies, power, left, units=[0], color=color, ls=style, label=name)
    peak = oo.spectral_peak(circuit, x, noise)
    print(f"{name:26}: variance of y[0] {oo.covariance(circuit, x, noise)[0, 0]:.3g}, {peak}")
left.set(title="Power of one response", xlim=(1, 500), ylim=(1e-12, None))
left.legend(frameon=False, fontsize=8)

correlated = (
    kinds["white, in y"] + kinds["shared by all units"],
    kinds["white, in y"] + oo.MeasurementNoise(State(y=2 * size, a=0.0), 5.0, correlation=0.5),
)
names = ("a shared source", "a correlated measurement")
for color, name, noise in zip(colors, names, correlated, strict=False):
    between = oo.by_block(circuit, oo.coherence(circuit, x, frequencies, noise)).y.y[:, 0, 1]
    middle.semilogx(frequencies, between, color=color, label=name)
middle.set(xlabel="frequency (Hz)", ylabel="coherence", title="Two units: white noise in y, and …")
middle.set(ylim=(-0.02, 1.02), xlim=(1, 500))
middle.legend(frameon=False)

windows = jnp.geomspace(1.0, 3000.0, 40)
for color, tau in zip(colors, (2.0, 20.0, 200.0), strict=False):
    noise = oo.OrnsteinUhlenbeckNoise(State(y=0.01 * np.sqrt(2.0 / tau), a=0.0), tau)
    rate = lambda state: 0.2 * state.y**2  # noqa: E731
    counts = jax.vmap(lambda T: oo.fano(circuit, x, noise, T, rate=rate))(windows)  # noqa: B023
    right.semilogx(windows, counts[:, 0], color=color, label=f"τ = {tau:g} ms")
    print(f"Fano factor for τ = {tau:g} ms: {counts[0, 0]:.3f} to {counts[-1, 0]:.3f}")
right.set(xlabel="window (ms)", ylabel="Fano factor", title="Counts under coloured noise in y")
right.legend(frameon=False)
figure.savefig("kinds_of_noise.png", dpi=120)
print("wrote kinds_of_noise.png")
