"""All fixed points of a circuit of one unit."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from ..._checks import refuse
from ..._types import Numbers
from ...circuits import AbstractCircuit
from .._results import kind_of
from ._equations import (
    Scalars,
    eigenvalues_at,
    jacobian_at,
    read,
    residual_at,
    resolution_at,
    velocity_at,
)
from ._roots import roots

_TOLERANCE = 1e-10  # for a relative residual
_NEWTON = 8  # steps: each doubles the number of digits that bisection found


def quartic(circuit: AbstractCircuit, x: Numbers) -> Float[Array, "5"]:
    """The polynomial in s = √a whose positive roots are the fixed points, for p = 2.

        w_r² s⁴ + 2w_r(1−w_r) s³ + [(1−w_r)² − wc² − βw_r²] s² − 2w_r(1−w_r)β s − (1−w_r)²β

    A root with u = 0 and c ≠ 0 is not a fixed point of the circuit. `fixed_points` does not use
    this polynomial: near a saddle-node its roots lose half of their digits. Pure (jit, vmap, grad).

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
    """Newton steps while they lower the residual, since at a double point they are erratic."""
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
