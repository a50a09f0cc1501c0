"""Size tuning as a ratio of Gaussians."""

import itertools
import math
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from ..._cards import carded
from ..._checks import read_number
from ..._types import Numbers
from .._read import read_lengths
from ._fitted import AbstractFitted, best_linear, curve_of, fitted, read_points

_INF = float("inf")
_POSITIVE = ("center_gain", "center_width", "surround_gain", "surround_width")
_BOUNDS = dict.fromkeys(_POSITIVE, (0.0, _INF)) | {"baseline": (-_INF, _INF)}


@carded
class RatioOfGaussians(AbstractFitted):
    """Size tuning as k_c L(r; w_c)/(1 + k_s L(r; w_s)) + baseline, L(r; w) = erf(r/w)².

    - `center_gain`, `surround_gain`: k_c and k_s. `center_width`, `surround_width`: w_c and w_s,
      degrees. `baseline`.
    - `preferred`: degrees, the radius, within the range of the points, with the largest response.
    - `suppression`: 1 − R(largest radius)/R(preferred), without the baseline.
    """

    xs: Float[np.ndarray, " k"]
    data: Float[np.ndarray, " k"]
    values: dict[str, float]
    standard_errors: dict[str, float]
    names: tuple[str, ...]
    covariance: Float[np.ndarray, "p p"]
    residuals: Float[np.ndarray, " k"]
    noise: float
    succeeded: bool

    @property
    def center_gain(self) -> float:
        return self.values["center_gain"]

    @property
    def center_width(self) -> float:
        return self.values["center_width"]

    @property
    def surround_gain(self) -> float:
        return self.values["surround_gain"]

    @property
    def surround_width(self) -> float:
        return self.values["surround_width"]

    @property
    def baseline(self) -> float:
        return self.values["baseline"]

    @property
    def preferred(self) -> float:
        fine = np.linspace(self.xs.min(), self.xs.max(), 2001)
        return float(fine[np.argmax(self(fine))])

    @property
    def suppression(self) -> float:
        best, last = self(np.array([self.preferred, self.xs.max()])) - self.baseline
        return float(1 - last / best)

    @property
    def labels(self) -> tuple[str, str]:
        return "radius (degrees)", "response"

    @property
    def units(self) -> dict[str, str]:
        return {"center_width": "degrees", "surround_width": "degrees"}

    def __call__(self, xs: Numbers) -> Float[np.ndarray, " k"]:
        return curve_of(_ratio, self.values, xs)


def fit_size_tuning(
    radii: Numbers,
    responses: Numbers,
    *,
    baseline: float | None = 0.0,
    noise: Numbers | None = None,
) -> RatioOfGaussians:
    """Fit a ratio of Gaussians to size tuning (host).

        R(r) = k_c L(r; w_c) / (1 + k_s L(r; w_s)) + baseline,   L(r; w) = erf(r/w)²

    Least squares in float64: a grid of k_s, w_c and w_s, then the Levenberg–Marquardt method.

    Args:
        radii: (k,), degrees of visual angle.
        responses: (k,), of one unit, such as `response.responses[:, unit]`.
        baseline: the value to hold it at; None to fit it.
        noise: as for `fit_naka_rushton`.

    Returns:
        A `RatioOfGaussians`.

    Warns:
        oo.Unidentified: the points do not determine a parameter, such as those of the surround if
            nothing is suppressed.

    Raises:
        ValueError: an argument is bad or NaN, or there are fewer points than parameters.

    Reference:
        Cavanaugh, Bair, Movshon, "Nature and interaction of signals from the receptive field center
        and surround in macaque V1 neurons", J. Neurophysiology 88 (2002).
    """
    points = read_points("radii", radii, "responses", responses, noise)
    read_lengths("radii", points[0])
    held = {} if baseline is None else {"baseline": read_number("baseline", baseline)}
    start = _start(*points, baseline)
    return RatioOfGaussians(**fitted(_ratio, points, start, held, _BOUNDS, "responses"))


def _ratio(v: dict[str, Array], r: Float[Array, " k"]) -> Float[Array, " k"]:
    center = jax.scipy.special.erf(r / v["center_width"]) ** 2
    surround = jax.scipy.special.erf(r / v["surround_width"]) ** 2
    return v["center_gain"] * center / (1 + v["surround_gain"] * surround) + v["baseline"]


def _start(r: np.ndarray, data: np.ndarray, noise: Any, baseline: float | None) -> dict[str, float]:
    widths = np.geomspace(r.min() / 2, 2 * r.max(), 12).tolist()
    grid = list(itertools.product((0.1, 0.5, 2.0, 8.0, 30.0), widths, widths))
    known = 0.0 if baseline is None else baseline
    covered = {w: np.array([math.erf(each / w) for each in r]) ** 2 for w in widths}

    def shapes(k_s: float, w_c: float, w_s: float) -> np.ndarray:
        one = covered[w_c] / (1 + k_s * covered[w_s])
        return one[:, None] if baseline is not None else np.stack([one, np.ones_like(r)], axis=1)

    weights = np.ones_like(r) if noise is None else 1 / noise
    (k_s, w_c, w_s), linear = best_linear(shapes, grid, data - known, weights)
    size = max(float(linear[0]), 1e-3 * float(np.ptp(data)), float(np.finfo(float).tiny))
    start = {"center_gain": size, "center_width": w_c, "surround_gain": k_s, "surround_width": w_s}
    return start | {"baseline": known if baseline is not None else float(linear[1])}
