"""Evaluate a trained circuit again, and examine its stability.

    python examples/mnist/evaluate_pretrained.py [smnist-64] [--data-dir DIR]

The shipped circuit is run on all test images, 1 ms per pixel; and on some of them with half and
twice the step, with every second pixel dropped, and with an adaptive solver. Then its stability
report is drawn. `--images 10000` tries other steps on all images. Draws evaluate_pretrained.png.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before anything loads LAPACK

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from _mnist_options import sequence_models
from _other_steps import by_steps

import organics_ode as oo
import tasks

# Images are shared among a power of two of the cores, which divides the numbers of images.
jax.config.update("jax_num_cpu_devices", min(16, 1 << (os.cpu_count() or 1).bit_length() - 1))
RESULTS = Path(__file__).parents[1] / "results"
SOLVED, LOOKED_AT, RESTED = 128, 64, 16  # images


def over_devices(function: Callable[[jax.Array], Any], images: jax.Array) -> Any:
    """A function of many images, split over the devices."""
    mesh = oo.device_mesh()
    spec = jax.sharding.PartitionSpec(mesh.axis_names)
    options = {"mesh": mesh, "in_specs": spec, "out_specs": spec, "check_vma": False}
    return jax.jit(jax.shard_map(function, **options))(images)


def solved(model: oo.SequenceClassifier, images: jax.Array) -> jax.Array:
    """The class of each image by the adaptive solver."""
    onsets = jnp.arange(images.shape[1], dtype=images.dtype)
    ts, start = jnp.array([0.0, images.shape[1]]), oo.resolve(model.state0)

    def label(pixels: jax.Array) -> jax.Array:
        drive = oo.ZeroOrderHold(onsets, pixels)
        y = oo.simulate(model.cell.circuit, drive, ts, state0=start).states.y[-1]
        return jnp.argmax(model.readout(y))

    return over_devices(lambda part: jax.lax.map(label, part, batch_size=64), images)


def driven(model: oo.SequenceClassifier, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The largest Lyapunov exponents along each image, and the largest |state| after each step."""

    def of(xs: jax.Array) -> tuple[jax.Array, jax.Array]:
        start = oo.resolve(model.state0)
        states = oo.unroll(model.cell, xs, state0=start)
        sizes = jnp.stack([jnp.abs(leaf).max(axis=1) for leaf in states])
        return oo.lyapunov(model.cell, xs, 2, state0=start), sizes.max(axis=0)

    return over_devices(jax.vmap(of), images)


def at_rest(circuit: oo.GatedORGaNICs, images: jax.Array) -> tuple[jax.Array, ...]:
    """Whether a fixed point is found at the mean brightness of each image, whether it is stable,
    and its abscissa."""

    def of(image: jax.Array) -> tuple[jax.Array, ...]:
        point = oo.fixed_point(circuit, image.mean(axis=0), throw=False)
        return point.succeeded, point.is_stable, point.abscissa

    return over_devices(lambda part: jax.lax.map(of, part), images)


def draw(name: str, model: oo.SequenceClassifier, images: jax.Array, path: Path) -> None:
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    exponents, sizes = (np.asarray(v) for v in driven(model, images))
    found, stable, abscissa = (np.asarray(v) for v in at_rest(model.cell.circuit, images[:RESTED]))
    history = oo.History.read(RESULTS / f"{name}.jsonl")
    eigenvalues = np.linalg.eigvals(oo.resolve(model).cell.circuit.W_r)
    axes[0, 0].add_patch(plt.Circle((0, 0), 1, fill=False, ls="--", color="0.5"))
    axes[0, 0].plot(eigenvalues.real, eigenvalues.imag, "o", ms=3)
    axes[0, 0].set(title="Eigenvalues of W_r", xlabel="real part", ylabel="imaginary part")
    axes[0, 0].set_aspect("equal", adjustable="datalim")
    axes[0, 1].hist(abscissa[found], 20)
    axes[0, 1].set_title(f"At rest, mean brightness: {found.sum()} of {RESTED} found")
    axes[0, 1].set_xlabel("spectral abscissa (1/ms)")
    axes[0, 1].locator_params(axis="x", nbins=4)
    axes[0, 2].hist(exponents[:, 0], 20)
    axes[0, 2].set_title(f"Along {len(images)} test images")
    axes[0, 2].set_xlabel("largest Lyapunov exponent (1/ms)")
    axes[0, 2].locator_params(axis="x", nbins=4)
    axes[1, 0].plot(np.quantile(sizes, [0, 0.5, 1], axis=0).T, label=["least", "median", "largest"])
    axes[1, 0].set(title="Size of the state", xlabel="time (ms)", ylabel="largest |state|")
    axes[1, 0].legend(frameon=False)
    axes[1, 1].semilogy(history.steps("gradient_norm"), history["gradient_norm"], lw=0.7)
    axes[1, 1].set(title="While training, nothing clipped", xlabel="step", ylabel="gradient norm")
    steps = history.steps("validation_accuracy")
    axes[1, 2].plot(steps, 1 - history["validation_accuracy"], "k.-")
    axes[1, 2].set(title="While training", xlabel="step", ylabel="validation error", yscale="log")
    figure.savefig(path, dpi=110)
    print(f"fixed points: {found.sum()} of {RESTED} found, {stable.sum()} stable")
    print(
        f"largest exponent: median {np.median(exponents[:, 0]):.4f}/ms; |state| ≤ {sizes.max():.3g}"
    )


def main(args: argparse.Namespace) -> None:
    model, card = oo.pretrained(args.name), oo.model_card(args.name)
    test = tasks.SequentialMNIST(args.data_dir, permuted=card["options"]["permuted"]).test
    print(
        f"{args.name}: {card['trained_numbers']} trained numbers, card {card['accuracy']['test']}"
    )
    whole = oo.evaluate(model, test, mesh=oo.device_mesh())["accuracy"]
    print(f"all {len(test.targets)} images: {whole:.4f}")
    print(f"of the first {args.images}:")
    some = tasks.Split(*(part[: args.images] for part in test))
    for what, value in by_steps(model, some).items():
        print(f"    {what:30} {value:.4f}")
    images = jnp.asarray(test.inputs[:SOLVED])
    stepped = jnp.argmax(jax.jit(lambda xs: oo.resolve(model).batched(xs))(images), axis=1)
    same = np.mean(np.asarray(solved(model, images) == stepped))
    print(f"adaptive solver: the same answer as the steps of 1 ms on {same:.4f} of {SOLVED} images")
    draw(args.name, model, jnp.asarray(test.inputs[:LOOKED_AT]), args.out)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", default="smnist-64", choices=sequence_models())
    parser.add_argument("--images", type=int, default=500, help="images to try other steps on")
    parser.add_argument("--data-dir", help="the folder that holds mnist/")
    parser.add_argument("--out", type=Path, default=Path("evaluate_pretrained.png"))
    main(parser.parse_args())
