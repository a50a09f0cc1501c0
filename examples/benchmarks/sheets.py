"""Large sheets: contrast responses of 32 768 units of V1, how pools grow, and training.

    python examples/benchmarks/sheets.py

Weights are operators: W of a sheet is a product over rows, columns and orientations, and a
circulant pool is applied by Fourier transforms. Both sides of a comparison are measured in one run.
"""

import math
import resource
import time
from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np
import optax

import organics_ode as oo
from organics_ode import cortex

ROWS, ORIENTATIONS = 64, 8
CONTRASTS = np.linspace(0.01, 1, 20)
POOLS = (2**16, 2**18, 2**20)  # Units of a circulant pool.
DENSE = 2**12  # Units for which a dense pool is measured too.
REPEATS = 20


def seconds(function: Callable[[], jax.Array]) -> float:
    """The shortest time of some calls, after one that compiles."""
    jax.block_until_ready(function())
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return min(times)


def peak_gb() -> float:
    """The peak memory of this process, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def contrast_responses() -> None:
    """The time and memory of the responses of a whole sheet, and their error to the closed form."""
    start = time.perf_counter()
    sheet = cortex.Sheet((ROWS, ROWS), ORIENTATIONS)
    built = time.perf_counter()
    found = cortex.contrast_response(sheet, cortex.Grating(45, 0.5), CONTRASTS)
    jax.block_until_ready(found.responses)
    first = time.perf_counter()
    again = cortex.contrast_response(sheet, cortex.Grating(45, 0.5), CONTRASTS)
    jax.block_until_ready(again.responses)
    ended = time.perf_counter()
    z = np.asarray(found.experiment.inputs)  # pyright: ignore
    exact = z**2 / (0.1**2 + CONTRASTS[:, None] ** 2)
    print(f"sheet of {ROWS} x {ROWS} x {ORIENTATIONS} = {sheet.size} units, 20 contrasts")
    print(f"  built in {built - start:.2f} s, first call {first - built:.2f} s (compiles)")
    print(f"  second call {ended - first:.2f} s; peak memory {peak_gb():.2f} GB")
    print(
        f"  furthest from z^2/((sigma b0/b1)^2 + c^2): {np.abs(found.responses - exact).max():.1e}"
    )
    print(f"  one dense W of it alone would take {8 * sheet.size**2 / 1e9:.1f} GB\n")


def pool(n: int) -> oo.Circulant:
    """A Gaussian pool on a ring of n units, a twentieth of it wide."""
    away = np.minimum(np.arange(n), n - np.arange(n)) / (n / 20)
    weights = np.exp(-(away**2) / 2)
    return oo.Circulant(weights / weights.sum())


def velocities(n: int, W: oo.Circulant | jax.Array) -> float:
    """Seconds for the vector field of a circuit with this pool."""
    one = oo.Diagonal(np.ones(n))
    circuit = oo.resolve(oo.ORGaNICs(one, one, W, 0.1, 0.5, 0.5, 2.0, 10.0))
    state, x = circuit.initial_state(), jax.numpy.ones(n)
    field = jax.jit(lambda c, s, x: c.vector_field(0.0, s, x).a)
    return seconds(lambda: field(circuit, state, x))


def growth() -> None:
    """The cost of a circulant pool over three sizes, relative to n log n."""
    print("vector field with a circulant pool")
    print(f"  {'units':>8}  {'ms':>8}  {'ns per n log2 n':>16}")
    for n in POOLS:
        took = velocities(n, pool(n))
        print(f"  {n:>8}  {1e3 * took:>8.3f}  {1e9 * took / (n * math.log2(n)):>16.3f}")
    W = pool(DENSE)
    sides = velocities(DENSE, W), velocities(DENSE, W.as_matrix())
    print(f"  {DENSE:>8}  {1e3 * sides[0]:>8.3f}  circulant; dense {1e3 * sides[1]:.3f} ms")


def training() -> None:
    """A step of `oo.fit` for 4 096 units whose pool is trained, batch 4."""
    one, key = oo.Diagonal(np.ones(DENSE, np.float32)), jax.random.key(0)
    print(f"training step of {DENSE} units with a circulant pool, batch 4")
    for steps in (100, 1000):
        kernel = oo.NonNegative(np.asarray(pool(DENSE).kernel, np.float32))
        values = (one, one, oo.Circulant(kernel), 0.1, 0.5, 0.5, 2.0, 10.0)
        cell = oo.Euler(oo.ORGaNICs(*values), 0.5)
        model = oo.SequenceClassifier(cell, eqx.nn.Linear(DENSE, 10, key=key))
        inputs = np.random.default_rng(0).uniform(size=(4, steps, DENSE)).astype(np.float32)
        batch = oo.Batch(inputs, np.arange(4))
        options = {"optimizer": optax.adam(1e-3), "steps": 8, "progress": False}
        found = oo.fit(model, lambda step, batch=batch: batch, **options)
        took = np.median(np.diff(found.history["seconds"]))
        print(f"  {steps:>5} steps: {took:.2f} s; peak memory of the process {peak_gb():.2f} GB")


if __name__ == "__main__":
    device = jax.devices()[0]
    print(f"{device.platform}, jax {jax.__version__}, {jax.numpy.zeros(()).dtype}")
    contrast_responses()
    growth()
    training()
