"""The cost of `simulate`, `unroll` and `sample_paths` compared with the same code written by hand.

- simulate: against a call of diffrax on the equations of the circuit, with the same solver, times,
  longest step and tolerances for each variable; values and gradients, over a rest of 1 s.
- unroll: against a `lax.scan` of the same Euler step; values and gradients, 1 000 steps.
- sample_paths: against a scan of the same Euler–Maruyama step, 16 paths of 1 000 steps.

All are compiled and take turns; "ratio" is the median of the ratios of processor time within a
turn, which depends less on other programs than the clock does. Then 1 000 circuits of two units in
one vectorised call, against a loop over `simulate` and against scipy's `solve_ivp`; these two run
only some of the circuits, and their times are extrapolated to all.

    python examples/benchmarks/small_steps.py [--sizes 2 16 64 128 --repeats 15 --json rows.json]
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from _jax_sides import euler, field
from _measure import machine, print_machine, print_table
from scipy.integrate import solve_ivp

import organics_ode as oo

STEPS, PATHS, SPAN, DTMAX = 1000, 16, 1000.0, 1.0  # steps of 1 ms, paths, ms, ms
COMPILED = 3  # times, of which the ratio is the median
Calls = dict[str, tuple[Callable[..., Any], Callable[..., Any]]]


def calls(size: int) -> tuple[Calls, tuple[Any, ...]]:
    """By name: the library's function of (circuit, input) and the handwritten one, to scalars."""
    key = jax.random.key(0)
    circuit = oo.resolve(oo.GatedORGaNICs.random(3, size, key=key))
    x, ts = 0.3 * jax.random.normal(key, (3,)), jnp.array([0.0, SPAN])
    xs = jnp.broadcast_to(x, (STEPS, 3))
    rtol = 1e-4
    tolerance = diffrax.PIDController(rtol=rtol, atol=0.1 * rtol, dtmax=DTMAX)
    adjoint = diffrax.RecursiveCheckpointAdjoint()

    def simulated(c: Any, x: jax.Array) -> jax.Array:
        # The same controller, so that both take the same steps.
        how = {"stepsize_controller": tolerance, "dt0": 0.1, "dtmax": float("inf")}
        return oo.simulate(c, x, ts, max_steps=4096, **how).states.y[-1].sum()

    def by_diffrax(c: Any, x: jax.Array) -> jax.Array:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, state, args: field(args[0], state, args[1])),
            *(diffrax.Tsit5(), ts[0], ts[-1], 0.1, tuple(c.initial_state())),
            args=(c, x),
            saveat=diffrax.SaveAt(ts=ts),
            stepsize_controller=tolerance,
            adjoint=adjoint,
            max_steps=4096,
        )
        return solution.ys[0][-1].sum()

    def unrolled(c: Any, xs: jax.Array) -> jax.Array:
        return oo.unroll(oo.Euler(c, 1.0), xs, last_only=True).y.sum()

    def scanned(c: Any, xs: jax.Array) -> jax.Array:
        step = lambda state, x: (euler(c, state, x), None)  # noqa: E731
        return jax.lax.scan(jax.checkpoint(step), tuple(c.initial_state()), xs)[0][0].sum()

    sides = {
        "simulate": (simulated, by_diffrax),
        "simulate, gradient": (eqx.filter_grad(simulated), eqx.filter_grad(by_diffrax)),
        "unroll": (unrolled, scanned),
        "unroll, gradient": (eqx.filter_grad(unrolled), eqx.filter_grad(scanned)),
    }
    inputs = {name: xs if name.startswith("unroll") else x for name in sides}
    return sides, (circuit, inputs)


def paths(size: int) -> tuple[tuple[Callable[..., Any], Callable[..., Any]], tuple[Any, ...]]:
    """The same for `sample_paths`, with noise added to every variable."""
    key = jax.random.key(0)
    circuit = oo.resolve(oo.GatedORGaNICs.random(3, size, key=key))
    x, keys, noise = jnp.full(3, 0.3), jax.random.split(key, PATHS), oo.Noise(0.01)

    def own(c: Any, x: jax.Array, keys: jax.Array) -> jax.Array:
        how = {"dt": 1.0, "steps": STEPS, "keep_every": STEPS}
        one = lambda key: oo.sample_paths(c, x, noise, key=key, **how).states.y[-1]  # noqa: E731
        return jax.vmap(one)(keys).sum()

    def by_hand(c: Any, x: jax.Array, keys: jax.Array) -> jax.Array:
        def step(state: Any, key: jax.Array) -> Any:
            kicks = 0.01 * jax.random.normal(key, (4, size))
            return tuple(v + kick for v, kick in zip(euler(c, state, x), kicks, strict=True)), None

        def one(key: jax.Array) -> jax.Array:
            drawn = jax.random.split(key, STEPS)
            return jax.lax.scan(step, tuple(c.initial_state()), drawn)[0][0]

        return jax.vmap(one)(keys).sum()

    return (own, by_hand), (circuit, x, keys)


