"""`oo.simulate` at its default tolerances against LSODA at 1e-11 on random circuits.

    python tests/system/attack_solutions.py --write

sigma from 1e-4 to 1, constant and dynamic gains, every rectification, held, switched and smooth
inputs, an explicit and an implicit solver, float64 and float32. The other side is these equations
in numpy. An error is relative to the size of its variable: a modulator to its own value then, which
is never far below (sigma b0)^2; all others to their largest value. They are in units of what
`oo.simulate` is asked for, 1e-6 or 1e-4; scipy's RK45 with steps of these tolerances is beside it.
"""

import argparse
import itertools
from typing import NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

import organics_ode as oo

SEED = 18
SIGMAS = (1e-4, 3e-4, 1e-3, 1e-2, 0.1, 1.0)
ASKED = {"float64": 1e-6, "float32": 1e-4}
TS = np.linspace(0.0, 40.0, 21)
LARGEST = 1e3
SWITCHES = np.array([0.0, 7.3, 15.1, 30.2])


class Case(NamedTuple):
    """A circuit, its input, and how to solve it."""

    gains: str
    sigma: float
    n: int
    rectification: oo.Rectification
    drive: str
    solver: str
    seed: int

    def text(self) -> str:
        """In words."""
        rectified = self.rectification.value
        return (
            f"{self.gains} gains, n = {self.n}, sigma = {self.sigma:g}, rectification {rectified}, "
            f"{self.drive} input, {self.solver}"
        )


class Outcome(NamedTuple):
    """By dtype: the worst error over what was asked, the steps taken, and RK45's error."""

    case: Case
    worst: dict
    steps: dict
    usual: dict


