"""Circuits of users against fixed points and certificates: subclasses with other equations, own
vector fields, NaN in places, drifts, rates and sizes over many decades, fields without any point.

    python tests/system/attack_circuits.py [--write] [--kinds leak drift] [--sizes 1 8]

Whatever `fixed_point` and `find_fixed_points` call solved is solved again by `scipy.optimize.root`
in float64, each equation and each variable on its own scale, and what is called stable is compared
with the eigenvalues of the derivative there. A certificate may hold only where nothing was changed.
"""

import argparse
import functools
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax.flatten_util import ravel_pytree
from page import write_table

import organics_ode as oo

SIZES, EACH = (1, 2, 8, 32), 5
NEAR = {
    np.float64: 1e-5,
    np.float32: 5e-2,
}  # of the size of a variable, for a slow direction's sake


_STARTS = (64, 16)  # of small circuits and of large ones


# Subclasses

TERMS: dict[str, Callable[[Any], Any]] = {
    "leak": lambda y: 0.4 * y,
    "tanh": lambda y: 0.3 * jnp.tanh(3 * y),
    "turn": lambda y: 0.2 * jnp.roll(y, 1) - 0.1 * y**3,
    "drift": lambda y: 1e-5 + 0 * y,
    "root": lambda y: 0.3 * jnp.sqrt(0.2 - y),
    "nothing": lambda y: 0 * y,
}


@functools.cache
def other(base: Any, name: str) -> Any:
    """The class with a term added to its first equation."""

    class Other(base):
        def vector_field(self, t: Any, state: Any, x: Any) -> Any:
            speed = super().vector_field(t, state, x)
            return type(speed)(speed[0] + TERMS[name](state[0]), *speed[1:])

    return Other


class Same(oo.ORGaNICs):
    """A subclass that changes nothing: all that is known of its class holds."""

    def describe(self) -> str:
        return "mine"


def organics(cls: Any, n: int, rng: Any, identity: bool) -> Any:
    W_r = np.eye(n) if identity else rng.normal(size=(n, n)) / n**0.5
    scalars = rng.uniform(0.1, 0.9, 3), rng.uniform(1, 8, 2)
    return cls(np.eye(n), W_r, rng.uniform(size=(n, n)), *scalars[0], *scalars[1])


def gated(cls: Any, n: int, rng: Any) -> Any:
    gates = [rng.normal(size=(n, n)) * k for k in (1, 0, 0, 1, 0, 0)]
    W, taus = rng.uniform(size=(n, n)), rng.uniform(1, 8, 4)
    return cls(np.eye(n), np.eye(n), W, 0.3, *gates, *taus)


def rates(cls: Any, n: int, rng: Any) -> Any:
    W = 0.8 * rng.normal(size=(n, n)) / n**0.5
    return cls(W, np.eye(n), rng.normal(size=n), tau=10.0)


def feedback(cls: Any, n: int, rng: Any) -> Any:
    m, out, I = rng.normal(size=(3, n))
    return cls(rng.normal(size=(n, n)) / n**0.5, m, out, I, 0.7, np.eye(n))


# Own circuits


class OwnState(NamedTuple):
    u: Any
    v: Any


class Own(oo.AbstractCircuit[OwnState]):
    """u̇ = r(−u + D tanh(C v/D + x/D)), v̇ = s(−v + u) with rates r and s and sizes D; or a field of
    another name."""

    C: jax.Array
    r: jax.Array
    D: jax.Array
    name: str = eqx.field(static=True, default="network")

    @property
    def input_size(self) -> int:
        return len(self.r)

    def vector_field(self, t: Any, state: OwnState, x: jax.Array) -> OwnState:
        (u, v), r, D = state, self.r, self.D
        match self.name:
            case "network":
                return OwnState(r * (-u + D * jnp.tanh(self.C @ (v / D) + x)), 0.3 * (u - v))
            case "polynomial":
                return OwnState(u - u**3 + self.C @ v / 4 + x, jnp.log(u + 2) - v)
            case "drift":
                return OwnState(r * (-u + 1e6), 1e-5 + 0 * v)
            case _:  # none: no point of rest anywhere
                return OwnState(1 + u**2 + v**2, jnp.exp(-v) + self.C @ v * 0)

    def initial_state(self) -> OwnState:
        return OwnState(jnp.zeros_like(self.r), jnp.zeros_like(self.r))