def compiled(function: Callable[..., Any], *args: Any) -> tuple[Callable[[], Any], float]:
    """A compiled call, and the processor time of tracing and compiling it anew."""
    jax.clear_caches()
    start = time.process_time()
    program = eqx.filter_jit(function).lower(*args).compile()
    taken = time.process_time() - start
    return lambda: jax.block_until_ready(program(*args)), taken


def compare(name: str, size: int, sides: Any, args: tuple, repeats: int) -> dict[str, Any]:
    turns = [[compiled(side, *args) for side in sides] for _ in range(COMPILED)]
    own, hand = (call for call, _ in turns[-1])
    taken = np.array([[seconds for _, seconds in turn] for turn in turns])
    own(), hand()
    times = np.array([[cpu(own), cpu(hand)] for _ in range(repeats)])
    ratios = times[:, 0] / times[:, 1]
    row = {"what": name, "units": size, "own_ms": 1e3 * np.median(times[:, 0])}
    row |= {"hand_ms": 1e3 * np.median(times[:, 1]), "ratio": np.median(ratios)}
    low, high = np.quantile(ratios, (0.25, 0.75))
    row |= {"low": low, "high": high, "compile_ratio": np.median(taken[:, 0] / taken[:, 1])}
    return {k: float(v) if isinstance(v, np.floating) else v for k, v in row.items()}


def cpu(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def sweep(circuits: int, some: int) -> dict[str, float]:
    """Seconds for all circuits over 100 ms: vectorised, by a loop, and by scipy."""
    keys = jax.random.split(jax.random.key(0), circuits)
    make = lambda key: oo.resolve(oo.GatedORGaNICs.random(1, 2, key=key))  # noqa: E731
    many, x, ts = jax.vmap(make)(keys), jnp.array([0.5]), jnp.array([0.0, 100.0])
    solve = lambda c: oo.simulate(c, x, ts).states.y[-1]  # noqa: E731
    together, _ = compiled(jax.vmap(solve), many)
    together()
    vectorised = cpu(together)
    each = [jax.tree.map(lambda leaf, i=i: leaf[i], many) for i in range(some)]
    solve(each[0])
    loop = cpu(lambda: [jax.block_until_ready(solve(c)) for c in each])
    velocity = jax.jit(lambda c, flat: jnp.concatenate(field(c, jnp.split(flat, 4), x)))

    def by_scipy() -> None:
        for c in each[: max(1, some // 10)]:
            start = np.concatenate([np.asarray(part) for part in c.initial_state()])
            of = lambda t, flat, c=c: np.asarray(velocity(c, flat.astype(np.float32)))  # noqa: E731
            solve_ivp(of, (0.0, 100.0), start, rtol=1e-4, atol=1e-5, max_step=DTMAX)

    by_scipy()
    scipy = cpu(by_scipy)
    scale = circuits / some
    few = circuits / max(1, some // 10)
    return {
        "circuits": circuits,
        "vectorised_s": vectorised,
        "loop_s": loop * scale,
        "scipy_s": scipy * few,
    }


def main(args: argparse.Namespace) -> None:
    facts = machine("jax", "jaxlib", "diffrax", "scipy", "organics_ode")
    print_machine(facts)
    jax.block_until_ready(jax.jit(jnp.sin)(1.0))  # the backend itself
    rows = []
    for size in args.sizes:
        sides, (circuit, inputs) = calls(size)
        for name, pair in sides.items():
            rows.append(compare(name, size, pair, (circuit, inputs[name]), args.repeats))
        pair, given = paths(size)
        rows.append(compare("sample_paths", size, pair, given, args.repeats))
    names = {"what": "what", "units": "units", "own_ms": "own ms", "hand_ms": "by hand ms"}
    names |= {"ratio": "ratio", "low": "lower quartile", "high": "upper quartile"}
    names |= {"compile_ratio": "compile time, ratio"}
    print_table(names.values(), [[row[name] for name in names] for row in rows])
    found = sweep(args.circuits, args.some)
    print(f"\n{args.circuits} circuits of 2 units, 100 ms, processor time:")
    print(f"vectorised {found['vectorised_s']:.3g} s; a loop {found['loop_s']:.3g} s (from")
    print(
        f"{args.some} of them); scipy's solve_ivp {found['scipy_s']:.3g} s (from a tenth of these)"
    )
    if args.json:
        record = {"machine": facts, "rows": rows, "sweep": found}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    oo.use_cores(1)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 16, 64, 128])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--circuits", type=int, default=1000)
    parser.add_argument("--some", type=int, default=50, help="circuits that the loop runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    main(parser.parse_args())
