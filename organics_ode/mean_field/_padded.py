"""States at rest in arrays of a fixed shape: for jit, vmap and grad."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from .._cards import carded
from .._checks import check_positive_integer, read_scalar, refuse, shown
from .._types import Scalar
from ..programs import jitted
from ._averages import Function, averages_at, integrands, read_phi, settled
from ._equations import external, gap, gap_slope, linearise, newton
from ._geometry import Geometry, Moments
from ._solutions import sup_of, z_range

_NODES = 96  # of the averages at the roots
_ROWS = 1024  # values of Δ0 in the table
_TOP = 1e9  # the largest of them
_EXTREMUM = 5  # steps to the extremum of the gap
_STEPS = 8  # of Newton's method before the two that carry the derivatives


@carded
class PaddedSolutions(NamedTuple):
    """States at rest sorted by z, in arrays of length `most`: NaN (or False) after the last.

    `count` is their number, even if it exceeds `most`; the fields are those of `Solutions`.
    """

    count: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]
    z: Float[Array, " most"]
    delta0: Float[Array, " most"]
    radius: Float[Array, " most"]
    outlier: Complex[Array, " most"]
    outliers: Complex[Array, "most 2"]
    is_stable: Bool[Array, " most"]


class _Table(NamedTuple):
    """⟨φ²⟩ and ⟨φ′⟩√(1 + Δ0), which tends to a constant, for values of Δ0."""

    delta: Float[Array | np.ndarray, " rows"]
    phi2: Float[Array | np.ndarray, " rows"]
    slope: Float[Array | np.ndarray, " rows"]


@functools.lru_cache(16)
def _table(phi: Function) -> _Table:
    """Values of Δ0 in steps of 2.5 % above 0.01 and in equal steps below."""
    delta = 0.01 * np.expm1(np.linspace(0, np.log1p(100 * _TOP), _ROWS))
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        rows, _ = settled(integrands(phi)[:2], jnp.asarray(delta), 1e-6)
    return _Table(delta, rows[:, 0], rows[:, 1] * np.sqrt(1 + delta))


def padded_solutions(
    geometry: Geometry, g: Scalar, c: Scalar, *, phi: Function = jnp.tanh, most: int = 3
) -> PaddedSolutions:
    """All states at rest in arrays of a fixed length: `solutions` for jit, vmap and grad.

    The averages are tabulated over Δ0, in steps of 2.5 %. Every row gives two values of z; between
    these, sign changes of ⟨φ′⟩(n_m z + n_I) − z are searched for. The extremum nearest to zero is
    located, since two roots may hide there. Newton's method on averages over 96 nodes refines the
    roots, and its last two steps carry derivatives up to the third. In 64 bits, pairs 1e-6 apart
    were resolved in tests; where three states nearly coincide, a pair that `solutions` finds can be
    missed.

    Args:
        geometry: a `Geometry` of scalars.
        g: strength ≥ 0 of the random connections.
        c: scale of the readout.
        phi: the nonlinearity, smooth and bounded, written in `jax.numpy`; never traced itself.
        most: how many states to hold.

    Returns:
        A `PaddedSolutions`.

    Raises:
        ValueError: an argument is bad; numbers traced by jit are not checked and give NaN.
    """
    most = check_positive_integer("most", most)
    if not isinstance(geometry, Geometry) or np.ndim(geometry.rho):
        refuse("geometry", "be one Geometry", f"it is {shown(geometry)}")
    g, c = read_scalar("g", g, 0.0), read_scalar("c", c)
    o = geometry.overlaps(c)
    dtype = jnp.zeros(()).dtype
    o = Moments(*(jnp.asarray(v, dtype) for v in o))
    return _padded(read_phi(phi), most, o, jnp.asarray(g, dtype))


@jitted(static_argnums=(0, 1))
def _padded(phi: Function, most: int, o: Moments, g: Array) -> PaddedSolutions:
    count, low, high, z, delta = _bracketed(phi, most, *jax.lax.stop_gradient((o, g)))
    polish = functools.partial(_polish, phi, o, g)
    z, delta, spectra = jax.vmap(polish)(low, high, z, delta)
    is_there = jnp.arange(most) < count

    def keep(v: Array) -> Array:
        there = is_there.reshape(is_there.shape + (1,) * (v.ndim - 1))
        return v & there if v.dtype == bool else jnp.where(there, v, jnp.nan)

    found = (z, delta, spectra.radius, spectra.outlier, spectra.roots, spectra.is_stable)
    return PaddedSolutions(count, *map(keep, found))


class _Curve(NamedTuple):
    """Points (z, Δ0) of the first equation, by increasing z, and ⟨φ′⟩(n_m z + n_I) − z there."""

    z: Array
    delta: Array
    gap: Array


def _bracketed(phi: Function, most: int, o: Moments, g: Array) -> tuple:
    """How many roots there are; for the first ones, the z on both sides, and z and Δ0 nearby."""
    curve, dip = _with_dip(phi, o, g, _curve(phi, o, g))
    is_up = curve.gap > 0
    changes = is_up[1:] != is_up[:-1]
    count, at, found = jnp.sum(changes), jnp.argmax(changes), []
    for _ in range(most):
        found.append(at)
        changes = changes.at[at].set(False)
        # Past the last root the first is repeated, to keep numbers and derivatives finite.
        at = jnp.where(jnp.any(changes), jnp.argmax(changes), found[0])
    at = jnp.stack(found)
    share = curve.gap[at] / (curve.gap[at] - curve.gap[at + 1])
    low, high = curve.z[at], curve.z[at + 1]
    delta = curve.delta[at] + share * (curve.delta[at + 1] - curve.delta[at])
    z = low + share * (high - low)
    # On both sides of an extremum just across zero, the chords are poor but the parabola is good.
    for side, extremum in ((at == dip.node - 1, high), (at == dip.node, low)):
        away = jnp.where(at == dip.node, dip.half, -dip.half)
        z = jnp.where(side, jnp.clip(extremum + away, low, high), z)
        delta = jnp.where(side, curve.delta[dip.node], delta)
    return count, low, high, z, delta


def _curve(phi: Function, o: Moments, g: Array) -> _Curve:
    """Each row Δ0 of the table gives S = Δ0 − g²⟨φ²⟩, and S gives two values of z.

        z = z₀ ± √(S − S(z₀))/σ_m,   z₀ = −σ_mI/σ_m²

    Rows outside the range of z are moved to its ends, or to z₀.
    """
    table = _Table(*(jnp.asarray(v, g.dtype) for v in _table(phi)))
    rest = table.delta - g * g * table.phi2
    low, bottom, high, sigma = z_range(o, sup_of(phi), jnp)
    ends = jnp.stack([low, bottom, high])
    deltas, slopes = jax.vmap(lambda z: _between(table, rest, external(o, z)))(ends)
    vertex = -o.sigma_mI / sigma**2
    least = o.sigma_I2 - o.sigma_mI**2 / sigma**2
    away = jnp.sqrt(jnp.maximum(rest - least, 0)) / sigma
    parts = []
    for sign, end in ((-1, 0), (1, 2)):
        z = vertex + sign * away
        is_near = (table.delta <= deltas[1]) | (sign * (z - bottom) <= 0)
        is_far = sign * (z - ends[end]) >= 0
        rows = (z, table.delta, table.slope)
        for_ends = ((ends[1], ends[end]), (deltas[1], deltas[end]), (slopes[1], slopes[end]))
        part = [
            jnp.append(jnp.where(is_near, near, jnp.where(is_far, far, row)), far)
            for row, (near, far) in zip(rows, for_ends, strict=True)
        ]
        parts.append([v[::sign] for v in part])
    z, delta, slope = (jnp.concatenate(pair) for pair in zip(*parts, strict=True))
    return _Curve(z, delta, jnp.asarray(gap(o, z, slope / jnp.sqrt(1 + delta))))


def _between(table: _Table, rest: Array | np.ndarray, S: Array) -> tuple[Array, Array]:
    """The largest Δ0 with Δ0 − g²⟨φ²⟩ = S, and the column `slope` there, interpolated linearly."""
    last = jnp.max(jnp.where(rest <= S, jnp.arange(rest.size), 0))
    i = jnp.minimum(last, rest.size - 2)
    share = (S - rest[i]) / (rest[i + 1] - rest[i])
    delta = table.delta[i] + share * (table.delta[i + 1] - table.delta[i])
    inside = jnp.clip(share, 0, 1)
    return delta, table.slope[i] + inside * (table.slope[i + 1] - table.slope[i])


class _Dip(NamedTuple):
    """The node of an extremum between two roots, and their distance from it by a parabola."""

    node: Array
    half: Array


def _with_dip(phi: Function, o: Moments, g: Array, curve: _Curve) -> tuple[_Curve, _Dip]:
    """The extremum of the gap nearest to zero, in place of its node if the sign changes there.

    Two roots between the same two nodes hide there; and where they are close together, Newton's
    method is slow unless it starts from the parabola through the extremum.
    """
    z, delta, values = curve
    first, last = _runs(z)
    before, after = jnp.maximum(first - 1, 0), jnp.minimum(last + 1, z.size - 1)
    side = jnp.where(values[before] > 0, 1.0, -1.0)
    height = side * values
    is_dip = (values[before] > 0) == (values[after] > 0)
    is_dip &= (height <= side * values[before]) & (height <= side * values[after])
    is_dip &= (z[before] < z) & (z < z[after])
    i = jnp.argmin(jnp.where(is_dip, jnp.abs(values), jnp.inf))
    points = jnp.stack([before[i], i, after[i]])
    new_z, new_delta, new, bend = _extremum(phi, o, g, z[points], delta[i], values[points])
    is_there = jnp.any(is_dip) & (side[i] * new < 0)
    node = jnp.where(new_z < z[i], first[i], last[i])  # among the nodes moved to the same place
    triple = ((z, new_z), (delta, new_delta), (values, new))
    changed = _Curve(*(v.at[node].set(jnp.where(is_there, n, v[node])) for v, n in triple))
    return changed, _Dip(jnp.where(is_there, node, -9), jnp.sqrt(jnp.abs(new / bend)))


def _runs(z: Array) -> tuple[Array, Array]:
    """For each node, the first and the last node at the same place."""
    i, rises = jnp.arange(z.size), z[1:] > z[:-1]
    first = jax.lax.cummax(jnp.where(jnp.append(True, rises), i, 0))
    last = jax.lax.cummin(jnp.where(jnp.append(rises, True), i, z.size), reverse=True)
    return first, last


def _extremum(
    phi: Function, o: Moments, g: Array, points: Array, delta: Array, values: Array
) -> tuple:
    """z, Δ0 and gap at the extremum between three points, and half the second derivative there."""
    low, middle, high = points
    rise = (values[1] - values[0]) / (middle - low)
    fall = (values[2] - values[1]) / (high - middle)
    bend = (fall - rise) / (high - low)
    z = jnp.clip(middle - (rise + bend * (middle - low)) / (2 * bend), low, high)

    def step(_: int, point: tuple) -> tuple:
        z, delta = point
        a = averages_at(phi, delta, _NODES)
        new_z = jnp.clip(z - gap_slope(o, g, z, a) / (2 * bend), low, high)
        # Newton's step for Δ0 at the new z, from the values of both equations at the old one.
        F = 2 * (o.sigma_m2 * z + o.sigma_mI)
        rest = delta - g * g * a.phi2 - external(o, z) - F * (new_z - z)
        return new_z, jnp.maximum(delta - rest / (1 - g * g * a.bend), 0)

    z, delta = jax.lax.fori_loop(0, _EXTREMUM, step, (z, delta))
    a = averages_at(phi, delta, _NODES)
    delta = delta - (delta - g * g * a.phi2 - external(o, z)) / (1 - g * g * a.bend)
    return z, delta, gap(o, z, averages_at(phi, delta, _NODES).slope), bend


def _polish(
    phi: Function, o: Moments, g: Array, low: Array, high: Array, z: Array, delta: Array
) -> tuple:
    fixed_o, fixed_g = jax.lax.stop_gradient((o, g))

    def step(_: int, point: tuple) -> tuple:
        z, delta = point
        z, delta = newton(fixed_o, fixed_g, z, delta, averages_at(phi, delta, _NODES))
        return jnp.clip(z, low, high), jnp.maximum(delta, 0)

    z, delta = jax.lax.stop_gradient(jax.lax.fori_loop(0, _STEPS, step, (z, delta)))
    for _ in range(2):
        z, delta = newton(o, g, z, delta, averages_at(phi, delta, _NODES))
        z, delta = jnp.clip(z, low, high), jnp.maximum(delta, 0)
    return z, delta, linearise(o, g, z, averages_at(phi, delta, _NODES))
