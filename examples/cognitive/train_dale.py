"""Networks of excitatory and inhibitory units learn delayed match to sample.

Four rate networks that obey Dale's law, with 40 excitatory and 10 inhibitory units, are trained
together from balanced random weights (Song, Yang, Wang 2016). Half of the loss is for waiting and
half for the answer: if all steps counted equally, the answer, an eighth of them, would hardly
matter. Draws train_dale.png (or --out): losses, weights and eigenvalues before and after, outputs
in two trials.

    python examples/cognitive/train_dale.py
"""

import argparse
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import matplotlib.pyplot as plt
import numpy as np
import optax

import organics_ode as oo
import tasks

SIZE = 50
TASK = tasks.DelayedMatch(dt=50.0)


class Weighted:
    """The task, with its loss weights as the mask."""

    def sample(self, key: jax.Array) -> Any:
        trial = TASK.sample(key)
        return trial._replace(mask=TASK.loss_weights(trial))


def make_model(seed: int) -> oo.SequenceToSequence:
    keys = jax.random.split(jax.random.key(seed))
    network = oo.RateNetwork.random(TASK.input_size, SIZE, key=keys[0], tau=100.0, excitatory=0.8)
    return oo.SequenceToSequence(oo.Euler(network, TASK.dt), eqx.nn.Linear(SIZE, 3, key=keys[1]))


@eqx.filter_jit
def score(model: oo.SequenceToSequence, trials: Any) -> jax.Array:
    """1 if the network waits, and then answers correctly, at every step that counts."""
    return jax.vmap(TASK.score)(oo.resolve(model).batched(trials.inputs), trials).mean()


def draw(models: dict[str, Any], losses: np.ndarray, trials: Any, path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.2), layout="constrained")
    smooth = np.ones(10) / 10
    for i, loss in enumerate(losses.T):
        axes[0, 0].plot(np.convolve(loss, smooth, "valid"), lw=1, label=f"network {i}")
    axes[0, 0].set(xlabel="step", ylabel="cross entropy (nats)", title="Four networks")
    axes[0, 0].legend(frameon=False)
    weights = {name: np.asarray(oo.resolve(m.cell.circuit).W) for name, m in models.items()}
    largest = np.abs(weights["after"]).max()
    image = axes[0, 1].imshow(weights["after"], cmap="RdBu_r", vmin=-largest, vmax=largest)
    axes[0, 1].set(xlabel="from unit", ylabel="to unit", title="W after training: 40 excite")
    figure.colorbar(image, ax=axes[0, 1], label="weight")
    turns = np.exp(2j * np.pi * np.linspace(0, 1, 200))
    axes[1, 0].plot(1.5 * turns.real, 1.5 * turns.imag, color="0.7", lw=1, label="radius 1.5")
    for name, W in weights.items():
        values = np.linalg.eigvals(W)
        axes[1, 0].plot(values.real, values.imag, ".", label=name)
    axes[1, 0].set(xlabel="real part", ylabel="imaginary part", title="Eigenvalues of W")
    axes[1, 0].set_aspect("equal")
    axes[1, 0].legend(frameon=False)
    choices = np.asarray(trials.info["choice"])
    outputs = jax.nn.softmax(oo.resolve(models["after"]).batched(trials.inputs))
    t = TASK.dt * np.arange(outputs.shape[1])
    pale, thin = {"lw": 5, "alpha": 0.35}, {"lw": 1.4, "ls": "--"}
    for kind, look in ((1, pale), (2, thin)):
        i = int(np.argmax(choices == kind))
        for k, name in enumerate(TASK.outputs):
            label = f"{name}, in a {TASK.outputs[kind]} trial"
            axes[1, 1].plot(t, outputs[i, :, k], color=f"C{k}", label=label, **look)
    axes[1, 1].set(xlabel="time (ms)", ylabel="probability", title="Outputs in two trials")
    axes[1, 1].legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=110)


def main(args: argparse.Namespace) -> None:
    models = [make_model(seed) for seed in range(args.networks)]
    result = oo.ensemble(
        models,
        oo.trials(Weighted(), 64, key=jax.random.key(1)),
        optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.003)),
        steps=args.steps,
    )
    keys = jax.random.split(jax.random.key(9), 200)
    trials = jax.vmap(lambda key: TASK.sample(key, jitter=False))(keys)
    scores = [float(score(model, trials)) for model in result.models]
    print("scores on 200 new trials:", ", ".join(f"{s:.3f}" for s in scores), "(chance is 0.5)")
    print(f"{sum(s > 0.99 for s in scores)} of {len(scores)} networks learnt")
    best = int(np.argmax(scores))
    pair = {"before": models[best], "after": result.models[best]}
    draw(pair, np.array(result.history["loss"]), trials, args.out)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    oo.use_cores()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--out", type=Path, default=Path("train_dale.png"))
    main(parser.parse_args())
