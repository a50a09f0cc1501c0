"""Trials of cognitive tasks, and a psychometric curve compared with signal detection theory."""

import math

import jax
import matplotlib.pyplot as plt
import numpy as np

import tasks

ROWS = (
    (tasks.RingTask("dlygo"), "Answer the direction after a delay (dlygo)"),
    (tasks.RingTask("ctxdlydm1"), "Compare across a delay in modality 1 (ctxdlydm1)"),
    (tasks.RingTask("dnms"), "Answer unless it is the same (dnms)"),
    (tasks.ContextDecision(), "Motion or colour, as the context says"),
    (tasks.ReadySetGo(), "Ready, set, go"),
)
figure, axes = plt.subplots(2, 3, figsize=(16, 9), layout="constrained")
for i, (task, title) in enumerate(ROWS):
    trial = task.sample(jax.random.key(i))
    ax = task.plot(trial, axes.flat[i])
    ax.set_title(title, pad=34)
    score = task.score(task.ideal_observer(trial.inputs), trial)
    print(f"{title}: {trial.inputs.shape[0]} steps, the ideal observer scores {score:.2f}")

task, count = tasks.PerceptualDecision(), 4000
trials = jax.jit(jax.vmap(lambda key: task.sample(key, jitter=False)))(
    jax.random.split(jax.random.key(9), count)
)


def early(inputs: jax.Array) -> jax.Array:
    """Decides by only the first 200 ms of the motion."""
    start = task.periods["motion"][0]
    late = slice(start + int(200 / task.dt), task.periods["motion"][1])
    return task.ideal_observer(inputs.at[late, 1:].set(0.0))


ax, c = axes.flat[5], np.linspace(-0.55, 0.55, 200)
for name, observer, T in (
    ("all 1000 ms", task.ideal_observer, 1000),
    ("the first 200 ms", early, 200),
):
    chosen = jax.vmap(task.choose)(jax.vmap(observer)(trials.inputs), trials)
    curve = tasks.psychometric(trials.info["coherence"], chosen == 1)
    points = ax.errorbar(curve.strengths, curve.rates, 2 * curve.errors, fmt="o", label=name)
    z = c * math.sqrt(T / 2) / task.noise
    expected = [0.5 * (1 + math.erf(value / math.sqrt(2))) for value in z]
    ax.plot(c, expected, color=points[0].get_color(), lw=1)
ax.set(title="Perceptual decision", xlabel="coherence", ylabel="share of choices to the right")
ax.legend(frameon=False, title="motion that is seen")
figure.savefig("cognitive_tasks.png", dpi=80)
print("wrote cognitive_tasks.png")
