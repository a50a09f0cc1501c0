"""Where a circuit is at rest, as points in a plane and over a parameter."""

from .._types import Limits, Numbers
from ..circuits import AbstractCircuit
from ._circuit_plane import plane
from ._plane import read_known, read_range, read_window
from ._results import Bifurcation, PlanarFixedPoints


def fixed_points(
    circuit: AbstractCircuit,
    x: Numbers,
    *,
    variables: tuple[str, str] | None = None,
    others: tuple | None = None,
    y_range: Limits | None = None,
    a_range: Limits | None = None,
) -> PlanarFixedPoints:
    """The fixed points of a circuit in the plane of two of its variables.

    For an `ORGaNICs` with one unit and no rectification these are all of them, in closed form:

        s^p (1 − w|c/u|^p) = β,    u = 1 − w_r + w_r s,    y = c/u,    a = s^p

    There are at most three. The left side G(s) is positive on two branches only. On the one that
    runs to infinity G increases from 0: there is one point, with the sign of w_r c. On the other,
    towards s = 0, log G is concave and G is 0 at the end: there are two points, or none. So
    bisection between the ends and the maximum misses nothing, including double points. With c = 0
    there is y = 0, and if u = 0 at an s > β^(1/p) also the pair |y|^p = (1 − β/s^p)/w.

    For any other circuit of two variables, or with the others held, they are the points that
    Newton's method reaches from every cell in which both velocities may vanish, in nested windows
    of all sizes. If the others move as well, they are the points that `find_fixed_points` finds
    from 64 starts or more. A given window is searched as well. The list may be incomplete, and
    `searched` says where points were searched for. A host function; for one point of a larger
    circuit see `fixed_point`.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        variables: the names of two variables, such as ("E", "I") or ("y[0]", "a[0]"); not needed
            for a circuit with only two.
        others: for a larger circuit, a state at which the other variables are held: the fixed
            points and their kinds are then those of the two variables alone. Unless given, the
            others are at rest too: fixed points and kinds are those of the whole circuit.
        y_range, a_range: a window to search, (low, high) of the first and of the second variable.

    Returns:
        A `PlanarFixedPoints`. The closed form is polished by Newton's method on the circuit's own
        equations. It may be empty if w_r ≤ 0 or w = 0; a continuum (w = 0, c = 0, u = 0) is
        represented by its point y = 0.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: a point of the closed form could not be polished to a relative residual of
            1e-10.
    """
    circuit, x = read_known(circuit, x)
    window = read_window(y_range, a_range)
    return plane(circuit, x, variables, others).fixed_points(window)


def bifurcation(
    circuit: AbstractCircuit,
    x: Numbers,
    name: str,
    values: Numbers,
    *,
    variables: tuple[str, str] | None = None,
    others: tuple | None = None,
    y_range: Limits | None = None,
    a_range: Limits | None = None,
) -> Bifurcation:
    """The fixed points of a circuit and their stability as one parameter varies.

    For an `ORGaNICs` with one unit and no rectification these are all of them, by their closed form
    at every value. Where their number or the number of their unstable directions differs between
    neighbouring values, the place of the change is bracketed by bisection. Two changes between the
    same two values can hide each other, so choose the values densely enough.

    For any other circuit the curves of fixed points through the points found at nine values are
    followed by pseudo-arclength continuation, around folds and onto crossing curves. On each curve
    the folds (∂f/∂v has no inverse), the Hopf points (a pair of eigenvalues with real part 0) and
    the crossings are located to 1e-9 of the range of values in float64. Curves that do not reach
    any of the nine values are not found, and `searched` says so. A host function.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        name: the parameter: a field of the circuit that is one number, "tau_y"; an entry of a
            field, "W[0, 1]"; an entry of the input, "x[0]"; or "x" for a factor on the input. For
            one unit in closed form: "W_r", "W", "sigma", "b0", "b1", "tau_y", "tau_a" or "x".
        values: (v,), increasing, which replace the circuit's own.
        variables, others: the two variables and the treatment of the others, as in `fixed_points`.
        y_range, a_range: the window in which curves begin, (low, high) of the first and of the
            second variable; they are followed 20 times as far. Unless given, it is around the fixed
            points found at three of the values.

    Returns:
        A `Bifurcation`.

    Raises:
        ValueError: an argument is bad.
    """
    circuit, x = read_known(circuit, x)
    window = read_window(y_range, a_range)
    return plane(circuit, x, variables, others).bifurcation(name, values, window)


def window(
    circuit: AbstractCircuit,
    x: Numbers,
    *,
    variables: tuple[str, str] | None = None,
    others: tuple | None = None,
    y_range: Limits | None = None,
    a_range: Limits | None = None,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """A window to show of the plane of two variables: around the fixed points found and the initial
    state, or as given.

    For an `ORGaNICs` with one unit it is (-1.2, 1.2) and (0, 1). A host function.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        variables, others: the two variables and the treatment of the others, as in `fixed_points`.
        y_range, a_range: one or both of the ranges, if they are known.

    Returns:
        (low, high) of the first and of the second variable.

    Raises:
        ValueError: an argument is bad.
    """
    circuit, x = read_known(circuit, x)
    named = (("y_range", y_range), ("a_range", a_range))
    given = [None if value is None else read_range(name, value) for name, value in named]
    flow = plane(circuit, x, variables, others)
    first, second = given
    if first is not None and second is not None:
        return first, second
    whole = flow.window()
    return first or whole[0], second or whole[1]
