"""The boundedness theorem on random circuits, and what happens just outside each hypothesis.

Draws `RotationalORGaNICs` of 2 to 8 units in one or two groups, with time constants, weights,
gates, exponents and skew parts over decades, drives them by three held inputs of up to 1e3 and
solves them adaptively at the library's default tolerance. Half of them start at
`initial_state()`, where |y| may never exceed the bound of `oo.certify` (the same code, vmapped);
half start at random states, where the weighted norm √(Σ τ_y y²) of no group may exceed the larger
of its start and the bound, which is computed here independently. The few that are too stiff for
both solvers, with modulators of 1e6 to 1e11, are solved by scipy in the logarithm of a. Then
`GatedORGaNICs` that violate one hypothesis each: how many diverge, and how many exceed the bound
that they would have.

    python examples/benchmarks/bounded_circuits.py [--cases 10000 --outside 1000 --out FILE]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would compete with those of XLA

import argparse
import itertools
import json
import time
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from _measure import machine
from _stiff_circuits import by_scipy

import organics_ode as oo
from organics_ode.stability import bounded_checks

N, M, SAVED, HOLDS, EXPONENTS = 8, 2, 97, 3, (1.0, 2.0, 3.0)
NONE = oo.Rectification.NONE
FAR = 1e9  # In units of the bound: such a state is on its way to infinity.


def skew(rng: np.random.Generator, units: np.ndarray) -> np.ndarray:
    S = rng.normal(size=(N, N)) * np.outer(units, units)
    S = S - S.T
    return S * np.exp(rng.uniform(-2, 2)) / max(np.linalg.norm(S, 2), 1e-9)


def draw(rng: np.random.Generator, groups: int) -> dict:
    """One circuit of the class and its drive; missing units are silent and drive no others."""
    log = lambda low, high, *shape: 10 ** rng.uniform(low, high, shape)  # noqa: E731
    size = rng.integers(1 if groups == 2 else 2, N // groups + 1)
    units = np.tile(np.arange(N // groups) < size, groups).astype(float)
    block = np.kron(np.eye(groups), np.ones((N // groups,) * 2))
    damped = np.eye(N)
    if rng.uniform() < 0.3:
        turn = np.linalg.qr(rng.normal(size=(N, N)))[0]
        inside = np.outer(units, units) * block if groups == 1 else np.eye(N)
        rates = turn * rng.uniform(0.05, 1, N) @ turn.T
        damped = np.where(inside > 0, rates, 0) if groups == 1 else np.diag(rng.uniform(0.05, 1, N))
        damped = np.where(units > 0, damped, np.eye(N))
    gate = log(-1, 1)
    arrays = {
        "W_zx": rng.normal(size=(N, M)) * units[:, None],
        "W_r": damped + skew(rng, units) * block,
        "W": log(-3, 0.3, groups, N) * (rng.uniform(size=(groups, N)) < 0.8) * units,
        "sigma": log(-1.5, 0.3, groups),
        "W_bx0": gate * rng.normal(size=(groups, M)),
        "W_by0": gate * rng.normal(size=(groups, N)) * units,
        "W_ba0": gate * rng.normal(size=(groups, groups)),
        "W_bx1": gate * rng.normal(size=(N, M)),
        "W_by1": gate * rng.normal(size=(N, N)) * units,
        "W_ba1": gate * rng.normal(size=(N, groups)),
        "tau_y": log(0, 1.3, N),
        "tau_a": log(0, 1.3, groups),
        "tau_b0": log(0, 1.3, groups),
        "tau_b1": log(0, 1.3, N),
        "floor": rng.choice([0.02, 0.1, 0.5]),
        "exponent": rng.choice(EXPONENTS),
    }
    x = rng.normal(size=(HOLDS, M))
    x *= log(-2, 3) / np.linalg.norm(x, axis=1).max()
    y = rng.normal(size=N) * log(-1, 0.7) * units
    start = [y, log(-3, 1, groups), rng.uniform(arrays["floor"], 1, groups), rng.uniform(size=N)]
    if rng.uniform() < 0.5:
        b0 = (1 + np.full(groups, arrays["floor"])) / 2
        rest = (arrays["sigma"] * b0) ** arrays["exponent"]
        start = [0 * y, rest, b0, np.full(N, 0.5)]
    return {"arrays": arrays, "x": x, "start": start, "units": units}


def untied(rng: np.random.Generator, miss: str) -> dict:
    """One `GatedORGaNICs` of N units that violates one hypothesis, or none."""
    drawn = draw(rng, 1)
    while drawn["units"].sum() < 3:
        drawn = draw(rng, 1)
    c, units, x = drawn["arrays"], drawn["units"], drawn["x"]
    x *= 10 ** rng.uniform(-2, 2) / np.linalg.norm(x, axis=1).max()
    factors = lambda *shape: np.exp(rng.normal(size=shape))  # noqa: E731
    for name in ("W", "sigma", "tau_a", "tau_b0", "W_bx0"):
        c[name] = np.repeat(c[name], N, axis=0)
    c["W_bx0"] = c["W_bx0"] / np.abs(c["W_bx0"] @ x.T).max()
    c["W_ba1"] = np.repeat(c["W_ba1"], N, axis=1) / N
    c |= {"W_by0": np.zeros((N, N)), "W_ba0": np.zeros((N, N))}
    if miss == "no pool is empty, b0 reads y and a":
        c["W_by0"] = 3 * rng.normal(size=N)[None, :] * units * np.ones((N, 1))
        c["W_ba0"] = 3 * rng.normal(size=N)[None, :] * units * np.ones((N, 1))
        c["W"] = np.tile(10 ** rng.uniform(-2, 0, N) * units, (N, 1))
    least = c["sigma"].min() * 0.25
    rates, modes = np.linalg.eigh((c["W_r"] + c["W_r"].T) / 2)
    if miss == "symmetric part above":
        rates[-1] = rng.uniform(1.1, 2) / (1 - min(least, 0.5))
    if miss == "symmetric part not positive":
        rates[0] = rng.uniform(-1, 0)
    c["W_r"] = (modes * rates) @ modes.T + (c["W_r"] - c["W_r"].T) / 2
    c["W_r"] = np.where(np.outer(units, units) + np.eye(N) > 0, c["W_r"], 0)
    if miss == "rows of W differ":
        c["W"] = c["W"] * factors(N, 1)
    if miss == "entries of W differ":
        c["W"] = c["W"] * factors(N, N)
    if miss == "sigma differs":
        c["sigma"] = c["sigma"] * factors(N)
    if miss == "tau_a differs":
        c["tau_a"] = c["tau_a"] * factors(N)
    if miss == "gates of b0 differ":
        c["W_bx0"] = rng.normal(size=(N, M))
        c["W_bx0"] = c["W_bx0"] / np.abs(c["W_bx0"] @ x.T).max()
    if miss == "W negative":
        c["W"] = c["W"] * np.where(rng.uniform(size=N) < 0.3, -1, 1)
    del c["floor"]
    rest = (c["sigma"] / 2) ** c["exponent"]
    drawn["start"] = [np.zeros(N), rest, np.full(N, 0.5), np.full(N, 0.5)]
    return drawn


def hold_of(d: dict) -> float:
    """How long each input is held, ms: strongly driven circuits need less time."""
    c, strength = d["arrays"], np.linalg.norm(d["x"], axis=1).max()
    return (5 * np.median(c["tau_y"]) + 2 * np.max(c["tau_a"])) / (1 + strength / 10) ** 0.5


def stacked(drawn: list[dict], template) -> tuple:
    """The circuits stacked along a leading axis, with their drives, starts and durations."""
    fields = list(drawn[0]["arrays"])
    values = [np.stack([np.asarray(d["arrays"][f], float) for d in drawn]) for f in fields]
    many = eqx.tree_at(lambda c: [getattr(c, f) for f in fields], oo.resolve(template), values)
    start = [np.stack(parts) for parts in zip(*(d["start"] for d in drawn), strict=True)]
    kind = type(template.initial_state())
    times = [hold_of(d) for d in drawn]
    return many, np.stack([d["x"] for d in drawn]), kind(*start), np.asarray(times)


@eqx.filter_jit
def solve(circuits, xs, starts, times, solver):
    """y at evenly spaced times, how far each run came, and whether it succeeded."""

    def one(circuit, x, start, hold):
        onsets = hold * jnp.arange(HOLDS)
        ts = jnp.linspace(0, HOLDS * hold, SAVED)
        # No gradient is needed, and what the default keeps for one costs more than the steps.
        how = {"solver": solver, "adjoint": diffrax.ForwardMode()}
        how |= {"max_steps": 4096, "throw": False}
        run = oo.simulate(circuit, oo.ZeroOrderHold(onsets, x), ts, state0=start, **how)
        return run.states.y, run.succeeded, run.stats["largest"], run.stats["num_steps"]

    many = (circuits, xs, starts, times)
    if isinstance(solver, diffrax.Tsit5):
        return jax.vmap(one)(*many)
    # One by one, because batched LAPACK calls of one program may wait for each other forever.
    return jax.lax.map(lambda arguments: one(*arguments), many)


@eqx.filter_jit
def bounds_of(circuits, xs):
    return jax.vmap(lambda c, x: bounded_checks(c, x))(circuits, jnp.max(jnp.abs(xs), axis=1))


def in_batches(drawn: list[dict], template, solver=None, count: int = 500):
    """The runs in batches of similar stiffness, which need similar numbers of steps; those that an
    explicit solver does not finish are solved by an implicit one."""
    order = np.argsort([max(np.abs(d["x"]).max(), np.abs(d["start"][0]).max()) for d in drawn])
    left = []
    for i in range(0, len(order), count):
        some = [drawn[j] for j in order[i : i + count]]
        full = some + [some[-1]] * (count - len(some))
        arguments = stacked(full, template)
        found = [np.asarray(v) for v in solve(*arguments, solver or diffrax.Tsit5())]
        ended = found[1][: len(some)] | (solver is not None)
        left += [d for d, ok in zip(some, ended, strict=True) if not ok]
        kept = np.flatnonzero(ended)
        yield [some[j] for j in kept], arguments, [v[kept] for v in found], kept
    if left:
        yield from in_batches(left, template, diffrax.Kvaerno5(), 50)


def own_bound(d: dict, groups: int, least: np.ndarray) -> np.ndarray:
    """√(max τ_y) max|z| / (1 − (1 − s) λ) of each group, s the least of its start and floor."""
    c, found = d["arrays"], []
    high = np.linalg.eigvalsh((c["W_r"] + c["W_r"].T) / 2)[-1]
    a = np.broadcast_to(d["start"][1], (groups,))
    for g in range(groups):
        at = np.arange(N) // (N // groups) == g
        at &= d["units"] > 0
        z = np.abs(c["W_zx"][at]) @ np.abs(d["x"]).max(0)
        s = min(least[g], a[g] ** (1 / c["exponent"]), 1)
        damping = 1 - (1 - s) * high
        found.append(np.sqrt(c["tau_y"][at].max()) * np.linalg.norm(z) / damping)
    return np.asarray(found)


def norms(d: dict, y: np.ndarray, groups: int) -> np.ndarray:
    """√(Σ τ_y y²) of each group over time."""
    weighted = (d["arrays"]["tau_y"] * y**2 * d["units"]).reshape(len(y), groups, -1)
    return np.sqrt(weighted.sum(-1))


def of_class(rng: np.random.Generator, cases: int, which: tuple[int, ...]) -> dict:
    found = {"cases": 0, "by scipy": 0, "diverged": 0, "unfinished": 0, "above": 0}
    largest, certified, steps = [0.0], [0.0], []
    for groups in which:
        template = oo.RotationalORGaNICs.random(M, N, key=0, groups=groups, exponent=jnp.array(2.0))
        drawn = [draw(rng, groups) for _ in range(cases // len(which))]
        chunks = [drawn[i : i + 2500] for i in range(0, len(drawn), 2500)]
        template = eqx.tree_at(lambda c: c.sigma, oo.resolve(template), jnp.ones(groups))
        runs = itertools.chain.from_iterable(in_batches(chunk, template) for chunk in chunks)
        for some, arguments, (y, succeeded, _, taken), kept in runs:
            bound, checks = bounds_of(*arguments[:2])
            bound = np.asarray(bound)[kept]
            assert all(np.all(check.holds) for check in checks.values())
            for d, one, ok, b in zip(some, y, succeeded, bound, strict=True):
                seen = one[np.isfinite(one).all(1)]
                N_t = norms(d, seen, groups)
                least = d["arrays"]["sigma"] * d["arrays"]["floor"]
                limit = np.maximum(own_bound(d, groups, least), N_t[0])
                largest.append((N_t / np.where(limit > 0, limit, 1)).max())
                if not np.any(d["start"][0]):
                    certified.append(np.linalg.norm(seen * d["units"], axis=1).max() / float(b))
                if not ok:
                    path = by_scipy(d, groups, hold_of(d))
                    found["by scipy"] += 1
                    found["unfinished"] += int(path is None)
                    if path is not None:
                        N_t = norms(d, path, groups)
                        largest.append((N_t / np.maximum(limit, N_t[0])).max())
                        found["diverged"] += int(largest[-1] > FAR)
            found["cases"] += len(some)
            steps += list(taken)
            print(json.dumps(found | {"largest": max(largest)}), flush=True)
    found["above"] = int(np.sum(np.asarray(largest) > 1 + 1e-6))
    found["above certified"] = int(np.sum(np.asarray(certified) > 1 + 1e-6))
    shares = {"largest share of the bound": max(largest), "of the certified": max(certified)}
    shares |= {"median share of the certified": float(np.median(certified[1:]))}
    return found | shares | {"median steps": float(np.median(steps))}


MISSES = {
    "none": NONE,
    "rows of W differ": NONE,
    "entries of W differ": NONE,
    "sigma differs": NONE,
    "tau_a differs": NONE,
    "gates of b0 differ": NONE,
    "symmetric part above": NONE,
    "symmetric part not positive": NONE,
    "no pool is empty, b0 reads y and a": NONE,
    "W negative": NONE,
    "rectification after": oo.Rectification.AFTER,
    "rectification before": oo.Rectification.BEFORE,
}


def outside(rng: np.random.Generator, cases: int, miss: str) -> dict:
    exponent = jnp.array(2.0)
    options = {"rectification": MISSES[miss], "exponent": exponent}
    template = oo.GatedORGaNICs.random(M, N, key=0, **options)
    template = eqx.tree_at(lambda c: c.sigma, oo.resolve(template), jnp.ones(N))
    found = {"cases": 0, "diverged": 0, "unfinished": 0, "above": 0}
    for some, _, (y, succeeded, size, _), _ in in_batches(
        [untied(rng, miss) for _ in range(cases)], template
    ):
        for d, one, ok, far in zip(some, y, succeeded, size, strict=True):
            c, seen = d["arrays"], one[np.isfinite(one).all(1)]
            least = c["sigma"] * 1 / (1 + np.exp(np.abs(c["W_bx0"] @ d["x"].T).max()))
            near = d | {"arrays": c | {"W_r": np.eye(N)}}
            near["start"] = [d["start"][0], d["start"][1].min()[None]]
            limit = own_bound(near, 1, least.min()[None])[0]
            is_far = not ok and not far < FAR
            found["diverged"] += int(is_far)
            found["unfinished"] += int(not ok and not is_far)
            found["above"] += int(is_far or norms(d, seen, 1).max() > limit * (1 + 1e-6))
        found["cases"] += len(some)
    return found


def main(args: argparse.Namespace) -> None:
    jax.config.update("jax_enable_x64", True)
    start = time.perf_counter()
    rng = np.random.default_rng(args.seed)
    results = {"class": of_class(rng, args.cases, args.groups)} if args.cases else {}
    for miss in args.misses if args.outside else ():
        results[miss] = outside(np.random.default_rng(args.seed + 1), args.outside, miss)
        print(miss, results[miss], flush=True)
    seconds = time.perf_counter() - start
    results |= {"seed": args.seed, "seconds": round(seconds), "machine": machine("jax", "scipy")}
    print(json.dumps(results, indent=1))
    if args.out:
        args.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--outside", type=int, default=1_000)
    parser.add_argument("--groups", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--misses", nargs="+", choices=MISSES, default=tuple(MISSES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    main(parser.parse_args())
