"""Many seeds and learning rates trained at once: which rate learns, and is it luck?

Every pair of a seed and a learning rate is a member of one ensemble of small GatedORGaNICs, trained
on handwritten digits shown one pixel at a time. If there are several devices, they share the
members. Draws train_ensemble.png (or --out).
"""

import argparse
import time
from pathlib import Path

import equinox as eqx
import jax
import matplotlib.pyplot as plt
import numpy as np
import optax

import organics_ode as oo
import tasks

PIXEL = 1.0  # ms
RATES = (0.001, 0.004, 0.016)


def make_model(size: int, key: jax.Array) -> oo.SequenceClassifier:
    keys = jax.random.split(key, 3)
    times = oo.LogUniform(2.5 * PIXEL, 32 * PIXEL, bound=2 * PIXEL)  # up to half an image
    circuit = oo.GatedORGaNICs.random(
        1, size, key=keys[0], sigma=0.1, tau_y=times, tau_a=times, tau_b0=times, tau_b1=times
    )
    readout = eqx.nn.Linear(size, 10, key=keys[1])
    start = circuit.random_state(keys[2])
    return oo.SequenceClassifier(oo.Euler(circuit, PIXEL), readout, state0=start)


def draw(result: oo.EnsembleResult, rates: np.ndarray, path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for ax, name in zip(axes, ("loss", "validation_accuracy"), strict=True):
        steps, values = result.history.steps(name), result.history[name]
        width = 10 if name == "loss" else 1  # the mean over ten steps
        whole = len(values) // width * width
        values = values[:whole].reshape(-1, width, len(rates)).mean(1)
        for colour, rate in enumerate(RATES):
            chosen = values[:, rates == rate]
            ax.plot(steps[width - 1 : whole : width], chosen, color=f"C{colour}", lw=0.8)
            ax.plot([], [], color=f"C{colour}", label=f"rate {rate:g}")
        ax.set(xlabel="step", ylabel=name.replace("_", " "))
    axes[0].set_title("One line per seed")
    axes[1].legend(frameon=False)
    figure.savefig(path, dpi=120)


def main(args: argparse.Namespace) -> None:
    digits = tasks.SequentialDigits()
    pairs = [(seed, rate) for seed in range(args.seeds) for rate in RATES]
    rates = np.array([rate for _, rate in pairs])
    start = time.perf_counter()
    result = oo.ensemble(
        [make_model(args.size, jax.random.key(seed)) for seed, _ in pairs],
        oo.minibatches(digits.train, 32, key=jax.random.key(100)),
        optimizer=optax.adam,
        hyperparameters=rates,
        epochs=args.epochs,
        validation=digits.validation,
    )
    print(f"{len(pairs)} members in {time.perf_counter() - start:.1f} s")
    draw(result, rates, args.out)
    print(f"wrote {args.out}")
    final = result.history["validation_accuracy"][-1]
    for rate in RATES:
        scores, outcomes = final[rates == rate], np.array(result.outcomes)[rates == rate]
        print(
            f"rate {rate:g}: validation accuracy {np.mean(scores):.3f}, from {scores.min():.3f} "
            f"to {scores.max():.3f}; diverged: {np.sum(outcomes == 'diverged')}"
        )
    best = int(np.nanargmax(final))
    accuracy = oo.evaluate(result.models[best], digits.test)["accuracy"]
    print(f"held-out accuracy of the best, member {best}: {accuracy:.4f}")


if __name__ == "__main__":
    oo.use_cores()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--size", type=int, default=16, help="number of principal cells")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("train_ensemble.png"))
    main(parser.parse_args())
