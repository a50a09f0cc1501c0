"""The success rate of `oo.fixed_point` on random circuits; its time against settling and LAPACK.

Success rates, in float64: circuits inside the box that was tested for stability (W in [0, 1], gains
in (0, 1), norm of z up to 1, largest singular value of W_r 1), and the same with a norm of z of 3,
where the plain iteration y = (I − diag(1 − √a) W_r)⁻¹ b1 z, a = (σ b0)² + W (a y²) often fails.

Times: 256 inputs to one circuit, all in one run. Settling is explicit Euler for 200 time constants
in steps of a twentieth, compiled as one scan. LAPACK is numpy's `eigvals`, matrix by matrix.

    python examples/benchmarks/fixed_points.py [--cases 1000 --sizes 64 256]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would compete with those of XLA

import argparse
import platform
import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import organics_ode as oo

TAU = 2.0


def draw(key: jax.Array, n: int, norm: float | None = None) -> tuple[oo.ORGaNICs, jax.Array]:
    """A random circuit of the box, and an input of the given norm (up to 1 for None)."""
    keys = jax.random.split(key, 8)
    W_r = jax.random.normal(keys[0], (n, n))
    W = jax.random.uniform(keys[1], (n, n))
    sigma, b0, b1 = (jax.random.uniform(k, (n,), minval=0.01) for k in keys[2:5])
    z = jax.random.normal(keys[5], (n,))
    norm = jax.random.uniform(keys[6]) if norm is None else norm
    circuit = oo.ORGaNICs(jnp.eye(n), W_r / jnp.linalg.norm(W_r, 2), W, sigma, b0, b1, TAU, TAU)
    return circuit, norm * z / jnp.linalg.norm(z)


def plain_iteration(circuit: oo.ORGaNICs, z: jax.Array, steps: int = 400) -> oo.ORGaNICsState:
    c, n = oo.resolve(circuit), z.size

    def step(_, state):
        y = jnp.linalg.solve(jnp.eye(n) - (1 - jnp.sqrt(state.a))[:, None] * c.W_r, c.b1 * z)
        return oo.ORGaNICsState(y, (c.sigma * c.b0) ** 2 + c.W @ (state.a * y**2))

    drive = c.b1 * z
    start = oo.ORGaNICsState(drive, (c.sigma * c.b0) ** 2 + c.W @ drive**2)
    return jax.lax.fori_loop(0, steps, step, start)


def residual(circuit: oo.ORGaNICs, z: jax.Array, state: oo.ORGaNICsState) -> jax.Array:
    """The largest |ẋ|τ over the largest term of its equation, written independently."""
    c, (y, a) = oo.resolve(circuit), state
    drive, recurrent = c.b1 * z, (1 - jnp.sqrt(a)) * (c.W_r @ y)
    floor, pool = (c.sigma * c.b0) ** 2, c.W @ (a * y**2)
    terms_y, terms_a = jnp.stack([y, drive, recurrent]), jnp.stack([a, floor, pool])
    errors = jnp.stack([-y + drive + recurrent, -a + floor + pool])
    scale = jnp.stack([jnp.abs(terms_y).max(), jnp.abs(terms_a).max()])
    worst = jnp.max(jnp.abs(errors) / scale[:, None])
    return jnp.where(jnp.all(jnp.isfinite(errors)), worst, jnp.inf)


@eqx.filter_jit
def solve_many(circuits: oo.ORGaNICs, zs: jax.Array) -> tuple[jax.Array, ...]:
    """Whether it reports success, the independent residual, and whether the point is stable."""

    def one(circuit, z):
        point = oo.fixed_point(circuit, z, throw=False)
        return point.succeeded, residual(circuit, z, point.state), point.is_stable

    return jax.vmap(one)(circuits, zs)


@eqx.filter_jit
def iterate_many(circuits: oo.ORGaNICs, zs: jax.Array) -> jax.Array:
    return jax.vmap(lambda c, z: residual(c, z, plain_iteration(c, z)))(circuits, zs)


def count(n: int, norm: float | None, cases: int) -> None:
    keys = jax.random.split(jax.random.key(n), cases)
    circuits, zs = jax.vmap(lambda key: draw(key, n, norm))(keys)
    start = time.perf_counter()
    says, residuals, is_stable = map(np.asarray, solve_many(circuits, zs))
    seconds = time.perf_counter() - start
    solved, plain = residuals <= 1e-10, np.asarray(iterate_many(circuits, zs)) <= 1e-10
    stable, wrong = solved & is_stable, says & ~solved
    print(
        f"| {n:3d} | {'≤ 1' if norm is None else f'= {norm:g}'} | {cases} | {solved.sum():6d} "
        f"| {residuals[solved].max():.1e} | {stable.sum():6d} | {wrong.sum():5d} "
        f"| {plain.sum():6d} | {seconds:5.1f} |"
    )


def best(run: Callable[[], object], repeats: int) -> float:
    """The shortest of several runs, in seconds; the first one compiles and is not counted."""
    jax.block_until_ready(run())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - start)
    return min(times)


def settle(circuit: oo.ORGaNICs, z: jax.Array, length: int) -> oo.ORGaNICsState:
    cell = oo.Euler(circuit, TAU / 20)
    start = circuit.initial_state()
    return jax.lax.fori_loop(0, length * 20, lambda _, state: cell.step(state, z), start)


def solve(circuit: oo.ORGaNICs, z: jax.Array) -> oo.ORGaNICsState:
    point = oo.fixed_point(circuit, z, throw=False)
    # The residual is part of the answer, so that it must be computed.
    return jax.tree.map(lambda leaf: leaf + 0 * point.residual, point.state)


def compare(n: int, inputs: int, repeats: int) -> None:
    circuit, _ = draw(jax.random.key(n), n)
    zs = jax.vmap(lambda key: draw(key, n)[1])(jax.random.split(jax.random.key(1), inputs))
    identity = oo.replace(circuit, W_r=jnp.eye(n))
    # W_r = I with a small a relaxes slowly, and takes long to be as exact as the closed form.
    for name, c, lengths in (("general W_r", circuit, (200,)), ("W_r = I", identity, (200, 2000))):
        runs = {f"settling, {k} τ": lambda z, c=c, k=k: settle(c, z, k) for k in lengths}
        runs["fixed_point"] = lambda z, c=c: solve(c, z)
        slowest = None
        for what, run in runs.items():
            mapped = jax.jit(jax.vmap(run))
            seconds = best(lambda f=mapped: f(zs), repeats if what == "fixed_point" else 2)
            slowest = slowest or seconds
            error = jax.vmap(lambda z, s, c=c: residual(c, z, s))(zs, mapped(zs)).max()
            print(
                f"| {n:3d} | {name:11} | {what:16} | {1e3 * seconds:9.2f} | {error:7.1e} "
                f"| {slowest / seconds:8.4g} |"
            )


def compare_spectra(n: int, inputs: int) -> None:
    circuit, _ = draw(jax.random.key(n), n)
    zs = jax.vmap(lambda key: draw(key, n)[1])(jax.random.split(jax.random.key(1), inputs))
    states = jax.jit(jax.vmap(lambda z: oo.fixed_point(circuit, z).state))(zs)
    jacobians = jax.jit(jax.vmap(lambda s, z: oo.jacobian(circuit, s, z)))
    values = jax.jit(jax.vmap(lambda s, z: oo.spectrum(circuit, s, z).eigenvalues))
    matrices = np.asarray(jacobians(states, zs))
    by_lapack = best(lambda: [np.linalg.eigvals(matrix) for matrix in matrices], 3)
    ours, jacobian = best(lambda: values(states, zs), 3), best(lambda: jacobians(states, zs), 3)
    print(
        f"\nn = {n}, {inputs} spectra: {1e3 * ours:.0f} ms, LAPACK alone {1e3 * by_lapack:.0f} ms,"
    )
    print(f"ratio {ours / by_lapack:.2f}; of it the Jacobians {1e3 * jacobian:.1f} ms")


def main(args: argparse.Namespace) -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, jax {jax.__version__}, float64\n")
    print("| n | norm of z | cases | solved | worst residual | stable | wrong | plain | s |")
    print("|---|-----------|-------|--------|----------------|--------|-------|-------|---|")
    for n, norm in ((2, None), (5, None), (10, None), (20, None), (10, 3.0)):
        count(n, norm, args.cases)
    if not args.sizes:
        return
    print(f"\n{args.inputs} inputs to one circuit\n")
    print("| n | circuit | what | ms | residual | times faster than 200 τ |")
    print("|---|---------|------|----|----------|--------------|")
    for n in args.sizes:
        compare(n, args.inputs, args.repeats)
    compare_spectra(args.sizes[0], args.inputs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--inputs", type=int, default=256)
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 256])
    parser.add_argument("--repeats", type=int, default=5)
    jax.config.update("jax_enable_x64", True)
    main(parser.parse_args())
