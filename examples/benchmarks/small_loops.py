"""Loops of small circuits: one kernel each, as organics_ode sets on import, against XLA's default.

Each side is a separate process, since XLA reads the option only once; they take turns. A rest of
10 s takes longest for a solver whose step is bounded by the circuit's rates: thousands of small
steps.

    python examples/benchmarks/small_loops.py [--rounds 2 --repeats 11]
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

SIDES = {"XLA's own": 1024, "organics_ode": 65536}  # bytes that an iteration of a loop may touch
OPTION = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold="


def cases() -> dict[str, Callable[[], Any]]:
    """Compiled calls."""
    import jax
    import jax.numpy as jnp

    import organics_ode as oo

    calls, x = {}, 0.3 * jax.random.normal(jax.random.key(1), (32, 3))
    solve = jax.jit(lambda c, x, ts: oo.simulate(c, x, ts).states.y[-1].sum())
    gradient = jax.jit(jax.grad(solve))
    batch = jax.jit(jax.vmap(solve, (None, 0, None)))
    many = jax.jit(jax.vmap(lambda c, x: oo.fixed_point(c, x).state.y, (None, 0)))
    ts = jnp.array([0.0, 100.0])
    for n in (2, 16, 64, 128):
        circuit = oo.resolve(oo.ORGaNICs.random(3, n, key=jax.random.key(0)))
        rest = (circuit, jnp.zeros(3), jnp.array([0.0, 1e4]))
        calls[f"rest of 10 s, n = {n}"] = lambda rest=rest: solve(*rest)
        calls[f"gradient over 100 ms, n = {n}"] = lambda c=circuit: gradient(c, x[0], ts)
        calls[f"32 inputs over 100 ms, n = {n}"] = lambda c=circuit: batch(c, x, ts)
        calls[f"32 fixed points, n = {n}"] = lambda c=circuit: many(c, x)
    return calls


def measure(repeats: int) -> dict[str, float]:
    import jax

    times = {}
    for name, call in cases().items():
        jax.block_until_ready(call())
        taken = []
        for _ in range(repeats):
            start = time.perf_counter()
            jax.block_until_ready(call())
            taken.append(time.perf_counter() - start)
        times[name] = 1e3 * sorted(taken)[repeats // 2]
    return times


def main(args: argparse.Namespace) -> None:
    best: dict[str, dict[str, float]] = {side: {} for side in SIDES}
    for _ in range(args.rounds):
        for side, threshold in SIDES.items():
            command = [sys.executable, __file__, "--side", "--repeats", str(args.repeats)]
            flags = {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {OPTION}{threshold}".strip()}
            run = subprocess.run(
                command, env=os.environ | flags, check=True, stdout=subprocess.PIPE, text=True
            )
            for name, value in json.loads(run.stdout.splitlines()[-1]).items():
                best[side][name] = min(value, best[side].get(name, float("inf")))
    print("| ms, the best of the rounds' medians | XLA's own | organics_ode | ratio |")
    print("|---|---|---|---|")
    for name, own in best["XLA's own"].items():
        ours = best["organics_ode"][name]
        print(f"| {name} | {own:.2f} | {ours:.2f} | {own / ours:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.side:
        print(json.dumps(measure(parsed.repeats)))
    else:
        main(parsed)
