"""How the fixed points of one unit come and go with the recurrent weight, b0, and the input."""

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
from organics_ode import planar

one = jnp.ones((1, 1))
circuit = oo.ORGaNICs(one, 2 * one, one, 0.1, 0.5, b1=0.5, tau_y=2.0, tau_a=2.0)
spontaneous = planar.bifurcation(circuit, [0.0], "W_r", np.linspace(0.5, 2, 3001))
driven = planar.bifurcation(circuit, [0.2], "W_r", np.linspace(0.5, 2, 301))
inhibited = planar.bifurcation(circuit, [0.2], "b0", np.linspace(0.1, 6, 301))
input_ = planar.bifurcation(circuit, [1.0], "x", np.linspace(-2, 2, 801))

figure, axes = plt.subplots(2, 2, figsize=(10.5, 7), layout="constrained")
panels = (
    (spontaneous, "No input: a pitchfork at σ$b_0$ = 1 − 1/$w_r$", "$w_r$", "upper left"),
    (driven, "Input 0.2: a saddle-node below the driven branch", "$w_r$", "lower left"),
    (inhibited, "Inhibition ends bistability (input 0.2, $w_r$ = 2)", "$b_0$", "lower right"),
    (input_, "Fixed points over the input ($w_r$ = 2)", "input x", "center left"),
)
for ax, (diagram, title, label, place) in zip(axes.flat, panels, strict=True):
    print(diagram)
    oo.plot_bifurcation(diagram, ax=ax)
    ax.set(title=title, xlabel=label)
    ax.legend(loc=place, framealpha=1, edgecolor="none")
predicted = 1 / (1 - 0.1 * 0.5)
event = spontaneous.events[0]
print(f"pitchfork at w_r = {event.low:.9f}; 1/(1 − σ b0) = {predicted:.9f}")
figure.savefig("bifurcation.png", dpi=120)
print("wrote bifurcation.png")
