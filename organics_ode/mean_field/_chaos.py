"""The chaotic phase, where the random connections destabilise every state at rest."""

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cards import SHOWN, Card, carded
from .._checks import counted, read_number
from .._types import Scalar
from ..programs import jitted
from ._averages import Function, average_at, host_nodes, integrands, read_phi
from ._equations import external, gap
from ._geometry import Geometry, Moments
from ._roots import bisect, brackets, evaluate
from ._solutions import read_one, sup_of, z_range

_POINTS = 48  # of the curve
_STRONGEST = 1e6  # the largest g: beyond it Δ0 is out of reach of the quadrature
_SIZES = (128, 512, 2048)  # numbers of coefficients of φ


@carded
class Chaos(eqx.Module):
    """All chaotic solutions, sorted by the mean readout z; numpy arrays of 64 bits, (k,).

    - `z`: readout. `delta0`: variance of x. `delta_inf`: the part of it that is frozen in time, the
      autocovariance of x at long lags.
    """

    z: Float[np.ndarray, " k"]
    delta0: Float[np.ndarray, " k"]
    delta_inf: Float[np.ndarray, " k"]

    def __len__(self) -> int:
        return len(self.z)

    def _card(self) -> Card:
        columns = (self.z, self.delta0, self.delta_inf)
        rows = list(zip(*(column[:SHOWN] for column in columns), strict=True))
        title = f"Chaos: {counted(len(self), 'chaotic solution')}"
        head = ("z", "delta0", "delta_inf")
        return Card(title, columns=head, rows=rows, total=len(self))


def chaos(geometry: Geometry, g: Scalar, c: Scalar, *, phi: Function = jnp.tanh) -> Chaos:
    """All chaotic solutions of a feedback network, in the limit of many units.

        Δ∞ = g²⟨⟨φ⟩²⟩ + S,   ∫ from Δ∞ to Δ0 of (g²⟨φφ⟩_Δ + S − Δ) dΔ = 0,   z = ⟨φ′⟩(n_m z + n_I)

    where S = σ_m²z² + 2σ_mI z + σ_I², and ⟨φφ⟩_Δ is taken over two variables of variance Δ0 and
    covariance Δ. (The second equation is Δ0²/2 − Δ∞²/2 = g²(⟨Φ²⟩ − ⟨⟨Φ⟩²⟩) + S(Δ0 − Δ∞) with
    Φ′ = φ.) The first two equations depend on z and the geometry only through S. Eliminating S
    leaves a curve over Δ0 that ends where r = g√⟨φ′²⟩ = 1; the third equation is scanned along it.
    A host function.

    Args:
        geometry: a `Geometry` of scalars.
        g: strength ≥ 0 of the random connections.
        c: scale of the readout.
        phi: the nonlinearity, smooth and bounded, written in `jax.numpy`.

    Returns:
        A `Chaos`; empty where the random connections are too weak.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Sompolinsky, Crisanti, Sommers, Physical Review Letters 61:259 (1988); Mastrogiuseppe,
        Ostojic, Neural Computation 31:1139 (2019).
    """
    one, g, c = read_one(geometry), read_number("g", g, 0.0, _STRONGEST), read_number("c", c)
    o = Moments(*map(float, one.overlaps(c)))
    with jax.enable_x64(True):
        phi = read_phi(phi)
        top = _edge(phi, g)
        if top == 0:
            return _sorted([])
        least = max(float(external(o, z_range(o, sup_of(phi), np)[1])), 0.0)
        low = _start(phi, g, least, top)
        branches = [_branch(phi, o, g, low, top, sign) for sign in (-1, 1)]
        found = [_exact(phi, o, g, delta0, sign) for sign, d in branches for delta0 in d]
        return _sorted(found)


def _edge(phi: Function, g: float) -> float:
    """The Δ0 where g²⟨φ′²⟩ = 1; 0 if the random connections are too weak."""
    n = host_nodes(phi, max(1.0, g * g * sup_of(phi) ** 2))
    high = np.full(1, 1.0)

    def excess(delta: np.ndarray) -> np.ndarray:
        return g * g * np.asarray(_slopes(phi, n, delta)) - 1

    while evaluate(excess, high)[0] > 0:
        high = 2 * high
    if evaluate(excess, np.zeros(1))[0] <= 0:
        return 0.0
    return float(bisect(excess, np.zeros(1), high)[0])


@jitted(static_argnums=(0, 1))
def _slopes(phi: Function, n: int, deltas: Array) -> Array:
    """⟨φ′²⟩ at every variance."""
    return jax.vmap(lambda d: average_at(integrands(phi)[2], d, n))(deltas)


