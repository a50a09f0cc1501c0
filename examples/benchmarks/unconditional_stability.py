"""The theorem for W_r = I on random circuits: every hypothesis and every eigenvalue is checked.

Draws circuits with W_r = I and 1 to 32 units, with time constants of each unit over four decades,
exponents in [1, 5] and all rectifications. Checks that the closed form solves the equations to
1e-10 of their largest term, that all hypotheses of `oo.certify` hold (the same code, vmapped), and
that the eigenvalues of the oscillator's pencil are those of the Jacobian.

    python examples/benchmarks/unconditional_stability.py [--cases 10000 --seed 0]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would compete with those of XLA

import argparse
import platform
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import linear_sum_assignment

import organics_ode as oo
from organics_ode.programs import after
from organics_ode.stability import normalization_checks

SIZES = (1, 2, 3, 4, 8, 16, 24, 32)
GROUPS = [(n, rectification) for n in SIZES for rectification in oo.Rectification]


def draw(rng: np.random.Generator, count: int, n: int) -> tuple[np.ndarray, ...]:
    """W_zx = I, W, σ, b0, b1, τ_y, τ_a, p and the input x of `count` circuits."""
    unit, log = (count, n), lambda low, high: 10 ** rng.uniform(low, high, (count, n))
    W = rng.uniform(size=(count, n, n)) * 10 ** rng.uniform(-2, 1, (count, 1, 1))
    x = rng.normal(size=unit) * 10 ** rng.uniform(-1, 1, (count, 1))
    times = log(-1, 3), log(-1, 3)
    gains = (rng.uniform(0.1, 1, unit) for _ in range(2))
    return W, log(-2, 0), *gains, *times, rng.uniform(1, 5, count), x


@eqx.filter_jit
def examine(rectification: oo.Rectification, arrays: tuple) -> tuple:
    """All checks, and the two sets of eigenvalues."""

    def one(W, sigma, b0, b1, tau_y, tau_a, exponent, x):
        eye = jnp.eye(x.size)
        scales = (sigma, b0, b1, tau_y, tau_a)
        options = {"rectification": rectification, "exponent": exponent}
        circuit = oo.resolve(oo.ORGaNICs(eye, eye, W, *scales, **options))
        form, checks = normalization_checks(circuit, x)
        form = after(checks, form)
        pencil = form.eigenvalues
        state = after(pencil, form.state)
        return checks, pencil, oo.spectrum(circuit, state, x).eigenvalues

    return jax.vmap(one)(*arrays)


def differences(pencil: np.ndarray, jacobian: np.ndarray) -> tuple[float, float]:
    """The largest difference of matched eigenvalues, relative to each, and to the largest one."""
    gaps = np.abs(pencil[:, None] - jacobian[None, :])
    relative = gaps / np.abs(jacobian)[None, :]
    rows, columns = linear_sum_assignment(np.minimum(relative, 10))
    return relative[rows, columns].max(), gaps[rows, columns].max() / np.abs(jacobian).max()


def main(args: argparse.Namespace) -> None:
    rng = np.random.default_rng(args.seed)
    count = -(-args.cases // len(GROUPS))
    start, seconds, values, holds, pairs = time.perf_counter(), 0.0, {}, {}, []
    for n, rectification in GROUPS:
        arrays = draw(rng, count, n)
        # The first call compiles.
        jax.block_until_ready(examine(rectification, arrays))
        before = time.perf_counter()
        checks, *eigenvalues = jax.tree.map(np.asarray, examine(rectification, arrays))
        seconds += time.perf_counter() - before
        for name, check in checks.items():
            values.setdefault(name, []).extend(check.value)
            holds.setdefault(name, []).extend(check.holds)
        pairs += [differences(*pair) for pair in zip(*eigenvalues, strict=True)]
    report(values, holds, np.array(pairs), seconds, time.perf_counter() - start)


def report(values: dict, holds: dict, pairs: np.ndarray, seconds: float, total: float) -> None:
    cases = len(pairs)
    certified = np.all(list(holds.values()), axis=0)
    print(f"{platform.processor() or platform.machine()}, jax {jax.__version__}, float64")
    print(f"{cases} circuits, n {SIZES[0]}–{SIZES[-1]}, {seconds:.1f} s ({total:.0f} s in all)\n")
    print("| hypothesis  | failures | smallest value | largest value |")
    print("|-------------|----------|----------------|---------------|")
    for name, value in values.items():
        failures = cases - int(np.sum(holds[name]))
        print(f"| {name:11} | {failures:8} | {min(value):14.3g} | {max(value):13.3g} |")
    residuals = np.array(values["residual"])
    print(f"\ncertified: {int(certified.sum())} of {cases}")
    print(f"residual above 1e-10: {int(np.sum(residuals > 1e-10))}, worst {residuals.max():.1e}")
    for name, errors in zip(("itself", "the largest"), pairs.T, strict=True):
        over = int(np.sum(errors > 1e-8))
        print(
            f"eigenvalues, pencil against Jacobian, relative to {name}: above 1e-8 in {over}, "
            f"worst {errors.max():.1e}, median {np.median(errors):.1e}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    jax.config.update("jax_enable_x64", True)
    main(parser.parse_args())
