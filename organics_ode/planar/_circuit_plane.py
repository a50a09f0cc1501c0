"""The plane of any circuit, where everything has to be searched for."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from .._checks import on_device
from .._nonlinearities import are_finite, highest
from .._types import Numbers
from ..circuits import AbstractCircuit
from ..equilibria import distinct, find_fixed_points, firsts, fixed_point, look
from ..facts import Fact
from ..linear import Equations, ravel, tolerance
from ..programs import in_full_precision
from ._branching import branching
from ._contours import contours
from ._orbits import arrivals, extents, flow_of, scale_of, settled
from ._plane import (
    AbstractPlane,
    Window,
    as_pair,
    field_on,
    grid,
    joined,
    read_others,
    read_variables,
    resized,
    slopes_on,
)
from ._reduced import Clamped, Others, OthersState
from ._results import Bifurcation, NullclineCurves, PlanarFixedPoints, of_spectra, rows_of
from ._windows import apart, around, both_vanish, box, spanned

_STARTS, _ROUNDS = 64, 2
_CELLS, _CELLS_AT_REST = 64, 24
_NEWTON = 30
_DRIVEN = 1e3  # times ε: above what rounding can produce
_DECADES = (-2, -1, 0, 1, 2, 3)  # sizes of windows as powers of 10, times the variables' reach
_GRID, _WHILE = 5, 1000  # starts in each direction of a window, and their steps


# Rows (k, d), and the residual of each.
Solutions = tuple[np.ndarray, np.ndarray]


class CircuitPlane(AbstractPlane):
    """Two variables of a circuit that has no others, or whose others are held, or are at their
    steady values given the two.

    `circuit` is what moves: with held variables the two alone. `at`: the positions of the two among
    its variables.
    """

    circuit: AbstractCircuit
    x: Float[Array, " m"]
    at: tuple[int, int] = eqx.field(static=True)
    names: tuple[str, str] = eqx.field(static=True)

    @property
    def dtype(self) -> Any:
        return self.x.dtype

    @property
    def _equations(self) -> Equations:
        return Equations(self.circuit, self.x, self.circuit.initial_state())

    @property
    def size(self) -> int:
        """The number of variables that move."""
        return ravel(self.circuit.initial_state()).size

    @property
    def is_planar(self) -> bool:
        return self.size == 2

    def moved(self, circuit: AbstractCircuit, x: Array) -> "CircuitPlane":
        """The same variables of another circuit."""
        return CircuitPlane(circuit=circuit, x=x, at=self.at, names=self.names)

    @property
    def judged(self) -> str:
        """What the kinds of fixed points refer to."""
        if isinstance(self.circuit, Clamped):
            return "the two variables, the others held"
        if self.is_planar:
            return "the circuit"
        return f"all {self.size} variables of the circuit; others at their steady values"

    def lift(self, p: Float[Array, "2"]) -> Float[Array, " d"]:
        """All moving variables when the two are p; NaN where the others do not come to rest."""
        if self.is_planar:
            return jnp.zeros(2, p.dtype).at[jnp.array(self.at)].set(p)
        others = Others(self.circuit, self.at)
        rest = fixed_point(others, jnp.concatenate([self.x, p]), throw=False)
        known: OthersState = rest.state
        return others.whole(jnp.where(rest.succeeded, known.rest, jnp.nan), p)

    def velocity(self, u: Array, v: Array) -> tuple[Array, Array]:
        def one(p: Array) -> Array:
            return self._equations.velocity(self.lift(p))[jnp.array(self.at)]

        moved = jax.vmap(one)(jnp.stack([u.ravel(), v.ravel()], axis=1))
        return moved[:, 0].reshape(u.shape), moved[:, 1].reshape(v.shape)

    def slopes(self, u: float, v: float) -> Float[np.ndarray, "2 2"]:
        return np.asarray(slopes_on(self, jnp.asarray([[u, v]], self.dtype))[1][0], float)

    def pair(self, u: Any, v: Any) -> PyTree:
        return as_pair(self.circuit.initial_state(), self.at, u, v)

    def fixed_points(self, window: Window | None) -> PlanarFixedPoints:
        found = [self.searched()]
        where = "in windows of all sizes" if self.is_planar else "from starts of all sizes"
        if window is not None:
            found.append(self.crossings(window))
            where += f" and in {self.shown(window)}"
        rows, residuals = map(np.concatenate, zip(*found, strict=True))
        rows, residuals = self.distinct((rows, residuals))
        states, spectra, *_ = look(self.circuit, self.x, rows, residuals)
        return PlanarFixedPoints(
            states,
            spectra.eigenvalues,
            on_device(residuals),
            of_spectra(spectra),
            self.at,
            self.names,
            f"searched {where} (there may be more); kinds are those of {self.judged}",
        )

    def searched(self) -> Solutions:
        """Fixed points anywhere, some of them several times: from the crossings in windows of all
        sizes, or with more variables from starts of all sizes."""
        if not self.is_planar:
            key = jax.random.key(0)
            found = find_fixed_points(self.circuit, self.x, key=key, starts=_STARTS, rounds=_ROUNDS)
            return rows_of(found.states), np.asarray(found.residuals)
        rest, reach = (np.asarray(each, float)[list(self.at)] for each in _reach(self))
        # Windows of size 1 too: where nothing drives the variables, the reach is only rounding.
        sizes = [10.0**k * size for k in _DECADES for size in (np.ones(2), reach)]
        windows = [spanned(rest - size, rest + size) for size in sizes]
        rows, residuals = zip(*map(self.crossings, windows), strict=True)
        return np.concatenate(rows), np.concatenate(residuals)

    def distinct(self, found: Solutions) -> Solutions:
        """Each point once, by increasing first variable."""
        rows, residuals = found
        if not len(rows):
            return found
        if self.is_planar:
            first = apart(rows, residuals, self._units)
        else:
            first = firsts(distinct(self.circuit, self.x, rows, residuals))
        first = first[np.lexsort((rows[first, self.at[1]], rows[first, self.at[0]]))]
        return rows[first], residuals[first]

    @property
    def _units(self) -> Float[np.ndarray, " d"]:
        """A typical size of each variable; 1 where its drive may be only rounding."""
        reach = np.asarray(_reach(self)[1], float)
        return np.where(reach > _DRIVEN * np.finfo(self.dtype).eps, reach, 1.0)

    def crossings(self, window: Window) -> Solutions:
        """Fixed points by Newton's method from every grid cell where both velocities may vanish."""
        _, _, u, v = grid(window, self._cells)
        near = both_vanish(*self._field(u, v))
        points = np.stack([(w[:-1, :-1] + w[1:, 1:])[near] / 2 for w in (u, v)], axis=1)
        # In a window of size a million every point near its middle would count as fixed.
        scale, at = np.zeros(self.size, self.dtype), list(self.at)
        scale[at] = np.minimum(np.ptp(joined(window), axis=1) / 2, self._units[at])
        if not len(points):
            return np.zeros((0, self.size), self.dtype), np.zeros(0, self.dtype)
        given = resized(points.astype(self.dtype))
        rows, residuals = map(np.asarray, _newton(self, given, scale))
        solved = residuals[: len(points)] <= tolerance(self.dtype)
        return rows[: len(points)][solved], residuals[: len(points)][solved]

    @property
    def _cells(self) -> int:
        return _CELLS if self.is_planar else _CELLS_AT_REST

    def _field(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        du, dv = field_on(self, u.astype(self.dtype), v.astype(self.dtype))
        return np.asarray(du, float), np.asarray(dv, float)

    def nullclines(self, window: Window, points: int) -> NullclineCurves:
        cells = max(2, min(points, 200 if self.is_planar else 2 * _CELLS_AT_REST))
        first, second, u, v = grid(window, cells)
        curves = []
        for i, values in enumerate(self._field(u, v)):

            def field(p: np.ndarray, i: int = i) -> tuple[np.ndarray, np.ndarray]:
                k = len(p)
                f, J = slopes_on(self, resized(p.astype(self.dtype)))
                return np.asarray(f, float)[:k, i], np.asarray(J, float)[:k, i]

            eps = float(np.finfo(self.dtype).eps)
            curves.append(contours(first, second, values, field, eps))
        return NullclineCurves(*curves)

    def ends(self, u: Array, v: Array, max_steps: int) -> Int[np.ndarray, " starts"]:
        found = self.fixed_points(box(np.asarray(u, float), np.asarray(v, float)))
        starts = np.asarray(_lifted(self, np.stack([u, v], axis=1)))
        rows = rows_of(found.states)
        stable = np.flatnonzero(np.asarray(found.is_stable))
        return arrivals(self.circuit, self.x, starts, rows, stable, max_steps)

    def bifurcation(self, name: str, values: Numbers, window: Window | None) -> Bifurcation:
        return branching(self, name, values, window)

    def window(self) -> Window:
        """The window around the fixed points, the initial state, and the later parts of orbits that
        start around these."""
        found = self.fixed_points(None)
        rest = np.asarray(ravel(self.circuit.initial_state()), float)[list(self.at)]
        pairs = np.concatenate([found.pairs, rest[None]])
        starts = self.starts(around(pairs))
        rows = rows_of(found.states)
        flow = flow_of(self.circuit, self.x, scale_of(starts, rows))
        stable = np.flatnonzero(np.asarray(found.is_stable))
        codes, ends = settled(flow, starts, rows, stable, _WHILE)
        onward = extents(flow, ends, _WHILE)[codes == -2] if np.any(codes == -2) else ends[:0, None]
        known = onward[np.all(np.isfinite(onward), axis=(1, 2))].reshape(-1, self.size)
        return around(np.concatenate([pairs, known[:, list(self.at)]]))

    def starts(self, window: Window) -> Float[np.ndarray, "k d"]:
        """All moving variables at points all over a window."""
        low, high = joined(window).T
        middles = (np.arange(_GRID) + 0.5) / _GRID
        shares = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
        return self.lifted(low + shares * (high - low))

    def lifted(self, pairs: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "k d"]:
        """All moving variables when the two are these, without those that do not come to rest."""
        rows = np.asarray(_lifted(self, resized(pairs.astype(self.dtype))), float)[: len(pairs)]
        return rows[np.all(np.isfinite(rows), axis=1)]

    def shown(self, window: Window) -> str:
        parts = zip(self.names, window, strict=True)
        return ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in parts)