def _frozen(phi: Function, g: float, delta0: float) -> tuple[float, float]:
    """Δ∞ on the curve at one Δ0, and the S it needs; S is negative where there is no solution.

    With ⟨φφ⟩_Δ = Σ a_k² (Δ/Δ0)^k over Hermite polynomials and t = Δ∞/Δ0, the integral is, up to a
    positive factor, g²/Δ0 Σ_k a_k² 2/(k+1) Σ_{j<k} (j+1) t^j − 1, which increases with t.
    """
    a2 = hermite(phi, delta0) ** 2
    k = np.arange(a2.size)

    def energy(t: np.ndarray) -> np.ndarray:
        sums = np.cumsum((k + 1) * t[:, None] ** k, axis=1)[:, :-1]
        return g * g / delta0 * (sums @ (2 * a2[1:] / (k[1:] + 1))) - 1

    ends = energy(np.array([-1.0, 1.0]))
    if not ends[0] < 0 < ends[1]:
        return (delta0, delta0 - g * g * float(a2.sum())) if ends[1] <= 0 else (0.0, -1.0)
    t = bisect(energy, np.array([-1.0]), np.array([1.0]))[0]
    return float(t * delta0), float(t * delta0 - g * g * np.sum(a2 * t**k))


def _start(phi: Function, g: float, S: float, top: float) -> float:
    """The Δ0 at which the curve needs S; the end of the curve if it never needs that much."""
    f = _over(lambda d: _frozen(phi, g, d)[1] - S)
    if f(np.array([top]))[0] <= 0:
        return top
    return float(bisect(f, np.array([1e-6 * top]), np.array([top]))[0])


def _over(f: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda points: np.array([f(float(point)) for point in points])


def _readout(o: Moments, S: float, sign: int) -> float:
    """The z, on one side of −σ_mI/σ_m², where m z + I has the variance S."""
    away = max(o.sigma_mI**2 + o.sigma_m2 * (S - o.sigma_I2), 0.0) ** 0.5
    return (sign * away - o.sigma_mI) / o.sigma_m2


def _slope(phi: Function, delta0: float) -> float:
    return float(hermite(phi, delta0)[1] / delta0**0.5)  # ⟨uφ(√Δ0 u)⟩ = √Δ0 ⟨φ′⟩


def _branch(
    phi: Function, o: Moments, g: float, low: float, top: float, sign: int
) -> tuple[int, np.ndarray]:
    """The Δ0 of the solutions on one side of −σ_mI/σ_m²."""
    if low >= top:
        return sign, np.zeros(0)
    if o.sigma_m2 == 0:
        return sign, np.full(1 if sign > 0 else 0, low)
    f = _over(lambda d: _gap(phi, o, g, d, sign))
    # Steps in √(Δ0 − low) are nearly equal in z.
    grid = low + (top - low) * np.linspace(0, 1, _POINTS) ** 2
    return sign, bisect(f, *brackets(f(grid), grid))


def _gap(phi: Function, o: Moments, g: float, delta0: float, sign: int) -> float:
    z = _readout(o, _frozen(phi, g, delta0)[1], sign)
    return float(gap(o, z, _slope(phi, delta0)))


def _exact(
    phi: Function, o: Moments, g: float, delta0: float, sign: int
) -> tuple[float, float, float]:
    delta_inf, S = _frozen(phi, g, delta0)
    slope = _slope(phi, delta0)
    z = _readout(o, S, sign) if o.sigma_m2 > 0 else slope * o.n_I
    return z, delta0, delta_inf


def _sorted(found: list[tuple[float, float, float]]) -> Chaos:
    return Chaos(*np.array(sorted(found)).reshape(-1, 3).T)


def hermite(phi: Function, delta0: float) -> Float[np.ndarray, " k"]:
    """a_k = ⟨φ(√Δ0 u) h_k(u)⟩ over unit Gaussian u, h_k orthonormal: ⟨φ²⟩ = Σ a_k².

    As many coefficients as leave out at most 1e-12 of ⟨φ²⟩, but no more than 2048.
    """
    a = np.zeros(0)
    for size in _SIZES:
        u, functions = _hermite_functions(size)
        values = np.asarray(phi(jnp.asarray(delta0**0.5 * u)), float)
        a = functions @ values
        total = float(np.sum(values**2 * functions[0]))
        if abs(total - np.sum(a * a)) <= 1e-12 * total:
            break
    return a


@functools.lru_cache(4)
def _hermite_functions(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes u, and h_k(u) times their weights: h_{k+1}√(k+1) = u h_k − √k h_{k−1}."""
    u = np.linspace(-12, 12, 2 * round(12 * (size**0.5 + 12) / np.pi) + 1)
    damp = np.exp(-u * u / 4)  # the root of the weight, with which the recurrence stays small
    rows = [damp / (2 * np.pi) ** 0.5, u * damp / (2 * np.pi) ** 0.5]
    for k in range(1, size - 1):
        rows.append((u * rows[-1] - k**0.5 * rows[-2]) / (k + 1) ** 0.5)
    return u, np.stack(rows) * damp * (u[1] - u[0])
