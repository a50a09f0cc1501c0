"""The equations of one unit: over many points in JAX, and at one point in Python floats."""

import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from ..._checks import check_reach, refuse
from ..._nonlinearities import Rectification, power, root
from ..._types import Numbers
from ...circuits import AbstractCircuit, ORGaNICs, obeys, what_is
from ...linear import read_point


class Scalars(NamedTuple):
    """The numbers of a one-unit circuit: Python floats, or JAX scalars under a transformation."""

    c: Any
    w_r: Any
    w: Any
    beta: Any
    p: Any
    tau_y: Any
    tau_a: Any


def read(circuit: AbstractCircuit, x: Numbers) -> Scalars:
    """The numbers of a circuit of one unit without rectification; others are refused."""
    checked: Any
    checked, _, x = read_point(circuit, None, x)
    must = "be an ORGaNICs with one unit, n = 1"
    if not obeys(checked, ORGaNICs):
        refuse("circuit", must, what_is(checked, ORGaNICs))
    if checked.initial_state().y.size != 1:
        refuse("circuit", must, f"it has n = {checked.initial_state().y.size}")
    if checked.rectification is not Rectification.NONE:
        refuse("circuit", "have no rectification", f"it has {checked.rectification}")
    return scalars(checked, x)


def scalars(circuit: AbstractCircuit, x: Array) -> Scalars:
    """The numbers of a circuit that is already checked and resolved."""
    c: Any = circuit
    b0, b1, sigma, tau_y, tau_a = (v.reshape(()) for v in (c.b0, c.b1, c.sigma, c.tau_y, c.tau_a))
    z, beta = (c.W_zx @ x)[0], power(sigma * b0, c.exponent)
    return Scalars(b1 * z, c.W_r[0, 0], c.W[0, 0], beta, c.exponent, tau_y, tau_a)


def host(q: Scalars) -> Scalars:
    """As plain numbers; those whose powers overflow are refused, as curves are found from these."""
    q = Scalars(*map(float, q))
    with np.errstate(over="ignore"):
        check_reach("x", np.abs(np.float64(q.c)) ** q.p * q.w, "the modulator, |b1 z|^p,")
    return q


def velocities(q: Scalars, y: Array, a: Array) -> tuple[Array, Array]:
    dy = -y + q.c + (1 - root(a, q.p)) * (q.w_r * y)
    da = -a + q.beta + q.w * jax.nn.relu(a) * power(y, q.p)
    return dy / q.tau_y, da / q.tau_a


def velocity_at(q: Scalars, y: float, a: float) -> tuple[float, float]:
    s = a ** (1 / q.p)
    dy = -y + q.c + (1 - s) * q.w_r * y
    return dy / q.tau_y, (-a + q.beta + q.w * a * abs(y) ** q.p) / q.tau_a


def residual_at(q: Scalars, y: float, a: float) -> float:
    try:
        fy, fa = velocity_at(q, y, a)
    except OverflowError:  # a float's power raises it, whereas a product would be infinite
        return math.inf
    recurrent = abs(q.w_r * y) * (1 + a ** (1 / q.p))
    largest_y = max(abs(y), abs(q.c), recurrent) or 1.0
    ratios = abs(fy * q.tau_y) / largest_y, abs(fa * q.tau_a) / max(a, q.beta)
    return max(ratios) if all(map(math.isfinite, ratios)) else math.inf


def jacobian_at(q: Scalars, y: float, a: float) -> tuple:
    s, sign = a ** (1 / q.p), math.copysign(1.0, y)
    slope = q.p * abs(y) ** (q.p - 1) * sign if y else 0.0
    yy, ya = -1 + (1 - s) * q.w_r, -q.w_r * y * s / (q.p * a)
    ay, aa = q.w * a * slope, -1 + q.w * abs(y) ** q.p
    return (yy / q.tau_y, ya / q.tau_y), (ay / q.tau_a, aa / q.tau_a)


def eigenvalues_at(q: Scalars, y: float, a: float) -> list[complex]:
    values = np.linalg.eigvals(np.array(jacobian_at(q, y, a))).astype(complex)
    return sorted(values.tolist(), key=lambda v: (-v.real, -v.imag))


def resolution_at(q: Scalars, y: float, a: float) -> float:
    """The size below which the sign of a real part is unknown, as in `Spectrum`."""
    (yy, ya), (ay, aa) = jacobian_at(q, y, a)
    size = math.sqrt(yy**2 + 2 * abs(ya * ay) + aa**2)  # with rows as large as columns
    return float((2 * np.finfo(float).eps + residual_at(q, y, a)) * size)
