"""How long the first and the second call of each analysis take in a new process.

The circuits have 16 units; the second call has other values of the same shapes. Energy, covariance
and certificate are computed at a fixed point that was found before, `state0=point.state`. Times are
by the clock and by the processor, over all threads; on a busy machine only the latter can be
compared.

    python examples/benchmarks/first_calls.py [--repeats 3 --json rows.json]
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from _measure import machine, print_machine, print_table

PREPARE = """
import time
import jax, numpy as np
import organics_ode as oo

def circuit(seed, is_identity):
    rng = np.random.default_rng(seed)
    W_r = np.eye(16) if is_identity else rng.normal(size=(16, 16))
    values = (rng.normal(size=(16, 3)), W_r / np.linalg.norm(W_r, 2), rng.uniform(size=(16, 16)))
    return oo.ORGaNICs(*(v.astype(np.float32) for v in values), 0.2, 0.5, 0.5, 2.0, 2.0)

x = np.array([0.5, -0.2, 0.3], np.float32)
many, one = [circuit(i, False) for i in range(2)], [circuit(i, True) for i in range(2)]
jax.block_until_ready(jax.jit(lambda v: v + 1)(x))  # the backend itself
"""
SOLVED = "points = [oo.fixed_point(c, x) for c in one]"
CALLS = {
    "a random circuit": ("", "oo.GatedORGaNICs.random(3, 16, key=i)"),
    "simulate, 200 ms": ("", "oo.simulate(one[i], x, np.linspace(0, 200, 201))"),
    "fixed_point, closed form": ("", "oo.fixed_point(one[i], x)"),
    "fixed_point, general": ("", "oo.fixed_point(many[i], x)"),
    "find_fixed_points, 512 starts": (
        "",
        "oo.find_fixed_points(many[i], x, key=jax.random.key(i), starts=512, rounds=1)",
    ),
    "energy": (SOLVED, "oo.energy(one[i], x, state0=points[i].state)"),
    "covariance": (
        SOLVED,
        "oo.covariance(one[i], x, oo.Noise(additive=0.1), state0=points[i].state)",
    ),
    "certify": (SOLVED, "oo.certify(one[i], x, state0=points[i].state)"),
}
MEASURE = """
for i in range(2):
    clock, processor = time.perf_counter(), time.process_time()
    jax.block_until_ready(jax.tree.leaves({call}))
    print(time.perf_counter() - clock, time.process_time() - processor)
"""


# Names of the columns, in the order of the times that MEASURE prints.
TIMES = {
    "first_s": "first, s",
    "first_cpu_s": "of the processor",
    "second_s": "second, s",
    "second_cpu_s": "of the processor",
}


def measure(name: str, repeats: int) -> dict[str, Any]:
    """Medians over so many new processes; without times where the call fails."""
    before, call = CALLS[name]
    script = "\n".join([PREPARE, before, MEASURE.format(call=call)])
    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        for _ in range(repeats)
    ]
    if failed := [run.stderr for run in runs if run.returncode]:
        print(f"{name}: {failed[0][-500:]}", file=sys.stderr)
        return {"call": name}
    times = zip(*(map(float, run.stdout.split()) for run in runs), strict=True)
    return {"call": name} | dict(zip(TIMES, map(statistics.median, times), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--calls", nargs="+", choices=CALLS, default=list(CALLS))
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    facts = machine("jax", "jaxlib", "organics_ode") | {"repeats": args.repeats}
    print_machine(facts)
    rows = []
    for name in args.calls:
        rows.append(measure(name, args.repeats))
        print(f"{name}: {rows[-1].get('first_s', float('nan')):.2f} s", file=sys.stderr)
    columns = ["call", *TIMES.values()]
    print_table(columns, [[row["call"], *map(row.get, TIMES)] for row in rows])
    if args.json:
        record = {"machine": facts, "rows": rows}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
