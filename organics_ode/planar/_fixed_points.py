"""All fixed points of a circuit of one unit."""

import math
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from .._cards import Card, carded
from .._checks import refuse
from .._types import Numbers
from ..circuits import AbstractCircuit, ORGaNICsState
from ._equations import (
    Scalars,
    eigenvalues_at,
    jacobian_at,
    kind_of,
    read,
    read_host,
    residual_at,
    resolution_at,
    velocity_at,
)
from ._roots import roots

_TOLERANCE = 1e-10  # of a relative residual
_NEWTON = 8  # steps: each doubles the digits that bisection found


@carded
class PlanarFixedPoints(eqx.Module):
    """All fixed points of a one-unit circuit, sorted by y.

    - `states`: `ORGaNICsState` with (k, 1) leaves.
    - `eigenvalues`: (k, 2), 1/ms, by falling real part.
    - `residuals`: (k,), relative to the largest term of each equation.
    - `kinds`: k names: "stable node", "stable focus", "saddle", "unstable node", "unstable focus",
      or "marginal" where the sign of a real part cannot be told, by the rule of `Spectrum`.
    - `is_stable`: (k,).
    """

    states: ORGaNICsState
    eigenvalues: Complex[Array, "k 2"]
    residuals: Float[Array, " k"]
    kinds: tuple[str, ...] = eqx.field(static=True)

    @property
    def is_stable(self) -> Bool[Array, " k"]:
        return jnp.asarray([kind.startswith("stable") for kind in self.kinds], bool)

    def __len__(self) -> int:
        return len(self.kinds)

    def _card(self) -> Card:
        columns = (self.states.y[:, 0], self.states.a[:, 0], self.kinds, self.eigenvalues)
        rows = [(y, a, kind, *values) for y, a, kind, values in zip(*columns, strict=True)]
        head = ("y", "a", "kind", "eigenvalues", "(1/ms)")
        return Card(f"PlanarFixedPoints: {len(self)}", columns=head, rows=rows)


def fixed_points(circuit: AbstractCircuit, x: Numbers) -> PlanarFixedPoints:
    """All fixed points of a circuit of one unit, for any exponent.

        s^p (1 − w|c/u|^p) = β,    u = 1 − w_r + w_r s,    y = c/u,    a = s^p

    There are at most three. The left side G(s) is positive on two branches only. On the one that
    runs to infinity G increases from 0: one point, with the sign of w_r c. On the other, towards
    s = 0, log G is concave and G is 0 at the end: two points, or none. So bisection between the
    ends and the maximum misses nothing, double points included. With c = 0 there is y = 0, and
    where u = 0 at an s > β^(1/p) the pair |y|^p = (1 − β/s^p)/w. A host function; for one point
    of a larger circuit see `fixed_point`.

    Args:
        circuit: an `ORGaNICs` with n = 1 and no rectification.
        x: (m,), the input.

    Returns:
        A `PlanarFixedPoints`, polished by Newton's method on the circuit's own equations; it may be
        empty where w_r ≤ 0 or w = 0. A continuum (w = 0, c = 0, u = 0) is given as its y = 0.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: a point could not be polished to a relative residual of 1e-10.
    """
    q, dtype = read_host(circuit, x)
    found = solve(q)
    states = ORGaNICsState(*(jnp.asarray(v[:, None], dtype) for v in (found.y, found.a)))
    values = jnp.asarray(found.eigenvalues, np.result_type(dtype, np.complex64))
    return PlanarFixedPoints(states, values, jnp.asarray(found.residuals, dtype), found.kinds)


def quartic(circuit: AbstractCircuit, x: Numbers) -> Float[Array, "5"]:
    """The polynomial in s = √a whose positive roots are the fixed points, for p = 2.

        w_r² s⁴ + 2w_r(1−w_r) s³ + [(1−w_r)² − wc² − βw_r²] s² − 2w_r(1−w_r)β s − (1−w_r)²β

    A root with u = 0 and c ≠ 0 is no fixed point of the circuit. `fixed_points` does without it:
    near a saddle-node the roots of a polynomial lose half of their digits. Pure (jit, vmap, grad).

    Args:
        circuit: an `ORGaNICs` with n = 1, p = 2 and no rectification.
        x: (m,), the input.

    Returns:
        (5,), highest power first.

    Raises:
        ValueError: an argument is bad.
    """
    q = read(circuit, x)
    if not isinstance(q.p, int | float) or q.p != 2:
        refuse("circuit", "have the exponent 2", f"it is {q.p}")
    v, wr = 1 - q.w_r, q.w_r
    middle = v * v - q.w * q.c * q.c - q.beta * wr * wr
    return jnp.stack([wr * wr, 2 * wr * v, middle, -2 * wr * v * q.beta, -v * v * q.beta])


class Solved(NamedTuple):
    """All fixed points in double precision, sorted by y."""

    y: Float[np.ndarray, " k"]
    a: Float[np.ndarray, " k"]
    eigenvalues: Complex[np.ndarray, "k 2"]
    residuals: Float[np.ndarray, " k"]
    kinds: tuple[str, ...]


def solve(q: Scalars) -> Solved:
    """All fixed points of the circuit with these numbers."""
    points = sorted(_polish(q, y, s**q.p) for y, s in roots(q))
    y, a = (np.array([point[i] for point in points]) for i in (0, 1))
    eigenvalues = np.array([eigenvalues_at(q, *point) for point in points], complex)
    residuals = np.array([residual_at(q, *point) for point in points])
    if not np.all(residuals < _TOLERANCE):
        raise RuntimeError(
            f"A fixed point near y = {y}, a = {a} could not be polished: relative residuals "
            f"{residuals}. Parameters that differ by many orders of magnitude can cause this."
        )
    resolutions = [resolution_at(q, *point) for point in points]
    kinds = tuple(map(kind_of, eigenvalues, resolutions))
    return Solved(y, a, eigenvalues.reshape(-1, 2), residuals, kinds)


def _polish(q: Scalars, y: float, a: float) -> tuple[float, float]:
    """Newton steps while they lower the residual: not at a double point, where they are wild."""
    best = residual_at(q, y, a)
    for _ in range(_NEWTON):
        (yy, ya), (ay, aa) = jacobian_at(q, y, a)
        fy, fa = velocity_at(q, y, a)
        det = yy * aa - ya * ay
        if det == 0:
            break
        new = y - (aa * fy - ya * fa) / det, a - (yy * fa - ay * fy) / det
        residual = residual_at(q, *new) if new[1] > 0 else math.inf
        if not residual < best:
            break
        (y, a), best = new, residual
    return y, a
