"""Receptive fields of a population: tuned to orientation, and Gaussian in space."""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import i0e
from jaxtyping import Array, Float

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_REACH = 9.0  # standard deviations, beyond which a Gaussian is below rounding


class Fields(eqx.Module):
    """The positions of n_x receptive fields, and the n_θ orientations at each.

        RF_i(θ) = k |cos(θ − θ_i)|^q,   k² = 4^q / (n_θ binom(2q, q)),   Σ_i RF_i(θ)² = 1

    - `orientations`: (n_θ,), degrees. `power`: q < n_θ.
    - `positions`: (n_x, 2), degrees of visual angle; `width`: the standard deviation of a Gaussian
      receptive field. Both are None for a population without space.
    """

    orientations: Float[np.ndarray, " orientations"]
    power: int = eqx.field(static=True)
    positions: Float[np.ndarray, "positions 2"] | None = None
    width: float | None = None

    @property
    def size(self) -> int:
        return self.orientations.size * (1 if self.positions is None else len(self.positions))

    def tuning(self, orientation: Array) -> Float[Array, " orientations"]:
        """RF_i at an orientation in degrees."""
        turned = orientation - jnp.asarray(self.orientations, orientation.dtype)
        away = jnp.abs(jnp.mod(turned + 90, 180) - 90)
        # Written with the sine, which is exactly 0 at 90 degrees: the cosine would be 6e-17 there,
        # and a unit driven by rounding alone would make the system badly scaled.
        return self._peak * jnp.sin(jnp.radians(90 - away)) ** self.power

    def tuning_energy(self, orientation: Array, spread: Array) -> Float[Array, " orientations"]:
        """The mean of RF_i² over orientations that are normally distributed, `spread` wide.

        RF_i² is a sum of q + 1 harmonics; the j-th is damped by exp(−2 j² spread²).
        """
        angle = 2 * jnp.radians(orientation - jnp.asarray(self.orientations, orientation.dtype))
        j = np.arange(1, self.power + 1)
        order = jnp.asarray(j, angle.dtype)
        total = math.comb(2 * self.power, self.power)
        heights = [2 * math.comb(2 * self.power, self.power - i) / total for i in j.tolist()]
        damping = jnp.exp(-2 * (order * jnp.radians(spread)) ** 2)
        harmonics = jnp.cos(angle[:, None] * order[None, :])
        energies = 1 + harmonics @ (jnp.asarray(heights, angle.dtype) * damping)
        return jnp.maximum(energies, 0) / self.orientations.size

    def disc(self, position: tuple[float, float], radius: Array) -> Float[Array, " positions"]:
        """The share of each receptive field within a disc.

            ∫₀^r (ρ/s²) exp(−(ρ² + d²)/2s²) I₀(ρ d/s²) dρ

        for a field whose centre is d away from the disc's: 1 − exp(−r²/2s²) at d = 0.
        """
        s, d = self._width(radius), self._distances(position, radius)
        low = jnp.clip(d - _REACH * s, 0, radius)
        half = (jnp.clip(radius, low, d + _REACH * s) - low) / 2
        rho = low[:, None] + half[:, None] * jnp.asarray(1 + _NODES, d.dtype)[None, :]
        near = jnp.exp(-((rho - d[:, None]) ** 2) / (2 * s**2))
        density = rho / s**2 * near * i0e(rho * d[:, None] / s**2)
        return half * (density @ jnp.asarray(_WEIGHTS, d.dtype))

    def window(self, position: tuple[float, float], spread: Array) -> Float[Array, " positions"]:
        """The mean of a Gaussian window of height 1 over each receptive field."""
        s, d = self._width(spread), self._distances(position, spread)
        total = s**2 + spread**2
        return spread**2 / total * jnp.exp(-(d**2) / (2 * total))

    @property
    def _peak(self) -> float:
        q = self.power
        return math.sqrt(4**q / (self.orientations.size * math.comb(2 * q, q)))

    def _width(self, like: Array) -> Array:
        return jnp.asarray(self.width, like.dtype)

    def _distances(self, position: tuple[float, float], like: Array) -> Array:
        away = jnp.asarray(self.positions, like.dtype) - jnp.asarray(position, like.dtype)[None, :]
        return jnp.hypot(away[:, 0], away[:, 1])
