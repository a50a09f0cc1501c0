"""How long the first and the second call of each analysis take in a new process.

The circuits have 16 units; the second call has other values of the same shapes. Energy, covariance
and certificate are computed at a fixed point that was found before, `state0=point.state`. Times are
by the clock and by the processor, over all threads; on a busy machine only the latter can be
compared.

    python examples/benchmarks/first_calls.py [--repeats 3]
"""

import argparse
import platform
import statistics
import subprocess
import sys

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print(f"{platform.machine()}, Python {platform.python_version()}, medians of {repeats}\n")
    print("| call | first | of the processor | second | of the processor |\n|---|---|---|---|---|")
    for name, (before, call) in CALLS.items():
        script = "\n".join([PREPARE, before, MEASURE.format(call=call)])
        runs = [
            subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
            for _ in range(repeats)
        ]
        times = [list(map(float, run.stdout.split())) or [float("nan")] * 4 for run in runs]
        medians = [statistics.median(each) for each in zip(*times, strict=True)]
        first, second = (" | ".join(f"{t:.3g} s" for t in medians[i : i + 2]) for i in (0, 2))
        print(f"| {name} | {first} | {second} |", flush=True)
        if runs[0].returncode:
            print(runs[0].stderr[-500:], file=sys.stderr)


if __name__ == "__main__":
    main()
