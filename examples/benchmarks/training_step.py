"""A whole training step of a `GatedORGaNICs` against other ways to take it, side by side.

A step consists of the loss, the gradient, Adam, and W ≥ 0, for a sequence classifier. The sides:

- plain-scan: the equations as written, six small products per step, `lax.scan` and autodiff;
- organics_ode: what `oo.fit` does;
- organics_ode-mesh: the same with `mesh=oo.device_mesh()`, on the CPU one device per core;
- rotational, rotational-mesh: the same for a `RotationalORGaNICs` with as many units, in one group;
- rotational-scan: that class by the scan of `oo.unroll` and autodiff, which keeps only the states;
- equinox-lstm, equinox-gru: equinox's cells of the same size, through `oo.LSTM` and `oo.GRU`;
- torch-lstm, torch-gru: PyTorch's layers of the same size;
- torch-loop: the same equations in eager PyTorch, with the same products per step as plain-scan.

Each side is a separate process, because within one process the threads and the memory of one
library slow down the other; they take their steps in turn, and so under the same load. Times are
those of whole steps, together with the CPU time of the process, which tells more on a shared
machine; memory is the peak of the process, together with what it held before its first step
(libraries, data, the compiled program). If sides train the same parameters, the gradients of their
first step are compared. All processes live to the end and together hold 17 GB. The sides of PyTorch
need `pip install -e ".[benchmarks]"`; on a GPU that both libraries see, all sides run on it. On
Linux all sides run with pages of 2 MB, unless GLIBC_TUNABLES is set (to "" for pages of 4 KB).

    python examples/benchmarks/training_step.py [--batch 256 --size 128 --steps 784 --x64]
"""

import os

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch shares the device

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _jax_sides
import jax
import numpy as np
from _measure import (
    Side,
    Worker,
    machine,
    print_machine,
    print_table,
    seconds_of,
    warmed_up,
    with_huge_pages,
)

TORCH_SIDES = ("torch-lstm", "torch-gru", "torch-loop")
SIDES = (*_jax_sides.SIDES, *TORCH_SIDES)
SAME = {"organics_ode": (*_jax_sides.GATED, "torch-loop"), "rotational": _jax_sides.ROTATIONAL}
BESIDE = ("torch-loop", "organics_ode", "organics_ode-mesh")


def why_not(side: str) -> str | None:
    """Why a side cannot run here."""
    if side not in TORCH_SIDES:
        return None
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed"
    import _torch_sides

    if jax.default_backend() != _torch_sides.device().type.replace("cuda", "gpu"):
        return "jax runs on an accelerator that PyTorch does not see"
    return None


def prepare(side: str, args: argparse.Namespace) -> Side:
    shape = _jax_sides.Shape(args.steps, args.size, args.batch)
    if side in TORCH_SIDES:
        import _torch_sides

        return _torch_sides.prepare(side, shape)
    return _jax_sides.prepare(side, shape)


def to_numpy(gradients: list[Any]) -> list[np.ndarray]:
    arrays = (g.cpu() if hasattr(g, "cpu") else g for g in gradients)
    return [np.asarray(array, np.float64) for array in arrays]


def difference(ours: list[np.ndarray], theirs: list[np.ndarray]) -> dict[str, float]:
    """The largest ‖Δ‖/‖g‖ of a parameter, and the largest entry relative to the whole norm."""
    pairs = list(zip(ours, theirs, strict=True))
    whole = np.sqrt(sum(np.sum(g**2) for g in theirs))
    # A parameter without a gradient on either side makes no difference.
    norms = [np.linalg.norm(g) or 1.0 for g in theirs]
    relative = [np.linalg.norm(a - g) / n for (a, g), n in zip(pairs, norms, strict=True)]
    largest = max(np.abs(a - g).max() for a, g in pairs)
    return {"by_parameter": float(max(relative)), "by_entry": float(largest / whole)}


def compare(gradients: dict[str, list[np.ndarray]]) -> dict[str, dict[str, float]]:
    """How far the library's gradients are from those of other sides with the same parameters."""
    return {
        side: difference(gradients[ours], gradients[side])
        for ours, sides in SAME.items()
        for side in sides
        if {side, ours} <= gradients.keys() and side != ours
    }


def serve(side: str, args: argparse.Namespace) -> None:
    """The process of a side: writes its gradients and memory, then takes a step for each line."""
    prepared = prepare(side, args)
    memory, gradients = warmed_up(prepared)
    np.savez(args.gradients, *to_numpy(gradients))
    print(json.dumps(memory | {"compile_s": prepared.compile_s}), flush=True)
    for _ in sys.stdin:
        start = time.process_time()
        print(json.dumps([seconds_of(prepared.run), time.process_time() - start]), flush=True)


