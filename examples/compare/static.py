"""Static MNIST: a layer of ORGaNICs, a perceptron and a stabilized supralinear network, each
between the same autoencoder and the same readout.

The recipe is that of `train_static_mnist.py`: an autoencoder makes a code of 40 numbers, images are
slightly distorted in each epoch, and the loss is the cross-entropy plus the error of the
reconstruction. The layer between the code and the readout has about 24 000 numbers. ORGaNICs answer
at their fixed point; the supralinear network answers after 80 ms. Every trained model is a line of
the results; those already there are skipped. Draws compare_static.png (or --out).

    python examples/compare/static.py [--kinds organics perceptron --seeds 5 --epochs 8]
    python examples/compare/static.py --draw [--page docs/compare.md]  # only table and picture
"""

import argparse
import json
import sys
import time
from pathlib import Path

import _report
import jax
import matplotlib.pyplot as plt
import numpy as np
import optax
from _layers import KINDS, make, numbers_of

import organics_ode as oo
import tasks
from organics_ode.storage import command_of, origin

sys.path.insert(0, str(Path(__file__).parents[1] / "mnist"))
from _distort import distorted
from train_static_mnist import accuracy, loss

RESULTS = Path(__file__).parents[1] / "results" / "compare-static.jsonl"


def run(kind: str, seed: int, data: tasks.MNIST, args: argparse.Namespace) -> dict:
    start, network = time.perf_counter(), make(kind, seed)
    batches = oo.minibatches(data.train, args.batch, key=jax.random.key(100 + seed))
    steps = args.epochs * batches.steps_per_epoch
    schedule = optax.warmup_cosine_decay_schedule(0.0, args.rate, steps // 50, steps)
    result = oo.fit(
        network,
        distorted(batches, jax.random.key(200 + seed), args.strength),
        optimizer=optax.adamw(schedule, weight_decay=1e-4, mask=oo.weight_decay_mask),
        loss=loss,
        metric=accuracy,
        steps=steps,
    )
    classifier, norms = result.model.classifier, result.history["gradient_norm"]
    seconds = np.diff(result.history["seconds"])
    return {
        "kind": kind,
        "seed": seed,
        "numbers": numbers_of(network.classifier[1]),
        "outcome": result.outcome,
        "validation": oo.evaluate(classifier, data.validation)["accuracy"],
        "accuracy": oo.evaluate(classifier, data.test)["accuracy"],
        "largest norm": float(np.nanmax(norms)),
        "ms per step": 1e3 * float(np.median(seconds)),
        **command_of(args),
        **origin(time.perf_counter() - start),
    }


def table(lines: list[dict]) -> str:
    """The table: mean ± standard error over the seeds."""
    rows = [
        "| layer | its numbers | held out | seeds | largest norm | ms a step |",
        "|---" * 6 + "|",
    ]
    for kind, label in KINDS.items():
        some = [line for line in lines if line["kind"] == kind]
        if some:
            values = np.array([line["accuracy"] for line in some])
            error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
            cells = [label, some[0]["numbers"], f"{values.mean():.4f} ± {error:.4f}", len(some)]
            cells += [f"{max(line['largest norm'] for line in some):.3g}"]
            cells += [f"{np.median([line['ms per step'] for line in some]):.0f}"]
            rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows) + "\n"


def draw(lines: list[dict], path: Path) -> None:
    figure, ax = plt.subplots(figsize=(6, 1.9), layout="constrained")
    for i, kind in enumerate(KINDS):
        values = [line["accuracy"] for line in lines if line["kind"] == kind]
        ax.plot(values, np.full(len(values), i), "o", color=f"C{i}", alpha=0.5, ms=5)
    ax.set_yticks(range(len(KINDS)), KINDS.values())
    ax.set(xlabel="held-out accuracy, a point for each seed", ylim=(len(KINDS) - 0.5, -0.5))
    figure.savefig(path, dpi=120)


def main(args: argparse.Namespace) -> None:
    text = args.table.read_text(encoding="utf-8") if args.table.exists() else ""
    lines = [json.loads(line) for line in text.splitlines()]
    known = {(line["kind"], line["seed"]) for line in lines}
    asked = [] if args.draw else [(k, s) for s in range(args.seeds) for k in args.kinds]
    missing = [pair for pair in asked if pair not in known]
    data = tasks.MNIST(args.data_dir) if missing else None
    for kind, seed in missing:
        print(f"{KINDS[kind]}, seed {seed}")
        lines.append(run(kind, seed, data, args))
        with args.table.open("a", encoding="utf-8") as file:
            file.write(json.dumps(lines[-1], ensure_ascii=False) + "\n")
    print(table(lines))
    if args.page:
        _report.write(args.page, "static", table(lines))
    draw(lines, args.out)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=tuple(KINDS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=4e-3, help="peak learning rate")
    parser.add_argument("--strength", type=float, default=0.6, help="strength of the distortions")
    parser.add_argument("--data-dir", help="the folder that holds mnist/")
    parser.add_argument("--table", type=Path, default=RESULTS)
    parser.add_argument("--draw", action="store_true", help="only draw the table and the picture")
    parser.add_argument("--page", type=Path, help="a page to write the table into")
    parser.add_argument("--out", type=Path, default=Path("compare_static.png"))
    main(parser.parse_args())
