"""The borders between basins of attraction."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._checks import check_positive_integer
from .._types import Limits, Numbers
from ..cells import runge_kutta
from ..circuits import AbstractCircuit, ORGaNICsState
from ._equations import Scalars, jacobian_at, read, read_host, read_range, velocities
from ._fixed_points import PlanarFixedPoints, fixed_points

_BOXES = 8  # The longest branch: a spiral of many turns.
_GROWTH = 1.05  # From step to step, near the saddle.
_OFFSET = 0.4  # Power of ε: the manifold bends away from its tangent by the square of the distance.


def separatrices(
    circuit: AbstractCircuit, x: Numbers, y_range: Limits, a_range: Limits, *, points: int = 2000
) -> ORGaNICsState:
    """The stable manifolds of the saddles: the borders between basins of attraction.

    From each saddle backward in time along ± its stable eigenvector, by Runge-Kutta steps of a
    given length in the box, short ones near the saddle, until the curve leaves it. A border only
    where there are two stable points to separate. A host function.

    Args:
        circuit: an `ORGaNICs` with n = 1 and no rectification.
        x: (m,), the input.
        y_range, a_range: the box, (low, high) each.
        points: how many on a branch, which is at most eight boxes long.

    Returns:
        An `ORGaNICsState` with leaves (2·saddles, points), two branches per saddle, each starting
        at the saddle; NaN after it has left the box.

    Raises:
        ValueError: an argument is bad.
    """
    found, q = fixed_points(circuit, x), read(circuit, x)
    box = np.array([read_range("y_range", y_range), read_range("a_range", a_range)])
    points = check_positive_integer("points", points)
    scale = jnp.asarray(box[:, 1] - box[:, 0], q.c.dtype)
    saddles = [i for i, kind in enumerate(found.kinds) if kind == "saddle"]
    starts = [_departures(circuit, x, found, i, scale) for i in saddles]
    if not starts:
        empty = jnp.zeros((0, points), q.c.dtype)
        return ORGaNICsState(empty, empty)
    box = jnp.asarray(box, q.c.dtype)
    lengths = np.minimum(_BOXES / points, _offset(scale) * _GROWTH ** np.arange(points))
    curves = _trace(q, jnp.concatenate(starts), box, jnp.asarray(lengths, q.c.dtype))
    return ORGaNICsState(curves[..., 0], curves[..., 1])


def _departures(
    circuit: AbstractCircuit, x: Numbers, found: PlanarFixedPoints, i: int, scale: Array
) -> Array:
    """Two points near a saddle on its stable eigenvector."""
    q = read_host(circuit, x)[0]
    state = np.array([found.states.y[i, 0], found.states.a[i, 0]])
    values, vectors = np.linalg.eig(np.array(jacobian_at(q, *state.tolist())))
    stable = np.real(vectors[:, np.argmin(np.real(values))])
    away = _offset(scale) * stable / np.linalg.norm(stable / np.asarray(scale))
    return jnp.asarray(state + np.stack([away, -away]), scale.dtype)


def _offset(scale: Array) -> float:
    """A distance from a saddle, in boxes."""
    return float(jnp.finfo(scale.dtype).eps) ** _OFFSET


@eqx.filter_jit
def _trace(q: Scalars, starts: Array, box: Array, lengths: Array) -> Array:
    """(branches, points, 2): backward in time from the starts, in steps of these lengths."""
    scale = box[:, 1] - box[:, 0]
    tiny = jnp.finfo(scale.dtype).eps

    def field(v: Array) -> Array:
        forward = jnp.stack(velocities(q, v[..., 0], v[..., 1]), axis=-1)
        speed = jnp.linalg.norm(forward / scale, axis=-1, keepdims=True)
        return -forward / (speed + tiny)

    def step(v: Array, length: Array) -> tuple[Array, Array]:
        inside = jnp.all((v >= box[:, 0]) & (v <= box[:, 1]), axis=-1, keepdims=True)
        v = jnp.where(inside, v, jnp.nan)
        return runge_kutta(field, v, field(v), length), v

    with jax.numpy_rank_promotion("allow"):  # a box for all branches
        curves = jax.lax.scan(step, starts, lengths)[1]
    return jnp.moveaxis(curves, 0, 1)
