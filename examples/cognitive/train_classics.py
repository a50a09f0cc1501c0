"""Networks learn a classic laboratory task, and then answer as subjects do.

Trains a few rate networks (or ORGaNICs, or LSTMs) on one task, prints their scores next to those of
the ideal observer and of chance, and draws how the best of them behaves: psychometric and
chronometric curves of perceptual decisions, choices by relevant and irrelevant evidence in two
contexts, the fixed points of a flip-flop, intervals produced against intervals shown, or the share
of right choices. Draws train_classics.png (or --out).

    python examples/cognitive/train_classics.py --task perceptual --circuit rate
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import _behaviour as pictures
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from _flip_flop import draw_flip_flop
from _networks import SIZE, memory

import organics_ode as oo
import tasks

STEPS = 10  # per round
CIRCUITS = ("rate", "organics", "lstm")


class Start(NamedTuple):
    """Random recurrent weights, W = gain·N(0, 1/n) + hold·I, and one time constant in ms."""

    gain: float = 1.0  # at 1, tanh units without hold are at the edge of chaos
    hold: float = 0.0  # near 1, each unit remembers
    tau: float = 100.0


class Classic(NamedTuple):
    """A task, how it is learned, and the pictures of a network that has learned it."""

    task: tasks.AbstractCognitiveTask
    draw: Callable
    loss: Callable = oo.cross_entropy
    start: Start = Start()
    rounds: int = 60
    rate: float = 0.01


DT = 20.0  # ms per step
MEMORY = Start(gain=0.3, hold=0.8)
REACTIONS = tasks.ReactionTime(tasks.PerceptualDecision(dt=DT))
CLASSICS = {
    "perceptual": Classic(REACTIONS, pictures.draw_perceptual),
    "match": Classic(
        tasks.DelayedMatch(dt=DT), pictures.draw_match, start=MEMORY, rounds=100, rate=0.005
    ),
    "comparison": Classic(
        tasks.DelayedComparison(dt=DT), pictures.draw_comparison, start=MEMORY, rate=0.005
    ),
    "context": Classic(
        tasks.ContextDecision(dt=DT), pictures.draw_context, start=MEMORY, rounds=150, rate=0.005
    ),
    "flip-flop": Classic(
        tasks.FlipFlop(length=100, dt=DT),
        draw_flip_flop,
        oo.squared_error,
        start=Start(tau=30.0),
        rounds=100,
    ),
    "ready-set-go": Classic(tasks.ReadySetGo(dt=DT), pictures.draw_ready_set_go, oo.squared_error),
}


def make_model(circuit: str, task: Any, start: Start, key: jax.Array) -> oo.SequenceToSequence:
    """A random network of 50 units whose readout gives scores, or values for regression."""
    keys, m, k = jax.random.split(key, 3), task.input_size, task.output_size
    W_out = jax.random.normal(keys[1], (k, SIZE)) / SIZE**0.5
    readout = oo.Readout(W_out, jnp.zeros(k), activation=None)
    if circuit == "lstm":
        return oo.SequenceToSequence(oo.LSTM.random(m, SIZE, key=keys[0]), readout)
    if circuit == "organics":
        return oo.SequenceToSequence(oo.Euler(memory(m, keys[0]), task.dt), readout)
    W = start.gain * jax.random.normal(keys[0], (SIZE, SIZE)) / SIZE**0.5
    W = W + start.hold * jnp.eye(SIZE)
    W_in = jax.random.normal(keys[2], (SIZE, m))
    network = oo.RateNetwork(W, W_in, jnp.zeros(SIZE), start.tau, f=jnp.tanh, noise=0.05)
    return oo.SequenceToSequence(oo.Euler(network, task.dt), readout)


def report(result: oo.SkipResult, task: Any, trials: tasks.Trial, seconds: float) -> None:
    ideal = jax.vmap(lambda trial: task.score(task.ideal_observer(trial.inputs), trial))(trials)
    scores = " ".join(f"{score:.3f}" for score in sorted(result.performance)[::-1])
    print(f"scores of the networks: {scores}; {seconds:.0f} s of processor time")
    print(f"ideal observer {float(ideal.mean()):.3f}, bound of chance {task.chance:.3f}")


def draw_learning(history: oo.History, chance: float, ax: plt.Axes) -> None:
    ax.plot(history.steps("validation_performance"), history["validation_performance"], lw=1)
    ax.axhline(chance, color="0.5", ls=":", label="chance")
    ax.set(xlabel="round", ylabel="score", title="Learning", ylim=(0, 1.03))
    ax.legend(frameon=False)


def main(args: argparse.Namespace) -> None:
    task, draw, loss, start, rounds, rate = CLASSICS[args.task]
    rounds, rate = args.rounds or rounds, args.rate or rate
    keys = jax.random.split(jax.random.key(args.seed), args.models)
    begun = time.process_time()
    result = oo.fit_with_skips(
        [make_model(args.circuit, task, start, key) for key in keys],
        task,
        optimizer=optax.adam(optax.cosine_decay_schedule(rate, STEPS * rounds)),
        key=jax.random.key(args.seed + 1),
        rounds=rounds,
        steps_per_round=STEPS,
        loss=loss,
        burn_in=0.0,
        evaluate_every=5,
    )
    seconds = time.process_time() - begun
    best = result.models[int(np.nanargmax(result.performance))]
    now = pictures.run(best, task, jax.random.split(jax.random.key(args.seed + 2), args.trials))
    report(result, task, now.trials, seconds)
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    draw_learning(result.history, task.chance, axes[0])
    draw(now, axes[1:])
    figure.suptitle(f"{args.task}, {args.circuit}")
    figure.savefig(args.out, dpi=90)


if __name__ == "__main__":
    oo.use_cores()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=CLASSICS, default="perceptual")
    parser.add_argument("--circuit", choices=CIRCUITS, default="rate")
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--rounds", type=int, help="of 10 iterations; by default the task's")
    parser.add_argument("--rate", type=float, help="initial rate of Adam; by default the task's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=2000, help="trials for the pictures")
    parser.add_argument("--out", type=Path, default=Path("train_classics.png"))
    main(parser.parse_args())
