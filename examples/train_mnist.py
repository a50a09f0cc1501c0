"""Train a GatedORGaNICs on sequential MNIST, one pixel per step, rows or permuted.

    python examples/train_mnist.py [--permuted] [--size 64] [--epochs 12] [--data-dir DIR]

Draws train_mnist.png (or --out) and saves the trained model beside it as .npz.
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import matplotlib.pyplot as plt
import optax

import organics_ode as oo
import tasks


def make_model(size: int, shortest: float, longest: float, key: jax.Array) -> oo.SequenceClassifier:
    keys = jax.random.split(key, 3)
    times = oo.LogUniform(shortest, longest, bound=shortest / 2)
    circuit = oo.GatedORGaNICs.random(
        1, size, key=keys[0], tau_y=times, tau_a=times, tau_b0=times, tau_b1=times
    )
    readout = eqx.nn.Linear(size, 10, key=keys[1])
    return oo.SequenceClassifier(
        oo.Euler(circuit, dt=1.0), readout, state0=circuit.random_state(keys[2])
    )


def main(args: argparse.Namespace) -> None:
    data = tasks.SequentialMNIST(args.data_dir, permuted=args.permuted)
    key_model, key_batches = jax.random.split(jax.random.key(args.seed))
    model = make_model(args.size, args.shortest, args.longest, key_model)
    batches = oo.minibatches(data.train, args.batch, key=key_batches)
    steps = args.steps or args.epochs * batches.steps_per_epoch
    schedule = optax.warmup_cosine_decay_schedule(0.0, args.rate, max(1, steps // 50), steps)
    result = oo.fit(
        model,
        batches,
        optimizer=optax.adamw(schedule, weight_decay=1e-5),
        steps=steps,
        validation=data.validation,
        log=args.out.with_suffix(".jsonl"),
    )
    oo.save(args.out.with_suffix(".npz"), result.model)
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    for ax, name in zip(axes, ("loss", "accuracy", "gradient_norm"), strict=True):
        oo.plot_history(result.history, name, ax=ax)
    axes[2].set_yscale("log")
    figure.savefig(args.out, dpi=120)
    print(f"wrote {args.out}, and beside it the model (.npz) and the history (.jsonl)")
    print(
        f"largest gradient norm: {result.history['gradient_norm'].max():.3g} (nothing was clipped)"
    )
    print(f"test accuracy: {oo.evaluate(result.model, data.test)['accuracy']:.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--permuted", action="store_true", help="permute the pixels")
    parser.add_argument("--size", type=int, default=64, help="number of principal cells")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--steps", type=int, help="train for so many steps instead of epochs")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.01, help="peak learning rate")
    parser.add_argument("--shortest", type=float, default=20.0, help="time constant, in pixels")
    parser.add_argument("--longest", type=float, default=400.0, help="time constant, in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", help="the folder that holds mnist/")
    parser.add_argument("--out", type=Path, default=Path("train_mnist.png"))
    main(parser.parse_args())
