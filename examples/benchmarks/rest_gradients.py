"""Derivatives of `oo.simulate` at its default settings against those of an implicit solver.

Random circuits rest, are shown something, and rest again. While nothing moves, the local error of a
step is 0, and only the bound on the step keeps the derivatives right. Half of the cases begin at
their fixed point, some see a blank for a second, some are never shown anything. The reference is
Kvaerno5 in float64 at a relative tolerance of 1e-8, with steps of at most 10 ms. For each kind of
circuit, prints the worst error of the gradient, |g − g*| / |g*| over all parameters and inputs, and
of the derivative along g* in forward mode.

    python examples/benchmarks/rest_gradients.py [--cases 10 --seed 0 --json FILE]
"""

import argparse
import json
import platform
import time
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import organics_ode as oo

SIZES = (1, 2, 8, 32)
SOLVERS = (diffrax.Tsit5(), diffrax.Dopri5(), diffrax.Dopri8(), diffrax.Bosh3(), diffrax.Heun())
REFERENCE = diffrax.PIDController(rtol=1e-8, atol=1e-11)
STEPS = {"max_steps": 2**16, "throw": False}


class ChainState(NamedTuple):
    y: Float[Array, " n"]


class Chain(oo.AbstractCircuit[ChainState]):
    """A user's own, strongly non-normal circuit: τ ẏ_i = −y_i + tanh(k y_{i−1} + x_i)."""

    tau: Array
    k: Array

    @property
    def input_size(self) -> int:
        return self.tau.size

    def initial_state(self) -> ChainState:
        return ChainState(jnp.zeros_like(self.tau))

    def vector_field(self, t: Any, state: ChainState, x: Array) -> ChainState:
        before = jnp.concatenate([jnp.zeros(1, x.dtype), state.y[:-1]])
        return ChainState((-state.y + jnp.tanh(self.k * before + x)) / self.tau)


def organics(rectification: oo.Rectification, n: int, key: Array, rng: Any) -> Any:
    taus = {f"tau_{name}": 10 ** rng.uniform(0, 1.5, n) for name in "ya"}
    options = {"sigma": rng.uniform(0.05, 0.5, n), "rectification": rectification}
    return oo.ORGaNICs.random(n, n, key=key, **taus, **options)


def gated(n: int, key: Array, rng: Any) -> Any:
    names = ("tau_y", "tau_a", "tau_b0", "tau_b1")
    taus = {name: 10 ** rng.uniform(0, 1.5, n) for name in names}
    return oo.GatedORGaNICs.random(n, n, key=key, rectification=oo.Rectification.NONE, **taus)


def rates(n: int, key: Array, rng: Any) -> Any:
    W = rng.normal(size=(n, n)) * 0.8 / np.sqrt(n)
    return oo.RateNetwork(W, np.eye(n), np.zeros(n), 10 ** rng.uniform(0, 1.5, n), f=jnp.tanh)


def chain(n: int, key: Array, rng: Any) -> Any:
    return Chain(jnp.asarray(10 ** rng.uniform(0, 1.5, n)), jnp.asarray(rng.uniform(0.5, 3, n)))


KINDS = {
    "organics, none": lambda *a: organics(oo.Rectification.NONE, *a),
    "organics, after": lambda *a: organics(oo.Rectification.AFTER, *a),
    "gated": gated,
    "rates": rates,
    "chain": chain,
}


def draw(kind: str, n: int, count: int, seed: int) -> tuple:
    """Circuits, held inputs (times and values), starts and readout weights."""
    cases = []
    for i in range(count):
        rng = np.random.default_rng([seed, n, i, list(KINDS).index(kind)])
        circuit = oo.resolve(KINDS[kind](n, jax.random.key(int(rng.integers(2**31))), rng))
        values = rng.normal(size=(3, n)) / np.sqrt(n)
        values[0] = 0 if i % 3 else values[0]
        values[1:] = values[0] if i % 5 == 0 else values[1:]
        ends = np.cumsum([10 ** rng.uniform(1, 3), rng.uniform(3, 60), 10 ** rng.uniform(0.5, 2)])
        start = circuit.initial_state()
        if i % 2 == 0:
            start = oo.fixed_point(circuit, values[0], throw=False).state
        else:
            moved = lambda leaf, rng=rng: leaf * jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape))  # noqa: E731
            start = jax.tree.map(moved, start)
        size = sum(leaf.size for leaf in jax.tree.leaves(start))
        cases.append(
            (circuit, jnp.asarray(values), jnp.asarray(ends), start, rng.normal(size=size))
        )
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *cases)