def circuit_plane(
    circuit: AbstractCircuit, x: Float[Array, " m"], variables: object, others: object
) -> CircuitPlane:
    like = circuit.initial_state()
    at, names = read_variables(variables, like)
    held = read_others(others, like)
    if held is None or held.size == 2:
        return CircuitPlane(circuit=circuit, x=x, at=at, names=names)
    clamped = Clamped(circuit, held, at)
    return CircuitPlane(circuit=clamped, x=x, at=(0, 1), names=names)


# The plane of two variables of a circuit at an input; classes with closed forms register their own.
plane: Fact[..., AbstractPlane] = Fact(circuit_plane)


@eqx.filter_jit
@in_full_precision
def _lifted(plane: CircuitPlane, p: Array | np.ndarray) -> Float[Array, "k d"]:
    return jax.vmap(plane.lift)(jnp.asarray(p))


@eqx.filter_jit
@in_full_precision
def _reach(plane: CircuitPlane) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
    return ravel(plane.circuit.initial_state()), plane._equations.reach()


@eqx.filter_jit
@in_full_precision
def _newton(
    plane: CircuitPlane, p: Array | np.ndarray, scale: Array | np.ndarray
) -> tuple[Float[Array, "k d"], Float[Array, " k"]]:
    """Where Newton's method ends, and the residual of f there relative to its change over the state
    or a scale: relative to its terms it would mean nothing where all of them vanish."""
    e = plane._equations

    def step(_: int | Array, v: Array) -> Array:
        new = v - jnp.linalg.solve(e.jacobian(v), e.velocity(v))
        return jnp.where(are_finite(new), new, v)

    def one(p: Array) -> tuple[Array, Array]:
        v = jax.lax.fori_loop(0, _NEWTON, step, plane.lift(p))
        f, size = jnp.abs(e.velocity(v)), jnp.maximum(jnp.abs(v), scale)
        changes = jnp.abs(e.jacobian(v)) @ size
        left = jnp.where(f == 0, 0, f / jnp.where(changes > 0, changes, 1))
        return v, jnp.where(are_finite(v, f, left), highest(left), jnp.inf)

    return jax.vmap(one)(jnp.asarray(p))
