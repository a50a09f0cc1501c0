"""Velocities over a plane, and where they vanish."""

from jaxtyping import PyTree

from .._checks import check_positive_integer
from .._types import Limits, Numbers
from ..circuits import AbstractCircuit
from ..linear import read_point
from ._circuit_plane import plane
from ._plane import read_known, read_points, read_range
from ._results import NullclineCurves


def vector_field(
    circuit: AbstractCircuit,
    x: Numbers,
    y: Numbers,
    a: Numbers,
    *,
    variables: tuple[str, str] | None = None,
    others: tuple | None = None,
) -> PyTree:
    """The velocities of two variables of a circuit at many points of their plane.

    Pure (jit, vmap, grad).

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        y, a: values of the first and of the second variable, arrays of the same shape, as from
            `jnp.meshgrid`.
        variables: the names of two variables, such as ("E", "I") or ("y[0]", "a[0]"); not needed
            for a circuit with only two.
        others: for a larger circuit, a state at which the other variables are held. Unless given,
            they are at their steady values given the two, which `fixed_point` finds from the
            initial state (NaN where it finds none). That is the flow of the circuit if the others
            are fast.

    Returns:
        Velocities, 1/ms, in that shape: a state of the circuit if that has one entry in each of two
        fields (`ORGaNICsState` for one unit), otherwise a pair `(first, second)`.

    Raises:
        ValueError: an argument is bad.
    """
    circuit, _, x = read_point(circuit, None, x)
    flow = plane(circuit, x, variables, others)
    return flow.pair(*flow.velocity(*read_points(flow.dtype, y, a)))


def nullcline_curves(
    circuit: AbstractCircuit,
    x: Numbers,
    y_range: Limits,
    a_range: Limits,
    *,
    points: int = 1000,
    variables: tuple[str, str] | None = None,
    others: tuple | None = None,
) -> NullclineCurves:
    """The complete nullclines of a circuit in a window of the plane of two variables, for drawing.

    For an `ORGaNICs` with one unit and no rectification they are in closed form:

        ẏ = 0:  y = c/(1 − w_r + w_r s),  s = ⌊a⌋^(1/p);      ȧ = 0:  |y|^p = (1 − β/a)/w

    Unlike `nullclines`, which gives a over y and so misses steep parts, this walks along every
    curve over both axes of the window. A curve that leaves the window in between is in several
    pieces. For any other circuit they are found by contouring: where a velocity changes sign
    between the points of a grid, Newton's method finds a point of the curve. Whatever fits between
    two grid lines is missed. A host function.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        y_range, a_range: the window, (low, high) of the first and of the second variable.
        points: the number of values along each axis; for a grid at most 200 (48 if other variables
            are at their steady values).
        variables, others: the two variables and the treatment of the others, as in `vector_field`.

    Returns:
        A `NullclineCurves`; some points of the closed form may lie slightly outside the window.

    Raises:
        ValueError: an argument is bad.
    """
    points = check_positive_integer("points", points)
    circuit, x = read_known(circuit, x)
    window = read_range("y_range", y_range), read_range("a_range", a_range)
    return plane(circuit, x, variables, others).nullclines(window, points)