def own(name: str, n: int, rng: Any, decades: float = 0.0, sizes: float = 0.0) -> Any:
    C = 0.8 * rng.normal(size=(n, n)) / n**0.5
    spread = [10 ** rng.uniform(-d, d, n) if d else np.ones(n) for d in (decades, sizes)]
    return Own(jnp.asarray(C), *map(jnp.asarray, spread), name)


KINDS: dict[str, Callable[[int, Any], Any]] = {
    "ORGaNICs, W_r = I, leak changed": lambda n, r: organics(
        other(oo.ORGaNICs, "leak"), n, r, True
    ),
    "ORGaNICs, a saturating term": lambda n, r: organics(other(oo.ORGaNICs, "tanh"), n, r, False),
    "GatedORGaNICs, W_r = I, leak changed": lambda n, r: gated(
        other(oo.GatedORGaNICs, "leak"), n, r
    ),
    "GatedORGaNICs, NaN above .2": lambda n, r: gated(other(oo.GatedORGaNICs, "root"), n, r),
    "RateNetwork, a turn and a cube": lambda n, r: rates(other(oo.RateNetwork, "turn"), n, r),
    "FeedbackNetwork, a drift": lambda n, r: feedback(other(oo.FeedbackNetwork, "drift"), n, r),
    "ORGaNICs, W_r = I, a subclass unchanged": lambda n, r: organics(Same, n, r, True),
    "own, rates over 6 decades": lambda n, r: own("network", n, r, decades=3),
    "own, sizes over 12 decades": lambda n, r: own("network", n, r, sizes=6),
    "own, cubes and a logarithm": lambda n, r: own("polynomial", n, r),
    "own, drift of 1e-5 beside 1e6": lambda n, r: own("drift", n, r),
    "own, no point of rest": lambda n, r: own("none", n, r),
}


# What is claimed, and what is true


class Count(NamedTuple):
    """Of one kind: circuits; points called solved, of these wrong; called stable or not, of these
    wrong; certificates that hold, of these wrong; the largest distance to scipy's point."""

    circuits: int = 0
    solved: int = 0
    wrong: int = 0
    judged: int = 0
    misjudged: int = 0
    certified: int = 0
    false: int = 0
    distance: float = 0.0

    def __add__(self, new: Any) -> "Count":  # pyright: ignore
        sums = (a + b for a, b in zip(self[:-1], new[:-1], strict=True))
        return Count(*sums, max(self[-1], new[-1]))


def cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda v: jnp.asarray(v, dtype) if eqx.is_inexact_array(v) else v, tree)


