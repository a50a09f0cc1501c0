"""The cost of a guarantee: circuits with and without a theorem, trained in the same way on digits.

Five kinds of circuits of the same size go through the stages of `train_digits.py`, several seeds of
each as one ensemble. For each kind: held-out accuracy with its standard error, with the trained
steps and with steps of a sixteenth of a millisecond; the largest Lyapunov exponents along held-out
images; and what `oo.certify` proves of the trained circuits. Kinds already in the results are
skipped. The times of a step are those of `--times`, which trains one model of each kind in turns.
Draws guarantees.png (or --out).

    python examples/benchmarks/guarantees.py [--kinds bounded free --seeds 5]
    python examples/benchmarks/guarantees.py --times     # only the times of a step
    python examples/benchmarks/guarantees.py --draw      # only the table and the picture
"""

import argparse
import json
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import organics_ode as oo
import tasks
from organics_ode.storage import command_of, origin

sys.path.insert(0, str(Path(__file__).parents[1] / "start"))
from train_digits import PIXEL, STAGES, loss, make_model, with_steps

RESULTS = Path(__file__).parents[1] / "results" / "guarantees.jsonl"
TIMES = RESULTS.with_name("guarantees-times.json")
TURNS, TIMED = 5, 100  # turns of the kinds, and steps in each of them
IMAGES = 40  # along which exponents are computed
GATES = ("W_by0", "W_ba0", "W_by1", "W_ba1")
KINDS = {
    "stable": "W_r = I, gains from the input",
    "bounded": "bounded, one pool",
    "groups": "bounded, 8 pools",
    "free": "free, from the same start",
    "linear": "linear: the oscillators alone",
}


def make(kind: str, size: int, seed: int, images: np.ndarray) -> oo.SequenceClassifier:
    """A model of the kind; one that is not bounded takes the place of that with the same seed."""
    keys = jax.random.split(jax.random.key(seed), 4)
    model = make_model(size, list(keys[:3]), images, groups=8 if kind == "groups" else 1)
    if kind in ("bounded", "groups"):
        return model
    bounded = oo.values(model.cell.circuit)
    wide = oo.LogUniform(2.5 * PIXEL, 32 * PIXEL, bound=2 * PIXEL)  # up to half an image
    times = {
        name: wide if kind == "stable" else np.array(np.broadcast_to(bounded[name], size))
        for name in ("tau_y", "tau_a", "tau_b0", "tau_b1")
    }
    circuit = oo.GatedORGaNICs.random(
        1, size, key=keys[0], sigma=0.1, rectification=oo.Rectification.NONE, **times
    )
    zero = oo.Frozen(np.zeros((size, size), np.float32))
    if kind == "stable":  # covered by the theorem: gains depend only on the input
        identity = oo.Frozen(np.eye(size, dtype=np.float32))
        circuit = oo.replace(circuit, W_r=identity, **dict.fromkeys(GATES, zero))
        return classifier(model, circuit, circuit.initial_state())
    circuit = oo.replace(circuit, W=np.full((size, size), 0.02))
    circuit = oo.fourier_memory(circuit, images, PIXEL, cycles=(0.25, 16.0), key=keys[1])
    start = circuit.initial_state()
    if kind == "free":
        return classifier(model, circuit, start._replace(a=jnp.full(size, 0.25)))
    silent = dict.fromkeys(("W_bx0", "W_bx1"), oo.Frozen(np.zeros((size, 1), np.float32)))
    circuit = oo.replace(circuit, W=zero, **silent, **dict.fromkeys(GATES, zero))
    return classifier(model, circuit, start)  # linear: a, b0 and b1 stay at rest


def classifier(model: oo.SequenceClassifier, circuit, start) -> oo.SequenceClassifier:
    return oo.SequenceClassifier(oo.ShuOsher(circuit, PIXEL), model.readout, state0=start)


@eqx.filter_jit
def exponents(model: oo.SequenceClassifier, images: jax.Array) -> jax.Array:
    along = lambda xs: oo.lyapunov(model.cell, xs, 1, state0=oo.resolve(model.state0))[0]  # noqa: E731
    return jax.vmap(along)(images)


def accuracy(model: oo.SequenceClassifier, split, steps: int) -> float:
    model = oo.replace(model, dt=PIXEL / steps)
    return oo.evaluate(model, with_steps(split, steps))["accuracy"]


