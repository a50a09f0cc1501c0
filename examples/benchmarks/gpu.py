"""Is the library correct on a GPU, and how fast? One script, under eight minutes, one JSON.

Correctness first, with a bound for each item; the exit status is 1 if one is missed:
- the gradient of a training step in full float32 and in the default precision of products (TF32 on
  a GPU), against the plain scan in full float32;
- the residual of fixed points relative to the largest term, and their agreement with the CPU;
- spectra, which JAX computes on the CPU if the GPU has no eigenvalue solver: where they ran, and
  how long one takes;
- an adaptive solve against the CPU.

Then times: a training step of the kernels against the plain scan, equinox's LSTM and GRU, and
PyTorch's (cuDNN's) LSTM and GRU and its eager loop, if PyTorch is installed and sees the GPU; over
the length of the sequence; 1 000 fixed points and 1 000 solves in one call; and how many kernels
XLA made of a step.

    python examples/benchmarks/gpu.py [--small] [--json gpu.json]
"""

import argparse
import importlib.util
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _jax_sides import GATED, ROTATIONAL, Shape, data, make_model, make_step, prepare
from _measure import machine, print_machine, print_table, seconds_of, warmed_up

import organics_ode as oo

SIDES = (*GATED[:2], *ROTATIONAL[:2], "equinox-lstm", "equinox-gru")
TORCH_SIDES = ("torch-lstm", "torch-gru", "torch-loop")
BOUNDS = {
    "gradient, float32": 1e-3,
    "gradient, default": 0.1,
    "fixed points, residual": 2e-5,
    "fixed points, CPU": 1e-4,
    "spectra, CPU": 1e-3,
    "solves, CPU": 1e-3,
}


def distance(ours: Any, theirs: Any) -> float:
    """‖Δ‖/‖·‖ over all arrays of two trees."""
    pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)
    gaps = [(np.asarray(a, complex), np.asarray(b, complex)) for a, b in pairs]
    size = np.sqrt(sum(np.sum(np.abs(b) ** 2) for _, b in gaps))
    return float(np.sqrt(sum(np.sum(np.abs(a - b) ** 2) for a, b in gaps)) / size)


def gradients(shape: Shape) -> dict[str, float]:
    """How far the gradient of the kernel is from that of the plain scan in full float32."""
    found = {}
    for precision in ("float32", "default"):
        sides = {}
        for side in GATED[:2]:
            exact = "float32" if side == "plain-scan" else precision
            with jax.default_matmul_precision(exact):
                sides[side] = prepare(side, shape).run()[1]
        found[f"gradient, {precision}"] = distance(sides["organics_ode"], sides["plain-scan"])
    return found


def circuits(count: int, size: int) -> tuple[Any, jax.Array]:
    """Circuits with different weights, stacked, and their input."""
    make = lambda key: oo.resolve(oo.ORGaNICs.random(3, size, key=key))  # noqa: E731
    keys = jax.random.split(jax.random.key(0), count)
    return jax.vmap(make)(keys), jnp.array([0.5, 0.2, 0.1])


