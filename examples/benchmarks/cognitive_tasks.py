"""The cognitive tasks: how fast trials are drawn, and how observers and random networks score.

For every task: seconds to draw 1 000 trials after compilation, by the clock and by processor time
(the best of the repeats; on a busy machine they differ), the size of the trials, the mean and
lowest score of the ideal observer, the mean score of random outputs, and the chance bound.

    python examples/benchmarks/cognitive_tasks.py [--trials 1000 --dt 5 --repeats 5 --only dlygo …]
"""

import argparse
import platform
import time

import jax
import jax.numpy as jnp

import tasks

CLASSICS = {
    "perceptual": tasks.PerceptualDecision,
    "context": tasks.ContextDecision,
    "match": tasks.DelayedMatch,
    "comparison": tasks.DelayedComparison,
    "flip-flop": tasks.FlipFlop,
    "ready-set-go": tasks.ReadySetGo,
    "reversal": tasks.RuleReversal,
}


def build(name: str, dt: float) -> tasks.AbstractCognitiveTask:
    return CLASSICS[name](dt=dt) if name in CLASSICS else tasks.RingTask(name, dt)


def measure(task: tasks.AbstractCognitiveTask, count: int, repeats: int) -> dict[str, float]:
    """Seconds, megabytes and scores of `count` trials."""
    keys = jax.random.split(jax.random.key(0), count)
    draw = jax.jit(jax.vmap(task.sample))
    trials = jax.block_until_ready(draw(keys))
    seconds, processor = [], []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        jax.block_until_ready(draw(keys))
        seconds.append(time.perf_counter() - start[0])
        processor.append(time.process_time() - start[1])

    @jax.jit
    @jax.vmap
    def scores(key: jax.Array, trial: tasks.Trial) -> tuple[jax.Array, jax.Array]:
        noise = jax.random.normal(key, (len(trial.mask), task.output_size))
        ideal = task.ideal_observer(trial.inputs)
        return task.score(ideal, trial), task.score(noise, trial)

    ideal, noise = scores(keys, trials)
    megabytes = sum(leaf.nbytes for leaf in jax.tree.leaves(trials)) / 1e6
    return {
        "seconds": min(seconds),
        "processor": min(processor),
        "MB": megabytes,
        "ideal": float(jnp.mean(ideal)),
        "lowest": float(jnp.min(ideal)),
        "random": float(jnp.mean(noise)),
        "chance": task.chance,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--dt", type=float, default=5.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[*tasks.RING_TASKS, *CLASSICS])
    args = parser.parse_args()
    device = jax.devices()[0].device_kind
    print(f"{args.trials} trials, dt {args.dt} ms; {platform.machine()}, jax on {device}")
    print("task           seconds  processor     MB  ideal  lowest  random  chance")
    for name in args.only:
        row = measure(build(name, args.dt), args.trials, args.repeats)
        print(
            f"{name:13} {row['seconds']:8.3f} {row['processor']:10.3f} {row['MB']:6.0f} "
            f"{row['ideal']:6.3f} {row['lowest']:7.3f} {row['random']:7.3f} {row['chance']:7.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
