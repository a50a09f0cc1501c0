"""All states at rest of a network with many units, and their spectra."""

import functools
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from .._cards import SHOWN, Card, carded
from .._checks import a_or_an, counted, is_traced, read_number, refuse
from .._tables import AbstractTabular, Table, numbered
from .._types import Scalar
from ..programs import jitted
from ._averages import Averages, Function, average_at, averages_at, derivative, host_nodes, read_phi
from ._equations import external, gap, gap_slope, linearise, newton, variance
from ._geometry import Geometry, Moments
from ._roots import all_roots, evaluate

_GRID = 256  # values of z
_TOLERANCE = 1e-9  # of the residuals, relative to their largest term
_NEAR = 1e-9  # of n_m A + n_I, relative to its terms: below this the target is A*


@carded
class Solutions(eqx.Module, AbstractTabular):
    """All states at rest, sorted by the readout z; numpy arrays of 64 bits.

    - `z`: (k,), readouts. `delta0`: (k,), variances of x.
    - `radius`: (k,), of the bulk of the spectrum of gχφ′ + m nᵀφ′/N; the bulk is stable below 1.
    - `outliers`: (k, 2), both roots of the outlier equation, by decreasing real part. A root inside
      the bulk, |λ| ≤ radius, is not an eigenvalue.
    - `outlier`: (k,), complex: the root outside the bulk with the largest real part; NaN if there
      is none.
    - `is_stable`: (k,), radius < 1 and Re λ < 1.
    - `kinds`: k names: "stable", "saddle" (a real outlier ≥ 1), "oscillating" (a complex pair with
      Re λ ≥ 1), or "chaotic" (radius ≥ 1; see `chaos`).

    `to_dataframe()`, `to_xarray()`: a row for each state.
    """

    z: Float[np.ndarray, " k"]
    delta0: Float[np.ndarray, " k"]
    radius: Float[np.ndarray, " k"]
    outlier: Complex[np.ndarray, " k"]
    outliers: Complex[np.ndarray, "k 2"]
    is_stable: Bool[np.ndarray, " k"]

    @property
    def kinds(self) -> tuple[str, ...]:
        rows = zip(self.is_stable, self.radius, self.outliers[:, 0], strict=True)
        return tuple(_kind(*row) for row in rows)

    def __len__(self) -> int:
        return len(self.z)

    def to_table(self) -> Table:
        """The printed numbers of every state, over `state`."""
        columns = {"z": self.z, "delta0": self.delta0, "radius": self.radius}
        columns |= {"outlier": self.outlier, "kind": np.asarray(self.kinds, str)}
        return Table(numbered((len(self),), "state"), columns)

    def _card(self) -> Card:
        columns = (self.z, self.delta0, self.radius, self.outlier, self.kinds)
        rows = list(zip(*(column[:SHOWN] for column in columns), strict=True))
        head = ("z", "delta0", "radius", "outlier", "kind")
        title = f"Solutions: {counted(len(self), 'state')} at rest"
        return Card(title, columns=head, rows=rows, total=len(self))


def _kind(is_stable: bool | np.bool_, radius: float, leading: complex) -> str:
    if is_stable:
        return "stable"
    if radius >= 1:
        return "chaotic"
    return "oscillating" if leading.imag != 0 else "saddle"


def calibrate(
    geometry: Geometry, g: Scalar, target: Scalar, *, phi: Function = jnp.tanh
) -> float | Float[Array, "..."]:
    """The scale c of the readout for which z = A is a state at rest.

        c = A / (⟨φ′⟩_{Δ0(A)} (n_m A + n_I)),   n_m and n_I those of c = 1

    Args:
        geometry: a `Geometry`.
        g: strength ≥ 0 of the random connections.
        target: A.
        phi: the nonlinearity, smooth and bounded, written in `jax.numpy`.

    Returns:
        c: a float in 64 bits. Under a jax transformation (any argument traced), an array in the
        current precision, computed on 128 nodes, and infinite or NaN for bad arguments.

    Raises:
        ValueError: an argument is bad, A is A* = −n_I/n_m, or the readout has no overlap at all.
    """
    phi = read_phi(phi)
    if any(map(is_traced, jax.tree.leaves((geometry, g, target)))):
        return calibrate_at(phi, 128, sup_of(phi) ** 2, geometry.overlaps(1.0), g, target)
    one, g, target = read_one(geometry), read_number("g", g, 0.0), read_number("target", target)
    o = one.overlaps(1.0)
    check_target(one, target)
    if target == 0:
        return 0.0
    with jax.enable_x64(True):
        sup2 = sup_of(phi) ** 2
        n = host_nodes(phi, float(external(o, target)) + g * g * sup2)
        return float(calibrate_at(phi, n, sup2, o, g, target))