def on_both(function: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """The result of a function of arrays here and on the CPU."""
    cpu = jax.devices("cpu")[0]
    here = jax.jit(function)(*args)
    with jax.default_device(cpu):
        there = jax.jit(function)(*jax.device_put(args, cpu))
    return here, there


def analyses(count: int, size: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Distances of fixed points, spectra and solves, and where and how fast these ran."""
    many, x = circuits(count, size)
    ts = jnp.array([0.0, 50.0])
    points = lambda many, x: jax.vmap(lambda c: oo.fixed_point(c, x))(many)  # noqa: E731
    solves = lambda many, x: jax.vmap(  # noqa: E731
        lambda c: oo.simulate(c, x, ts, throw=False).states.y[-1]
    )(many)
    here, there = on_both(points, many, x)
    found = {"fixed points, residual": float(np.max(np.asarray(here.residual)))}
    found["fixed points, CPU"] = distance(here.state, there.state)
    found["solves, CPU"] = distance(*on_both(solves, many, x))
    one = jax.tree.map(lambda leaf: leaf[0], many)
    state = jax.tree.map(lambda leaf: leaf[0], here.state)
    spectrum = jax.jit(lambda: oo.spectrum(one, state, x).eigenvalues)
    values = spectrum()
    matrix = np.asarray(oo.jacobian(one, state, x), np.float64)
    gaps = np.abs(np.asarray(values)[:, None] - np.linalg.eigvals(matrix)[None])
    found["spectra, CPU"] = float(gaps.min(axis=1).max() / np.abs(values).max())
    facts = {"spectra ran on": sorted({d.platform for d in values.devices()})}
    facts["one spectrum, ms"] = 1e3 * median(spectrum)
    for name, function in (("fixed points", points), ("solves", solves)):
        program = jax.jit(function)
        facts[f"{count} {name}, ms"] = 1e3 * median(lambda p=program: p(many, x))
    return found, facts


def median(run: Callable[[], Any], repeats: int = 5) -> float:
    waited = lambda: jax.block_until_ready(run())  # noqa: E731
    waited()
    return float(np.median([seconds_of(waited) for _ in range(repeats)]))


def kernels(side: str, shape: Shape) -> dict[str, int]:
    """The operations in all loops of the compiled step, each a kernel that a GPU launches."""
    optimizer, model = optax.adam(1e-3), make_model(side, shape.size)
    state = optimizer.init(eqx.filter(model, oo.trainable(model)))
    xs, targets = map(jnp.asarray, data(shape))
    lowered = make_step(side, optimizer).lower(model, state, xs, targets)
    text = lowered.compile().compiled.as_text()
    bodies = set(re.findall(r"body=%?([\w.\-]+)", text))
    found = {}
    for name, body in re.findall(r"^%?([\w.\-]+) [^\n]*\{\n(.*?)^\}", text, re.M | re.S):
        if name in bodies:
            of = re.findall(r"= \S+ (fusion|dot|custom-call|copy|while|call)\(", body)
            found[name] = len(of)
    return found


def timed(side: str, shape: Shape, repeats: int) -> dict[str, Any]:
    start = time.perf_counter()
    if side in TORCH_SIDES:
        import _torch_sides

        prepared = _torch_sides.prepare(side, shape)
    else:
        prepared = prepare(side, shape)
    memory, _ = warmed_up(prepared)
    first = time.perf_counter() - start
    times = [seconds_of(prepared.run) for _ in range(repeats)]
    row = {"side": side, **shape._asdict(), "median_ms": 1e3 * float(np.median(times))}
    return row | {"least_ms": 1e3 * min(times), "first_s": first, "peak_gb": memory["peak_gb"]}


def torch_sides() -> tuple[tuple[str, ...], str | None]:
    """The sides of PyTorch that can run here, or why there are none."""
    if importlib.util.find_spec("torch") is None:
        return (), "PyTorch is not installed"
    import _torch_sides

    if jax.default_backend() != _torch_sides.device().type.replace("cuda", "gpu"):
        return (), "jax runs on an accelerator that PyTorch does not see"
    return TORCH_SIDES, None


def main(args: argparse.Namespace) -> int:
    facts = machine("jax", "jaxlib", "torch", "organics_ode")
    print_machine(facts)
    base = Shape(8, 4, 2) if args.small else Shape(784, 128, 256)
    count, size, repeats = (4, 4, 2) if args.small else (1000, 16, 10)
    found = gradients(base._replace(steps=min(base.steps, 196)))
    more, where = analyses(count, size)
    found |= more
    checks = [
        {"what": k, "found": v, "bound": BOUNDS[k], "ok": v <= BOUNDS[k]} for k, v in found.items()
    ]
    print_table(("what", "found", "bound", "ok"), [row.values() for row in checks])
    print(json.dumps(where))
    sides, missing = torch_sides()
    rows = [timed(side, base, repeats) for side in (*SIDES, *sides)]
    lengths = (8, 16) if args.small else (196, 392, 1568, 3136)
    rows += [timed("organics_ode", base._replace(steps=steps), repeats) for steps in lengths]
    print_table(rows[0].keys(), [row.values() for row in rows])
    print(missing or "")
    loops = {side: kernels(side, base) for side in ("organics_ode", "rotational")}
    print("operations in the loops of a step:", json.dumps(loops))
    if args.json:
        record = {"machine": facts, "checks": checks, "where": where, "rows": rows}
        record |= {"left_out": missing, "kernels": loops}
        args.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0 if all(row["ok"] for row in checks) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    sys.exit(main(parser.parse_args()))