def run(kind: str, args: argparse.Namespace) -> dict:
    """All seeds of one kind, trained and examined, as a line of the results."""
    digits, start = tasks.SequentialDigits(), time.perf_counter()
    models = [make(kind, args.size, seed, digits.train.inputs[:400]) for seed in range(args.seeds)]
    numbers = sum(v.size for v in jax.tree.leaves(eqx.filter(models[0], oo.trainable(models[0]))))
    ended, norms, per_step = {}, [], []
    for steps, epochs, rate in STAGES:
        models = [oo.replace(model, dt=PIXEL / steps) for model in models]
        data = with_steps(digits.train, steps)
        keys = [jax.random.split(jax.random.key(seed), 4)[3] for seed in range(args.seeds)]
        batches = [oo.minibatches(data, 32, key=key) for key in keys]
        total = epochs * batches[0].steps_per_epoch
        schedule = optax.warmup_cosine_decay_schedule(0.0, rate, total // 20, total)
        descent = optax.adamw(schedule, weight_decay=0.01, mask=oo.weight_decay_mask)
        result = oo.ensemble(models, batches, optimizer=descent, loss=loss, steps=total)
        models = list(result.models)
        ended |= {i: o for i, o in enumerate(result.outcomes) if o != "completed"}
        norms.append(np.nanmax(result.history["gradient_norm"]))
        seconds = result.history["seconds"]
        per_step.append(1e3 * float(np.median(np.diff(seconds))))
    fine, along = STAGES[-1][0], with_steps(digits.test, STAGES[-1][0]).inputs[:IMAGES]
    proved = [oo.certify(model.cell.circuit, jnp.ones(1)) for model in models]
    return {
        "kind": kind,
        "numbers": numbers,
        "accuracy": [accuracy(m, digits.test, fine) for m in models],
        "sixteen steps": [accuracy(m, digits.test, 16) for m in models],
        "validation": [accuracy(m, digits.validation, fine) for m in models],
        "exponent": [float(np.median(exponents(m, along))) for m in models],
        "proved": [c.scope for c in proved],
        "ended": [ended.get(i, "completed") for i in range(args.seeds)],
        "largest gradient norm": float(np.max(norms)),
        "ms per step": per_step,
        **command_of(args),
        **origin(time.perf_counter() - start),
    }


def times(args: argparse.Namespace) -> None:
    """Milliseconds for a step of the first stage, batch 32, with all kinds in turns in one run."""
    digits, start, found = tasks.SequentialDigits(), time.perf_counter(), {}
    for turn in range(TURNS + 1):  # the first one compiles
        for kind in args.kinds:
            model = make(kind, args.size, 0, digits.train.inputs[:400])
            batches = oo.minibatches(digits.train, 32, key=jax.random.key(turn))
            options = {"optimizer": optax.adam(0.001), "loss": loss, "progress": False}
            history = oo.fit(model, batches, steps=TIMED, **options).history
            found.setdefault(kind, []).append(1e3 * float(np.median(np.diff(history["seconds"]))))
    record = {"ms per step": {kind: values[1:] for kind, values in found.items()}}
    record |= {**command_of(args), **origin(time.perf_counter() - start)}
    TIMES.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def spread(values: list[float], digits: int = 4) -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):.{digits}f} ± {error:.{digits}f}"


def print_table(lines: list[dict]) -> None:
    taken = json.loads(TIMES.read_text(encoding="utf-8"))["ms per step"]
    names = "circuit | trained numbers | held out | 1/16 ms a step"
    print(f"| {names} | largest exponent (1/ms) | proved | ms for a training step |")
    print("|---|---|---|---|---|---|---|")
    for line in lines:
        proved = ", ".join(sorted({str(scope or "nothing") for scope in line["proved"]}))
        cells = [KINDS[line["kind"]], line["numbers"], spread(line["accuracy"])]
        cells += [spread(line["sixteen steps"]), spread(line["exponent"]), proved]
        milliseconds = f"{np.median(taken[line['kind']]):.1f}"
        print("|", " | ".join(map(str, [*cells, milliseconds])), "|")


def draw(lines: list[dict], path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained", sharey=True)
    for i, line in enumerate(lines):
        for ax, name in zip(axes, ("accuracy", "exponent"), strict=True):
            values = np.asarray(line[name])
            ax.plot(values, np.full(len(values), i), "o", color="C0", alpha=0.5)
            ax.plot(values.mean(), i, "|", color="black", ms=18)
    axes[0].set_yticks(range(len(lines)), [KINDS[line["kind"]] for line in lines])
    axes[0].invert_yaxis()
    axes[0].set(xlabel="held-out accuracy, a point for each seed; bar: mean")
    axes[1].axvline(0, color="0.7", lw=1)
    axes[1].set(xlabel="largest Lyapunov exponent, median of images (1/ms)")
    figure.savefig(path, dpi=120)


def main(args: argparse.Namespace) -> None:
    if args.times:
        times(args)
    text = args.table.read_text(encoding="utf-8") if args.table.exists() else ""
    lines = {line["kind"]: line for line in map(json.loads, text.splitlines())}
    for kind in () if args.draw or args.times else args.kinds:
        if kind not in lines:
            lines[kind] = run(kind, args)
            with args.table.open("a", encoding="utf-8") as file:
                file.write(json.dumps(lines[kind], ensure_ascii=False) + "\n")
    shown = [lines[kind] for kind in KINDS if kind in lines]
    print_table(shown)
    draw(shown, args.out)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=tuple(KINDS))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--times", action="store_true", help="only measure the times of a step")
    parser.add_argument("--draw", action="store_true", help="only draw the table and the picture")
    parser.add_argument("--table", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=Path("guarantees.png"))
    main(parser.parse_args())
