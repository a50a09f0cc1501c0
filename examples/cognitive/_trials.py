"""Trials of a ring task: random ones, and ones spread evenly around the ring."""

import jax
import numpy as np

import tasks

PREFERRED = 2 * np.pi * np.arange(32) / 32


def evenly(task: tasks.RingTask, count: int, key: jax.Array) -> tuple[tasks.Trial, np.ndarray]:
    """Trials whose first directions are spread evenly around the ring, and these directions."""
    trials = draw(task, 64 * count, key)
    onset = list(task.periods.values())[1][0]
    rings = np.asarray(trials.inputs[:, onset, 1:65]).reshape(-1, 2, 32).sum(axis=1)
    shown = np.angle(rings @ np.exp(1j * PREFERRED)) % (2 * np.pi)
    goals = 2 * np.pi * np.arange(count)[:, None] / count
    chosen = np.argmax(np.cos(shown[None, :] - goals), axis=1)
    return jax.tree.map(lambda leaf: leaf[chosen], trials), shown[chosen]


def draw(task: tasks.RingTask, count: int, key: jax.Array) -> tasks.Trial:
    keys = jax.random.split(key, count)
    return jax.jit(jax.vmap(lambda key: task.sample(key, jitter=False)))(keys)
