"""Every point that the searches call a solution, checked by numpy in float64.

Random circuits of all classes and rectifications, with 1 to 32 units, in float32 and float64:
inside the tested box (norms of W_r and z up to 1), with a norm of z of 3, and with a norm of W_r of
6, where most circuits blow up. `fixed_point` runs under `jax.vmap`, `find_fixed_points` circuit by
circuit. The equations are written independently in numpy; a point is wrong if one of them is off by
more than ten times the library's tolerance, relative to the largest of its terms. A closed gate may
rest at 1e-65, which float32 cannot represent: terms below the root of the smallest number, 1e-19 or
1e-154, count as 0.

    python examples/benchmarks/residuals.py [--share 1 --starts 48]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would compete with those of XLA

import argparse
import platform
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import organics_ode as oo

COUNTS = {1: 20, 2: 16, 8: 14, 32: 6}  # circuits by size, for each kind and precision
REGIMES = ((1.0, None), (1.0, 3.0), (6.0, 3.0))  # norms of W_r and z
TOLERANCES = {"float64": 1e-9, "float32": 2e-4}
Terms = list[tuple[np.ndarray, np.ndarray]]  # for each equation: the value and size of each term


class NeuronState(NamedTuple):
    v: Any
    w: Any


class Neurons(oo.AbstractCircuit[NeuronState]):
    """Coupled FitzHugh–Nagumo cells: a user's own circuit, with terms v³ that overflow."""

    C: jax.Array
    epsilon: jax.Array

    @property
    def input_size(self) -> int:
        return len(self.C)

    def vector_field(self, t: Any, state: NeuronState, x: jax.Array) -> NeuronState:
        v, w = state
        return NeuronState(v - v**3 / 3 - w + x + self.C @ v, self.epsilon * (v + 0.7 - 0.8 * w))

    def initial_state(self) -> NeuronState:
        return NeuronState(jnp.zeros_like(self.epsilon), jnp.zeros_like(self.epsilon))


def draw(kind: str, n: int, dtype: str, rng: np.random.Generator, regime: int) -> tuple[Any, Any]:
    """A random circuit and an input."""
    size, norm = REGIMES[regime % len(REGIMES)]
    W_r, z = rng.normal(size=(n, n)), rng.normal(size=n)
    W_r = size * W_r / np.linalg.norm(W_r, 2)
    z = (rng.uniform() if norm is None else norm) * z / np.linalg.norm(z)
    gains = [rng.uniform(0.01, 1, n) for _ in range(3)]
    W, taus = rng.uniform(size=(n, n)), [rng.uniform(1, 10, n) for _ in range(4)]
    gates = [rng.normal(size=(n, n)) * rng.choice([0.3, 3]) for _ in range(6)]
    W_r, W, z, *arrays = (v.astype(dtype) for v in (W_r, W, z, *gains, *taus, *gates))
    gains, taus, gates, eye = arrays[:3], arrays[3:7], arrays[7:], np.eye(n, dtype=dtype)
    name, _, option = kind.partition(" ")
    if name == "ORGaNICs":
        rectification = oo.Rectification[option]
        return oo.ORGaNICs(eye, W_r, W, *gains, *taus[:2], rectification=rectification), z
    if name == "GatedORGaNICs":
        rectification = oo.Rectification[option]
        given = (eye, W_r, W, gains[0], *gates, *taus)
        return oo.GatedORGaNICs(*given, rectification=rectification), z
    if name == "FeedbackNetwork":
        return oo.FeedbackNetwork(W_r, *(g * n**0.5 for g in gains[:2]), z, 1.5), np.zeros(0, dtype)
    if name == "RateNetwork":
        return oo.RateNetwork(W_r, eye, gains[0], taus[0], f=FUNCTIONS[option][0]), z
    return Neurons(jnp.asarray(W_r), jnp.asarray(gains[0])), z


