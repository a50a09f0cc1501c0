"""A network plays rule reversal, and the picture of it."""

import jax
import jax.numpy as jnp
import numpy as np
from _networks import BURN_IN

import organics_ode as oo
import tasks

COLOURS = ("C0", "C3")  # of the choices


def play(model: oo.SequenceToSequence, task: tasks.RuleReversal, trial: tasks.Trial):
    """The outputs of a network, without noise, and the inputs that it saw."""
    cell, readout = oo.resolve(model.cell), oo.resolve(model.readout)
    before = jnp.tile(task.burn_in_inputs(trial), (round(BURN_IN / task.dt), 1))

    def step(state, x):
        state = cell.step(state, x)
        return state, readout(state.r)

    return task.play(step, oo.unroll(cell, before, last_only=True), trial)


def draw_sequence(model, task: tasks.RuleReversal, key: jax.Array, axes) -> None:
    """The stimuli and feedback, the probabilities of the choices, and which are right."""
    trial = task.sample(key)
    outputs, inputs = play(model, task, trial)
    t = task.dt / 1000 * np.arange(len(inputs))
    end = task.dt / 1000 * len(inputs)
    for i in range(task.input_size):
        shown = np.where(inputs[:, i] > 0, -i, np.nan)
        axes[0].plot(t, shown, lw=6, solid_capstyle="butt", color=(*COLOURS, "C2", "k")[i])
    axes[0].set_yticks(-np.arange(4), task.channels)
    for i, name in enumerate(task.outputs):
        axes[1].plot(t, jax.nn.softmax(outputs)[:, i], color=COLOURS[i], label=name)
    axes[1].fill_between(t, trial.mask, color="0.9", label="counted")
    right = np.asarray(trial.info["stimuli"] ^ trial.info["rules"])
    for k, choice in enumerate(np.asarray(task.choices(outputs)).astype(int)):
        start, stop = trial.info["periods"][f"response {k + 1}"]
        where = task.dt / 1000 * (start + stop) / 2, 1.05
        said = f"{choice + 1} {'right' if choice == right[k] else 'wrong'}"
        axes[1].text(*where, said, ha="center", color=COLOURS[choice])
        rule = f"rule {int(trial.info['rules'][k]) + 1}"
        axes[0].text(where[0], 0.5, rule, ha="center")
    axes[0].set(xlim=(0, end), ylim=(-3.5, 1.1))
    axes[1].set(xlim=(0, end), ylim=(-0.25, 1.17), xlabel="s", ylabel="probability of choice")
    axes[1].legend(frameon=False, loc="lower center", ncols=3)
