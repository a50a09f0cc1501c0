"""Circuits, controls and other networks in the same training loop, on the same data and budget.

Every model is trained with each learning rate of a small grid, with and without clipping, from
several seeds, all at once as one ensemble. The rate is chosen by the mean validation accuracy; the
table has the held-out accuracy at that rate with its standard error, the share of training runs
that diverged, and the largest gradient norm. Sizes are chosen so that every model has about nine
thousand trained parameters. Models already in the results are skipped, so that a comparison that
was stopped can be resumed. Draws compare.png (or --out).

    python examples/compare/compare.py [--task digits] [--models free bounded lstm]
    python examples/compare/compare.py --draw [--page docs/compare.md]   # only table and picture
"""

import argparse
import json
import time
from pathlib import Path

import _report
import _splits
import equinox as eqx
import jax
import numpy as np
import optax
from _circuits import CIRCUITS
from _peers import PEERS

import organics_ode as oo
from organics_ode.storage import command_of, origin

MODELS = CIRCUITS | PEERS
CLIPS = (np.inf, 1.0)
RESULTS = Path(__file__).parents[1] / "results"


def descent(total: int):
    """Adam with a warm-up and a cosine schedule; a clip of infinity clips nothing."""

    def make(h: dict) -> optax.GradientTransformation:
        schedule = optax.warmup_cosine_decay_schedule(0.0, 1.0, total // 20, total)
        adam = optax.adamw(lambda step: h["rate"] * schedule(step), weight_decay=0.01)
        return optax.chain(optax.clip_by_global_norm(h["clip"]), adam)

    return make


def run(name: str, args: argparse.Namespace) -> dict:
    """All training runs of one model, as a line of the results."""
    data, start = _splits.load(args.task, args.repeat), time.perf_counter()
    _, size, make = MODELS[name]
    size = max(1, round(size * args.scale))
    images = np.asarray(data.train.inputs[:400])
    seeds = [make(size, jax.random.key(s), images, data.outputs) for s in range(args.seeds)]
    clips = CLIPS[:1] if args.unclipped else CLIPS
    grid = [(rate, clip) for rate in args.rates for clip in clips]
    models = [model for _ in grid for model in seeds]
    batches = [
        oo.minibatches(data.train, args.batch, key=jax.random.key(100 + s))
        for _ in grid
        for s in range(args.seeds)
    ]
    values = {
        "rate": np.repeat([rate for rate, _ in grid], args.seeds).astype(np.float32),
        "clip": np.repeat([clip for _, clip in grid], args.seeds).astype(np.float32),
    }
    total = args.epochs * batches[0].steps_per_epoch
    scores = {"loss": data.loss, "metric": data.score}
    result = oo.ensemble(
        models, batches, optimizer=descent(total), hyperparameters=values, steps=total, **scores
    )
    shape = (len(args.rates), len(clips), args.seeds)
    norms = np.asarray(result.history["gradient_norm"], float).reshape(-1, *shape)
    ended = np.array(result.outcomes).reshape(shape)
    accuracies = {
        split: np.reshape(
            [
                oo.evaluate(m, getattr(data, split), **scores)[data.score.__name__]
                for m in result.models
            ],
            shape,
        ).tolist()
        for split in ("validation", "test")
    }
    seconds = np.diff(result.history["seconds"])
    return {
        "model": name,
        "numbers": numbers_of(seeds[0]),
        "size": size,
        "accuracy": accuracies["test"],
        "validation": accuracies["validation"],
        "diverged": (ended == "diverged").tolist(),
        "median norm": np.nanmedian(norms, axis=0).tolist(),
        "largest norm": np.nanmax(norms, axis=0).tolist(),
        "ms per step": 1e3 * float(np.median(seconds)) / len(models),
        "memory, MB": _report.memory_of(seeds[0], data, args.batch),
        "abscissa": [_report.abscissa_of(m, images) for m in result.models],
        **command_of(args),
        **origin(time.perf_counter() - start),
    }


def numbers_of(model: oo.SequenceClassifier) -> int:
    return sum(v.size for v in jax.tree.leaves(eqx.filter(model, oo.trainable(model))))


def main(args: argparse.Namespace) -> None:
    suffix = "" if args.repeat == 1 else f"-x{args.repeat}"
    path = args.table or RESULTS / f"compare-{args.task}{suffix}.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = {line["model"]: line for line in map(json.loads, text.splitlines())}
    for name in () if args.draw else args.models:
        if name not in lines:
            print(f"{name}: {MODELS[name][0]}")
            lines[name] = run(name, args)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(lines[name], ensure_ascii=False) + "\n")
    shown = {MODELS[name][0]: lines[name] for name in MODELS if name in lines}
    table = _report.table(shown)
    steadiness = _report.norms(shown, args.rates)
    print(table, steadiness, sep="\n")
    if args.page:
        _report.write(args.page, f"{args.task}{suffix}", table)
        _report.write(args.page, f"{args.task}{suffix} norms", steadiness)
    _report.draw(shown, args.rates, _splits.SCORES.get(args.task, "accuracy"), args.out)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--task", choices=_splits.TASKS, default="digits")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=tuple(MODELS))
    parser.add_argument("--rates", type=float, nargs="+", default=[0.001, 0.003, 0.01])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=1, help="how often each pixel is shown")
    parser.add_argument("--unclipped", action="store_true", help="only train without clipping")
    parser.add_argument("--scale", type=float, default=1.0, help="scale of all sizes")
    parser.add_argument(
        "--table", type=Path, help="file of the results; by default one for each task"
    )
    parser.add_argument("--draw", action="store_true", help="only draw the table and the picture")
    parser.add_argument("--page", type=Path, help="a page to write the table into")
    parser.add_argument("--out", type=Path, default=Path("compare.png"))
    main(parser.parse_args())
