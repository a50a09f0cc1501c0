"""How a training step of a `GatedORGaNICs` grows with the sequence, the units and the batch.

The library, on one device and on a mesh of all (on the CPU one per core), is compared with a plain
`lax.scan` with autodiff (as in training_step.py), varying one of the three at a time. Each row is a
separate process: it compiles, takes two steps that do not count, then `--repeats` more. The time is
their median, the memory the peak of the process, next to what XLA plans for the step. Anything
planned to take more than `--limit-gb`, or taking longer than `--limit-s` in all, is left out, and
the table says so.

    python examples/benchmarks/growth.py [--quick --limit-gb 16 --limit-s 300 --output growth.png]
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from _jax_sides import Shape, prepare
from _measure import (
    in_its_own_process,
    machine,
    print_machine,
    print_table,
    seconds_of,
    warmed_up,
    with_huge_pages,
)

SIDES = ("plain-scan", "organics_ode", "organics_ode-mesh")
# The name of each field of a `Shape`, how the time should grow with it, and where.
AXES = {"steps": ("steps of the sequence T", 1), "size": ("units n", 2), "batch": ("batch", 1)}
FULL = {
    "steps": (196, 392, 784, 1568, 3136, 6272),
    "size": (32, 64, 128, 256, 512),
    "batch": (16, 64, 256, 1024),
}
QUICK = {"steps": (8, 16), "size": (4,), "batch": (2,)}
COLUMNS = {
    "median_s": "median s",
    "each_us": "µs a step of the sequence",
    "compile_s": "compile s",
    "peak_gb": "peak GB",
    "planned_gb": "planned GB",
}
COLORS = {"plain-scan": "#D55E00", "organics_ode": "#0072B2", "organics_ode-mesh": "#009E73"}


def measure_here(side: str, shape: Shape, args: argparse.Namespace) -> dict[str, Any]:
    """One row, in this process."""
    prepared = prepare(side, shape)
    if prepared.planned_gb > args.limit_gb:
        return {"left_out": f"would take {prepared.planned_gb:.1f} GB"}
    memory, _ = warmed_up(prepared)
    times = [seconds_of(prepared.run) for _ in range(args.repeats)]
    row = {"median_s": float(np.median(times)), "min_s": min(times)}
    return row | memory | {"compile_s": prepared.compile_s, "planned_gb": prepared.planned_gb}


def measurer(args: argparse.Namespace) -> Callable[[str, Shape], dict[str, Any]]:
    """Measures a side at a shape in its own process, only once even if it is on several axes."""
    known = {}

    def measure(side: str, shape: Shape) -> dict[str, Any]:
        if (side, shape) not in known:
            print(f"{side}, {shape}", file=sys.stderr)
            options = [f"--repeats={args.repeats}", f"--limit-gb={args.limit_gb}"]
            command = [*options, "--only", side, "--shape", *map(str, shape)]
            known[side, shape] = in_its_own_process(command, timeout=args.limit_s)
        return known[side, shape] | {"side": side, **shape._asdict()}

    return measure


def sweep(axis: str, base: Shape, args: argparse.Namespace, measure: Any) -> list[dict[str, Any]]:
    shapes = [base._replace(**{axis: value}) for value in getattr(args, axis)]
    return [measure(side, shape) for shape in shapes for side in args.sides]


def print_axis(axis: str, rows: list[dict[str, Any]]) -> None:
    columns = [AXES[axis][0], "side", *COLUMNS.values()]
    lines = []
    for row in rows:
        each = 1e6 * row.get("median_s", math.nan) / row["steps"]
        values = [(row | {"each_us": each}).get(name) for name in COLUMNS]
        if "left_out" in row:
            values = [f"left out: {row['left_out']}"] + [None] * (len(COLUMNS) - 1)
        lines.append([row[axis], row["side"], *values])
    print()
    print_table(columns, lines)


def print_linearity(rows: list[dict[str, Any]], first: int = 392) -> None:
    """How the time per step of the sequence changes from that of `first` steps to the longest."""
    for side in SIDES:
        own = [r for r in rows if r["side"] == side and "left_out" not in r and r["steps"] >= first]
        each = np.array([row["median_s"] / row["steps"] for row in own])
        if len(each) > 1:
            span = f"{own[0]['steps']} to {own[-1]['steps']} steps"
            worst = np.max(np.abs(each / each[0] - 1))
            print(f"{side}: from {span} the time of each moves by at most {worst:.1%}")


def draw(tables: dict[str, list[dict[str, Any]]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    for (above, below), (axis, rows) in zip(axes.T, tables.items(), strict=True):
        plot(above, rows, axis, "median_s", "o-")
        add_guide(above, AXES[axis][1])
        plot(below, rows, axis, "peak_gb", "o-")
        plot(below, rows, axis, "planned_gb", ":")
        above.set(ylabel="s a step")
        below.set(ylabel="GB", xlabel=AXES[axis][0])
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(frameon=False)
    kinds = {"peak of the process": "o-", "XLA's plan for a device": ":"}
    lines = [axes[1, 2].plot([], [], line, color="0.3")[0] for line in kinds.values()]
    axes[1, 2].legend(lines, kinds, frameon=False)
    figure.savefig(path, dpi=120)
    print(f"\nwrote {path}")


def plot(ax: Any, rows: list[dict], axis: str, what: str, line: str) -> None:
    for side in dict.fromkeys(row["side"] for row in rows):
        own = [row for row in rows if row["side"] == side and "left_out" not in row]
        xs, ys = [row[axis] for row in own], [row[what] for row in own]
        ax.loglog(xs, ys, line, color=COLORS[side], label=side)
    values = sorted({row[axis] for row in rows})
    ax.set_xticks(values, map(str, values))
    ax.set_xticks([], minor=True)


def add_guide(ax: Any, slope: int) -> None:
    """A dashed line with the given slope through the last point of the last side."""
    x, y = ax.lines[-1].get_data()
    if len(x) < 2:
        return
    ends = np.array([x[0], x[-1]], float)
    line = y[-1] * (ends / ends[-1]) ** slope
    ax.plot(ends, line, "--", color="0.6", lw=1, zorder=0)
    middle = math.sqrt(ends.prod()), math.sqrt(line.prod())
    ax.text(*middle, f"  slope {slope}", va="top", color="0.4")


def main(args: argparse.Namespace) -> None:
    if args.only:
        print(json.dumps(measure_here(args.only, Shape(*args.shape), args)))
        return
    base, measure = Shape(*args.base), measurer(args)
    facts = machine("jax", "jaxlib", "organics_ode")
    print_machine(facts)
    print(f"float32; where not varied {base.steps} steps, {base.size} units, batch {base.batch}")
    tables = {}
    for axis in AXES:
        tables[axis] = sweep(axis, base, args, measure)
        print_axis(axis, tables[axis])
        if axis == "steps":
            print_linearity(tables[axis])
    draw(tables, args.output)
    if args.json:
        record = {"machine": facts, "base": base._asdict(), "tables": tables}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    with_huge_pages()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for axis, (meaning, _) in AXES.items():
        parser.add_argument(f"--{axis}", type=int, nargs="+", help=f"values of {meaning}")
    parser.add_argument(
        "--base", type=int, nargs=3, metavar=tuple(AXES), help="values where not varied"
    )
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit-gb", type=float, default=16.0)
    parser.add_argument("--limit-s", type=float, default=300.0)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--output", type=Path, default=Path("growth.png"))
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--only", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--shape", type=int, nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    for axis, values in (QUICK if args.quick else FULL).items():
        setattr(args, axis, getattr(args, axis) or values)
    if args.only == "organics_ode-mesh":
        jax.config.update("jax_num_cpu_devices", os.cpu_count())
    args.base = args.base or ((8, 4, 2) if args.quick else (784, 128, 256))
    jax.config.update("jax_default_matmul_precision", "float32")
    main(args)