FUNCTIONS = {"relu": (jax.nn.relu, lambda u: np.maximum(u, 0)), "tanh": (jnp.tanh, np.tanh)}
KINDS = [f"{c} {r.name}" for c in ("ORGaNICs", "GatedORGaNICs") for r in oo.Rectification]
KINDS += ["FeedbackNetwork", *(f"RateNetwork {f}" for f in FUNCTIONS), "Neurons"]


def product(matrix: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M v, and the size of the terms that it sums."""
    return matrix @ v, np.abs(matrix) @ np.abs(v)


def organics_terms(c: Any, s: Any, x: np.ndarray, b0: Any, b1: Any) -> list[Terms]:
    up = lambda v: np.maximum(v, 0)  # noqa: E731
    rectifies = c.rectification is not oo.Rectification.NONE
    before, after = (c.rectification is oo.Rectification[name] for name in ("BEFORE", "AFTER"))
    z = up(x) if after else x
    drive, size = product(c.W_r, up(s.y) if before else s.y)
    drive, gain = up(drive) if after else drive, 1 - np.sqrt(up(s.a))
    pool = c.W @ (up(s.a) * (up(s.y) if rectifies else s.y) ** 2)
    of_y = [(-s.y, s.y), (b1 * z, b1 * z), (gain * drive, gain * size)]
    return [of_y, [(-s.a, s.a), ((c.sigma * b0) ** 2,) * 2, (pool, pool)]]


def gate_terms(own: np.ndarray, v: Any, x: np.ndarray, *weights: np.ndarray) -> Terms:
    u = sum(W @ each for W, each in zip(weights, (x, v.y, v.a), strict=True))
    with np.errstate(over="ignore"):
        gate = 1 / (1 + np.exp(-u))
    return [(-own, own), (gate, gate)]


def equations(c: Any, s: Any, x: np.ndarray) -> list[Terms]:
    """The terms of each equation, without the time constants."""
    if isinstance(c, oo.ORGaNICs):
        return organics_terms(c, s, x, c.b0, c.b1)
    if isinstance(c, oo.GatedORGaNICs):
        gates = [(s.b0, c.W_bx0, c.W_by0, c.W_ba0), (s.b1, c.W_bx1, c.W_by1, c.W_ba1)]
        parts = [gate_terms(own, s, x, *weights) for own, *weights in gates]
        return [*organics_terms(c, s, x, s.b0, s.b1), *parts]
    if isinstance(c, oo.FeedbackNetwork):
        phi = np.tanh(s.x)
        parts = [product(c.g * c.chi, phi), product(np.outer(c.m, c.n) / len(c.m), phi)]
        return [[(-s.x, s.x), *parts, (c.I, c.I)]]
    if isinstance(c, oo.RateNetwork):
        f = next(f for known, f in FUNCTIONS.values() if known is c.f)
        u, size = product(c.W, s.r)
        return [[(-s.r, s.r), (f(u + x + c.b), size + np.abs(x) + np.abs(c.b))]]
    coupled = product(c.C, s.v)
    of_v = [(s.v, s.v), (-(s.v**3) / 3, s.v**3 / 3), (-s.w, s.w), (x, x), coupled]
    return [of_v, [(s.v, s.v), (np.full_like(s.v, 0.7),) * 2, (-0.8 * s.w, 0.8 * s.w)]]


def residual(circuit: Any, state: Any, x: np.ndarray) -> float:
    """The worst equation, relative to the largest of its terms; infinite if one is not finite."""
    double = lambda v: np.asarray(v, np.float64) if eqx.is_array(v) else v  # noqa: E731
    least = float(np.finfo(np.asarray(x).dtype).tiny ** 0.5)
    c, s, x = jax.tree.map(double, (oo.resolve(circuit), state, x))
    worst = 0.0
    with np.errstate(all="ignore"):
        for terms in equations(c, s, x):
            off = np.abs(sum(value for value, _ in terms))
            size = np.max([np.maximum(np.abs(size), least) for _, size in terms], axis=0)
            ratio = off / size
            worst = max(worst, float(np.max(np.where(np.isfinite(ratio), ratio, np.inf))))
    return worst


class Count(NamedTuple):
    """The numbers of circuits, of points called solutions and of wrong ones, for `fixed_point` and
    `find_fixed_points`; of circuits without a point; the worst residual; the largest state entry.
    """

    circuits: int
    solved: int
    wrong_solved: int
    found: int
    wrong_found: int
    empty: int
    worst: float
    largest: float


@eqx.filter_jit
def solve_many(circuits: Any, xs: jax.Array) -> Any:
    point = jax.vmap(lambda c, x: oo.fixed_point(c, x, throw=False))(circuits, xs)
    return point.state, point.succeeded


def count(kind: str, n: int, dtype: str, circuits: int, starts: int) -> Count:
    """All circuits of one kind, size and precision, from their own seeds."""
    seed = [KINDS.index(kind), n, int(dtype == "float32")]
    rngs = [np.random.default_rng([*seed, i]) for i in range(circuits)]
    drawn = [draw(kind, n, dtype, rng, i) for i, rng in enumerate(rngs)]
    many, xs = jax.tree.map(lambda *leaves: jnp.stack(leaves), *drawn)
    states, says = jax.device_get(solve_many(many, xs))
    rows = [jax.tree.map(lambda leaf, i=i: leaf[i], states) for i in np.flatnonzero(says)]
    solved = [(*drawn[i], row) for i, row in zip(np.flatnonzero(says), rows, strict=True)]
    found, empty = [], 0
    for i, (circuit, x) in enumerate(drawn):
        points = oo.find_fixed_points(circuit, x, key=jax.random.key(i), starts=starts, rounds=2)
        found += [(circuit, x, state) for state in points]
        empty += not len(points)
    off = [[residual(c, s, x) for c, x, s in some] for some in (solved, found)]
    wrong = [int(np.sum(~(np.asarray(each) <= TOLERANCES[dtype]))) for each in off]
    sizes = [np.abs(leaf).max() for *_, s in solved + found for leaf in jax.tree.leaves(s)]
    worst, largest = max([*off[0], *off[1], 0.0]), float(max([*sizes, 0.0]))
    numbers = (circuits, len(solved), wrong[0], len(found), wrong[1], empty, worst, largest)
    return Count(*numbers)


def table(kinds: list[str], sizes: list[int], share: float, starts: int, show: Callable) -> Count:
    rows = []
    for kind in kinds:
        for n in sizes:
            for dtype in TOLERANCES:
                begun, circuits = time.perf_counter(), max(1, round(share * COUNTS[n]))
                rows.append(count(kind, n, dtype, circuits, starts if n < 32 else starts // 3))
                show(f"{kind:22} | {n:2} | {dtype}", rows[-1], time.perf_counter() - begun)
                jax.clear_caches()  # hundreds of programs need more memory maps than Linux allows
    columns = list(zip(*rows, strict=True))
    return Count(*(sum(column) for column in columns[:-2]), *map(max, columns[-2:]))


def show(name: str, c: Count, seconds: float) -> None:
    print(
        f"| {name} | {c.circuits} | {c.solved} | {c.wrong_solved} | {c.found} | {c.wrong_found} "
        f"| {c.empty} | {c.worst:.1e} | {c.largest:.1e} | {seconds:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(COUNTS))
    parser.add_argument(
        "--share", type=float, default=1.0, help="share of the 1 120 circuits to run"
    )
    parser.add_argument(
        "--starts", type=int, default=48, help="starts per round; a third for 32 units"
    )
    jax.config.update("jax_enable_x64", True)
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, jax {jax.__version__}")
    print("seed of circuit i: [number of the kind, n, is float32, i]; key of its search: i\n")
    print(
        "| kind | n | precision | circuits | solved | wrong | found | wrong | without | worst ",
        end="",
    )
    print("| largest | s |\n|---|---|---|---|---|---|---|---|---|---|---|---|")
    begun = time.perf_counter()
    total = table(args.kinds, args.sizes, args.share, args.starts, show)
    show("all |  |", total, time.perf_counter() - begun)