def output(parameters: Any, case: tuple, **options: Any) -> tuple[Array, Array]:
    circuit, values = parameters
    _, _, ends, start, weights = case
    hold = oo.ZeroOrderHold(jnp.concatenate([jnp.zeros(1, ends.dtype), ends[:-1]]), values)
    ts = jnp.concatenate([jnp.zeros(1, ends.dtype), ends])
    run = oo.simulate(circuit, hold, ts, state0=start, **STEPS, **options)
    ends = jnp.concatenate([leaf[1:] for leaf in jax.tree.leaves(run.states)], 1)
    return jnp.sum(ends @ weights.astype(ends.dtype)), run.succeeded


@eqx.filter_jit
def reverse(cases: tuple, **options: Any) -> Any:
    f = lambda case: eqx.filter_value_and_grad(output, has_aux=True)(case[:2], case, **options)  # noqa: E731
    return eqx.filter_vmap(f)(cases)


@eqx.filter_jit
def along(cases: tuple, directions: Any, **options: Any) -> Array:
    def one(case: tuple, direction: Any) -> Array:
        f = lambda p: output(p, case, adjoint=diffrax.ForwardMode(), **options)[0]  # noqa: E731
        return eqx.filter_jvp(f, (case[:2],), (direction,))[1]

    return eqx.filter_vmap(one)(cases, directions)


def flat(tree: Any) -> np.ndarray:
    leaves = jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))
    return np.concatenate([np.asarray(x, float).reshape(len(x), -1) for x in leaves], 1)


def compare(kind: str, n: int, count: int, seed: int, solver: Any, dtype: Any) -> dict[str, Any]:
    cases = draw(kind, n, count, seed)
    options = {"solver": diffrax.Kvaerno5(), "stepsize_controller": REFERENCE}
    (_, good), right = reverse(cases, **options)
    cast = lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x  # noqa: E731
    (_, done), found = reverse(jax.tree.map(cast, cases), solver=solver)
    norm = np.linalg.norm(flat(right), axis=1)
    unit = jax.tree.map(
        lambda g: cast(jnp.asarray(g / norm.reshape(-1, *(1,) * (g.ndim - 1)))), right
    )
    slope = np.asarray(along(jax.tree.map(cast, cases), unit, solver=solver), float)
    kept = np.asarray(good) & (norm > 0)
    errors = np.linalg.norm(flat(found) - flat(right), axis=1) / norm
    name = {"circuit": kind, "n": n, "solver": type(solver).__name__, "dtype": np.dtype(dtype).name}
    return name | {
        "cases": int(kept.sum()),
        "failed": int(np.sum(~np.asarray(done)[kept])),
        "reverse": float(errors[kept].max()),
        "forward": float(np.abs(slope / norm - 1)[kept].max()),
    }


def main(args: argparse.Namespace) -> None:
    start, rows = time.perf_counter(), []
    print(f"{platform.processor() or platform.machine()}, jax {jax.__version__}\n")
    print("| circuit         |  n | solver | dtype   | cases | failed | reverse | forward |")
    print("|-----------------|----|--------|---------|-------|--------|---------|---------|")
    groups = [(kind, n) for kind in args.kinds for n in args.sizes]
    for i, (kind, n) in enumerate(groups):
        dtype = (jnp.float32, jnp.float64)[i % 2]
        rows.append(compare(kind, n, args.cases, args.seed, SOLVERS[i % len(SOLVERS)], dtype))
        row = "| {circuit:15} | {n:2} | {solver:6} | {dtype:7} | {cases:5} | {failed:6} |"
        print((row + " {reverse:7.1e} | {forward:7.1e} |").format(**rows[-1]), flush=True)
        jax.clear_caches()  # all these programs together need more memory maps than Linux allows
    total, worst = sum(row["cases"] for row in rows), max(r["reverse"] for r in rows)
    print(f"\n{total} cases, worst error {worst:.1e}, {time.perf_counter() - start:.0f} s")
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"rows": rows}, file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--json")
    jax.config.update("jax_enable_x64", True)
    main(parser.parse_args())