def measure(
    sides: list[str], args: argparse.Namespace
) -> tuple[dict[str, dict[str, Any]], dict[str, list[np.ndarray]]]:
    """Times and memory of every side, and its gradients if they can be compared."""
    options = [f"--{name}={getattr(args, name)}" for name in ("batch", "size", "steps")]
    options += ["--x64"] if args.x64 else []
    workers, rows, gradients = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for side in sides:
            path = Path(folder) / f"{side}.npz"
            workers[side] = Worker([*options, "--only", side, "--gradients", str(path)])
            rows[side] = {"side": side, "times_s": [], "cpu_times_s": [], **workers[side].answer()}
            if any(side in sides for sides in SAME.values()) and path.exists():
                with np.load(path) as stored:
                    gradients[side] = [stored[name] for name in stored.files]
    ready = [side for side in sides if "left_out" not in rows[side]]
    for _ in range(args.repeats):
        for side in ready:
            answer = workers[side].ask()
            if not isinstance(answer, list):
                raise RuntimeError(f"{side}: {answer['left_out']}")
            for name, seconds in zip(("times_s", "cpu_times_s"), answer, strict=True):
                rows[side][name].append(seconds)
    for worker in workers.values():
        worker.close()
    for side in ready:
        seconds = rows[side]["times_s"]
        rows[side] |= {"median_s": float(np.median(seconds)), "min_s": min(seconds)}
        rows[side]["cpu_s"] = float(np.median(rows[side]["cpu_times_s"]))
    return rows, gradients


def times_faster(row: dict[str, Any], than: dict[str, Any]) -> float:
    """How many times faster one side is than another, pair by pair."""
    return float(np.median(np.array(than["times_s"]) / np.array(row["times_s"])))


COLUMNS = {
    "side": "side",
    "median_s": "median s",
    "min_s": "min s",
    "cpu_s": "CPU s",
    "compile_s": "compile s",
    "peak_gb": "peak GB",
    "before_gb": "of it before",
}


def main(args: argparse.Namespace) -> None:
    if args.only:
        serve(args.only, args)
        return
    skipped = {side: why for side in args.sides if (why := why_not(side))}
    rows, gradients = measure([side for side in args.sides if side not in skipped], args)
    skipped |= {side: row["left_out"] for side, row in rows.items() if "left_out" in row}
    rows = {side: row for side, row in rows.items() if side not in skipped}
    beside = [side for side in args.beside if side in rows]
    for row in rows.values():
        row["times_faster"] = {side: times_faster(row, rows[side]) for side in beside}
    differences = compare(gradients)
    facts = machine("jax", "jaxlib", "equinox", "organics_ode", "torch")
    if "torch" in sys.modules:
        facts["torch threads"] = sys.modules["torch"].get_num_threads()
    print_machine(facts)
    dtype = "float64" if args.x64 else "float32"
    print(f"batch {args.batch}, {args.size} units, {args.steps} steps, {dtype}", end="\n\n")
    print_table(
        [*COLUMNS.values(), *(f"× {side}" for side in beside)],
        ([*map(row.get, COLUMNS), *row["times_faster"].values()] for row in rows.values()),
    )
    for side, why in skipped.items():
        print(f"{side} is left out: {why}")
    for side, found in differences.items():
        print(
            f"\ngradients of the library and {side}: ‖Δ‖/‖g‖ of a parameter at most "
            f"{found['by_parameter']:.1e}; an entry at most {found['by_entry']:.1e} of the norm"
        )
    if args.json:
        settings = {"batch": args.batch, "size": args.size, "steps": args.steps, "dtype": dtype}
        record = {"machine": facts, "settings": settings, "rows": [*rows.values()]}
        record |= {"skipped": skipped, "gradient_differences": differences}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    with_huge_pages()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=784)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument(
        "--beside",
        nargs="+",
        choices=SIDES,
        default=BESIDE,
        help="× columns: how many times faster",
    )
    parser.add_argument("--x64", action="store_true", help="float64 on every side")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--only", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--gradients", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    jax.config.update("jax_enable_x64", args.x64)
    if args.only and args.only.endswith("-mesh"):
        jax.config.update("jax_num_cpu_devices", os.cpu_count())
    jax.config.update("jax_default_matmul_precision", "float32")
    main(args)
