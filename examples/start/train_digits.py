"""The main job: train a provably bounded circuit on handwritten digits, pixel by pixel.

Whatever a RotationalORGaNICs learns, its responses stay below a bound for every image. It learns by
plain backpropagation through time, without clipping, first with a step of one pixel, then with
finer ones, so that it learns the continuous dynamics and not the step. Then the same parameters are
run with an adaptive solver of diffrax on every held-out image, and must give the same answers; the
bound is certified. Draws train_digits.png (or --out).
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import organics_ode as oo
import tasks

PIXEL = 1.0  # ms
# Steps per pixel, epochs, peak learning rate
STAGES = ((1, 40, 0.01), (2, 10, 0.005), (4, 4, 0.002))


def make_model(
    size: int, keys: list[jax.Array], images: np.ndarray, groups: int = 1
) -> oo.SequenceClassifier:
    """A circuit that starts as a bank of oscillators, which remembers the whole image."""
    gains = oo.LogUniform(3 * PIXEL, 10 * PIXEL)
    circuit = oo.RotationalORGaNICs.random(
        1,
        size,
        key=keys[0],
        groups=groups,
        sigma=0.1,
        tau_y=20 * PIXEL,
        tau_a=20 * PIXEL,
        tau_b0=gains,
        tau_b1=gains,
    )
    circuit = oo.replace(circuit, W=0.02 * np.ones((groups, size)))  # weak normalization at first
    circuit = oo.fourier_memory(circuit, images, PIXEL, cycles=(0.25, 16.0), key=keys[1])
    readout = eqx.nn.Linear(size, 10, key=keys[2])
    rest = circuit.initial_state()
    start = rest._replace(a=jnp.full_like(rest.a, 0.25))
    return oo.SequenceClassifier(oo.ShuOsher(circuit, PIXEL), readout, state0=start)


def loss(scores: jax.Array, label: jax.Array) -> jax.Array:
    """The cross entropy with labels smoothed by a fifth, for a training set of 1257 images."""
    smooth = optax.smooth_labels(jax.nn.one_hot(label, scores.size), 0.2)
    return optax.softmax_cross_entropy(scores, smooth)


def with_steps(data, steps: int):
    """The data set with every pixel held for the given number of Euler steps."""
    return data._replace(inputs=np.repeat(data.inputs, steps, axis=1))


@eqx.filter_jit
def solve(model: oo.SequenceClassifier, images: jax.Array, ts: jax.Array) -> jax.Array:
    """The responses y at `ts` for each image, by an adaptive solver: (images, time, n)."""
    onsets = PIXEL * jnp.arange(images.shape[1])

    def response(pixels: jax.Array) -> jax.Array:
        held = oo.ZeroOrderHold(onsets, pixels)
        start = oo.resolve(model.state0)
        return oo.simulate(model.cell.circuit, held, ts, state0=start).states.y

    return jax.lax.map(response, images, batch_size=90)


def draw(history: list[oo.History], y: jax.Array, ts: jax.Array, path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(10, 6.4), layout="constrained")
    steps = np.cumsum([0] + [h.records[-1]["step"] for h in history])
    for ax, name in zip(axes.flat, ("loss", "accuracy", "gradient_norm"), strict=False):
        for h, start, stage in zip(history, steps, STAGES, strict=False):
            ax.plot(start + h.steps(name), h[name], lw=0.6, label=f"dt = {PIXEL / stage[0]:g} ms")
        ax.set(xlabel="step", ylabel=name.replace("_", " "))
    for h, start in zip(history, steps, strict=False):
        name = "validation_accuracy"
        axes[0, 1].plot(start + h.steps(name), h[name], color="black", lw=1)
    axes[0, 1].set_title("black: validation")
    axes[0, 0].legend(frameon=False)
    axes[1, 0].set(yscale="log", title="Norm of the gradient (nothing is clipped)")
    axes[1, 1].plot(ts, y[:, :12], lw=1)
    axes[1, 1].set(xlabel="time (ms)", ylabel="y", title="12 units, one held-out image, adaptive")
    figure.savefig(path, dpi=120)


def main(args: argparse.Namespace) -> None:
    digits = tasks.SequentialDigits()
    *keys, key_batches = jax.random.split(jax.random.key(args.seed), 4)
    model, history = make_model(args.size, keys, digits.train.inputs[:400]), []
    for steps, epochs, rate in STAGES:
        model = oo.replace(model, dt=PIXEL / steps)
        batches = oo.minibatches(with_steps(digits.train, steps), 32, key=key_batches)
        total = epochs * batches.steps_per_epoch
        schedule = optax.warmup_cosine_decay_schedule(0.0, rate, total // 20, total)
        result = oo.fit(
            model,
            batches,
            optimizer=optax.adamw(schedule, weight_decay=0.01, mask=oo.weight_decay_mask),
            loss=loss,
            epochs=epochs,
            validation=with_steps(digits.validation, steps),
        )
        model = result.model
        history.append(result.history)

    ts = jnp.linspace(0.0, 64 * PIXEL, 129)
    y = solve(model, jnp.asarray(digits.test.inputs), ts)
    end, largest = y[:, -1], jnp.linalg.norm(y, axis=-1).max()
    labels = jax.vmap(lambda y: jnp.argmax(model.readout(y)))(end)
    draw(history, y[0], ts, args.out)
    print(f"wrote {args.out}")
    held_out = with_steps(digits.test, STAGES[-1][0])
    stepped = jax.jit(jax.vmap(lambda xs: jnp.argmax(oo.resolve(model)(xs))))(held_out.inputs)
    norms = np.concatenate([h["gradient_norm"] for h in history])
    print(
        f"norm of the gradient: median {np.median(norms):.2f}, largest {norms.max():.2f}, unclipped"
    )
    certificate = oo.certify(model.cell.circuit, jnp.ones(1), search=False)
    assert certificate.scope == "bounded"
    print(f"proved for every image: |y| ends below {certificate.bound:.3g}; here {largest:.3g}")
    print(f"same answer by steps and by the adaptive solver: {np.mean(stepped == labels):.4f}")
    print(f"held-out accuracy: {np.mean(stepped == held_out.targets):.4f}")
    print(f"adaptive solver accuracy: {np.mean(labels == digits.test.targets):.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64, help="number of principal cells")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("train_digits.png"))
    main(parser.parse_args())
