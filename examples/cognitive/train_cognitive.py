"""Networks learn a cognitive task with skips through time that are annealed away.

Trains rate networks (or ORGaNICs, or LSTMs) on one of the 20 ring tasks, and examines the best of
them: performance against rounds; outputs in one trial; trajectories with and without the skip, in
the plane of their first two principal components; and how well the two are aligned for every β
from 0 to 1, where they are the same. Draws train_cognitive.png (or --out), and with --save writes
the best network.

    python examples/cognitive/train_cognitive.py --task dlygo --scheme sctt --models 8 --rounds 150
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from _networks import BURN_IN, CIRCUITS, SCHEMES, make_models, schedule

import organics_ode as oo
import tasks
from organics_ode import population

BETAS = np.linspace(0, 1, 9)


@eqx.filter_jit
def responses(
    model: oo.SequenceToSequence, trial: tasks.Trial, skip: oo.TemporalSkip, burn_in: int
) -> jax.Array:
    """The responses (time, n) along a trial with a skip, after a burn-in without it."""
    held = jnp.repeat(trial.inputs[:1], burn_in, axis=0)
    rest = oo.unroll(model.cell, held, last_only=True)
    starts = jnp.stack([span[0] for span in trial.info["periods"].values()])
    restarts = jnp.zeros(len(trial.inputs), bool).at[starts].set(True)
    return oo.unroll(skip, trial.inputs, state0=skip.at_rest(rest), restarts=restarts)[0]


def draw_performance(history: oo.History, ax: plt.Axes) -> None:
    steps = history.steps("validation_performance")
    ax.plot(steps, history["validation_performance"], color="C0", lw=0.8, alpha=0.6)
    ax.step(history.steps("beta"), history["beta"], color="0.6", label="β")
    ax.axhline(0.99, color="0.3", lw=0.8, ls=":", label="criterion")
    ax.set(xlabel="round", title="Performance of the base networks", ylim=(0, 1.03))
    ax.legend(frameon=False)


def draw_outputs(
    readout: oo.Readout, states: jax.Array, trial: tasks.Trial, dt: float, ax: plt.Axes
) -> None:
    outputs = jax.vmap(readout)(states)
    t = dt * np.arange(len(outputs))
    ring = outputs[:, 1:].T
    box = (0, t[-1], 0, 360)
    image = ax.imshow(ring, aspect="auto", origin="lower", extent=box, vmin=0, vmax=0.9)
    ax.plot(t, 360 * outputs[:, 0], color="white", lw=1.2)
    for name, (start, _) in trial.info["periods"].items():
        ax.axvline(dt * float(start), color="white", lw=0.5)
        ax.text(dt * float(start), 365, name, fontsize=7)
    ax.set(xlabel="ms", ylabel="ring, degrees (white: fixation, 0 to 1)")
    ax.figure.colorbar(image, ax=ax, label="output")


def draw_alignment(along, beta: float, axes: np.ndarray) -> None:
    """Trajectories with and without the skip in one plane, and their alignment against β."""
    base, skipped = along(1.0), along(beta)
    plane = population.principal_components(base, 2)
    for states, style, label in ((base, "-", "without"), (skipped, ":", "with the skip")):
        for i, path in enumerate(plane.project(states[:4])):
            axes[0].plot(*path.T, style, color=f"C{i}", lw=1.2, label=None if i else label)
    explained = 100 * float(plane.explained.sum())
    axes[0].set(xlabel="PC 1", ylabel="PC 2", title=f"Four trials ({explained:.0f} % of variance)")
    axes[0].legend(frameon=False, title=f"β = {beta:g}")
    similar = [population.cosine_similarity(along(float(b)), base).mean() for b in BETAS]
    axes[1].plot(BETAS, similar, "o-")
    axes[1].set(xlabel="β", title="Cosine similarity, with and without the skip")


def draw(args: argparse.Namespace, task: tasks.RingTask, result: oo.SkipResult, best: int) -> None:
    model = result.models[best]
    scheme = oo.DerivativeSkip() if args.scheme == "dasc" else oo.StateSkip()
    keys = jax.random.split(jax.random.key(args.seed + 2), args.trials)
    trials = [task.sample(key, jitter=False) for key in keys]
    burn_in = round(BURN_IN / task.dt)

    def along(beta: float) -> jax.Array:
        skip = oo.TemporalSkip(model.cell, scheme, args.length, jnp.asarray(beta))
        return jnp.stack([responses(model, trial, skip, burn_in) for trial in trials])

    figure, axes = plt.subplots(2, 2, figsize=(10, 7.4), layout="constrained")
    draw_performance(result.history, axes[0, 0])
    draw_outputs(model.readout, along(1.0)[0], trials[0], task.dt, axes[0, 1])
    draw_alignment(along, args.beta, axes[1])
    figure.suptitle(f"{args.task}, {args.circuit}, {args.scheme}")
    figure.savefig(args.out, dpi=120)


def main(args: argparse.Namespace) -> None:
    task = tasks.RingTask(args.task, args.dt)
    skips = {name: getattr(args, name) for name in ("length", "stages", "beta")}
    result = oo.fit_with_skips(
        make_models(args.circuit, task, args.models, args.seed),
        task,
        schedule(args.scheme, **skips, rounds=args.stage_rounds or max(args.rounds // 2, 1)),
        optimizer=optax.adam(args.rate),
        key=jax.random.key(args.seed + 1),
        rounds=args.rounds,
        evaluate_every=args.evaluate_every,
        burn_in=BURN_IN,
        checkpoint=args.checkpoint,
    )
    best = int(np.nanargmax(result.performance))
    count = np.isfinite(result.rounds).sum()
    print(f"{count} of {args.models} networks reached 0.99; it ended by: {result.outcome}")
    middle = np.median(result.performance)
    print(f"performance: best {result.performance[best]:.4f}, median {middle:.4f}")
    if args.save:
        oo.save(args.save, result.models[best])
    draw(args, task, result, best)


if __name__ == "__main__":
    oo.use_cores()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=tasks.RING_TASKS, default="dlygo")
    parser.add_argument("--dt", type=float, default=5.0, help="ms per step")
    parser.add_argument("--scheme", choices=SCHEMES, default="sctt")
    parser.add_argument("--circuit", choices=CIRCUITS, default="rate")
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=150, help="at most, with 10 iterations each")
    parser.add_argument("--stage-rounds", type=int, help="of all stages; by default half of them")
    parser.add_argument("--length", type=int, default=40, help="θ, in steps")
    parser.add_argument("--stages", type=int, default=6)
    parser.add_argument("--beta", type=float, default=0.2, help="β₀")
    parser.add_argument("--rate", type=float, default=0.005, help="learning rate of Adam")
    parser.add_argument("--evaluate-every", type=int, default=5, help="rounds between evaluations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=20, help="trials for the alignment")
    parser.add_argument("--checkpoint", type=Path, help="a file to resume from")
    parser.add_argument("--save", type=Path, help="where to write the best network")
    parser.add_argument("--out", type=Path, default=Path("train_cognitive.png"))
    main(parser.parse_args())
