"""Train circuits at their fixed points on MNIST: autoencoder, one or two layers, linear readout.

    python examples/mnist/train_static_mnist.py [--layers 2] [--general] [--data-dir DIR]

An autoencoder 784-360-120-40-120-360-784 makes a code of 40 numbers, which passes through one or
two `oo.FixedPointLayer`s (120 and 60 units) to a linear readout; the loss is the cross-entropy plus
the squared error of the reconstruction. Training images are slightly distorted, differently in each
epoch. Draws train_static_mnist.png (or --out), and saves classifier, card and history next to it.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would compete with those of XLA

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from _distort import SIDE, distorted

import organics_ode as oo
import tasks
from organics_ode.storage import card

WIDTHS, UNITS = (784, 360, 120, 40), (120, 60)


class Network(eqx.Module):
    """An image (784,) ↦ class scores (10,) and the reconstructed image (784,)."""

    classifier: eqx.nn.Sequential  # encoder, layers, readout
    decoder: eqx.nn.Sequential

    def __call__(self, image: jax.Array) -> tuple[jax.Array, jax.Array]:
        code = self.classifier[0](image)
        return self.classifier[1:](code), self.decoder(code)


def loss(outputs: tuple, targets: tuple, mask: None) -> jax.Array:
    (scores, reconstruction), (label, image) = outputs, targets
    return oo.cross_entropy(scores, label) + oo.squared_error(reconstruction, image)


def accuracy(outputs: tuple, targets: tuple, mask: None) -> jax.Array:
    return oo.accuracy(outputs[0], targets[0])


def perceptron(widths: tuple[int, ...], key: jax.Array) -> eqx.nn.Sequential:
    """Affine maps with ReLUs between them and a sigmoid at the end."""
    parts = []
    for m, n, k in zip(widths[:-1], widths[1:], jax.random.split(key, len(widths)), strict=False):
        parts += [eqx.nn.Linear(m, n, key=k), eqx.nn.Lambda(jax.nn.relu)]
    return eqx.nn.Sequential([*parts[:-1], eqx.nn.Lambda(jax.nn.sigmoid)])


def make_network(units: tuple[int, ...], general: bool, key: jax.Array) -> Network:
    keys = jax.random.split(key, 3 + len(units))
    parts, m = [perceptron(WIDTHS, keys[0])], WIDTHS[-1]
    for n, k in zip(units, keys[3:], strict=True):
        W_r = oo.SpectralBound(jnp.eye(n), 1.0) if general else None
        parts.append(oo.FixedPointLayer.random(m, n, key=k, W_r=W_r))
        m = n
    readout = eqx.nn.Linear(m, 10, key=keys[1])
    # Firing rates are of order 1/n, since normalization shares one response among the units.
    readout = eqx.tree_at(lambda r: r.weight, readout, m * readout.weight)
    return Network(eqx.nn.Sequential([*parts, readout]), perceptron(WIDTHS[::-1], keys[2]))


def circuits(classifier: eqx.nn.Sequential, x: jax.Array) -> list[tuple]:
    """The circuit of each layer for one image, and its input."""
    found = []
    for part in classifier.layers:
        if isinstance(part, oo.FixedPointLayer):
            found.append(part.circuit(x))
        x = part(x)
    return found


@eqx.filter_jit
def abscissae(classifier: eqx.nn.Sequential, image: jax.Array) -> list[jax.Array]:
    """The largest real part of the eigenvalues at the fixed point of each layer, 1/ms."""
    return [oo.fixed_point(*c).abscissa for c in circuits(oo.resolve(classifier), image)]


def draw(result: oo.FitResult, found: np.ndarray, images: jax.Array, path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(10, 6.4), layout="constrained")
    for ax, name in zip(axes.flat, ("loss", "accuracy"), strict=False):
        oo.plot_history(result.history, name, ax=ax, lw=0.2)
    axes[0, 0].set_yscale("log")
    axes[0, 1].set_ylim(0.94, 1)
    for i, values in enumerate(found):
        axes[1, 0].hist(values, 50, histtype="step", label=f"layer {i + 1}")
    axes[1, 0].set(xlabel="largest Re λ (1/ms), stable below 0", ylabel="test images")
    axes[1, 0].set_xlim(right=0.01)
    axes[1, 0].legend(frameon=False)
    drawn = jax.vmap(oo.resolve(result.model))(images)[1]
    pairs = np.stack([images, drawn]).reshape(2, -1, SIDE, SIDE).transpose(0, 2, 1, 3)
    axes[1, 1].imshow(pairs.reshape(2 * SIDE, -1), cmap="gray_r", vmin=0, vmax=1)
    axes[1, 1].set(xticks=[], yticks=[], title="test images, and reconstructed from 40 numbers")
    figure.savefig(path, dpi=120)


def main(args: argparse.Namespace) -> None:
    data = tasks.MNIST(args.data_dir)
    keys = jax.random.split(jax.random.key(args.seed), 3)
    network = make_network(UNITS[: args.layers], args.general, keys[0])
    batches = oo.minibatches(data.train, args.batch, key=keys[1])
    steps, held_out = args.epochs * batches.steps_per_epoch, data.validation
    schedule = optax.warmup_cosine_decay_schedule(0.0, args.rate, steps // 50, steps)
    result = oo.fit(
        network,
        distorted(batches, keys[2], args.strength),
        optimizer=optax.adamw(schedule, weight_decay=1e-4, mask=oo.weight_decay_mask),
        loss=loss,
        metric=accuracy,
        steps=steps,
        validation=oo.Batch(held_out.inputs, (held_out.targets, held_out.inputs)),
        log=args.out.with_suffix(".jsonl"),
    )
    classifier = result.model.classifier
    oo.save(args.out.with_suffix(".npz"), classifier)
    found = np.array([abscissae(classifier, image) for image in data.test.inputs[:1000]]).T
    draw(result, found, data.test.inputs[:10], args.out)
    print(f"largest abscissa over 1 000 test images, by layer: {found.max(1)}")
    proofs = [oo.certify(*c) for x in data.test.inputs[:20] for c in circuits(classifier, x)]
    print(f"certified stable: {sum(proof.holds for proof in proofs)} of {len(proofs)} circuits")
    scores = {k: oo.evaluate(classifier, getattr(data, k)) for k in ("validation", "test")}
    facts = card(args, data, classifier, result.history, scores)
    args.out.with_suffix(".json").write_text(facts, encoding="utf-8")
    print(f"wrote {args.out}, and beside it the classifier, its history and its card:\n{facts}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, choices=(1, 2), default=1)
    parser.add_argument("--general", action="store_true", help="train W_r too")
    parser.add_argument("--epochs", type=int, default=32)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=4e-3, help="peak learning rate")
    parser.add_argument("--strength", type=float, default=0.6, help="strength of the distortions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", help="the folder that holds mnist/")
    parser.add_argument("--out", type=Path, default=Path("train_static_mnist.png"))
    main(parser.parse_args())
