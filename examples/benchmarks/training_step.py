"""One training step against a plain `lax.scan` with autodiff, side by side in one run.

Both sides compute the same loss and gradients (checked) of a GatedORGaNICs classifier and apply
Adam. The plain side writes the equations as they stand, six small products per step, and lets
autodiff keep what it likes. Time: alternating steps in one process. Memory: the peak of a process
that runs one side only.

    python examples/benchmarks/training_step.py [--batch 256 --size 128 --steps 784]
"""

import argparse
import platform
import resource
import subprocess
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import organics_ode as oo

SIDES = ("plain scan", "oo.unroll")


def make_model(size: int) -> oo.SequenceClassifier:
    keys = jax.random.split(jax.random.key(0), 3)
    circuit = oo.GatedORGaNICs.random(1, size, key=keys[0])
    readout = eqx.nn.Linear(size, 10, key=keys[1])
    return oo.SequenceClassifier(
        oo.Euler(circuit, 1.0), readout, state0=circuit.random_state(keys[2])
    )


def plain_scores(model: oo.SequenceClassifier, xs: jax.Array) -> jax.Array:
    """The scores of one sequence, straight from the equations."""
    c = model.cell.circuit

    def step(state: tuple, x: jax.Array) -> tuple:
        y, a, b0, b1 = state
        positive = a > 0
        s = jnp.where(positive, jnp.sqrt(jnp.where(positive, a, 1)), 0)
        z = jax.nn.relu(c.W_zx @ x)
        dy = -y + b1 * z + (1 - s) * jax.nn.relu(c.W_r @ y)
        da = -a + (c.sigma * b0) ** 2 + c.W @ (jax.nn.relu(a) * jax.nn.relu(y) ** 2)
        db0 = -b0 + jax.nn.sigmoid(c.W_bx0 @ x + c.W_by0 @ y + c.W_ba0 @ a)
        db1 = -b1 + jax.nn.sigmoid(c.W_bx1 @ x + c.W_by1 @ y + c.W_ba1 @ a)
        new = (y + dy / c.tau_y, a + da / c.tau_a, b0 + db0 / c.tau_b0, b1 + db1 / c.tau_b1)
        return new, None

    last, _ = jax.lax.scan(step, tuple(model.state0), xs)
    return model.readout(last[0])


def make_step(side: str, optimizer: optax.GradientTransformation):
    @eqx.filter_jit
    def step(model, optimizer_state, xs, targets):
        params, rest = eqx.partition(model, oo.trainable(model))

        def loss(params):
            resolved = oo.resolve(eqx.combine(params, rest))
            scores = plain_scores if side == "plain scan" else lambda m, x: m(x)
            outputs = jax.vmap(lambda x: scores(resolved, x))(xs)
            return jnp.mean(jax.vmap(oo.cross_entropy)(outputs, targets))

        value, gradient = eqx.filter_value_and_grad(loss)(params)
        updates, optimizer_state = optimizer.update(gradient, optimizer_state, params)
        new = oo.project(eqx.combine(eqx.apply_updates(params, updates), rest))
        return value, gradient, new, optimizer_state

    return step


def prepare(side: str, args: argparse.Namespace):
    model, optimizer = make_model(args.size), optax.adam(1e-3)
    optimizer_state = optimizer.init(eqx.filter(model, oo.trainable(model)))
    key = jax.random.key(1)
    xs = jax.random.uniform(key, (args.batch, args.steps, 1))
    targets = jax.random.randint(key, (args.batch,), 0, 10)
    step = make_step(side, optimizer)
    return lambda: jax.block_until_ready(step(model, optimizer_state, xs, targets))


def peak_memory(side: str) -> float:
    """GB, of a process of its own."""
    command = [sys.executable, *sys.argv, "--only", side]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(args: argparse.Namespace) -> None:
    if args.only:
        prepare(args.only, args)()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
        return
    memory = {side: peak_memory(side) for side in SIDES}
    runs = {side: prepare(side, args) for side in SIDES}
    results = {side: run() for side, run in runs.items()}
    pairs = zip(*(jax.tree.leaves(results[side][1]) for side in SIDES), strict=True)
    scale = optax.global_norm(results[SIDES[0]][1])
    error = max(float(jnp.max(jnp.abs(a - b)) / scale) for a, b in pairs)
    times = {side: [] for side in SIDES}
    for _ in range(args.repeats):
        for side, run in runs.items():
            start = time.perf_counter()
            run()
            times[side].append(time.perf_counter() - start)
    versions = f"jax {jax.__version__}, Python {platform.python_version()}"
    print(f"{jax.devices()[0].device_kind}, {jax.local_device_count()} device(s), {versions}")
    print(f"batch {args.batch}, {args.size} units, {args.steps} steps, float32")
    print(f"largest difference of the gradients, relative to their norm: {error:.1e}\n")
    print("| side       | median s | min s | peak GB |")
    print("|------------|----------|-------|---------|")
    for side in SIDES:
        median, best = np.median(times[side]), min(times[side])
        print(f"| {side:10} | {median:8.3f} | {best:5.3f} | {memory[side]:7.2f} |")
    plain, ours = (np.array(times[side]) for side in SIDES)
    ratio = memory[SIDES[1]] / memory[SIDES[0]]
    print(
        f"\nratio of times, pair by pair: median {np.median(ours / plain):.2f}; memory {ratio:.2f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=784)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", choices=SIDES, help=argparse.SUPPRESS)
    main(parser.parse_args())
