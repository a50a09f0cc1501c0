"""From what size on it pays to split the batch of a training step over two CPU devices.

One device and a mesh of two take the same steps in turn, from tiny models to large ones. On a mesh
a step takes more processor time, by a fixed amount and by one for each step of the sequence; it
pays if the time on two cores is shorter nevertheless. On a shared machine, processor time tells
more than the clock: two cores can halve the elapsed time at best.

    python examples/benchmarks/splitting.py [--repeats 15] [--json rows.json]
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from _jax_sides import ROTATIONAL, Shape, make_model, prepare
from _measure import machine, print_machine, print_table

import organics_ode as oo

KINDS = {"gated": ("organics_ode", "organics_ode-mesh"), "rotational": ROTATIONAL[1:]}
CASES = (
    ("gated", Shape(5, 4, 4)),
    ("gated", Shape(64, 16, 32)),
    ("gated", Shape(500, 16, 32)),
    ("gated", Shape(64, 32, 32)),
    ("rotational", Shape(64, 64, 32)),
    ("gated", Shape(64, 64, 32)),
    ("gated", Shape(196, 64, 64)),
    ("gated", Shape(196, 128, 64)),
)
SMALL = (("gated", Shape(5, 4, 4)), ("rotational", Shape(5, 4, 4)))


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds by the clock and by the processor."""
    clock, cpu = time.perf_counter(), time.process_time()
    run()
    return 1e3 * (time.perf_counter() - clock), 1e3 * (time.process_time() - cpu)


def measure(kind: str, shape: Shape, repeats: int) -> dict[str, Any]:
    runs = [prepare(side, shape).run for side in KINDS[kind]]
    for run in runs:
        run()
    times = np.array([[timed(run) for run in runs] for _ in range(repeats)])
    clock, cpu = np.median(times, axis=0).T.tolist()
    leaves = jax.tree.leaves(eqx.filter(make_model(KINDS[kind][0], shape.size), eqx.is_array))
    each = 3.0 * shape.batch * sum(leaf.size for leaf in leaves)
    row = {"kind": kind, **shape._asdict(), "each_step": each, "all": each * shape.steps}
    row |= {"one_ms": clock[0], "two_ms": clock[1], "one_cpu_ms": cpu[0], "two_cpu_ms": cpu[1]}
    return row | {"faster": float(np.median(times[:, 0, 0] / times[:, 1, 0]))}


def main(args: argparse.Namespace) -> None:
    facts = machine("jax", "jaxlib", "organics_ode")
    print_machine(facts)
    cases = SMALL if args.small else CASES
    rows = [measure(*case, args.repeats) for case in cases]
    names = {
        "kind": "circuit",
        "size": "units",
        "batch": "batch",
        "steps": "steps",
        "each_step": "multiplications a step of the sequence",
        "all": "in all",
        "one_ms": "one ms",
        "two_ms": "two ms",
        "one_cpu_ms": "one, processor ms",
        "two_cpu_ms": "two, processor ms",
        "faster": "faster on two (median of ratios)",
    }
    print_table(names.values(), [[row[name] for name in names] for row in rows])
    if args.json:
        args.json.write_text(json.dumps({"machine": facts, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    oo.use_cores(2)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    main(parser.parse_args())
