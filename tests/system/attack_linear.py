"""`oo.covariance` against scipy and `oo.lyapunov` against exact products, far from normal.

    python tests/system/attack_linear.py --write

Circuits that are linear, dx/dt = A x + x(t) B x, so that every right answer is known: a covariance
is scipy's in float64 where a change of A by rounding does not change it, and must be refused where
it does; exponents are the mean logarithms of multipliers put into the matrices by hand.
"""

import argparse
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import block_diag, matrix_balance, solve_continuous_lyapunov

import organics_ode as oo

SEED = 18
DTYPES = ("float64", "float32")
DT = 0.1


class Vector(NamedTuple):
    """The state of a linear circuit."""

    v: Any


class Linear(oo.AbstractCircuit):
    """dv/dt = (A + x B) v, with one input x."""

    A: Any
    B: Any

    @property
    def input_size(self):
        """m."""
        return 1

    def vector_field(self, t, state, x):
        """The velocity."""
        return Vector(self.A @ state.v + x[0] * (self.B @ state.v))

    def initial_state(self):
        """All 1."""
        return Vector(jnp.ones_like(self.A[0]))


def linear(A, dtype, B=None):
    """A circuit in this dtype."""
    A = jnp.asarray(A, dtype)
    return Linear(A, jnp.zeros_like(A) if B is None else jnp.asarray(B, dtype))


def chain(n, strength):
    """Each hears the next one, and itself decays at rate 1."""
    return -np.eye(n) + strength * np.eye(n, k=1)


def turned(A, rng):
    """In other axes, where nothing is 0."""
    Q = np.linalg.qr(rng.normal(size=A.shape))[0]
    return Q @ A @ Q.T


def dense(n, rng):
    """Normal numbers, shifted to be stable."""
    A = 2 * rng.normal(size=(n, n)) / np.sqrt(n)
    return A - (np.linalg.eigvals(A).real.max() + 0.2) * np.eye(n)


def triangle(n, rng):
    """Feedforward, from all to all that follow, at rates of three decades."""
    return np.diag(-(10 ** rng.uniform(-2, 1, n))) + 2 * np.triu(rng.normal(size=(n, n)), 1)


FAMILIES = {
    "feedforward chain": lambda n, rng: chain(n, rng.uniform(1, 20)),
    "feedforward chain in other axes": lambda n, rng: turned(chain(n, rng.uniform(1, 20)), rng),
    "all to all that follow": triangle,
    "dense": dense,
    "dense in other units": lambda n, rng: (
        (s := 10 ** rng.uniform(-4, 4, n))[:, None] * dense(n, rng) / s[None, :]
    ),
}


class Covariances(NamedTuple):
    """What became of a family: how many, how many refused, of these with a known answer, NaN, and
    the worst relative error of the others."""

    count: int
    refused: int
    refused_though_known: int
    nan: int
    worst: float


def relative(X, expected):
    """In units in which every variance is 1."""
    size = np.sqrt(np.diag(expected))
    return float(np.max(np.abs(X - expected) / size[:, None] / size[None, :]))


def scipys(A):
    """scipy's covariance for noise of 1, solved in units that suit the matrix."""
    even, (scale, _) = matrix_balance(A, permute=False, separate=True)
    X = solve_continuous_lyapunov(even, -np.diag(1 / scale**2))
    return scale[:, None] * X * scale[None, :]


def is_known(A, eps, rng):
    """Whether rounding of A leaves its covariance within 0.1 %."""
    expected = scipys(A)
    for _ in range(5):
        moved = A * (1 + eps * rng.normal(size=A.shape))
        X = scipys(moved)
        if not (np.linalg.eigvals(moved).real.max() < 0 and relative(X, expected) < 1e-3):
            return False
    return True


def attack_covariances(family, dtype, count, sizes):
    """So many circuits of a family."""
    rng = np.random.default_rng([SEED, list(FAMILIES).index(family)])
    refused = known = nan = 0
    worst = 0.0
    for i in range(count):
        A = np.asarray(FAMILIES[family](sizes[i % len(sizes)], rng), dtype).astype(float)
        try:
            start = Vector(jnp.zeros(len(A), dtype))
            X = oo.covariance(linear(A, dtype), jnp.zeros(1, dtype), oo.Noise(1.0), state0=start)
        except ValueError as error:
            assert "stable" in str(error) and (dtype == "float64" or "float64" in str(error)), error
            refused += 1
            known += is_known(A, np.finfo(dtype).eps, rng)
            continue
        nan += bool(np.isnan(X).any())
        worst = max(worst, relative(np.asarray(X, float), scipys(A)))
    return Covariances(count, refused, known, nan, worst)


