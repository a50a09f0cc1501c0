"""What a bounded circuit guarantees, compared with a free one: shipped circuits on hard inputs.

    python examples/mnist/bounded_report.py [--names psmnist-64 …] [--data-dir DIR]

For each circuit: what `oo.certify` proves, and the bound next to the largest response seen;
accuracy on test images as they are, with half and twice the step, with noise, and with pixels
dropped; Lyapunov exponents along test images; fixed points for constant pixels of every brightness;
and the effect of pixels a hundred times too bright, by steps and by an adaptive solver in float64.
Prints a table, writes it with --json, and draws bounded_report.png (or --out). `--glare` computes
the last of these only, and puts it into the file of --json.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before anything loads LAPACK

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from _hard_inputs import GLARE, after_glare, again, changed
from _mnist_options import sequence_models
from _other_steps import by_steps

import organics_ode as oo
import tasks
from organics_ode.storage import command_of, origin

LEVELS = np.linspace(0.0, 1.0, 21)


@eqx.filter_jit
def largest(model: oo.SequenceClassifier, images: jax.Array) -> jax.Array:
    """The largest |y| while the images are shown."""

    def of(xs: jax.Array) -> jax.Array:
        y = oo.unroll(model.cell, xs, state0=oo.resolve(model.state0)).y
        return jnp.max(jnp.linalg.norm(y, axis=1))

    return jnp.max(jax.lax.map(of, images, batch_size=100))


@eqx.filter_jit
def exponents(model: oo.SequenceClassifier, images: jax.Array) -> jax.Array:
    along = lambda xs: oo.lyapunov(model.cell, xs, 1, state0=oo.resolve(model.state0))[0]  # noqa: E731
    return jax.lax.map(along, images, batch_size=100)


def at_rest(circuit: oo.RotationalORGaNICs | oo.GatedORGaNICs) -> tuple[np.ndarray, np.ndarray]:
    """For each brightness: whether a fixed point is found, and whether it is stable.

    One call after the other: a search that is part of a larger program compiles for minutes.
    """
    pixels = LEVELS.astype(np.float32)[:, None]
    points = [oo.fixed_point(circuit, pixel, throw=False) for pixel in pixels]
    return np.array([p.succeeded for p in points]), np.array([p.is_stable for p in points])


def report(name: str, args: argparse.Namespace) -> tuple[dict, np.ndarray]:
    model, card = oo.pretrained(name), oo.model_card(name)
    test = tasks.SequentialMNIST(args.data_dir, permuted=card["options"]["permuted"]).test
    some = tasks.Split(*(part[: args.images] for part in test))
    start, ways = time.perf_counter(), changed(some.inputs)
    facts = {"held out, 10 000 images": oo.evaluate(model, test)["accuracy"]}
    facts |= by_steps(model, some)
    facts |= {
        what: oo.evaluate(model, some._replace(inputs=inputs.astype(np.float32)))["accuracy"]
        for what, inputs in ways.items()
    }
    certificate = oo.certify(model.cell.circuit, jnp.ones(1))
    bright = oo.certify(model.cell.circuit, jnp.full(1, GLARE))
    along = np.asarray(exponents(model, jnp.asarray(some.inputs)))
    found, stable = at_rest(model.cell.circuit)
    facts |= {
        "proved": certificate.scope or "nothing",
        "largest |y|": float(largest(model, jnp.asarray(some.inputs))),
        "exponent, median (1/ms)": float(np.median(along)),
        "share of exponents above 0": float(np.mean(along > 0)),
        f"fixed points found, of {len(LEVELS)} brightnesses": int(found.sum()),
        "stable ones": int(stable.sum()),
    }
    if certificate.scope == "bounded":
        facts |= {"bound": certificate.bound, "bound with glare": bright.bound}
    facts |= after_glare(model, some)
    return facts | origin(time.perf_counter() - start), along


def draw(reports: dict[str, dict], along: dict[str, np.ndarray], path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    ways = list(changed(np.zeros((1, 1, 1))))
    bins = np.histogram_bin_edges(np.concatenate(list(along.values())), 40)
    for i, (name, facts) in enumerate(reports.items()):
        at = np.arange(len(ways)) + 0.8 * (i + 0.5) / len(reports) - 0.4
        axes[0].barh(at, [facts[way] for way in ways], 0.8 / len(reports), label=name)
        axes[1].hist(along[name], bins, histtype="step", label=name)
    axes[0].set_yticks(range(len(ways)), ways)
    axes[0].set(xlabel="accuracy", xlim=(0, 1))
    axes[0].invert_yaxis()
    axes[1].axvline(0, color="0.7", lw=1)
    axes[1].set(xlabel="largest Lyapunov exponent (1/ms)", ylabel="test images")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.savefig(path, dpi=120)


def main(args: argparse.Namespace) -> None:
    if args.glare:
        return again(args.json, args.names, args.images, args.data_dir)
    found = {}
    for i, name in enumerate(args.names, 1):
        found[name] = report(name, args)
        seconds = found[name][0]["seconds"]
        print(f"{name}: {i} of {len(args.names)}, {seconds:.0f} s", file=sys.stderr, flush=True)
    reports = {name: facts for name, (facts, _) in found.items()}
    print("| |", " | ".join(reports), "|")
    print("|---" * (len(reports) + 1) + "|")
    for what in {what: None for facts in reports.values() for what in facts}:
        cells = [facts.get(what, "") for facts in reports.values()]
        cells = [f"{cell:.4g}" if isinstance(cell, float) else cell for cell in cells]
        if not isinstance(cells[0], dict):
            print(f"| {what} |", " | ".join(map(str, cells)), "|")
    draw(reports, {name: along for name, (_, along) in found.items()}, args.out)
    print(f"wrote {args.out}")
    if args.json:
        text = json.dumps(command_of(args) | {"circuits": reports}, indent=1, ensure_ascii=False)
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = [name for name in sequence_models() if "psmnist-64" in name][::-1]
    parser.add_argument("--names", nargs="+", default=default, help="shipped circuits")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument(
        "--glare", action="store_true", help="only the effects of glare, for --json"
    )
    parser.add_argument("--data-dir", help="the folder that holds mnist/")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--out", type=Path, default=Path("bounded_report.png"))
    main(parser.parse_args())
