"""The picture by `train_classics.py` of a network that holds bits: outputs, paths, fixed points."""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from _behaviour import Trained

import organics_ode as oo
from organics_ode import population


def draw_flip_flop(now: Trained, axes: list[plt.Axes]) -> None:
    t = now.task.dt * np.arange(now.outputs.shape[1])
    for i in range(now.task.bits):
        axes[0].plot(t, now.trials.targets[0, :, i] - 3 * i, color="0.6", lw=3)
        axes[0].plot(t, now.outputs[0, :, i] - 3 * i, color=f"C{i}")
    axes[0].set(xlabel="ms", yticks=[-3 * i for i in range(now.task.bits)])
    axes[0].set_yticklabels(now.task.outputs)
    components = population.principal_components(now.states[0], 3)
    paths = components.project(now.states[0][:3])
    oo.plot_state_space(paths, axes[1], color="0.75", lw=0.5)
    if not hasattr(now.model.cell, "circuit"):
        return  # a cell such as an LSTM is not a flow
    circuit = now.model.cell.circuit
    points = oo.find_fixed_points(circuit, jnp.zeros(now.task.bits), key=jax.random.key(0))
    read = np.asarray(jax.vmap(now.model.readout)(points.states[0]))
    stable = np.asarray(points.is_stable)
    corners = {tuple(np.sign(o).astype(int)) for o in read[stable] if np.all(abs(abs(o) - 1) < 0.5)}
    print(f"{len(points)} fixed points, {stable.sum()} stable; memories held: {len(corners)}")
    oo.plot_slow_points(points, components, axes[1])
