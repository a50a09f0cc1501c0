"""The exact theory of a readout trained by least squares with its output clamped to the target."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cards import Card, card_of, carded, number
from .._checks import read_number, refuse
from .._types import Scalar
from ..programs import jitted
from ._averages import Function, averages_at, derivative, host_nodes, read_phi
from ._equations import Linearised, external, spectrum_of, variance
from ._geometry import Geometry, Moments
from ._pairs import pair_averages, pair_nodes
from ._roots import all_roots, evaluate
from ._solutions import Solutions, read_one, sup_of

_GRID = 128  # values of z
_SILENT = 1e-20  # ⟨φ²⟩ below which there is only rounding error


@carded
class LeastSquares(eqx.Module):
    """The trained readout and all states at rest of the closed loop; numpy arrays of 64 bits.

    - `rest`: the states at rest, a `Solutions`.
    - `covariance`: (k,), between x there and x*, the state in training.
    - `delta_star`: Δ*, the variance of x*.
    - `n_m`, `n_I`: ⟨nm⟩ and ⟨nI⟩ of the readout; `norm`: √⟨n²⟩. `output`: ⟨nφ(x*)⟩.
    """

    rest: Solutions
    covariance: Float[np.ndarray, " k"]
    delta_star: float
    n_m: float
    n_I: float
    norm: float
    output: float

    def _card(self) -> Card:
        names = ("n_m", "n_I", "norm", "output")
        readout = (f"{name} {number(getattr(self, name))}" for name in names)
        facts = {"delta_star": number(self.delta_star), "readout": ", ".join(readout)}
        rest = card_of(self.rest)
        return rest._replace(title=f"LeastSquares: {rest.title.partition(': ')[2]}", facts=facts)


def least_squares(
    geometry: Geometry, g: Scalar, target: Scalar, *, ridge: Scalar = 0.0, phi: Function = jnp.tanh
) -> LeastSquares:
    """The result of least squares for a network whose output is clamped to A during training.

    With z = A the network rests at x*, of variance Δ*. The readout of least norm that gives A
    there, or with α > 0 the one that minimises (⟨nφ*⟩ − A)² + α⟨n²⟩, points along the state itself:

        n = κ φ(x*),   κ = A/(q + α),   q = ⟨φ²⟩_{Δ*}

    so it is correlated with χ. The states at rest x of the closed loop, with C = ⟨x* x⟩, satisfy

        z = κ⟨φ(x*)φ(x)⟩_C,   C = g²⟨φ(x*)φ(x)⟩_C + Aσ_m² z + (A + z)σ_mI + σ_I²

    and their outliers λ² − (G + a + b)λ + Ga = 0, with G = g²⟨φ′² + φφ″⟩,
    a = ⟨φ′(x*)φ′(x)⟩(g² + κ(σ_m²A + σ_mI)), b = κ⟨φ(x*)φ″(x)⟩(σ_m² z + σ_mI). At the target the
    roots are r² and λ = ⟨φ′² + φφ″⟩(Δ* − σ_mI A − σ_I²)/q.

    Args:
        geometry: a `Geometry`, of which only σ_m, σ_I and ρ are used.
        g: strength ≥ 0 of the random connections; below about 1, so that there is a state at rest
            to train in.
        target: A ≠ 0.
        ridge: α ≥ 0. With α > 0 the output falls short of A.
        phi: the nonlinearity, smooth and bounded, which must not bend faster than tanh.

    Returns:
        A `LeastSquares`.

    Raises:
        ValueError: an argument is bad, nothing drives the network, or the clamped network has no
            stable state at rest: r ≥ 1 at Δ*.
    """
    one, g = read_one(geometry), read_number("g", g, 0.0)
    A, alpha = read_number("target", target), read_number("ridge", ridge, 0.0)
    if A == 0:
        refuse("target", "not be 0", "the readout would be 0")
    o = Moments(*map(float, one.overlaps(0.0)))
    with jax.enable_x64(True):
        phi = read_phi(phi)
        sup = sup_of(phi)
        n = host_nodes(phi, float(external(o, abs(A))) + g * g * sup**2)
        delta_star = float(_variances(phi, n, sup**2, o, g, jnp.full(8, A))[0])
        star = averages_at(phi, jnp.asarray(delta_star), n)
        if g * g * star.slope2 >= 1:
            refuse("g", "leave a state at rest to train on", f"it is {g}, and there r >= 1")
        q = float(star.phi2)
        if q < _SILENT:
            refuse(
                "geometry", "let m A + I drive the network", "it is 0, and all activities vanish"
            )
        kappa = A / (q + alpha)
        states, covariance = _rest(phi, sup, o, g, A, kappa, q, delta_star)
        m, i = float(o.sigma_m2 * A + o.sigma_mI), float(o.sigma_mI * A + o.sigma_I2)
        slope = kappa * float(star.slope)
        norm = abs(kappa) * q**0.5
        overlaps = slope * m, slope * i
        return LeastSquares(states, covariance, delta_star, *overlaps, norm, kappa * q)


def _rest(
    phi: Function, sup: float, o: Moments, g: float, A: float, kappa: float, q: float, d: float
) -> tuple[Solutions, np.ndarray]:
    """All states at rest of the closed loop, and their covariances with x*."""
    end = 1.01 * abs(kappa) * q**0.5 * sup + 1e-3
    grid = np.linspace(-end, end, _GRID)
    top = float(max(external(o, end), external(o, -end))) + g * g * sup**2
    n, n2 = host_nodes(phi, top), pair_nodes(top)
    f = functools.partial(_loop, phi, n, n2, sup**2, o, g, A, kappa, d)
    z = all_roots(lambda z: np.asarray(f(z)[0]), None, grid)
    delta = evaluate(lambda z: np.asarray(f(z)[1]), z)
    C = evaluate(lambda z: np.asarray(f(z)[2]), z)
    is_possible = np.abs(C) <= (d * delta) ** 0.5 * (1 + 1e-9)
    z, delta, C = z[is_possible], delta[is_possible], C[is_possible]
    linear = _spectra(phi, n, n2, o, g, A, kappa, d, z, delta, C)
    radius, roots, outlier, is_stable = (np.asarray(v) for v in linear)
    return Solutions(z, delta, radius, outlier, roots, is_stable), C


@jitted(static_argnums=(0, 1))
def _variances(phi: Function, n: int, sup2: Scalar, o: Moments, g: Scalar, z: Array) -> Array:
    return jax.vmap(lambda z: variance(phi, n, g, external(o, z), sup2))(z)


@jitted(static_argnums=(0, 1, 2))
def _loop(
    phi: Function,
    n: int,
    n2: int,
    sup2: Scalar,
    o: Moments,
    g: Scalar,
    A: Scalar,
    kappa: Scalar,
    d: Scalar,
    z: Array,
) -> tuple[Array, Array, Array]:
    """κ⟨φ*φ⟩ − z, Δ0 and C. At a solution ⟨φ*φ⟩ = z/κ, which makes C explicit in z."""
    delta = _variances(phi, n, sup2, o, g, z)
    C = g * g * z / kappa + A * o.sigma_m2 * z + (A + z) * o.sigma_mI + o.sigma_I2
    most = jnp.sqrt(d * delta)
    inside = jnp.clip(C, -most, most)
    overlap = pair_averages(((phi, phi),), jnp.full_like(z, d), delta, inside, n2)[:, 0]
    # Outside |C| ≤ √(Δ*Δ0), where there is no state, the gap is extended continuously.
    return kappa * overlap - z, delta, C


def _spectra(
    phi: Function,
    n: int,
    n2: int,
    o: Moments,
    g: Scalar,
    A: Scalar,
    kappa: Scalar,
    d: Scalar,
    *states: np.ndarray,
) -> Linearised:
    z, delta, C = map(jnp.asarray, states)
    d1 = derivative(phi)
    pairs = ((d1, d1), (phi, derivative(d1)))
    both = pair_averages(pairs, jnp.full_like(z, d), delta, C, n2)
    own = jax.vmap(lambda v: averages_at(phi, v, n))(delta)
    G = g * g * own.bend
    a = both[:, 0] * (g * g + kappa * (o.sigma_m2 * A + o.sigma_mI))
    b = kappa * both[:, 1] * (o.sigma_m2 * z + o.sigma_mI)
    return jax.vmap(spectrum_of)(g * jnp.sqrt(own.slope2), G + a + b, G * a)
