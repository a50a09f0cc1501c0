"""An image as a population sees it, through quadrature pairs of oriented filters."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._fields import Fields

# The half width at half height of a Gaussian, in standard deviations.
_HALF = math.sqrt(2 * math.log(2))


class Seen(eqx.Module):
    """An image as a population sees it, used in place of a patch.

    - `pixels`: (rows, columns), −1 to 1, the first row on top. `degrees`: (height, width) of one.
    """

    pixels: Float[Array, "rows columns"]
    contrast: Array
    degrees: tuple[float, float] = eqx.field(static=True)
    position: tuple[float, float] = eqx.field(static=True)
    frequency: float = eqx.field(static=True)
    bandwidth: float = eqx.field(static=True)

    @property
    def covers_all(self) -> bool:
        return self.position == (0, 0)  # the background lies beyond its edge

    def energy(self, fields: Fields) -> Float[Array, " n"]:
        """The squared drive of every unit."""
        seen = jnp.abs(self._filtered(fields))
        if fields.positions is None:
            amplitudes = jnp.mean(seen, axis=(1, 2))[None, :]
        else:
            rows, columns = self._weights(fields)
            amplitudes = jnp.einsum("pr,orc,pc->po", rows, seen, columns)
        return (self.contrast**2 * amplitudes**2).ravel()

    def modulation(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The luminance of the pixel nearest to (x, y), relative to the midpoint, -1 to 1."""
        rows, columns = self.pixels.shape
        i = np.floor((self.position[1] - y) / self.degrees[0] + rows / 2).astype(int)
        j = np.floor((x - self.position[0]) / self.degrees[1] + columns / 2).astype(int)
        inside = (i >= 0) & (i < rows) & (j >= 0) & (j < columns)
        pixels = np.asarray(self.pixels)
        near = pixels[np.clip(i, 0, rows - 1), np.clip(j, 0, columns - 1)]
        return np.where(inside, float(self.contrast) * near, 0)

    def _filtered(self, fields: Fields) -> Array:
        """Complex responses of the pairs at every pixel, (orientations, rows, columns).

        In the frequency domain, on one half-plane: the tuning RF_i times a Gaussian of ln f.
        """
        rows, columns = self.pixels.shape
        shape = (2 * rows, 2 * columns)  # padded, so that edges do not wrap around
        up = -np.fft.fftfreq(shape[0], self.degrees[0])[:, None]
        right = np.fft.fftfreq(shape[1], self.degrees[1])[None, :]
        f, dtype = np.hypot(up, right), self.pixels.dtype
        sd = self.bandwidth * math.log(2) / 2 / _HALF
        log = np.log(np.where(f > 0, f, 1) / self.frequency)
        radial = np.where(f > 0, np.exp(-(log**2) / (2 * sd**2)), 0)
        bars = np.degrees(np.arctan2(-right, up)) % 180
        angles = jnp.asarray(bars.ravel(), dtype)
        tuned = jax.vmap(fields.tuning)(angles).T
        own = jnp.radians(jnp.asarray(fields.orientations, dtype))[:, None, None]
        across = jnp.asarray(up[None], dtype), jnp.asarray(right[None], dtype)
        along = jnp.cos(own) * across[0] - jnp.sin(own) * across[1]
        half = jnp.where(jnp.abs(along) > 1e-6 * jnp.asarray(f, dtype)[None], jnp.sign(along), 0)
        H = tuned.reshape(-1, *shape) * (1 + half) * jnp.asarray(radial, dtype)[None]
        spectrum = jnp.fft.fft2(self.pixels, shape)
        return jnp.fft.ifft2(spectrum[None] * H.astype(spectrum.dtype))[:, :rows, :columns]

    def _weights(self, fields: Fields) -> tuple[Array, Array]:
        """The Gaussian receptive field at every position, along rows and along columns."""
        rows, columns = self.pixels.shape
        dtype = self.pixels.dtype
        places = jnp.asarray(fields.positions, dtype)
        at_y = self.position[1] + self.degrees[0] * ((rows - 1) / 2 - np.arange(rows))
        at_x = self.position[0] + self.degrees[1] * (np.arange(columns) - (columns - 1) / 2)
        width = jnp.asarray(fields.width, dtype)

        def near(at: np.ndarray, centres: Array, step: float) -> Array:
            away = (jnp.asarray(at, dtype)[None, :] - centres[:, None]) / width
            return jnp.exp(-(away**2) / 2) * (step / (np.sqrt(2 * np.pi) * width))

        rows_near = near(at_y, places[:, 1], self.degrees[0])
        return rows_near, near(at_x, places[:, 0], self.degrees[1])