def cases(limit=None):
    """12 kinds of circuit with 6 sigmas each: what compiles differs between kinds only."""
    rng = np.random.default_rng(SEED)
    rectifications = list(oo.Rectification)
    made = []
    for i in range(12):
        kind = (
            rectifications[i % 3],
            ("held", "switched", "smooth")[(i + i // 3) % 3],
            ("Tsit5", "Kvaerno5")[(i // 2) % 2],
        )
        gains, n = ("constant", "dynamic")[i % 2], (1, 3, 8)[(i // 4) % 3]
        made += [Case(gains, sigma, n, *kind, int(rng.integers(2**31))) for sigma in SIGMAS]
    return made[:limit]


def build(case, dtype):
    """The circuit, and its arrays as they are in this dtype."""
    rng = np.random.default_rng(case.seed)
    n, m = case.n, 2
    arrays = {
        "W_zx": rng.normal(size=(n, m)),
        "W_r": np.eye(n) + (rng.random() < 0.5) * rng.normal(size=(n, n)) / (5 * np.sqrt(n)),
        "W": rng.uniform(0, 1, (n, n)) + np.eye(n),
        "sigma": np.full(n, case.sigma) * rng.uniform(0.5, 2, n),
        "tau_y": rng.uniform(1, 4, n),
        "tau_a": rng.uniform(1, 8, n),
    }
    if case.gains == "constant":
        arrays |= {"b0": rng.uniform(0.3, 1, n), "b1": rng.uniform(0.3, 1, n)}
        make = oo.ORGaNICs
    else:
        arrays |= {f"tau_b{k}": rng.uniform(1, 4, n) for k in (0, 1)}
        shapes = {"x": m, "y": n, "a": n}
        arrays |= {
            f"W_b{v}{k}": rng.normal(size=(n, width)) / 2
            for v, width in shapes.items()
            for k in (0, 1)
        }
        make = oo.GatedORGaNICs
    arrays = {k: v.astype(dtype) for k, v in arrays.items()}
    circuit = make(
        **{k: jnp.asarray(v) for k, v in arrays.items()}, rectification=case.rectification
    )
    xs = rng.normal(size=(len(SWITCHES), m)).astype(dtype)
    return circuit, {k: v.astype(np.float64) for k, v in arrays.items()}, xs


def drive_of(case, xs):
    """The input for `oo.simulate`, and the same in numpy."""
    if case.drive == "held":
        return jnp.asarray(xs[0]), lambda t: xs[0].astype(float)
    if case.drive == "switched":
        hold = oo.ZeroOrderHold(jnp.asarray(SWITCHES, xs.dtype), jnp.asarray(xs))
        times = np.asarray(hold.ts, float)
        return hold, lambda t: xs[np.searchsorted(times, t, side="right") - 1].astype(float)
    first, second = xs[0].astype(float), xs[1].astype(float)
    wave = jnp.asarray(xs)
    return (
        lambda t: wave[0] * jnp.cos(t / 5) + wave[1],
        lambda t: first * np.cos(t / 5) + second,
    )


def velocity(case, c, x, v):
    """The equations of both circuits, written again."""
    relu = lambda u: np.maximum(u, 0)  # noqa: E731
    kind, n = case.rectification, case.n
    y, a, *gains = v.reshape(-1, n)
    b0, b1 = gains or (c["b0"], c["b1"])
    z = c["W_zx"] @ x
    heard = y if kind is oo.Rectification.NONE else relu(y)
    recurrent = c["W_r"] @ (relu(y) if kind is oo.Rectification.BEFORE else y)
    if kind is oo.Rectification.AFTER:
        z, recurrent = relu(z), relu(recurrent)
    dy = (-y + b1 * z + (1 - np.sqrt(relu(a))) * recurrent) / c["tau_y"]
    da = (-a + (c["sigma"] * b0) ** 2 + c["W"] @ (relu(a) * heard**2)) / c["tau_a"]
    changes = [dy, da]
    for k, b in enumerate(gains):
        drive = c[f"W_bx{k}"] @ x + c[f"W_by{k}"] @ y + c[f"W_ba{k}"] @ a
        changes.append((-b + 1 / (1 + np.exp(-drive))) / c[f"tau_b{k}"])
    return np.concatenate(changes)


def reference(case, c, x, v0, method="LSODA", rtol=1e-11, share=0.01):
    """From one switch to the next; None where the circuit diverges."""
    v, saved = v0, [v0]
    atol = share * rtol * np.where(_is_a(case, v0), case.sigma**2, 1)
    for start, end in itertools.pairwise(TS):
        inside = SWITCHES[(start < SWITCHES) & (end > SWITCHES)] if case.drive == "switched" else []
        stops = [start, *inside, end]
        for left, right in itertools.pairwise(stops):
            held = None if case.drive == "smooth" else x((left + right) / 2)
            field = lambda t, v, held=held: velocity(case, c, x(t) if held is None else held, v)  # noqa: E731
            run = solve_ivp(
                field, (left, right), v, method=method, rtol=rtol, atol=atol, events=_diverges
            )
            v = run.y[:, -1]
            if run.status != 0:
                return None
        saved.append(v)
    return np.array(saved)


def _is_a(case, v0):
    return np.arange(v0.size) // case.n == 1


def _diverges(t, v):
    return LARGEST - np.max(np.abs(v))


_diverges.terminal = True


def attack(case):
    """Both dtypes of one case, redrawn until it does not diverge."""
    worst, steps, usual = {}, {}, {}
    for dtype in ASKED:
        exact = None
        while exact is None:
            circuit, arrays, xs = build(case, dtype)
            inputs, x = drive_of(case, xs)
            v0 = np.concatenate([np.asarray(leaf, float) for leaf in circuit.initial_state()])
            exact = reference(case, arrays, x, v0)
            case = case if exact is not None else case._replace(seed=case.seed + 1)
        run = oo.simulate(circuit, inputs, TS, solver=getattr(diffrax, case.solver)())
        found = np.concatenate([np.asarray(leaf, float) for leaf in run.states], axis=1)
        size = np.where(_is_a(case, v0)[None, :], np.abs(exact), np.abs(exact).max(axis=0)[None, :])
        other = reference(case, arrays, x, v0, "RK45", ASKED[dtype], 0.1)
        for errors, values in ((worst, found), (usual, other)):
            error = np.abs(values - exact) / np.where(size > 0, size, 1)
            errors[dtype] = float(error.max() / ASKED[dtype])
        steps[dtype] = int(run.stats["num_steps"])
    return Outcome(case, worst, steps, usual)


def table(outcomes):
    """The lines of the page."""
    head = ("dtype", "sigma", "circuits", "median error", "worst", "RK45's there", "which")
    lines = [f"| {' | '.join(head)} |", "|---|---|---|---|---|---|---|"]
    for dtype in ASKED:
        for sigma in SIGMAS:
            rows = [o for o in outcomes if o.case.sigma == sigma]
            if rows:
                worst = max(rows, key=lambda o: o.worst[dtype])
                median = np.median([o.worst[dtype] for o in rows])
                lines.append(
                    f"| {dtype} | {sigma:g} | {len(rows)} | {median:.2g} | "
                    f"{worst.worst[dtype]:.2g} | {worst.usual[dtype]:.2g} | {worst.case.text()} |"
                )
    return lines


def main():
    """Run all of them, or as many as asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=None)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    outcomes = []
    for i, case in enumerate(cases(given.count)):
        outcomes.append(attack(case))
        errors = ", ".join(f"{d} {e:.3g}" for d, e in outcomes[-1].worst.items())
        print(
            f"{i:3} {errors}, steps {list(outcomes[-1].steps.values())}: {case.text()}", flush=True
        )
    lines = table(outcomes)
    print("\n".join(lines))
    if given.write:
        from page import write_table

        command = "`python tests/system/attack_solutions.py --write`"
        where = f"jax {jax.__version__}"
        write_table("solutions", [f"{command}, seed {SEED}, {where}:", "", *lines])


if __name__ == "__main__":
    main()
