"""Networks learn rule reversal in closed loop: the feedback depends on their choices.

Trains rate networks on `tasks.RuleReversal` without skips (base), with skips inside the periods
(sctt), or with the skip from one presentation to the next (between), all from the same seeds.
Prints how they perform, and draws a sequence played by the best network, and performance against
rounds: train_rule_reversal.png (or --out).

    python examples/cognitive/train_rule_reversal.py --schemes base sctt between --models 8
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from _closed_loop import draw_sequence
from _networks import BURN_IN, SIZE

import organics_ode as oo
import tasks

SCHEMES = {"base": "0.4", "sctt": "C1", "between": "C2"}  # and their colours


def make_model(task: tasks.RuleReversal, key: jax.Array, args: argparse.Namespace):
    """All units get the input and are read out; W = m I + g G/√n, by which r is remembered."""
    keys = jax.random.split(key, 3)
    network = oo.RateNetwork.random(task.input_size, SIZE, key=keys[0])
    G = jax.random.normal(keys[1], (SIZE, SIZE)) / np.sqrt(SIZE)
    W = args.memory * jnp.eye(SIZE) + args.gain * G
    network = eqx.tree_at(lambda c: (c.W, c.b), network, (W, args.bias * network.b))
    W_out = jax.random.normal(keys[2], (task.output_size, SIZE)) / np.sqrt(SIZE)
    cell = oo.Euler(network, task.dt)
    return oo.SequenceToSequence(cell, oo.Readout(W_out, activation=None))


def schedule(scheme: str, task: tasks.RuleReversal, args: argparse.Namespace):
    if scheme == "base":
        return None
    blocks = {"length": args.length}
    if scheme == "between":
        blocks = {"length": task.presentation_steps, "restarts": task.presentation_starts}
    rounds = args.stage_rounds or max(args.rounds // 2, 1)
    options = {"stages": args.stages, "beta": args.beta, "rounds": rounds}
    return oo.SkipSchedule(oo.StateSkip(), **blocks, **options)


def train(scheme: str, task: tasks.RuleReversal, args: argparse.Namespace) -> oo.SkipResult:
    keys = jax.random.split(jax.random.key(args.seed), args.models)
    return oo.fit_with_skips(
        [make_model(task, key, args) for key in keys],
        task,
        schedule(scheme, task, args),
        optimizer=optax.adam(args.rate),
        key=jax.random.key(args.seed + 1),
        rounds=args.rounds,
        evaluate_every=args.evaluate_every,
        criterion=args.criterion,
        burn_in=BURN_IN,
    )


def draw_performance(results: dict[str, oo.SkipResult], criterion: float, ax) -> None:
    for scheme, result in results.items():
        steps = result.history.steps("validation_performance")
        performance = result.history["validation_performance"]
        ax.plot(steps, performance, color=SCHEMES[scheme], lw=0.5, alpha=0.5)
        middle = np.median(performance, axis=1)
        ax.plot(steps, middle, color=SCHEMES[scheme], lw=2, label=scheme)
    ax.axhline(criterion, color="0.3", lw=0.8, ls=":")
    ax.set(xlabel="round", ylabel="performance", title="Base networks in closed loop")
    ax.legend(frameon=False, title="median of")


def main(args: argparse.Namespace) -> None:
    task = tasks.RuleReversal(args.presentations, dt=args.dt)
    results = {}
    for scheme in args.schemes:
        result = results[scheme] = train(scheme, task, args)
        reached = result.rounds[np.isfinite(result.rounds)]
        at = f", the median of these in round {np.median(reached):.0f}" if len(reached) else ""
        print(f"{scheme}: {len(reached)} of {args.models} networks reached {args.criterion}{at}")
        low, middle, high = np.quantile(result.performance, (0, 0.5, 1))
        seconds = float(result.history["seconds"][-1])
        print(f"  at the end {low:.3f} to {high:.3f}, median {middle:.3f}; {seconds:.0f} s")
    best = max(results.values(), key=lambda result: np.nanmax(result.performance))
    model = best.models[int(np.nanargmax(best.performance))]
    figure = plt.figure(figsize=(11, 5), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.7, 1))
    top = figure.add_subplot(grid[0, 0])
    draw_sequence(model, task, jax.random.key(args.sequence), (top, figure.add_subplot(grid[1, 0])))
    draw_performance(results, args.criterion, figure.add_subplot(grid[:, 1]))
    figure.savefig(args.out, dpi=120)


if __name__ == "__main__":
    oo.use_cores()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--schemes", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--dt", type=float, default=50.0, help="ms per step")
    parser.add_argument("--presentations", type=int, default=5)
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=60, help="at most, with 10 iterations each")
    parser.add_argument("--stage-rounds", type=int, help="of all stages; by default half of them")
    parser.add_argument("--length", type=int, default=5, help="θ of sctt, in steps")
    parser.add_argument("--stages", type=int, default=6)
    parser.add_argument("--beta", type=float, default=0.5, help="β₀")
    parser.add_argument("--memory", type=float, default=0.8, help="m of the initial W")
    parser.add_argument("--gain", type=float, default=0.3, help="g of the initial W")
    parser.add_argument("--bias", type=float, default=0.3, help="spread of the initial b")
    parser.add_argument("--rate", type=float, default=0.002, help="learning rate of Adam")
    parser.add_argument("--evaluate-every", type=int, default=5, help="rounds between evaluations")
    parser.add_argument("--criterion", type=float, default=0.99)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sequence", type=int, default=0, help="which sequence to draw")
    parser.add_argument("--out", type=Path, default=Path("train_rule_reversal.png"))
    main(parser.parse_args())
