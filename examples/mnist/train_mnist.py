"""Train a circuit on sequential MNIST, one pixel per millisecond, in rows or permuted.

    python examples/mnist/train_mnist.py [--permuted] [--bounded] [--size 64] [--data-dir DIR]

With --bounded it is a RotationalORGaNICs, which is bounded for every input whatever it learns;
without it, a GatedORGaNICs, which no theorem bounds. A circuit in continuous time can be trained
with coarse steps first: the stages hold the mean of 4 pixels for 4 ms, then of 2 for 2 ms, then
every pixel for 1 ms, with the same circuit, the same time constants and, at first, a quarter of the
work. Its principal cells start as oscillators, which remember. Training is plain backpropagation
through time, without clipping or scaling. You can stop it at any time: the same command resumes
where it was. Draws train_mnist.png (or --out) and saves the trained model (.npz), its card (.json),
its history (.jsonl) and checkpoints in the same folder. Batches are shared among all devices, GPUs
or one for each core.
"""

import argparse
from pathlib import Path
from typing import Any

import _mnist_models
import _mnist_options
import jax
import matplotlib.pyplot as plt
import numpy as np
import optax
from _other_steps import by_steps, coarser

import organics_ode as oo
import tasks
from organics_ode.storage import card


def first_model(args: argparse.Namespace, data: tasks.SequentialMNIST, key: jax.Array) -> Any:
    if args.start:
        return oo.pretrained(args.start)
    if args.lstm:
        return _mnist_models.lstm(args, key)
    images = coarser(data.train, args.pixels[0]).inputs[:300]
    return (_mnist_models.bounded if args.bounded else _mnist_models.gated)(args, images, key)


def draw(histories: list[oo.History], pixels: list[int], path: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    start = 0
    for history, step in zip(histories, pixels, strict=True):
        for ax, name in zip(axes, ("loss", "accuracy", "gradient_norm"), strict=True):
            ax.plot(start + history.steps(name), history[name], lw=0.5, label=f"{step} ms a step")
            ax.set(xlabel="step", ylabel=name.replace("_", " "))
        name = "validation_accuracy"
        axes[1].plot(start + history.steps(name), history[name], "k.-", lw=1)
        start += history.records[-1]["step"]
    axes[0].legend(frameon=False)
    axes[1].set_title("black: validation")
    axes[2].set(yscale="log", title="norm of the gradient, nothing clipped")
    figure.savefig(path, dpi=120)


def joined(histories: list[oo.History]) -> oo.History:
    """The stages as one history, in which steps and seconds keep counting."""
    records, step, seconds = [], 0, 0.0
    for history in histories:
        for record in history.records:
            timed = {"seconds": seconds + record["seconds"]} if "seconds" in record else {}
            records.append(record | {"step": step + record["step"]} | timed)
        step, seconds = step + history.records[-1]["step"], seconds + history["seconds"][-1]
    return oo.History(records)


def main(args: argparse.Namespace) -> None:
    data = tasks.SequentialMNIST(args.data_dir, permuted=args.permuted)
    key_model, key_batches = jax.random.split(jax.random.key(args.seed))
    model = first_model(args, data, key_model)
    histories = []
    for pixels, epochs, rate in zip(args.pixels, args.epochs, args.rates, strict=True):
        if not args.lstm:
            model = oo.replace(model, dt=float(pixels))
        batches = oo.minibatches(coarser(data.train, pixels), args.batch, key=key_batches)
        steps = epochs * batches.steps_per_epoch
        schedule = optax.warmup_cosine_decay_schedule(0.0, rate, max(1, steps // 50), steps)
        result = oo.fit(
            model,
            batches,
            optimizer=optax.adamw(schedule, weight_decay=1e-5, mask=oo.weight_decay_mask),
            steps=steps,
            validation=coarser(data.validation, pixels),
            log=args.out.with_suffix(f".{pixels}.jsonl"),
            checkpoint=args.out.with_suffix(f".{pixels}.checkpoint"),
            mesh=oo.device_mesh(),
        )
        model = result.model
        histories.append(result.history)
    if not args.lstm:  # whatever the last stage was, the circuit now gets every pixel for 1 ms
        model = oo.replace(model, dt=1.0)
    draw(histories, args.pixels, args.out)
    oo.save(args.out.with_suffix(".npz"), model)
    scores = {
        part: oo.evaluate(model, getattr(data, part), mesh=oo.device_mesh())
        for part in ("validation", "test")
    }
    scores |= {what: {"accuracy": value} for what, value in by_steps(model, data.test).items()}
    history = joined(histories)
    facts = card(args, data, model, history, scores)
    args.out.with_suffix(".json").write_text(facts, encoding="utf-8")
    print(f"wrote {args.out}, and beside it the model, its card, history and checkpoints")
    norms = history["gradient_norm"]
    print(f"norm of the gradient: median {np.median(norms):.3g}, largest {norms.max():.3g}")
    print(f"test accuracy: {scores['test']['accuracy']:.4f} (nothing was clipped)")
    for what, score in scores.items():
        print(f"{what:30} {score['accuracy']:.4f}")


if __name__ == "__main__":
    oo.use_cores()
    main(_mnist_options.read(__doc__.split("\n")[0]))
