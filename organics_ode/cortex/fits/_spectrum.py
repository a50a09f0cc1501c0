"""Power spectra as a peak on top of an aperiodic part."""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._cards import carded
from ..._checks import refuse
from ..._types import Numbers
from ._fitted import AbstractFitted, best_linear, curve_of, fitted, read_points

_INF = float("inf")
_BOUNDS = {
    "offset": (-_INF, _INF),
    "exponent": (-_INF, _INF),
    "height": (-_INF, _INF),
    "frequency": (0.0, _INF),
    "width": (0.0, _INF),
}


@carded
class PeakAndSlope(AbstractFitted):
    """A power spectrum as ln S = offset − exponent ln f + height exp(−(f − frequency)²/2 width²).

    - `frequency`, `width`: Hz, the centre and the standard deviation of the peak. `height`: of the
      peak in log power: the peak is exp(height) times as high as the aperiodic part.
    - `exponent`, `offset`: of the aperiodic part, exp(offset)/f^exponent.

    Both `data` and the curve are logarithms of the power.
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
    def frequency(self) -> float:
        return self.values["frequency"]

    @property
    def width(self) -> float:
        return self.values["width"]

    @property
    def height(self) -> float:
        return self.values["height"]

    @property
    def exponent(self) -> float:
        return self.values["exponent"]

    @property
    def offset(self) -> float:
        return self.values["offset"]

    @property
    def labels(self) -> tuple[str, str]:
        return "frequency (Hz)", "ln power"

    @property
    def units(self) -> dict[str, str]:
        return {"frequency": "Hz", "width": "Hz"}

    def __call__(self, xs: Numbers) -> Float[np.ndarray, " k"]:
        return curve_of(_log_power, self.values, xs)


def fit_spectrum(
    frequencies: Numbers, power: Numbers, *, noise: Numbers | None = None
) -> PeakAndSlope:
    """Fit one peak on top of an aperiodic part to a power spectrum (host).

        ln S(f) = offset − exponent ln f + height exp(−(f − frequency)²/2 width²)

    Least squares of the logarithm in float64: a grid of the peak's centre and width, then the
    Levenberg–Marquardt method. To fit the spectrum of the circuit itself, see `fit_circuit`.

    Args:
        frequencies: (k,), Hz, > 0; pass only the band that the two parts should describe.
        power: (k,), > 0.
        noise: the standard deviation of ln S, a number or (k,), such as 1/√m for a mean of m
            periodograms; by default it is taken to be the same for all, and estimated from the
            residuals.

    Returns:
        A `PeakAndSlope`.

    Warns:
        oo.Unidentified: the points do not determine a parameter, such as the width when there is no
            peak.

    Raises:
        ValueError: an argument is bad or NaN, or there are fewer points than parameters.

    Reference:
        Donoghue et al., "Parameterizing neural power spectra into periodic and aperiodic
        components", Nature Neuroscience 23 (2020).
    """
    f, S, noise = read_points("frequencies", frequencies, "power", power, noise)
    for name, values in (("frequencies", f), ("power", S)):
        if np.any(values <= 0):
            refuse(name, "be positive", f"its smallest value is {values.min():g}")
    points = f, np.log(S), noise
    return PeakAndSlope(**fitted(_log_power, points, _start(*points), {}, _BOUNDS, "power"))


def _log_power(v: dict[str, Array], f: Float[Array, " k"]) -> Float[Array, " k"]:
    bump = jnp.exp(-((f - v["frequency"]) ** 2) / (2 * v["width"] ** 2))
    return v["offset"] - v["exponent"] * jnp.log(f) + v["height"] * bump


def _start(f: np.ndarray, data: np.ndarray, noise: Any) -> dict[str, float]:
    span = float(np.ptp(f)) or 1.0
    centres = np.linspace(f.min(), f.max(), 40)[1:-1].tolist()
    grid = list(itertools.product(centres, (span * np.array([0.02, 0.05, 0.1, 0.2])).tolist()))

    def shapes(centre: float, width: float) -> np.ndarray:
        bump = np.exp(-((f - centre) ** 2) / (2 * width**2))
        return np.stack([np.ones_like(f), -np.log(f), bump], axis=1)

    weights = np.ones_like(f) if noise is None else 1 / noise
    (centre, width), (offset, exponent, height) = best_linear(shapes, grid, data, weights)
    start = {"offset": float(offset), "exponent": float(exponent), "height": float(height)}
    return start | {"frequency": centre, "width": width}
