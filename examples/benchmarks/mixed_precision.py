"""Products in bfloat16 against float32 throughout: the cost of training, and its accuracy.

The model of `examples/start/train_digits.py` (its first stage, steps of one pixel) is trained twice
for every seed, from the same parameters on the same batches, as it is and in an
`oo.MixedPrecision`. Then gradients of both take turns, at the size of the digits and at that of
sequential MNIST. Memory is reported in two ways: what the forward pass keeps for the backward pass,
and what XLA plans for the whole program besides its arguments, where a CPU may widen bfloat16 to
float32 again.

    python examples/benchmarks/mixed_precision.py [--epochs 40 --seeds 1 2 3] [--write]
"""

import argparse
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from _measure import machine, seconds_of

import organics_ode as oo
import tasks

sys.path.append(str(Path(__file__).parents[1] / "start"))
from train_digits import make_model

PAGE = Path(__file__).parents[2] / "docs" / "measured.md"
MARK = "<!-- the table of examples/benchmarks/mixed_precision.py -->"
SIDES = ("float32", "bfloat16")
COLUMNS = ("", "float32", "products in bfloat16")
SHAPES = {"digits": (32, 96, 64), "sequential MNIST": (256, 128, 784)}  # batch, units, steps


def models(size: int, seed: int) -> dict[str, oo.SequenceClassifier]:
    """The same parameters in both precisions."""
    whole = make_model(size, list(jax.random.split(jax.random.key(seed), 3)))
    low = eqx.tree_at(lambda m: m.cell, whole, oo.MixedPrecision(whole.cell))
    return dict(zip(SIDES, (whole, low), strict=True))


def train(model: oo.SequenceClassifier, digits: Any, epochs: int, seed: int) -> float:
    """The accuracy on held-out digits after the first stage of `train_digits.py`."""
    batches = oo.minibatches(digits.train, 32, key=jax.random.key(seed))
    total = epochs * batches.steps_per_epoch
    rate = optax.warmup_cosine_decay_schedule(0.0, 0.01, total // 20, total)
    optimizer = optax.adamw(rate, weight_decay=0.01, mask=oo.weight_decay_mask)
    result = oo.fit(model, batches, optimizer=optimizer, epochs=epochs, progress=False)
    return oo.evaluate(result.model, digits.test)["accuracy"]


def loss_of(model: oo.SequenceClassifier, xs: jax.Array) -> tuple[Any, Any]:
    """The loss as a function of the trained parameters, and these parameters."""
    params, rest = eqx.partition(model, oo.trainable(model))

    def loss(params: Any) -> jax.Array:
        outputs = oo.resolve(eqx.combine(params, rest)).batched(xs)
        return jnp.mean(jax.vmap(oo.cross_entropy)(outputs, jnp.zeros(len(xs), jnp.int32)))

    return loss, params


def kept_mb(loss: Any, params: Any) -> float:
    """The memory that the forward pass keeps for the backward pass, MB."""
    back = jax.eval_shape(lambda params: jax.vjp(loss, params)[1], params)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(back)) / 1e6


def measure(shape: tuple[int, int, int], repeats: int) -> dict[str, str]:
    """Gradients per second, by the median of times of sides in turn, and their memory."""
    batch, size, steps = shape
    xs = jax.random.uniform(jax.random.key(0), (batch, steps, 1))
    sides = {name: loss_of(model, xs) for name, model in models(size, 0).items()}
    kept = {name: kept_mb(*side) for name, side in sides.items()}
    programs = {
        name: jax.jit(jax.value_and_grad(loss)).lower(params).compile()
        for name, (loss, params) in sides.items()
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats + 1):
        for name, step in programs.items():
            run = lambda s=step, p=sides[name][1]: jax.block_until_ready(s(p))  # noqa: E731
            times[name].append(seconds_of(run))
    planned = {n: p.memory_analysis().temp_size_in_bytes / 1e6 for n, p in programs.items()}
    return {
        name: f"{1 / statistics.median(taken[1:]):.3g} gradients/s, "
        f"{kept[name]:.3g} MB kept, {planned[name]:.3g} MB planned"
        for name, taken in times.items()
    }


def row(name: str, values: list[Any]) -> str:
    return f"| {name} | " + " | ".join(map(str, values)) + " |"


def rows(args: argparse.Namespace) -> Iterator[str]:
    """The lines of the table, as they are measured."""
    yield row(COLUMNS[0], list(COLUMNS[1:]))
    yield "|---|---|---|"
    digits, found = tasks.SequentialDigits(), []
    for seed in args.seeds:
        found.append([train(m, digits, args.epochs, seed) for m in models(96, seed).values()])
        name = f"digits, held-out accuracy after {args.epochs} epochs, seed {seed}"
        yield row(name, [f"{accuracy:.3f}" for accuracy in found[-1]])
    if len(found) > 1:
        means = map(statistics.mean, zip(*found, strict=True))
        yield row(f"its mean over {len(found)} seeds", [f"{mean:.3f}" for mean in means])
    for name in args.shapes:
        text = "{}: batch {}, {} units, {} steps".format(name, *SHAPES[name])
        yield row(text, list(measure(SHAPES[name], args.repeats).values()))
    facts = machine("jax")
    yield ""
    yield f"{facts['cpu']}, {facts['cores']} cores, {facts['device']}, jax {facts['jax']}."


def main(args: argparse.Namespace) -> None:
    lines = []
    for line in rows(args):
        print(line, flush=True)
        lines.append(line)
    if args.write:
        before, _, after = PAGE.read_text(encoding="utf-8").split(MARK)
        table = "\n".join(["\n", *lines, "\n"])
        PAGE.write_text(MARK.join([before, table, after]), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--shapes", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the table into the page")
    main(parser.parse_args())
