"""Where the velocities of one unit vanish."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._cards import carded
from ..._checks import as_float_array, check_finite, refuse
from ..._nonlinearities import power
from ..._types import Numbers
from ...circuits import AbstractCircuit
from ._equations import Scalars, read


@carded
class Nullclines(NamedTuple):
    """Where ẏ = 0 and where ȧ = 0, as a over y; NaN where a curve has no point.

    `vertical` is the y of a vertical line on which ẏ = 0 as well (w_r = 0 or c = 0), else NaN.
    """

    y: Float[Array, " points"]
    y_nullcline: Float[Array, " points"]
    a_nullcline: Float[Array, " points"]
    vertical: Float[Array, ""]


def nullclines(circuit: AbstractCircuit, x: Numbers, y: Numbers) -> Nullclines:
    """The nullclines of a circuit of one unit, in closed form.

        ẏ = 0:  a = s^p,  s = (c − (1−w_r) y)/(w_r y) ≥ 0;      ȧ = 0:  a = β/(1 − w|y|^p)

    the latter where w|y|^p < 1. They cross at the fixed points. For other circuits a velocity may
    vanish at several a for one y, or at none: see `nullcline_curves`. Pure (jit, vmap, grad).

    Args:
        circuit: an `ORGaNICs` with n = 1 and no rectification.
        x: (m,), the input.
        y: (points,), the values of y at which to evaluate them.

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


def curves(q: Scalars, y: np.ndarray, a: np.ndarray) -> tuple[tuple[np.ndarray, ...], ...]:
    """Both nullclines along both axes of a window."""
    return _y_curves(q, y, a), _a_curves(q, y, a)


def _y_curves(q: Scalars, y: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, ...]:
    """Along s, split where u = 0; with c = 0 the lines y = 0 and u = 0."""
    ends, level = np.array([a[0], a[-1]]), 1 - 1 / q.w_r if q.w_r else -1.0
    if q.c == 0:
        flat = [_line([y[0], y[-1]], level**q.p)] if level >= 0 else []
        return (_line(0.0, ends), *flat)
    heard = y[q.w_r * y != 0]
    met = (q.c - (1 - q.w_r) * heard) / (q.w_r * heard)
    s = _increasing([np.maximum(a, 0) ** (1 / q.p), met], 0, max(a[-1], 0) ** (1 / q.p))
    u = 1 - q.w_r + q.w_r * s
    curve = _line(q.c / np.where(u == 0, np.nan, u), s**q.p)
    if a[0] < 0:  # s = 0 there
        curve = np.concatenate([curve[:1] * [1, 0] + [0, a[0]], curve])
        u = np.append(u[0], u)
    halves = (curve[u > 0], curve[u < 0])
    return tuple(piece for half in halves for piece in _pieces(half, y))


def _a_curves(q: Scalars, y: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, ...]:
    """Along a, from β upward, on both sides of y = 0."""
    if q.w == 0:
        return (_line([y[0], y[-1]], q.beta),)
    room = 1 - q.w * np.abs(y) ** q.p
    met = q.beta / room[room > 0]
    height = _increasing([[q.beta], a, met], q.beta, a[-1])
    side = ((1 - q.beta / height) / q.w) ** (1 / q.p)
    curve = np.concatenate([_line(-side, height)[::-1], _line(side, height)])
    return _pieces(curve, y)


def _line(y: Numbers, a: Numbers) -> Float[np.ndarray, "points 2"]:
    return np.stack(np.broadcast_arrays(np.asarray(y, float), np.asarray(a, float)), axis=1)


def _increasing(parts: Sequence[Numbers], low: float, high: float) -> Float[np.ndarray, " points"]:
    values = np.unique(np.concatenate(parts))
    return values[(values >= low) & (values <= high)]


def _pieces(curve: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """The parts of a curve that are within half a width of the window."""
    margin = (y[-1] - y[0]) / 2
    near = (curve[:, 0] >= y[0] - margin) & (curve[:, 0] <= y[-1] + margin)
    runs = np.split(np.arange(len(near)), np.nonzero(np.diff(near))[0] + 1)
    return tuple(curve[run] for run in runs if len(run) > 1 and near[run[0]])
