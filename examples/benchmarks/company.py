"""The main job next to other programs: how much longer training takes on a busy machine.

A part of examples/start/train_digits.py (64 units, batches of 32, any number of steps) runs alone,
next to one, and next to three processes that do nothing but count, with several settings of the
threads, each in its own process. Settings take turns, so that any other load on the machine affects
all of them. Compilation is timed separately. With equal shares, the least possible next to k
processes on c cores is (k + 1)/c times the time of one thread alone, or 1.

    python examples/benchmarks/company.py [--repeats 3 --steps 150 --json company.json]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from _measure import in_its_own_process, machine, print_machine, print_table

# How each begins: the devices made by `oo.use_cores`, and the environment variables.
SETTINGS: dict[str, tuple[int | None, dict[str, str]]] = {
    "one thread: use_cores(1)": (1, {}),
    "as JAX begins": (None, {}),
    "products on one thread": (None, {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}),
    "a device for each core": (os.cpu_count(), {}),
}
COMPANY = (0, 1, 3)
SPINS = "while True: pass"


def measure(args: argparse.Namespace) -> dict[str, float]:
    """The seconds of the first step, which compiles, and means over the others."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "start"))
    import jax
    import optax
    import train_digits

    import organics_ode as oo
    import tasks

    if args.devices:
        oo.use_cores(args.devices)
    digits = tasks.SequentialDigits()
    *keys, key = jax.random.split(jax.random.key(0), 4)
    seen = []

    def look(step: int, record: dict[str, Any]) -> None:
        waits = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        seen.append((time.perf_counter(), time.process_time(), waits))

    start = time.perf_counter()
    oo.fit(
        train_digits.make_model(args.size, keys, digits.train.inputs[:400]),
        oo.minibatches(digits.train, 32, key=key),
        optimizer=optax.adamw(0.001, weight_decay=0.01, mask=oo.weight_decay_mask),
        loss=train_digits.loss,
        steps=args.steps + 3,
        progress=False,
        callback=look,
        mesh=oo.device_mesh() if (args.devices or 1) > 1 else None,
    )
    clock, cpu, waits = np.mean(np.diff(seen[2:], axis=0), axis=0)
    compiling = seen[0][0] - start
    return {"first_s": compiling, "step_ms": 1e3 * clock, "cpu_ms": 1e3 * cpu, "waits": waits}


def beside(count: int, setting: str, args: argparse.Namespace) -> dict[str, Any]:
    """The row of a setting next to the given number of busy processes."""
    devices, environment = SETTINGS[setting]
    busy = [subprocess.Popen([sys.executable, "-c", SPINS]) for _ in range(count)]
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        options = [f"--devices={devices or 0}", f"--steps={args.steps}", f"--size={args.size}"]
        row = in_its_own_process(["--only", *options])
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        for process in busy:
            process.kill()
            process.wait()
    return row | {"setting": setting, "beside": count}


def summary(rows: list[dict[str, Any]], setting: str, count: int) -> dict[str, Any]:
    """Medians over the turns; the ratio to the setting alone is taken within a turn."""
    own = [[r for r in rows if r["setting"] == setting and r["beside"] == k] for k in (count, 0)]
    ratios = [here["step_ms"] / alone["step_ms"] for here, alone in zip(*own, strict=True)]
    measured = [name for name in NUMBERS if name in own[0][0]]
    found = {name: float(np.median([row[name] for row in own[0]])) for name in measured}
    spread = [min(row["step_ms"] for row in own[0]), max(row["step_ms"] for row in own[0])]
    found |= {"least_ms": spread[0], "most_ms": spread[1], "times_alone": float(np.median(ratios))}
    return {"setting": setting, "beside": count} | found


NUMBERS = {
    "step_ms": "ms a step, median",
    "least_ms": "least",
    "most_ms": "most",
    "cpu_ms": "processor ms a step",
    "waits": "waits a step",
    "first_s": "s to the first step",
    "times_alone": "times its time alone",
}


def main(args: argparse.Namespace) -> None:
    if args.only:
        print(json.dumps(measure(args)))
        return
    load = os.getloadavg()[0]
    turns = [(k, s) for _ in range(args.repeats) for k in args.beside for s in args.settings]
    rows = []
    for count, setting in turns:
        rows.append(beside(count, setting, args))
        print(f"{setting}, beside {count}: {rows[-1]['step_ms']:.1f} ms", file=sys.stderr)
    table = [summary(rows, setting, count) for setting in args.settings for count in args.beside]
    facts = machine("jax", "jaxlib", "organics_ode") | {"load_before": round(load, 1)}
    print_machine(facts)
    columns = ["setting", "beside", *NUMBERS.values()]
    print_table(columns, [[r["setting"], r["beside"], *(r[n] for n in NUMBERS)] for r in table])
    if args.json:
        record = {"machine": facts, "size": args.size, "table": table, "rows": rows}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--size", type=int, default=64, help="units")
    parser.add_argument("--beside", type=int, nargs="+", default=COMPANY, help="busy processes")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--json", type=Path, help="also write the table to this file")
    parser.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--devices", type=int, default=0, help=argparse.SUPPRESS)
    main(parser.parse_args())