@jitted(static_argnums=(0, 1))
def calibrate_at(
    phi: Function, n: int, sup2: Scalar, o: Moments, g: Scalar, target: Scalar
) -> Array:
    delta = variance(phi, n, g, external(o, target), sup2)
    return target / (average_at(derivative(phi), delta, n) * (o.n_m * target + o.n_I))


def check_target(geometry: Geometry, target: float) -> None:
    o = geometry.overlaps(1.0)
    if o.n_m == 0 and o.n_I == 0:
        refuse("geometry", "let the readout overlap with m or I", "n_m = n_I = 0")
    size = abs(o.n_m * target) + abs(o.n_I)
    if abs(o.n_m * target + o.n_I) <= _NEAR * size:
        singular = float(geometry.singular_target)
        must = "differ from A* = -n_I/n_m, where no finite readout holds it"
        refuse("target", must, f"A* = {singular:.10g} and it is {target:.10g}")


def solutions(geometry: Geometry, g: Scalar, c: Scalar, *, phi: Function = jnp.tanh) -> Solutions:
    """All states at rest of a feedback network, and their stability, in the limit of many units.

        Δ0 = g²⟨φ²⟩ + σ_m²z² + 2σ_mI z + σ_I²,   z = ⟨φ′⟩(n_m z + n_I)

    The second equation, with Δ0(z) from the first, is scanned over every z that the readout can
    reach, |z| ≤ √⟨n²⟩ sup|φ|; its extrema are added to the scan, so that two roots between the same
    two nodes are found too. A host function; for jit, vmap and grad use `padded_solutions`.

    Args:
        geometry: a `Geometry` of scalars.
        g: strength ≥ 0 of the random connections.
        c: scale of the readout, such as the one from `calibrate`.
        phi: the nonlinearity, smooth and bounded, written in `jax.numpy`.

    Returns:
        A `Solutions`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: an equation is not solved to a relative residual of 1e-9.

    Reference:
        Mastrogiuseppe, Ostojic, Neural Computation 31:1139 (2019).
    """
    one, g, c = read_one(geometry), read_number("g", g, 0.0), read_number("c", c)
    o = Moments(*map(float, one.overlaps(c)))
    with jax.enable_x64(True):
        phi = read_phi(phi)
        sup = sup_of(phi)
        grid = _z_grid(o, sup, _GRID)
        top = float(max(external(o, grid[0]), external(o, grid[-1]))) + g * g * sup**2
        n = host_nodes(phi, top)
        parts = functools.partial(_scan, phi, n, sup**2, o, g)
        z = all_roots(lambda z: np.asarray(parts(z)[0]), lambda z: np.asarray(parts(z)[1]), grid)
        delta = evaluate(lambda z: np.asarray(parts(z)[2]), z)
        return _described(phi, n, o, g, z, delta)


def read_one(geometry: Geometry) -> Geometry:
    if not isinstance(geometry, Geometry):
        refuse("geometry", "be a Geometry", f"it is {a_or_an(type(geometry).__name__)}")
    if any(map(is_traced, jax.tree.leaves(geometry))):
        refuse("geometry", "be known: this is a host function", "it is traced by jax")
    if np.shape(geometry.rho):
        refuse("geometry", "be one geometry", f"its fields have shape {np.shape(geometry.rho)}")
    return geometry


