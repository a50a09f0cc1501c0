"""The self-consistent equations of the network at rest, and its spectrum there."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from ._averages import Averages, Function, averages_at
from ._geometry import Moments, Value

_NEWTON = 60  # steps at most: each only halves the error at the double root at g = 1


class Linearised(NamedTuple):
    """The spectrum about one solution; a mode grows with rate λ − 1 in units of 1/τ."""

    radius: Float[Array, ""]
    roots: Complex[Array, "2"]
    outlier: Complex[Array, ""]
    is_stable: Bool[Array, ""]


def external(o: Moments, z: Value) -> Array:
    """S = σ_m² z² + 2σ_mI z + σ_I², the variance of m z + I."""
    return jnp.maximum((o.sigma_m2 * z + 2 * o.sigma_mI) * z + o.sigma_I2, 0)


def variance(phi: Function, n: int, g: Value, S: Value, sup2: Value) -> Array:
    """Δ0 = g²⟨φ²⟩ + S at rest: the largest solution, by Newton's steps down from g² sup φ² + S.

    Where ⟨φ²⟩ is concave in Δ0, as it is for sigmoids, no step overshoots. Two more steps carry the
    derivatives, up to the third.
    """

    def step(delta: Array, g: Value, S: Value) -> Array:
        a = averages_at(phi, delta, n)
        rest = delta - g * g * a.phi2 - S
        return jnp.maximum(delta - rest / jnp.maximum(1 - g * g * a.bend, 1e-3), S)

    fixed = jax.lax.stop_gradient((g, S))
    low, start = fixed[1], fixed[1] + fixed[0] ** 2 * sup2
    small = 4 * jnp.finfo(jnp.result_type(start)).eps

    def goes_on(carry: tuple) -> Bool[Array, ""]:
        i, old, new = carry
        return (i < _NEWTON) & (jnp.abs(new - old) > small * new)

    def on(carry: tuple) -> tuple:
        return carry[0] + 1, carry[2], jnp.clip(step(carry[2], *fixed), low, start)

    delta = jax.lax.while_loop(goes_on, on, (0, 2 * start + 1, start))[2]
    return step(step(jnp.asarray(delta), g, S), g, S)


def gap(o: Moments, z: Value, slope: Value) -> Value:
    """⟨φ′⟩(n_m z + n_I) − z: zero where the readout reproduces itself."""
    return slope * (o.n_m * z + o.n_I) - z


def gap_slope(o: Moments, g: Value, z: Value, a: Averages) -> Value:
    """The derivative of the gap in z, with Δ0(z) from the first equation."""
    F = 2 * (o.sigma_m2 * z + o.sigma_mI)
    through = (o.n_m * z + o.n_I) * a.third / 2 * F / (1 - g * g * a.bend)
    return o.n_m * a.slope - 1 + through


def newton(o: Moments, g: Value, z: Value, delta: Value, a: Averages) -> tuple[Array, Array]:
    """One step of Newton's method for (z, Δ0) on both equations."""
    G, F = g * g * a.bend, 2 * (o.sigma_m2 * z + o.sigma_mI)
    b = (o.n_m * z + o.n_I) * a.third / 2
    r1, r2 = delta - g * g * a.phi2 - external(o, z), -gap(o, z, a.slope)
    stiffness = (1 - G) * (1 - o.n_m * a.slope) - b * F
    stiffness = jnp.where(stiffness == 0, 1.0, stiffness)
    step_z = -((1 - G) * r2 + b * r1) / stiffness
    step_delta = -((1 - o.n_m * a.slope) * r1 + F * r2) / stiffness
    return z + step_z, delta + step_delta


def linearise(o: Moments, g: Value, z: Value, a: Averages) -> Linearised:
    """Bulk radius r = g√⟨φ′²⟩ and outliers λ² − (G + bF + n_m⟨φ′⟩)λ + G n_m⟨φ′⟩ = 0."""
    G, F = g * g * a.bend, 2 * (o.sigma_m2 * z + o.sigma_mI)
    b, own = (o.n_m * z + o.n_I) * a.third / 2, o.n_m * a.slope
    return spectrum_of(g * jnp.sqrt(a.slope2), G + b * F + own, G * own)


def spectrum_of(
    radius: Array | np.ndarray, total: Array | np.ndarray, product: Array | np.ndarray
) -> Linearised:
    """From the sum and product of the two roots; those inside the bulk are not eigenvalues."""
    dtype = np.result_type(radius.dtype, np.complex64)
    root = jnp.sqrt((total * total - 4 * product).astype(dtype))
    roots = jnp.stack([(total.astype(dtype) + root) / 2, (total.astype(dtype) - root) / 2])
    is_outside = jnp.abs(roots) > radius
    nothing = jnp.asarray(complex(jnp.nan, jnp.nan), dtype)
    # The first root has the larger real part, because that of `root` is not negative.
    outlier = jnp.where(is_outside[0], roots[0], jnp.where(is_outside[1], roots[1], nothing))
    is_stable = (radius < 1) & jnp.all(roots.real < 1)
    return Linearised(jnp.asarray(radius), roots, outlier, jnp.asarray(is_stable))
