"""The main job: train a GatedORGaNICs on handwritten digits, shown one pixel at a time.

The circuit learns by plain backpropagation through time, without clipping, first with an Euler step
of one pixel, then with finer ones, so that what it has learnt is the continuous dynamics and not
the step. Then the same parameters are solved by an adaptive solver of diffrax, on every held-out
image, and must say the same. Draws train_digits.png (or --out).
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
# Euler steps per pixel, epochs, peak learning rate
STAGES = ((1, 40, 0.01), (2, 25, 0.005), (4, 6, 0.0025), (8, 3, 0.001))


def make_model(size: int, keys: list[jax.Array]) -> oo.SequenceClassifier:
    times = oo.LogUniform(2.5 * PIXEL, 32 * PIXEL, bound=2 * PIXEL)  # up to half an image
    circuit = oo.GatedORGaNICs.random(
        1, size, key=keys[0], sigma=0.1, tau_y=times, tau_a=times, tau_b0=times, tau_b1=times
    )
    # A bounded gain of the recurrence keeps the dynamics slow enough for the Euler steps below.
    bounded = oo.SpectralBound(2 * 0.999 * circuit.W_r, bound=2.0)
    circuit = oo.replace(circuit, W_r=bounded)
    readout = eqx.nn.Linear(size, 10, key=keys[1])
    start = circuit.random_state(keys[2])
    return oo.SequenceClassifier(oo.Euler(circuit, PIXEL), readout, state0=start)


def with_steps(data, steps: int):
    """The data set with every pixel held for so many Euler steps."""
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
    model, history = make_model(args.size, keys), []
    for steps, epochs, rate in STAGES:
        model = oo.replace(model, dt=PIXEL / steps)
        batches = oo.minibatches(with_steps(digits.train, steps), 32, key=key_batches)
        total = epochs * batches.steps_per_epoch
        schedule = optax.warmup_cosine_decay_schedule(0.0, rate, total // 20, total)
        result = oo.fit(
            model,
            batches,
            optimizer=optax.adamw(schedule, weight_decay=0.01, mask=oo.weight_decay_mask),
            epochs=epochs,
            validation=with_steps(digits.validation, steps),
        )
        model = result.model
        history.append(result.history)

    ts = jnp.linspace(0.0, 64 * PIXEL, 129)
    end = solve(model, jnp.asarray(digits.test.inputs), ts[jnp.array([0, -1])])[:, -1]
    labels = jax.vmap(lambda y: jnp.argmax(model.readout(y)))(end)
    draw(history, solve(model, digits.test.inputs[:1], ts)[0], ts, args.out)
    print(f"wrote {args.out}")
    held_out = with_steps(digits.test, STAGES[-1][0])
    euler = jax.jit(jax.vmap(lambda xs: jnp.argmax(oo.resolve(model)(xs))))(held_out.inputs)
    norms = np.concatenate([h["gradient_norm"] for h in history])
    print(
        f"norm of the gradient: median {np.median(norms):.2f}, largest {norms.max():.2f}, unclipped"
    )
    print(f"same answer by Euler and by the adaptive solver: {np.mean(euler == labels):.4f}")
    print(f"held-out accuracy: {np.mean(euler == held_out.targets):.4f}")
    print(f"adaptive solver accuracy: {np.mean(labels == digits.test.targets):.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=96, help="number of principal cells")
    parser.add_argument("--seed", type=int, default=1, help="1 validates better than 0")
    parser.add_argument("--out", type=Path, default=Path("train_digits.png"))
    main(parser.parse_args())
