from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._axes import Axes, axes_of
from ..._checks import check_positive_integer, check_positive_number, common_dtype
from ..._nonlinearities import root
from ..._types import Scalar
from ...programs import quickly_compiled
from .._fields import Fields
from ._patch import Patch
from ._seen import Seen


class AbstractStimulus(eqx.Module):
    """A picture on a screen: how it drives cells, and what it looks like.

    It is made of patches of gratings, whose energies add:

        z_i = √( Σ_patches (c RF_i(θ) S_i)² )

    with the contrast c, the tuning RF_i and the share S_i of the receptive field that the patch
    covers. This is the drive of quadrature pairs of cells, averaged over the phases of the patches.
    """

    @abstractmethod
    def patches(self) -> tuple[Patch | Seen, ...]:
        """The patches it is made of."""

    @property
    @abstractmethod
    def peak_contrast(self) -> Scalar:
        """The largest contrast of its patches."""

    @abstractmethod
    def at(self, contrast: Scalar) -> "AbstractStimulus":
        """The same stimulus at another contrast."""

    def drive(self, fields: Fields) -> Float[Array, " n"]:
        """The drive z of every unit, given the receptive fields."""
        return _drive(self.patches(), fields)

    def image(self, pixels: int = 256, *, extent: float = 2.0) -> Float[np.ndarray, "rows columns"]:
        """Its luminance, from 0 to 1 with 0.5 for the background, the first row on top (host).

        Args:
            pixels: the number of pixels along each side.
            extent: degrees of visual angle from the middle to a side.

        Raises:
            ValueError: an argument is bad.
        """
        pixels = check_positive_integer("pixels", pixels)
        check_positive_number("extent", extent)
        at = (2 * np.arange(pixels) + 1 - pixels) * (extent / pixels)
        x, y = np.meshgrid(at, -at)
        light = sum(patch.modulation(x, y) for patch in self.patches())
        return np.clip(0.5 + 0.5 * light, 0, 1)

    def plot(self, ax: Axes | None = None, *, extent: float = 2.0, **kw: Any) -> Axes:
        """Draw it (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            extent: degrees of visual angle from the middle to a side.
            kw: passed to `ax.imshow`.

        Returns:
            The axes.
        """
        ax = axes_of(ax)
        sides = (-extent, extent, -extent, extent)
        ax.imshow(
            self.image(extent=extent),
            **{"cmap": "gray", "vmin": 0, "vmax": 1, "extent": sides} | kw,
        )
        ax.set(xlabel="x (degrees)", ylabel="y (degrees)")
        return ax


@quickly_compiled
def _drive(patches: tuple[Patch | Seen, ...], fields: Fields) -> Float[Array, " n"]:
    return root(jnp.sum(jnp.stack([patch.energy(fields) for patch in patches]), axis=0), 2)


def as_scalars(*values: Any) -> list[Array]:
    """The numbers as scalars of one floating dtype."""
    dtype = common_dtype(*values)
    return [jnp.asarray(value, dtype) for value in values]
