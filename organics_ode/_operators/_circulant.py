import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._types import ParameterLike
from ._operator import AbstractOperator, Values, read_numbers


class Circulant(AbstractOperator):
    """Weights that depend only on the difference of two places, on a ring or a torus.

        W_ij = kernel[(i − j) mod (n_1, …, n_k)],   W v = F⁻¹(F kernel ⊙ F v)

    in n log n operations, with i and j the places of the units on a grid (n_1, …, n_k), the last
    axis the fastest. Rounding errors are relative to the largest entry of a product, whereas those
    of a plain sum are relative to its own terms.

    Args:
        kernel: (n_1, …, n_k), one to three axes: the weights from the first unit, W_i0.

    Raises:
        ValueError: a wrong shape, NaN or infinite values.
    """

    kernel: Values

    def __init__(self, kernel: ParameterLike):
        self.kernel = read_numbers("kernel", kernel, 1, 2, 3)

    @property
    def shape(self) -> tuple[int, int]:
        n = math.prod(self.kernel.shape)
        return n, n

    @property
    def T(self) -> "Circulant":
        axes = tuple(range(self.kernel.ndim))
        return self.with_numbers(kernel=jnp.roll(jnp.flip(self.kernel), 1, axes))

    def mv(self, v: Float[Array, " n"]) -> Float[Array, " n"]:
        dtype = jnp.result_type(self.kernel, v)
        # There is no Fourier transform in half precision.
        wide = dtype if jnp.finfo(dtype).bits >= 32 else jnp.float32
        k, u = (x.astype(wide) for x in (self.kernel, v))
        grid = k.shape
        product = jnp.fft.rfftn(k) * jnp.fft.rfftn(u.reshape(grid))
        return jnp.fft.irfftn(product, grid).reshape(-1).astype(dtype)

    def __abs__(self) -> "Circulant":
        return self.with_numbers(kernel=jnp.abs(self.kernel))

    def as_matrix(self) -> Float[Array, "n n"]:
        grid = self.kernel.shape
        place = np.indices(grid).reshape(len(grid), -1)
        away = (place[:, :, None] - place[:, None, :]) % np.asarray(grid)[:, None, None]
        return self.kernel[tuple(away)]

    def diagonal(self) -> Float[Array, " n"]:
        return jnp.broadcast_to(self.kernel.ravel()[0], self.shape[:1])

    def is_identity(self) -> Bool[Array, ""]:
        kernel = self.kernel.ravel()
        return (kernel[0] == 1) & jnp.all(kernel[1:] == 0)
