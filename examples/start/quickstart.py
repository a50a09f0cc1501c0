"""Divisive normalization in 20 lines: a circuit, a stimulus, a solution, and its closed form."""

import jax.numpy as jnp
import matplotlib.pyplot as plt

import organics_ode as oo

n = 16
angles = jnp.arange(n) * 2 * jnp.pi / n
tuning = jnp.exp(2 * (jnp.cos(angles[:, None] - angles) - 1))  # each unit prefers one angle
circuit = oo.ORGaNICs(
    tuning, jnp.eye(n), jnp.ones((n, n)) / 4, sigma=0.1, b0=0.5, b1=0.5, tau_y=2.0, tau_a=4.0
)
ts = jnp.linspace(0.0, 200.0, 400)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for contrast in (0.05, 0.2, 1.0):
    stimulus = contrast * (angles == angles[n // 2])
    trajectory = oo.simulate(circuit, stimulus, ts)
    drive = 0.5 * tuning @ stimulus
    normalized = drive / jnp.sqrt((0.1 * 0.5) ** 2 + drive @ drive / 4)
    error = jnp.max(jnp.abs(trajectory.states.y[-1] - normalized))
    print(f"contrast {contrast:4}: largest response {normalized.max():.4f}, error {error:.1e}")
    oo.plot_trajectory(trajectory, ax=left, units=[n // 2], label=f"contrast {contrast}")
    (line,) = right.plot(angles, normalized)
    right.plot(angles, trajectory.states.y[-1], "o", color=line.get_color())
print(trajectory)
left.set(title="Response of the preferred unit", ylabel="y")
left.legend(frameon=False)
right.set(
    title="Closed form (line), circuit at 200 ms (dots)", xlabel="preferred angle", ylabel="y"
)
figure.savefig("quickstart.png", dpi=120)
print("wrote quickstart.png")
