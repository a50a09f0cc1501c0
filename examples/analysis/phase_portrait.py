"""Phase portraits of one unit: three regimes of the recurrent weight, and a unit that remembers."""

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
from organics_ode import planar

# w_r, b0, σ, input, and the ranges of a and y to show.
REGIMES = {
    "Weak recurrence: one stable point": (0.5, 0.5, 0.1, 1.0, (-1.1, 1.1), (0.0, 0.16)),
    "Strong recurrence: two unstable points": (2.0, 0.5, 0.1, 1.0, (-1.25, 1.25), (0.0, 1.0)),
    "Strong recurrence, strong inhibition": (2.0, 1.0, 1.0, 1.0, (-1.1, 1.1), (0.0, 2.5)),
    "Faint input: memory of the start": (2.0, 0.5, 0.5, 0.05, (-1.25, 1.25), (0.0, 1.0)),
}
STARTS = ((-0.9, 0.05), (-0.15, 0.6), (0.55, 0.9))  # relative to the largest |y| and a shown


def circuit_of(w_r, b0, sigma):
    one = jnp.ones((1, 1))
    return oo.ORGaNICs(one, w_r * one, one, sigma, b0, b1=0.5, tau_y=2.0, tau_a=2.0)


figure, axes = plt.subplots(2, 2, figsize=(10.5, 8), layout="constrained")
for ax, (title, regime) in zip(axes.flat, REGIMES.items(), strict=True):
    w_r, b0, sigma, x, y_range, a_range = regime
    circuit, x = circuit_of(w_r, b0, sigma), [x]
    print(f"{title}: w_r {w_r}, b0 {b0}, σ {sigma}, x {x[0]}")
    found = planar.fixed_points(circuit, x)
    print(found)
    oo.plot_phase_portrait(circuit, x, ax, y_range=y_range, a_range=a_range, legend=False)
    for y, a in STARTS:
        state0 = oo.ORGaNICsState(np.array([y * y_range[1]]), np.array([a * a_range[1]]))
        run = oo.simulate(circuit, np.array(x), np.linspace(0, 150, 3001), state0=state0).states
        ax.plot(run.y, run.a, color="#7b3294", lw=1.3)
        ax.plot(*state0, ".", color="#7b3294", ms=7)
    ax.set_title(f"{title}\n$w_r$ = {w_r}, $b_0$ = {b0}, σ = {sigma}, x = {x[0]}", fontsize=10)
shown = [each for ax in axes.flat for each in zip(*ax.get_legend_handles_labels(), strict=True)]
symbols = {label: handle for handle, label in shown}
figure.legend(symbols.values(), symbols.keys(), loc="outside lower center", ncols=4)
figure.savefig("phase_portrait.png", dpi=120)
print("wrote phase_portrait.png")
