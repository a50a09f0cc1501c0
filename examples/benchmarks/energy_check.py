"""The energy along the exact linear flow of random circuits: does it ever grow?

1 000 circuits with 1 to 8 units, exponents in [1, 4] and time constants over two decades, a third
with a symmetric pool and one modulator time constant, a third with W_r ≠ I, take 100 steps
δ ← exp(Jh) δ each. Prints how many steps raise V at all, how many by more than rounding, the worst
ratio of V after and before a step, and the worst difference between the rate and ∇V·Jδ.

    python examples/benchmarks/energy_check.py [--circuits 1000 --steps 100]
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
from jax.flatten_util import ravel_pytree

import organics_ode as oo

SIZES, INPUTS = (1, 2, 3, 4, 5, 6, 7, 8), 3
FORMS = ("symmetric", "oscillator", "lyapunov")
# V is a sum of positive terms whose weights differ by up to 1/ε; its rounding is far below this.
ROUNDING = 1e-9


def random_circuit(n: int, rng: np.random.Generator, kind: str) -> oo.ORGaNICs:
    W_zx, W = rng.normal(size=(n, INPUTS)), rng.uniform(size=(n, n))
    W_r = np.eye(n) if kind != "lyapunov" else 0.8 * np.linalg.qr(rng.normal(size=(n, n)))[0]
    tau_y, tau_a = 10 ** rng.uniform(0, 2, (2, n))
    if kind == "symmetric":
        W, tau_a = (W + W.T) / 2, np.full(n, tau_a[0])
    sigma, b0, b1 = rng.uniform(0.1, 0.5, n), rng.uniform(0.3, 1, n), rng.uniform(0.3, 1, n)
    # An array, so that one compiled function serves every exponent.
    exponent = oo.Frozen(np.asarray(rng.uniform(1, 4)))
    W_zx = W_zx / np.linalg.norm(W_zx, 2)
    return oo.ORGaNICs(W_zx, W_r, W, sigma, b0, b1, tau_y, tau_a, exponent=exponent)


@eqx.filter_jit
def follow(circuits: oo.ORGaNICs, xs: jax.Array, starts: jax.Array, hs: jax.Array, steps: int):
    """The form, V after over V before every step, and the relative error of the first rate."""

    def one(circuit, x, start, h):
        V = oo.energy(circuit, x)
        J = oo.jacobian(circuit, V.state, x)
        step = jax.scipy.linalg.expm(h * J)
        point, unravel = ravel_pytree(V.state)

        # V is quadratic and the flow is linear, so a step is judged on δ scaled back to length 1: a
        # δ below the rounding of the state itself could not be judged.
        def one_step(d, _):
            d = d / jnp.linalg.norm(d)
            return step @ d, V(unravel(point + step @ d)) / V(unravel(point + d))

        ratios = jax.lax.scan(one_step, start, length=steps)[1]
        state = unravel(point + start)
        terms = ravel_pytree(V.gradient(state))[0] * (J @ start)
        error = jnp.abs(V.rate(state) - jnp.sum(terms)) / jnp.sum(jnp.abs(terms))
        return V.kind, ratios, error

    return jax.vmap(one)(circuits, xs, starts, hs)


def check(count: int, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
    """`follow` for random circuits: forms (circuits,), ratios (circuits, steps), errors."""
    found = []
    for n in SIZES:
        rng = np.random.default_rng([seed, n])
        cases = count // len(SIZES)
        circuits = [random_circuit(n, rng, FORMS[i % 3]) for i in range(cases)]
        batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *circuits)
        xs = rng.normal(size=(cases, INPUTS))
        xs = 10 ** rng.uniform(-1, 0, (cases, 1)) * xs / np.linalg.norm(xs, axis=1, keepdims=True)
        starts, hs = rng.normal(size=(cases, 2 * n)), 10 ** rng.uniform(-2, 0.5, cases)
        found.append([np.asarray(part) for part in follow(batch, xs, starts, hs, steps)])
    names = ("forms", "ratios", "errors")
    return {k: np.concatenate(v) for k, v in zip(names, zip(*found, strict=True), strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--circuits", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=100)
    args = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    start = time.perf_counter()
    found = check(args.circuits, args.steps)
    seconds = time.perf_counter() - start
    print(f"{platform.machine()}, {platform.system()}, jax {jax.__version__}: {seconds:.1f} s")
    print(f"{'form':>12} {'circuits':>9} {'steps':>8} {'rises':>6} {'> rounding':>11} "
          f"{'worst V ratio − 1':>18} {'rate error':>11}")  # fmt: skip
    for kind, form in enumerate(FORMS):
        chosen = found["forms"] == kind
        V = found["ratios"][chosen]
        rises, beyond = (int(np.sum(~(1 + e >= V))) for e in (0, ROUNDING))
        worst, error = np.max(V) - 1, np.max(found["errors"][chosen])
        print(f"{form:>12} {len(V):9d} {V.size:8d} {rises:6d} {beyond:11d} "
              f"{worst:18.2e} {error:11.2e}")  # fmt: skip


if __name__ == "__main__":
    main()
