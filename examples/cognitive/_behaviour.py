"""The pictures that `train_classics.py` draws of a trained network, two for each task."""

from typing import NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
import tasks

BOUND = 0.9  # the probability at which a network has decided


class Trained(NamedTuple):
    """A network, and what it does in trials of its task; every array has a leading trial axis."""

    model: oo.SequenceToSequence
    task: tasks.AbstractCognitiveTask
    trials: tasks.Trial
    states: tuple
    outputs: jax.Array

    @property
    def chosen(self) -> np.ndarray:
        return np.asarray(jax.vmap(self.task.choose)(self.outputs, self.trials))

    @property
    def is_right(self) -> np.ndarray:
        return self.chosen == np.asarray(self.trials.info["choice"])


def run(model: oo.SequenceToSequence, task: tasks.AbstractCognitiveTask, keys: jax.Array):
    trials = jax.jit(jax.vmap(lambda key: task.sample(key, jitter=False)))(keys)
    states = jax.jit(jax.vmap(lambda xs: oo.unroll(model.cell, xs)))(trials.inputs)
    return Trained(model, task, trials, states, jax.vmap(jax.vmap(model.readout))(states[0]))


def draw_perceptual(now: Trained, axes: list[plt.Axes]) -> None:
    c = np.asarray(now.trials.info["coherence"])
    line, ideal = np.linspace(-0.55, 0.55, 200), np.asarray(now.trials.info["choice"])
    for name, chosen, color in (("network", now.chosen, "C0"), ("ideal observer", ideal, "0.5")):
        curve = tasks.psychometric(c, chosen == 1)
        fit = tasks.fit_psychometric(curve)
        print(f"{name}: bias {fit.bias:.3f}, threshold {fit.threshold:.3f}")
        oo.plot_psychometric(curve, axes[0], fmt="o", color=color, label=name)
        axes[0].plot(line, fit.rates(line), color=color, lw=1)
    axes[0].set(xlabel="coherence", ylabel="share of choices to the right")
    axes[0].legend(frameon=False)
    times, right = reactions(now)
    curve = tasks.chronometric(abs(c), times, right)
    print(f"ms to the bound, by |coherence| {curve.strengths}: {curve.times.round()}")
    print(f"{np.isfinite(times).mean():.2f} reach the bound, {right.mean():.2f} the right one")
    oo.plot_chronometric(curve, axes[1])
    axes[1].set(xlabel="|coherence|", ylabel="ms of motion until the bound")


def reactions(now: Trained) -> tuple[np.ndarray, np.ndarray]:
    """When the probability of an alternative reaches the bound, and whether it is the right one."""
    start = now.task.periods["motion"][0]
    probabilities = jax.nn.softmax(now.outputs, axis=-1)[..., 1:]
    react = jax.vmap(lambda p: tasks.reaction(p, start, threshold=BOUND, dt=now.task.dt))
    times, choices = react(probabilities)
    return np.asarray(times), np.asarray(choices) + 1 == np.asarray(now.trials.info["choice"])


def draw_context(now: Trained, axes: list[plt.Axes]) -> None:
    c, context = (np.asarray(now.trials.info[name]) for name in ("coherences", "context"))
    for feature, (name, ax) in enumerate(zip(("motion", "colour"), axes, strict=True)):
        for asked, color in ((0, "C0"), (1, "C1")):
            shown = context == asked
            curve = tasks.psychometric(c[shown, feature], now.chosen[shown] == 1)
            label = f"decide by {('motion', 'colour')[asked]}"
            oo.plot_psychometric(curve, ax, color=color, label=label)
            print(f"{label}, by coherence of {name}: {curve.rates.round(2)}")
        ax.set(xlabel=f"coherence of {name}", ylabel="share of positive choices")
        ax.legend(frameon=False)


def draw_trial(now: Trained, ax: plt.Axes, i: int = 0) -> None:
    outputs = jax.nn.softmax(now.outputs[i], axis=-1)
    t = now.task.dt * np.arange(len(outputs))
    ax.plot(t, outputs, label=now.task.outputs)
    for name, (start, _) in now.task.periods.items():
        ax.axvline(now.task.dt * start, color="0.6", lw=0.8, ls=":")
        ax.text(now.task.dt * start, 1.03, name, fontsize=7)
    ax.set(xlabel="ms", ylabel="softmax of the outputs, one trial", ylim=(-0.03, 1.1))
    ax.legend(frameon=False)


def draw_match(now: Trained, axes: list[plt.Axes]) -> None:
    draw_trial(now, axes[0])
    k = now.task.stimuli
    sample, test = (np.asarray(now.trials.info[name]) for name in ("sample", "test"))
    right = [[now.is_right[(sample == i) & (test == j)].mean() for j in range(k)] for i in range(k)]
    axes[1].imshow(right, vmin=0, vmax=1, cmap="Blues")
    for i, j in np.ndindex(k, k):
        axes[1].text(j, i, f"{right[i][j]:.2f}", ha="center", color="C1", fontsize=14)
    ticks = {"xticks": range(k), "yticks": range(k)}
    axes[1].set(xlabel="test", ylabel="sample", title="Share of right choices", **ticks)


def draw_comparison(now: Trained, axes: list[plt.Axes]) -> None:
    draw_trial(now, axes[0])
    f1, f2 = np.asarray(now.trials.info["frequencies"]).T
    low = np.clip(np.floor((np.minimum(f1, f2) - 10) / 4), 0, 3) * 4 + 12  # middles of bins
    for chosen, label in ((f1 > f2, "f1 > f2"), (f1 < f2, "f1 < f2")):
        curve = tasks.psychometric(low[chosen], now.is_right[chosen])
        oo.plot_psychometric(curve, axes[1], label=label)
    axes[1].set(xlabel="the lower frequency (Hz)", ylabel="share of right choices")
    axes[1].legend(frameon=False)


def draw_ready_set_go(now: Trained, axes: list[plt.Axes]) -> None:
    set_ = now.trials.info["periods"]["measure"][:, 1]
    react = jax.vmap(lambda o, at: tasks.reaction(o, at, threshold=0.5, dt=now.task.dt))
    produced = np.asarray(react(now.outputs, set_).time)
    shown = np.asarray(now.trials.info["interval"])
    curve = tasks.chronometric(shown, produced)
    spread = np.sqrt(curve.counts) * curve.errors
    axes[0].plot(curve.strengths, curve.strengths, color="0.6", lw=1)
    axes[0].errorbar(curve.strengths, curve.times, spread, fmt="o", ms=4)
    axes[0].set(xlabel="interval shown (ms)", ylabel="interval produced (ms), ± its deviation")
    slope = np.polyfit(shown[np.isfinite(produced)], produced[np.isfinite(produced)], 1)[0]
    print(f"slope of produced against shown: {slope:.2f}")
    outputs = np.where(now.trials.mask > 0, now.outputs[..., 0], np.nan)
    t = now.task.dt * np.arange(outputs.shape[1])
    for i in np.argsort(shown)[:: max(len(shown) // 6, 1)]:
        color = plt.get_cmap("viridis")(float((shown[i] - 500) / 500))
        axes[1].plot(t - now.task.dt * float(set_[i]), outputs[i], color=color)
    axes[1].axhline(0.5, color="0.3", lw=0.8, ls=":")
    axes[1].set(xlabel="ms from set", ylabel="output (bright: long intervals)")
