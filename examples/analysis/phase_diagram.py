"""How far W_r may be from the identity: W_r = I + ΔR, and the response to first order."""

import time

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
from organics_ode import robustness

jax.config.update("jax_enable_x64", True)  # the first-order error is below single precision
n, sigma, b = 100, 0.1, 0.5
key = jax.random.key(0)
start = time.perf_counter()
diagram = robustness.phase_diagram(
    np.geomspace(0.01, 10, 13), np.geomspace(0.01, 1, 9), key=key, size=n, trials=12
)
print(diagram)
trials = diagram.classes.size
print(f"{trials} circuits of {n} units in {time.perf_counter() - start:.0f} s")
cycles = diagram.classes == robustness.CYCLE
frequencies = np.percentile(diagram.frequency[cycles], [5, 50, 95])
print("frequency of cycles (Hz), 5, 50, 95 %:", np.round(frequencies, 1))

R = robustness.gaussian(key, n)
z = jax.random.normal(key, (n,))
z = z / jnp.linalg.norm(z)
deltas = np.geomspace(1e-3, 1, 10)


@jax.jit
def responses(delta):
    """The relative change of y, to first order and exactly, by settling for 1200 ms."""
    circuit = oo.ORGaNICs(
        jnp.eye(n), jnp.eye(n) + delta * R, jnp.ones((n, n)), sigma, b, b, 2.0, 2.0
    )
    order = robustness.first_order(circuit, z)
    ts = jnp.array([0.0, 1200.0])
    run = oo.simulate(circuit, z, ts, state0=order.zeroth).states.y[-1]
    scale = jnp.linalg.norm(order.zeroth.y)
    first, exact = order.first.y, run - order.zeroth.y
    return jnp.stack([jnp.linalg.norm(v) for v in (first, exact, exact - first)]) / scale


first, exact, error = np.array([responses(delta) for delta in deltas]).T
for row in zip(deltas, first, exact, error, strict=True):
    print("Δ {:.4f}: first order {:.5f}, exact {:.5f}, error {:.1e}".format(*row))

figure, axes = plt.subplots(
    1, 3, figsize=(15, 4.4), layout="constrained", width_ratios=(1.25, 1, 1)
)
left, middle, right = axes
oo.plot_phase_diagram(diagram, left)
share = diagram.fraction("limit cycle").T
cells = left.collections[0].get_coordinates()  # around every Δ and ‖z‖
mesh = middle.pcolormesh(cells[..., 0], cells[..., 1], share, cmap="Greens")
figure.colorbar(mesh, ax=middle)
middle.set(xscale="log", yscale="log", xlabel="Δ", ylabel="‖z‖", title="Fraction of limit cycles")
right.loglog(deltas, exact, "o", color="black", label="exact")
right.loglog(deltas, first, color="#0072B2", label="first order")
right.loglog(deltas, error, ".--", color="#D55E00", label="difference")
right.set(xlabel="Δ", ylabel="‖y − y₀‖ / ‖y₀‖", title="Response to $W_r$ = I + ΔR at ‖z‖ = 1")
right.legend(frameon=False)
figure.savefig("phase_diagram.png", dpi=120)
print("wrote phase_diagram.png")
