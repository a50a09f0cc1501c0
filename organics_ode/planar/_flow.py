"""Velocities over the plane of one unit, and where they vanish."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_float_array, check_finite, refuse
from .._nonlinearities import power
from ..circuits import AbstractCircuit, ORGaNICsState
from ._equations import read, read_points, velocities


class Nullclines(NamedTuple):
    """Where ẏ = 0 and where ȧ = 0, as a over y; NaN where a curve has no point.

    `vertical` is the y of a vertical line on which ẏ = 0 as well (w_r = 0 or c = 0), else NaN.
    """

    y: Float[Array, " points"]
    y_nullcline: Float[Array, " points"]
    a_nullcline: Float[Array, " points"]
    vertical: Float[Array, ""]


def vector_field(circuit: AbstractCircuit, x: Any, y: Any, a: Any) -> ORGaNICsState:
    """(ẏ, ȧ) of a circuit of one unit at many points of its plane.

    Pure (jit, vmap, grad).

    Args:
        circuit: an `ORGaNICs` with n = 1 and no rectification.
        x: (m,), the input.
        y, a: arrays of one shape, as from `jnp.meshgrid`.

    Returns:
        An `ORGaNICsState` of velocities, 1/ms, in that shape.

    Raises:
        ValueError: an argument is bad.
    """
    q = read(circuit, x)
    return ORGaNICsState(*velocities(q, *read_points(q, y, a)))


def nullclines(circuit: AbstractCircuit, x: Any, y: Any) -> Nullclines:
    """The nullclines of a circuit of one unit, in closed form.

        ẏ = 0:  a = s^p,  s = (c − (1−w_r) y)/(w_r y) ≥ 0;      ȧ = 0:  a = β/(1 − w|y|^p)

    the latter where w|y|^p < 1. They cross at the fixed points. Pure (jit, vmap, grad).

    Args:
        circuit: an `ORGaNICs` with n = 1 and no rectification.
        x: (m,), the input.
        y: (points,), where to evaluate.

    Returns:
        A `Nullclines`, NaN where a curve has no point.

    Raises:
        ValueError: an argument is bad.
    """
    q = read(circuit, x)
    y = check_finite("y", as_float_array("y", y, q.c.dtype))
    if y.ndim != 1:
        refuse("y", "have shape (points,)", f"it has shape {y.shape}")
    scale = q.w_r * y
    has_s = scale != 0
    s = (q.c - (1 - q.w_r) * y) / jnp.where(has_s, scale, 1)
    of_y = jnp.where(has_s & (s >= 0), power(jnp.maximum(s, 0), q.p), jnp.nan)
    room = 1 - q.w * power(y, q.p)
    of_a = jnp.where(room > 0, q.beta / jnp.where(room > 0, room, 1), jnp.nan)
    vertical = jnp.where((q.w_r == 0) | (q.c == 0), q.c, jnp.nan)
    return Nullclines(y, of_y, of_a, vertical)
