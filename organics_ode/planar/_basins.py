"""Where a circuit goes from each of many starts, and the borders between basins."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from .._checks import check_positive_integer, refuse
from .._types import Limits, Numbers
from ..cells import runge_kutta
from ..circuits import AbstractCircuit
from ._circuit_plane import plane
from ._plane import AbstractPlane, read_known, read_points, read_range

_BOXES = 8  # The longest branch in boxes, for a spiral of many turns.
_GROWTH = 1.05  # Of the steps near the saddle.
_OFFSET = 0.4  # Power of ε: the manifold departs from its tangent with the square of the distance.


def basins(
    circuit: AbstractCircuit,
    x: Numbers,
    y: Numbers,
    a: Numbers,
    *,
    max_steps: int = 4000,
    variables: tuple[str, str] | None = None,
    others: tuple | None = None,
) -> Int[np.ndarray, "..."]:
    """Which fixed point a circuit reaches from each of many starts in the plane of two variables.

    All starts are followed at once, in steps that are short compared to the local rates, until the
    last one is near a stable point or has left for infinity. In a larger circuit all variables
    move, the others starting from their steady values for the two, unless they are held. A host
    function.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        y, a: the starts: values of the first and of the second variable, arrays of the same shape.
        max_steps: the maximum number of steps; orbits that cycle use all of them.
        variables, others: the two variables and the treatment of the others, as in `vector_field`.

    Returns:
        In that shape: the index in `fixed_points` of the same arguments (with the window of the
        starts as its window), −1 where the run diverged, −2 where it did neither (a limit cycle, a
        stable point that was not found, too few steps, or overflow on the way). One unit counts as
        diverged where no orbit can come back; any other circuit where a variable grows beyond 1e30,
        or its velocity beyond 1e45 (1e19 and 1e28 in float32).

    Raises:
        ValueError: an argument is bad.
    """
    circuit, x = read_known(circuit, x)
    flow = plane(circuit, x, variables, others)
    y, a = read_points(flow.dtype, y, a)
    max_steps = check_positive_integer("max_steps", max_steps)
    return flow.ends(y.ravel(), a.ravel(), max_steps).reshape(y.shape)


def separatrices(
    circuit: AbstractCircuit,
    x: Numbers,
    y_range: Limits,
    a_range: Limits,
    *,
    points: int = 2000,
    variables: tuple[str, str] | None = None,
    others: tuple | None = None,
) -> PyTree:
    """The stable manifolds of the saddles: the borders between basins of attraction.

    Each curve starts at a saddle and runs backward in time, starting along ± the stable
    eigenvector, by Runge-Kutta steps of a given length in the box (shorter near the saddle), until
    it leaves the box. It is a border only if there are two stable points to separate, or a limit
    cycle. A host function.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        y_range, a_range: the box, (low, high) of the first and of the second variable.
        points: the number of points on a branch, which is at most eight boxes long.
        variables: the names of two variables, such as ("E", "I") or ("y[0]", "a[0]"); not needed
            for a circuit with only two.
        others: for a larger circuit, a state at which the other variables are held. If they are not
            held, the manifold of a saddle is not a curve in the plane, and this is refused: see
            `basins`.

    Returns:
        The two variables with leaves (2·saddles, points): two branches per saddle, each starting at
        the saddle, and NaN after it has left the box. As in `vector_field`, this is a state of the
        circuit (`ORGaNICsState` for one unit) or a pair `(first, second)`.

    Raises:
        ValueError: an argument is bad.
    """
    circuit, x = read_known(circuit, x)
    flow = plane(circuit, x, variables, others)
    if not flow.is_planar:
        must = "be a state at which the other variables are held"
        refuse("others", must, "it is None: the manifold of a saddle is not a curve in this plane")
    box = np.array([read_range("y_range", y_range), read_range("a_range", a_range)])
    points = check_positive_integer("points", points)
    found = flow.fixed_points((tuple(box[0].tolist()), tuple(box[1].tolist())))
    scale = jnp.asarray(box[:, 1] - box[:, 0], flow.dtype)
    saddles = [i for i, kind in enumerate(found.kinds) if kind == "saddle"]
    starts = [_departures(flow, found.pairs[i], scale) for i in saddles]
    if not starts:
        empty = jnp.zeros((0, points), flow.dtype)
        return flow.pair(empty, empty)
    box = jnp.asarray(box, flow.dtype)
    lengths = np.minimum(_BOXES / points, _offset(scale) * _GROWTH ** np.arange(points))
    curves = _trace(flow, jnp.concatenate(starts), box, jnp.asarray(lengths, flow.dtype))
    return flow.pair(curves[..., 0], curves[..., 1])


def _departures(flow: AbstractPlane, saddle: np.ndarray, scale: Array) -> Array:
    """Two points near a saddle, along its stable eigenvector."""
    values, vectors = np.linalg.eig(flow.slopes(*saddle.tolist()))
    stable = np.real(vectors[:, np.argmin(np.real(values))])
    away = _offset(scale) * stable / np.linalg.norm(stable / np.asarray(scale))
    return jnp.asarray(saddle + np.stack([away, -away]), scale.dtype)


def _offset(scale: Array) -> float:
    """A distance from a saddle, in boxes."""
    return float(jnp.finfo(scale.dtype).eps) ** _OFFSET


@eqx.filter_jit
def _trace(flow: AbstractPlane, starts: Array, box: Array, lengths: Array) -> Array:
    """(branches, points, 2): backward in time from the starts, in steps of these lengths."""
    scale = box[:, 1] - box[:, 0]
    tiny = jnp.finfo(scale.dtype).eps

    def field(v: Array) -> Array:
        forward = jnp.stack(flow.velocity(v[..., 0], v[..., 1]), axis=-1)
        speed = jnp.linalg.norm(forward / scale, axis=-1, keepdims=True)
        return -forward / (speed + tiny)

    def step(v: Array, length: Array) -> tuple[Array, Array]:
        inside = jnp.all((v >= box[:, 0]) & (v <= box[:, 1]), axis=-1, keepdims=True)
        v = jnp.where(inside, v, jnp.nan)
        return runge_kutta(field, v, field(v), length), v

    with jax.numpy_rank_promotion("allow"):  # a box for all branches
        curves = jax.lax.scan(step, starts, lengths)[1]
    return jnp.moveaxis(curves, 0, 1)
