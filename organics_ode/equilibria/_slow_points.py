"""`slow_points`: where a circuit moves slowly, starting from the states that it visits."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from .._checks import check_positive_number, on_device, refuse_traced
from .._types import Numbers, State, StateLike
from ..circuits import AbstractCircuit
from ..linear import Equations, Point, Spectrum, blur, read_point, tolerance
from ..programs import in_full_precision, quickly_compiled
from ._loops import in_turns, queued
from ._points import AbstractPoints, distinct, firsts, look, read_starts, rows
from ._routes import levenberg_marquardt, polish

_MOST = 1000  # Maximum steps of one descent.
_SOLVED = 1e-3  # The residual below which Newton's method may take over: float32 reaches it.


class SlowPoints(AbstractPoints):
    """The fixed and slow points that a search found.

    Fixed points come first, the most stable one at the front; then the slow points, the slowest
    first.

    - `states`: the circuit's state with a leading axis (k, …).
    - `speeds`: (k,), q = ½|f|², 1/ms² for a state without a unit.
    - `residuals`: (k,), max_i |f_i| / (the largest term of equation i, there or at the start).
    - `spectra`: a `Spectrum` with eigenvalues (k, d).
    - `hits`: (k,), how many of the starts reached each point. `starts`: how many starts there were.
    - `is_fixed`: (k,), whether the residual is ≤ 1e-10 (2e-5 in float32), as in `fixed_point`.
    - `is_stable`, `is_marginal`: (k,), of the linearised flow; for a point that is not fixed they
      hold as long as the state stays near it.
    - `abscissae`: (k,), 1/ms.

    They support `len`, iteration over states, `points[i]` (an index, a slice, or a mask such as
    `points.is_fixed` or `points.speeds < 1e-9`), `points.sort(values)`, `oo.save` and `oo.load`.
    Printing shows a table; `to_dataframe()` and `to_xarray()` make one.
    """

    states: PyTree
    residuals: Float[Array, " k"]
    spectra: Spectrum
    hits: Int[Array, " k"]
    speeds: Float[Array, " k"]
    starts: int = eqx.field(static=True, default=0)

    @property
    def is_fixed(self) -> Bool[Array, " k"]:
        return self.residuals <= tolerance(self.residuals.dtype)

    @property
    def _measure(self) -> tuple[str, Float[Array, " k"]]:
        return "speed q", self.speeds

    @property
    def _is_at_rest(self) -> Bool[Array, " k"]:
        return self.is_fixed


def slow_points(
    circuit: AbstractCircuit[State], x: Numbers, starts: StateLike, *, within: float = 1e-3
) -> SlowPoints:
    """Fixed points and slow points of a circuit near the states that it visits.

    These are local minima of the speed

        q(state) = ½ |f(state, x)|²,      f = the time derivative of the state,

    found by Levenberg–Marquardt from every start, with the input held. Where q = 0 the point is
    fixed (and polished by Newton's method); a small q > 0 marks the ghost of a fixed point, near
    which the state lingers. Variables that the flow keeps positive stay positive on the way. As
    starts, take the states of the circuit in one period of its trials, such as the delay, and as x
    the input of that period. For fixed points anywhere see `find_fixed_points`. The list may be
    incomplete. Host function (no jit, vmap).

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input, held.
        starts: states of the circuit with any leading axes, such as (trials, time, …).
        within: points nearer than this, relative to the largest entry of each field, count as one.

    Returns:
        A `SlowPoints`. It includes minima of q that are not slow: select by `points.is_fixed` or by
        `points.speeds`.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Sussillo, Barak, "Opening the black box: low-dimensional dynamics in high-dimensional
        recurrent neural networks", Neural Computation 25 (2013).
    """
    within = float(check_positive_number("within", within))
    circuit, like, x = read_point(circuit, None, x)
    refuse_traced("circuit", circuit, x, starts)
    v0 = read_starts(starts, like)
    v, residuals, speeds = map(np.asarray, _slowest(circuit, x, v0, on_device(within, v0.dtype)))
    finite = np.isfinite(residuals) & np.isfinite(speeds)
    v, residuals, speeds = v[finite], residuals[finite], speeds[finite]
    clusters = distinct(circuit, x, v, speeds, within)
    v, residuals, speeds = (found[firsts(clusters)] for found in (v, residuals, speeds))
    found = look(circuit, x, v, np.asarray(blur(jnp.asarray(residuals))))
    is_fixed = residuals <= tolerance(residuals.dtype)
    order = np.lexsort((np.where(is_fixed, found.abscissae, speeds), ~is_fixed))
    hits = np.asarray([len(cluster) for cluster in clusters], int)
    states, spectra, residuals, hits, speeds = rows(
        (found.states, found.spectra, residuals, hits, speeds), order
    )
    return SlowPoints(states, residuals, spectra, hits, speeds=speeds, starts=len(finite))


@functools.partial(quickly_compiled, level=1)
@in_full_precision
def _slowest(
    circuit: AbstractCircuit, x: Array, starts: Array, within: Array
) -> tuple[Array, Array, Array]:
    e = Equations.of(circuit, x)

    def tau(v: Array) -> Array:
        # One time for all equations: with different ones the minimum would be another.
        return jnp.full(v.shape, jnp.exp(jnp.mean(jnp.log(e.times(v)))))

    def positive(v: Array) -> Array:
        return e.is_positive(v) & (v > 0)

    def one(start: Array, point: Point) -> tuple[Array, Array, Array]:
        polished = polish(e, point)
        moved = jnp.abs(polished.v - point.v)
        # From a slow point Newton's method would go to a fixed point elsewhere.
        stays = (point.residual <= _SOLVED) & jnp.all(moved <= within * e.fields(point.v))
        point = jax.tree.map(lambda a, b: jnp.where(stays, a, b), polished, point)
        f = e.velocity(point.v)
        # A network without input rests at 0, where its own terms vanish together with f.
        return point.v, e.residual(point.v, e.terms(start)), 0.5 * f @ f

    ends = queued(levenberg_marquardt(e, tau, positive, _MOST), jax.vmap(e.point)(starts))
    return in_turns(one, starts, ends)