class Truth:
    """The circuit in float64, as scipy sees it."""

    def __init__(self, circuit: Any, x: Any):
        circuit = oo.resolve(cast(circuit, np.float64))
        flat, unravel = ravel_pytree(circuit.initial_state())
        x = jnp.asarray(x, np.float64)
        self._speed = jax.jit(lambda v: ravel_pytree(circuit.vector_field(None, unravel(v), x))[0])
        self._slope = jax.jit(jax.jacfwd(self._speed))
        self.size, self._unravel = flat.size, unravel
        self._sizes = np.tile(circuit.D, 2) if isinstance(circuit, Own) else None

    def scale(self, v: np.ndarray) -> np.ndarray:
        """What each variable could be: one that rests at 0 does so to rounding."""
        if self._sizes is not None:
            return self._sizes
        fields = jax.tree.map(lambda f: jnp.full(f.shape, jnp.max(jnp.abs(f))), self._unravel(v))
        return np.asarray(ravel_pytree(fields)[0])

    def near(self, v: np.ndarray) -> tuple[float, np.ndarray]:
        """How far the next root is, by the largest share of a variable, or of a hundredth of what
        it could be, and the Jacobians here and there, which lie on two sides of a kink if the root
        is on it."""
        units = np.maximum(np.abs(v), 1e-9 * np.max(np.abs(v)) + 1e-300)
        J = np.asarray(self._slope(v))
        rows = np.max(np.abs(J) * units, axis=1)
        rows = np.where(rows > 0, rows, 1)
        found = scipy.optimize.root(
            lambda w: np.asarray(self._speed(w * units)) / rows,
            v / units,
            jac=lambda w: np.asarray(self._slope(w * units)) * units / rows[:, None],
            tol=1e-13,
        )
        w = found.x * units
        rest = np.max(np.abs(np.asarray(self._speed(w)) / rows))
        distance = np.max(
            np.abs(w - v) / np.maximum(np.maximum(np.abs(w), units), self.scale(v) / 100)
        )
        return (float(distance) if rest < 1e-9 else np.inf), np.stack(
            [self._slope(v), self._slope(w)]
        )


def judge(circuit: Any, x: Any, dtype: Any, key: Any, may_hold: bool) -> Count:
    truth, near = Truth(circuit, x), NEAR[dtype]
    point = oo.fixed_point(circuit, x, throw=False)
    many = oo.find_fixed_points(circuit, x, key=key, starts=_STARTS[x.size > 2], rounds=1)
    claims = list(zip(many, many.abscissae, many.spectra.resolution, strict=True))
    if point.succeeded:
        claims.append((point.state, point.abscissa, point.resolution))
    found = Count(1)
    for state, abscissa, resolution in claims:
        v = np.asarray(ravel_pytree(state)[0], float)
        distance, J = truth.near(v)
        signs = [
            np.sign(np.max(np.linalg.eigvals(each).real)) for each in J if np.isfinite(each).all()
        ]
        is_told = abs(float(abscissa)) > float(resolution)
        is_wrong = is_told and np.sign(float(abscissa)) not in signs
        found += Count(0, 1, int(not distance < near), int(is_told), int(is_wrong))
        found = found._replace(distance=max(found.distance, distance))
    certificate = oo.certify(circuit, x)
    is_false = certificate.holds and not may_hold
    return found + Count(certified=int(certificate.holds), false=int(is_false))


def attack(kind: str, n: int, each: int = EACH) -> Count:
    """Circuits of one kind and size; odd places of the table in float32."""
    place = list(KINDS).index(kind) + SIZES.index(n)
    dtype = (np.float64, np.float32)[place % 2]
    total, rng = Count(), np.random.default_rng([place, n])
    for i in range(each):
        circuit = cast(KINDS[kind](n, rng), dtype)
        x = jnp.asarray(rng.normal(size=circuit.input_size), dtype)
        total += judge(circuit, x, dtype, jax.random.key(i), "unchanged" in kind)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kinds", nargs="+", default=[""], help="parts of the kinds' names")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--write", action="store_true", help="put the table into docs/trust.md")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore")
    lines = [
        "| circuits | number | called solved | of these wrong | told stable or not | wrong | "
        "certificates | false |",
        "| - | - | - | - | - | - | - | - |",
    ]
    start, all_kinds = time.time(), Count()
    for kind in [k for k in KINDS if any(part in k for part in options.kinds)]:
        total = Count()
        for n in options.sizes:
            total += attack(kind, n)
            jax.clear_caches()  # Every circuit is a program, and Linux maps 65 530 pieces at most.
            print(f"{time.time() - start:6.0f} s  {kind}, n = {n}: {total}", flush=True)
        all_kinds += total
        lines.append(f"| {kind} | {' | '.join(map(str, total[:-1]))} |")
    lines.append(f"| together | {' | '.join(map(str, all_kinds[:-1]))} |")
    print("\n".join(lines))
    if options.write:
        write_table("circuits", lines)


if __name__ == "__main__":
    main()