@functools.lru_cache(64)
def sup_of(phi: Function) -> float:
    """sup|φ|, from values up to |x| = 1e8."""
    with jax.ensure_compile_time_eval():
        far = np.geomspace(1e-3, 1e8, 400)
        values = np.asarray(phi(jnp.asarray(np.concatenate([-far[::-1], far]))), float)
    size = np.abs(values)
    if not np.all(np.isfinite(values)) or size.max() > 1.01 * size[20:-20].max():
        refuse("phi", "be bounded", f"|phi| reaches {size.max():.3g} at |x| = 1e8")
    return float(size.max())


def z_range(o: Moments, sup: float, xp: ModuleType) -> tuple[Any, Any, Any, Any]:
    """The ends of the range |z| ≤ √⟨n²⟩ sup|φ| of a bounded φ, and where S is least within it.

    Also σ_m, kept away from 0, but too little to affect S.
    """
    end = 1.01 * sup * xp.sqrt(o.n2) + 1e-3
    sigma = xp.maximum(xp.sqrt(o.sigma_m2), 1e-6 / end)
    return -end, xp.clip(-o.sigma_mI / sigma**2, -end, end), end, sigma


def _z_grid(o: Moments, sup: float, size: int) -> Float[np.ndarray, " size"]:
    low, bottom, high, sigma = z_range(o, sup, np)
    ends = np.arcsinh(sigma * (low - bottom)), np.arcsinh(sigma * (high - bottom))
    return bottom + np.sinh(np.linspace(*ends, size)) / sigma


@jitted(static_argnums=(0, 1))
def _scan(phi: Function, n: int, sup2: Scalar, o: Moments, g: Scalar, z: Array) -> tuple:
    """The gap, its total derivative in z, and Δ0."""

    def at(z: Array) -> tuple:
        delta = variance(phi, n, g, external(o, z), sup2)
        a = averages_at(phi, delta, n)
        return gap(o, z, a.slope), gap_slope(o, g, z, a), delta

    return jax.vmap(at)(z)


@jitted(static_argnums=(0, 1))
def _polished(phi: Function, n: int, o: Moments, g: Scalar, z: Scalar, delta: Array) -> tuple:
    """Newton's step if it lowers the residual; at a double root the step is wild and not taken."""
    a = averages_at(phi, delta, n)
    new_z, new_delta = newton(o, g, z, delta, a)
    new = averages_at(phi, new_delta, n)
    before, after = _residual(o, g, z, delta, a), _residual(o, g, new_z, new_delta, new)
    is_better = after < before
    a = jax.tree.map(lambda new, old: jnp.where(is_better, new, old), new, a)
    z, delta = jnp.where(is_better, new_z, z), jnp.where(is_better, new_delta, delta)
    return z, delta, jnp.minimum(before, after), linearise(o, g, z, a)


def _residual(o: Moments, g: Scalar, z: Scalar, delta: Scalar, a: Averages) -> Array:
    first = jnp.abs(delta - g * g * a.phi2 - external(o, z)) / (1e-300 + delta)
    scale = jnp.abs(z) + jnp.abs(a.slope * o.n_m * z) + jnp.abs(a.slope * o.n_I)
    return jnp.maximum(first, jnp.abs(gap(o, z, a.slope)) / (1e-300 + scale))


def _described(
    phi: Function, n: int, o: Moments, g: float, z: np.ndarray, delta: np.ndarray
) -> Solutions:
    rows = [_polished(phi, n, o, g, *pair) for pair in zip(z, delta, strict=True)]
    residuals = [float(row[2]) for row in rows]
    # A readout of exactly 0 has no scale.
    if not all(r < _TOLERANCE or abs(v) < _TOLERANCE for r, v in zip(residuals, z, strict=True)):
        raise RuntimeError(
            f"The equations at rest are not solved near z = {z}: relative residuals {residuals}. "
            "A phi whose mean square is not concave in the variance can cause this."
        )
    columns = zip(*[(row[0], row[1], *row[3]) for row in rows], strict=True)
    z, delta, radius, roots, outlier, is_stable = (np.asarray(jnp.stack(c)) for c in columns)
    order = np.argsort(z, kind="stable")
    found = (z, delta, radius, outlier, roots, is_stable)
    return Solutions(*(v[order] for v in found))