def rate(multiplier):
    """The rate λ with 1 + λ dt = multiplier."""
    return (multiplier - 1) / DT


def spirals(n, rng):
    """A chain of pairs that turn, each hearing the next, and the moduli of their multipliers."""
    moduli = rng.uniform(0.5, 0.95, n // 2)
    angles = rng.uniform(0.3, 2, n // 2)
    turns = [
        r * np.array([[np.cos(w), -np.sin(w)], [np.sin(w), np.cos(w)]])
        for r, w in zip(moduli, angles, strict=True)
    ]
    A = (block_diag(*turns) - np.eye(n)) / DT + 10 * np.eye(n, k=2)
    return A, np.repeat(moduli, 2)


def product(name, n, rng):
    """A, B and the function of the inputs that gives the exact exponents."""
    fixed = lambda m: lambda xs: np.log(m) / DT  # noqa: E731
    zero = np.zeros((n, n))
    if name == "chain of equal multipliers":
        return chain(n, 10.0), zero, fixed(np.full(n, 0.9))
    if name == "chain in a random order":
        order = rng.permutation(n)
        m = rng.uniform(0.3, 1.1, n)
        A = np.diag(rate(m)) + 10 * np.triu(rng.normal(size=(n, n)), 1)
        return A[order][:, order], zero, fixed(m)
    if name == "chain of spirals":
        A, m = spirals(n, rng)
        return A, zero, fixed(m)
    if name == "driven chain":
        rates, gains = rng.uniform(-3, -1, n), rng.uniform(-1, 1, n)
        A = np.diag(rates) + 5 * np.eye(n, k=-1)
        exact = lambda xs: np.mean(  # noqa: E731
            np.log(np.abs(1 + DT * (rates + xs.astype(float) * gains))), axis=0
        )
        return A, np.diag(gains), lambda xs: exact(xs) / DT
    m = rng.uniform(0.5, 0.95, n)
    V = np.eye(n) + 0.3 * rng.normal(size=(n, n)) / np.sqrt(n)
    return V @ np.diag(rate(m)) @ np.linalg.inv(V), zero, fixed(m)


PRODUCTS = {
    "chain of equal multipliers": (30, 20),
    "chain in a random order": (12,),
    "chain of spirals": (12,),
    "driven chain": (12,),
    "dense, near normal": (8,),
}
STEPS = (1, 50, 1000)


def attack_exponents(name, dtype, sizes, steps=STEPS):
    """The worst error, 1/ms, over sizes, numbers of exponents and of steps."""
    worst = 0.0
    for n in sizes:
        rng = np.random.default_rng([SEED, n])
        A, B, exact = product(name, n, rng)
        cell = oo.Euler(linear(A, dtype, B), DT)
        for T in steps:
            xs = rng.normal(size=(T, 1)).astype(dtype)
            expected = np.sort(exact(xs))[::-1]
            for k in (n, 3, 1):
                found = np.asarray(oo.lyapunov(cell, xs, k), float)
                worst = max(worst, float(np.max(np.abs(found - expected[:k]))))
    return worst


def tables(count):
    """The lines of the page."""
    lines = [
        "| covariances | dtype | circuits | refused | refused, though rounding leaves it | NaN |"
    ]
    lines[0] += " worst relative error |"
    lines.append("|---|---|---|---|---|---|---|")
    for family in FAMILIES:
        for dtype in DTYPES:
            c = attack_covariances(family, dtype, count, (5, 10))
            lines.append(
                f"| {family} | {dtype} | {c.count} | {c.refused} | {c.refused_though_known} "
                f"| {c.nan} | {c.worst:.1g} |"
            )
            print(lines[-1], flush=True)
    lines += ["", "| exponents | dtype | n | steps | worst error (1/ms) |", "|---|---|---|---|---|"]
    for name, sizes in PRODUCTS.items():
        for dtype in DTYPES:
            worst = attack_exponents(name, dtype, sizes)
            shown = ", ".join(map(str, sizes))
            lines.append(
                f"| {name} | {dtype} | {shown} | {min(STEPS)} to {max(STEPS)} | {worst:.1g} |"
            )
            print(lines[-1], flush=True)
    return lines


def main():
    """All families."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=52)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    lines = tables(given.count)
    if given.write:
        from page import write_table

        command = "`python tests/system/attack_linear.py --write`"
        where = f"AMD EPYC, 2 cores, jax {jax.__version__}"
        write_table("linear", [f"{command}, seed {SEED}, {where}:", "", *lines])


if __name__ == "__main__":
    main()
