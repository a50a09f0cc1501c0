"""The time of a training step over 1, 2, 4 and 8 forced CPU devices, each in its own process.

Strong scaling: one batch is split over more devices. A forced device is a share of the same
machine, whose cores and load are printed. One device runs the small operations of a scan on one
core, so two devices can be faster; more devices than cores add no computing power. They may still
gain from smaller working sets and, on a shared machine, from a larger share of it. Every process
takes the same steps, and the losses are compared.

    python examples/benchmarks/device_scaling.py [--batch 256 --size 64 --steps 196]
"""

import argparse
import json
import os
from pathlib import Path

from _measure import in_its_own_process, machine, print_machine, print_table, with_huge_pages

DEVICES = (1, 2, 4, 8)


def measure(args: argparse.Namespace) -> dict:
    """Seconds per step and the losses, on the devices of this process."""
    import equinox as eqx
    import jax
    import numpy as np
    import optax

    import organics_ode as oo

    keys = jax.random.split(jax.random.key(0), 3)
    circuit = oo.GatedORGaNICs.random(1, args.size, key=keys[0])
    readout = eqx.nn.Linear(args.size, 10, key=keys[1])
    start = circuit.random_state(keys[2])
    model = oo.SequenceClassifier(oo.Euler(circuit, 1.0), readout, state0=start)
    rng = np.random.default_rng(0)
    inputs = rng.uniform(size=(args.batch, args.steps, 1)).astype(np.float32)
    batch = oo.Batch(inputs, rng.integers(10, size=args.batch).astype(np.int32))
    history = oo.fit(
        model,
        lambda step: batch,
        optimizer=optax.adam(1e-3),
        steps=args.repeats + 2,
        progress=False,
        mesh=oo.device_mesh() if args.devices > 1 else None,
    ).history
    seconds = np.diff(history["seconds"])[1:]  # the first step compiles
    return {
        "devices": jax.device_count(),
        "first": float(history["seconds"][0]),
        "median": float(np.median(seconds)),
        "best": float(np.min(seconds)),
        "loss": history["loss"].tolist(),
    }


def main(args: argparse.Namespace) -> None:
    if args.devices:
        print(json.dumps(measure(args)))
        return
    load = os.getloadavg()[0]
    command = [f"--{name}={getattr(args, name)}" for name in ("batch", "size", "steps", "repeats")]
    os.environ["JAX_PLATFORMS"] = "cpu"
    runs = []
    for devices in DEVICES:
        os.environ["JAX_NUM_CPU_DEVICES"] = str(devices)  # for the process that is started
        runs.append(in_its_own_process([*command, f"--devices={devices}"]))
    del os.environ["JAX_NUM_CPU_DEVICES"]
    facts = machine("jax", "jaxlib", "organics_ode")
    print_machine(facts)
    print(f"batch {args.batch}, {args.size} units, {args.steps} steps, float32")
    print(f"load average {load:.1f} before; more than {os.cpu_count()} devices share cores\n")
    columns = ("devices", "first step s", "median s", "min s", "speed-up of the median")
    print_table(
        (*columns, "loss differs by"),
        [
            (
                *(run[name] for name in ("devices", "first", "median", "best")),
                runs[0]["median"] / run["median"],
                max(abs(a - b) for a, b in zip(run["loss"], runs[0]["loss"], strict=True)),
            )
            for run in runs
        ],
    )
    if args.json:
        args.json.write_text(json.dumps({"machine": facts, "rows": runs}, indent=1) + "\n")


if __name__ == "__main__":
    with_huge_pages()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=196)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--devices", type=int, default=0, help=argparse.SUPPRESS)
    main(parser.parse_args())
