"""Patches of gratings, of which every stimulus is made."""

import math
from statistics import NormalDist

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._fields import Fields

_DRAWN = 48  # gratings in a picture of noise


class Patch(eqx.Module):
    """A patch of one grating, or of gratings of random orientations and phases.

    - `orientation`, `spread`: degrees, the mean and the standard deviation of orientations; a
      `spread` of None is one grating.
    - `position`: (x, y); `inner`, `outer`: radii of its aperture, None for none.
    - `window`: the standard deviation of a Gaussian aperture instead, None for none.
    - `frequency`, `phase`: cycles per degree, and degrees; used only for its picture.
    """

    orientation: Array
    contrast: Array
    position: tuple[float, float] = eqx.field(static=True)
    spread: Array | None = None
    inner: Array | None = None
    outer: Array | None = None
    window: Array | None = None
    frequency: float = 1.0
    phase: float = 0.0

    @property
    def covers_all(self) -> bool:
        return self.inner is None and self.outer is None and self.window is None

    def energy(self, fields: Fields) -> Float[Array, " n"]:
        """The squared drive of every unit, averaged over phases."""
        tuned = (
            fields.tuning(self.orientation) ** 2
            if self.spread is None
            else fields.tuning_energy(self.orientation, self.spread)
        )
        covered = self._covered(fields) ** 2
        return (self.contrast**2 * covered[:, None] * tuned[None, :]).ravel()

    def _covered(self, fields: Fields) -> Float[Array, " positions"]:
        if fields.positions is None or self.covers_all:
            count = 1 if fields.positions is None else len(fields.positions)
            return jnp.ones(count, self.contrast.dtype)
        if self.window is not None:
            return fields.window(self.position, self.window)
        count = len(fields.positions)
        whole, hole = jnp.ones(count, self.contrast.dtype), jnp.zeros(count, self.contrast.dtype)
        if self.outer is not None:
            whole = fields.disc(self.position, self.outer)
        if self.inner is not None:
            hole = fields.disc(self.position, self.inner)
        return whole - hole

    def modulation(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The luminance at (x, y) relative to the mean, -1 to 1 (host)."""
        right, up = x - self.position[0], y - self.position[1]
        distance = np.hypot(right, up)
        seen = np.ones_like(x)
        if self.window is not None:
            seen = np.exp(-(distance**2) / (2 * float(self.window) ** 2))
        if self.outer is not None:
            seen = np.where(distance > float(self.outer), 0, seen)
        if self.inner is not None:
            seen = np.where(distance < float(self.inner), 0, seen)
        return float(self.contrast) * seen * self._waves(right, up)

    def _waves(self, right: np.ndarray, up: np.ndarray) -> np.ndarray:
        if self.spread is None:
            return self._wave(right, up, float(self.orientation), self.phase)
        # The same noise in every picture: quantiles of the orientations, and irregular phases.
        normal = NormalDist(float(self.orientation), float(self.spread))
        waves = [
            self._wave(right, up, normal.inv_cdf((i + 0.5) / _DRAWN), 360 * (0.618034 * i**2 % 1))
            for i in range(_DRAWN)
        ]
        return np.sum(waves, axis=0) / math.sqrt(_DRAWN)

    def _wave(
        self, right: np.ndarray, up: np.ndarray, orientation: float, phase: float
    ) -> np.ndarray:
        angle = math.radians(orientation)
        along = math.cos(angle) * up - math.sin(angle) * right
        return np.cos(2 * np.pi * self.frequency * along + math.radians(phase))
