"""Images as stimuli, seen through quadrature pairs of oriented filters."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._cards import Card, carded, plain, summary
from ..._checks import as_known_array, check_positive_number, refuse, shown
from ..._types import Numbers, Scalar
from .._read import read_contrast, read_position
from ._seen import Seen
from ._stimulus import AbstractStimulus, as_scalars


@carded
class Image(AbstractStimulus):
    """An image on the screen, seen through quadrature pairs of oriented filters.

        z_i = c ∫ G(x − x_i) |h_i ∗ m|(x) dx

    Here G is the receptive field, m the luminance relative to the midpoint of the darkest and the
    brightest pixel, from −1 to 1, and h_i a complex filter whose response to a grating of its
    preferred frequency is RF_i(θ): such a grating over the whole field drives units as
    `cortex.Grating` does. Make one by `cortex.from_image` or `cortex.from_stimupy`.

    - `pixels`: (rows, columns), m/c. `contrast`: c, the Michelson contrast. `degrees`: the
      (height, width) of a pixel.
    """

    pixels: Float[Array, "rows columns"]
    contrast: Scalar
    degrees: tuple[float, float]
    position: tuple[float, float]
    spatial_frequency: float
    bandwidth: float

    def patches(self) -> tuple[Seen, ...]:
        c, *_ = as_scalars(self.contrast, self.pixels.dtype.type(0))
        place = (self.degrees, self.position, self.spatial_frequency, self.bandwidth)
        return (Seen(self.pixels.astype(c.dtype), c, *place),)

    @property
    def peak_contrast(self) -> Scalar:
        return self.contrast

    def at(self, contrast: Scalar) -> "Image":
        return eqx.tree_at(lambda s: s.contrast, self, read_contrast("contrast", contrast))

    def _card(self) -> Card:
        if np.ndim(self.pixels) != 2:  # a batch, or a tree of no numbers
            return plain(self)
        rows, columns = self.pixels.shape
        height, width = rows * self.degrees[0], columns * self.degrees[1]
        facts = {
            "size": f"{width:.4g} by {height:.4g} degrees",
            "contrast": summary(self.contrast),
            "frequency": f"{self.spatial_frequency:.4g} cycles/degree",
        }
        return Card(f"Image: {rows} by {columns} pixels", facts)


def from_image(
    image: Numbers,
    *,
    pixels_per_degree: Numbers,
    spatial_frequency: float = 1.0,
    bandwidth: float = 1.0,
    position: Numbers = (0.0, 0.0),
) -> Image:
    """Turn an image into a stimulus.

    Args:
        image: (rows, columns), luminances ≥ 0, the first row on top.
        pixels_per_degree: of visual angle, a number, or (vertical, horizontal).
        spatial_frequency: the preferred frequency of the units, cycles per degree; below half the
            pixels per degree.
        bandwidth: of the units, octaves, full width at half height.
        position: (x, y), the centre of the image, degrees of visual angle.

    Returns:
        An `Image`, which populations accept like any other stimulus.

    Raises:
        ValueError: an argument is bad: NaN or negative luminances, a wrong shape, or a frequency
            that the pixels cannot represent.

    Reference:
        Simoncelli, Freeman, "The steerable pyramid", ICIP (1995).
    """
    array = np.asarray(as_known_array("image", image), float)
    if array.ndim != 2 or min(array.shape) < 2:
        hint = "; take the mean over its colours" if array.ndim == 3 else ""
        refuse("image", "have shape (rows, columns)", f"its shape is {array.shape}{hint}")
    if not np.all(np.isfinite(array)) or array.min() < 0:
        refuse("image", "hold finite luminances of at least 0", f"one is {_bad(array):g}")
    ppd = _read_pair("pixels_per_degree", pixels_per_degree, "(vertical, horizontal)")
    frequency = float(check_positive_number("spatial_frequency", spatial_frequency))
    width = float(check_positive_number("bandwidth", bandwidth))
    if frequency > min(ppd) / 2:
        most = f"be at most half of the pixels per degree, {min(ppd) / 2:g}"
        refuse("spatial_frequency", most, f"it is {frequency:g}")
    middle, reach = (array.max() + array.min()) / 2, (array.max() - array.min()) / 2
    pixels = (array - middle) / (reach or 1)
    place = ((1 / ppd[0], 1 / ppd[1]), read_position("position", position), frequency, width)
    return Image(jnp.asarray(pixels), float(reach / middle) if middle else 0.0, *place)


def from_stimupy(
    stimulus: Mapping[str, Any],
    *,
    spatial_frequency: float = 1.0,
    bandwidth: float = 1.0,
    position: Numbers = (0.0, 0.0),
) -> Image:
    """Turn a dictionary made by the package stimupy into a stimulus.

    Its `img` is the image; the scale is taken from `ppd`, pixels per degree, or from `visual_size`,
    the (height, width) of the image in degrees. The package itself is not needed.

    Args:
        stimulus: the dictionary.
        spatial_frequency, bandwidth, position: as for `from_image`.

    Returns:
        An `Image`.

    Raises:
        ValueError: the dictionary has no image or no size, or as for `from_image`.

    Reference:
        Schmittwilken, Maertens, Vincent, "stimupy: a Python package for creating stimuli in vision
        science", Journal of Open Source Software 8 (2023).
    """
    if not isinstance(stimulus, Mapping) or stimulus.get("img") is None:
        found = (
            f"its keys are {sorted(map(str, stimulus))}" if isinstance(stimulus, Mapping) else ""
        )
        must = "be a dictionary of stimupy's, with the key `img`"
        refuse("stimulus", must, found or f"it is {shown(stimulus)}")
    ppd: Any = stimulus.get("ppd")
    size = stimulus.get("visual_size")
    if not _is_known(ppd) and not _is_known(size):
        must = "say how large it is, by `ppd` or `visual_size`"
        refuse("stimulus", must, "both are missing or None")
    if not _is_known(ppd):
        rows, columns = np.shape(stimulus["img"])[:2]
        height, width = _read_pair("visual_size", size, "(height, width)")
        ppd = (rows / height, columns / width)
    more = {"spatial_frequency": spatial_frequency, "bandwidth": bandwidth, "position": position}
    return from_image(stimulus["img"], pixels_per_degree=ppd, **more)


def _is_known(value: Any) -> bool:
    return value is not None and not any(v is None for v in np.ravel(np.asarray(value, object)))


def _read_pair(name: str, value: Any, pair: str) -> tuple[float, float]:
    array = np.asarray(as_known_array(name, value))
    is_good = array.dtype.kind in "iuf" and array.shape in ((), (2,))
    if not is_good or not np.all((array > 0) & np.isfinite(array)):
        refuse(name, f"be a positive number, or {pair}", f"it is {shown(value)}")
    vertical, horizontal = (float(v) for v in np.broadcast_to(array, (2,)))
    return vertical, horizontal


def _bad(array: np.ndarray) -> float:
    return float(array[~(np.isfinite(array) & (array >= 0))][0])
